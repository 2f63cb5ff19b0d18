package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"heed/store"
)

type transferCommand struct {
	Export transferExportCommand `cmd:"" help:"Write everything that a buyer is bound by into one file."`
	Import transferImportCommand `cmd:"" help:"Take over such a file; refused where anything was left out or altered."`
}

type transferExportCommand struct {
	Out    string `required:"" help:"File to write, whole or not at all." placeholder:"FILE"`
	Second string `required:"" help:"Another person who looked as well." placeholder:"NAME"`
	byFlag
	output
}

// Help tells what is in it and shows an example.
func (transferExportCommand) Help() string {
	return `For a sale, an acquisition or a merger, after people were told by a notice (heed notice new, kind: sale). The file has the people, the whole ledger with its proofs, who must not be written to, also where nobody knows the address any more, and the versions of the policy. It holds personal data and the pepper of the address keys: hand it over encrypted, and the fingerprint that is printed on another way.

Example: heed transfer export --out harbour.transfer --by ann --second bo`
}

// Run writes it. Two people have to stand for it.
func (c *transferExportCommand) Run(a *app) error {
	by, err := c.staff(a)
	if err != nil {
		return err
	}
	if err := checkName(c.Second); err != nil {
		return err
	}
	if strings.EqualFold(by, strings.TrimSpace(c.Second)) || strings.TrimSpace(c.Second) == "" {
		return problem{exitRefused, errors.New("handing everybody's data over takes two people"), "name another one with --second"}
	}
	conf, s, err := a.both()
	if err != nil {
		return err
	}
	var sum store.Transferred
	err = writeWholeFile(c.Out, func(to io.Writer) (err error) {
		sum, err = s.ExportTransfer(a.ctx, to, conf.Sender.Name, store.StaffAct{Staff: by, Second: c.Second})
		return err
	})
	if err != nil {
		return err
	}
	return a.show(sum, func() {
		a.say("%s: %d people, %d rows of the ledger, %d limits without an address", c.Out, sum.People, sum.Rows, sum.Limits)
		a.say("fingerprint %s", sum.Fingerprint)
	})
}

// writeWholeFile makes a file that only its owner may read, or leaves the old
// one.
func writeWholeFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".heed")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}

type transferImportCommand struct {
	File        string `arg:"" help:"The file."`
	Fingerprint string `required:"" help:"What the seller told on another way than the file." placeholder:"HEX"`
	byFlag
	output
}

// Help tells what counts and shows an example.
func (transferImportCommand) Help() string {
	return `Refused (exit code 4), with nothing taken over, where a row of the ledger or a limit was left out or altered, or where somebody else sealed it. Each no of the file counts here; a yes counts only where nothing is on record. Whoever is among the limits without an address is known again when their address is stored. Topics must be in the configuration under the same ids. The whole file is read and checked before anything is taken over; meanwhile it lies on disk once more, in a file without a name (TMPDIR says where). An import that was cut short is begun again: what was taken stays, and nothing counts twice.

Example: heed transfer import harbour.transfer --fingerprint 1f2e… --by ann`
}

// Run takes it over.
func (c *transferImportCommand) Run(a *app) error {
	by, err := c.staff(a)
	if err != nil {
		return err
	}
	file, err := openInput(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	s, err := a.store()
	if err != nil {
		return err
	}
	sum, err := s.ImportTransfer(a.ctx, file, strings.ToLower(strings.TrimSpace(c.Fingerprint)), store.StaffAct{Staff: by})
	if err != nil {
		return refusal(err)
	}
	return a.show(sum, func() {
		a.say("from %s: %d people, %d rows of the ledger held, %d limits without an address", sum.From, sum.People, sum.Rows, sum.Limits)
		if sum.Again {
			a.say("it was taken over before: nothing counts twice")
		}
		if sum.IDsTaken > 0 {
			a.note("%d external ids belong to somebody else here and were left out: tell the products apart, such as by a prefix, before they use the API.", sum.IDsTaken)
		}
	})
}
