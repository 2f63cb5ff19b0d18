package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"heed/store"
)

type suppressCommand struct {
	Import suppressImportCommand `cmd:"" help:"Keep the addresses of a CSV file out."`
	Export suppressExportCommand `cmd:"" help:"Write the addresses that are kept out as CSV."`

	Batches suppressBatchesCommand `cmd:"" help:"List the floods of opt-outs by unproven mail."`
	Forged  suppressForgedCommand  `cmd:"" help:"Say that a batch was forged: each person is asked."`
	Genuine suppressGenuineCommand `cmd:"" help:"Say that a batch was not forged: its alarm ends."`
}

type suppressImportCommand struct {
	File string `arg:"" help:"CSV file in UTF-8 with a header line; - for standard input."`
	output
}

func suppressColumns() []string { return []string{"email", "scope", "at", "source"} }

// Help lists the columns and shows an example.
func (suppressImportCommand) Help() string {
	return "Columns: email, scope (all or topic:ID; empty means all), at, source. Addresses need not be stored.\n\nExample: heed suppress import stop.csv"
}

// suppressedView is what became of the rows.
type suppressedView struct {
	Added     int              `json:"added"`
	Unchanged int              `json:"unchanged"`
	Rejected  []store.Rejected `json:"rejected"`
}

// Run records the suppressions of the file.
func (c *suppressImportCommand) Run(a *app) error {
	file, err := openInput(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	t, err := newSheet(file, func(name string) bool { return slices.Contains(suppressColumns(), name) }, suppressColumns())
	if err != nil {
		return fmt.Errorf("importing %s: %w", c.File, err)
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	total := suppressedView{Rejected: []store.Rejected{}}
	for more := true; more; {
		var piece []store.Suppression
		if piece, more, err = readSuppressions(t, &total); err != nil {
			return fmt.Errorf("importing %s: %w", c.File, err)
		}
		changed, rejected, err := s.Suppress(a.ctx, piece)
		if err != nil {
			return err
		}
		total.Added += changed
		total.Unchanged += len(piece) - changed - len(rejected)
		total.Rejected = append(total.Rejected, rejected...)
	}
	slices.SortStableFunc(total.Rejected, func(x, y store.Rejected) int { return x.Row - y.Row })
	return a.show(total, func() {
		a.say("%d added, %d unchanged, %d rejected", total.Added, total.Unchanged, len(total.Rejected))
		for _, one := range total.Rejected {
			a.say("  line %d: %s", one.Row, one.Reason)
		}
	})
}

func readSuppressions(t *sheet, total *suppressedView) (piece []store.Suppression, more bool, err error) {
	for len(piece) < importPiece {
		row, line, err := t.row()
		var bad rowError
		if err == io.EOF {
			return piece, false, nil
		}
		if err != nil && !errors.As(err, &bad) {
			return piece, false, err
		}
		one, reason := suppressionOf(row, line, bad)
		if reason != "" {
			total.Rejected = append(total.Rejected, store.Rejected{Row: line, Reason: reason})
			continue
		}
		piece = append(piece, one)
	}
	return piece, true, nil
}

func suppressionOf(row map[string]string, line int, bad rowError) (store.Suppression, string) {
	if bad.reason != "" {
		return store.Suppression{}, bad.reason
	}
	at, err := when("at", row)
	if err != nil {
		return store.Suppression{}, err.Error()
	}
	if at.IsZero() {
		at = time.Now().UTC()
	}
	if at.After(time.Now().Add(time.Minute)) {
		return store.Suppression{}, "at lies in the future"
	}
	return store.Suppression{Row: line, Email: row["email"], Scope: row["scope"], At: at, Source: row["source"]}, ""
}

type suppressExportCommand struct{ output }

// Help tells the form and shows an example.
func (suppressExportCommand) Help() string {
	return "CSV on standard output, in the form that suppress import reads; with --json an object a line.\n\nExample: heed suppress export > stop.csv"
}

// Run writes everybody who is kept out. Where only the key of an address is
// left, after an erasure, there is nothing to write, and it is counted.
func (c *suppressExportCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	w := csv.NewWriter(a.out)
	if !a.json {
		if err := w.Write(suppressColumns()); err != nil {
			return err
		}
	}
	nameless := 0
	err = s.Suppressions(a.ctx, func(l store.SuppressedLine) error {
		at := l.At.UTC().Format(time.RFC3339)
		if l.Email == "" {
			nameless++
			return nil
		}
		if a.json {
			return a.line(map[string]string{"email": l.Email, "scope": l.Scope, "at": at, "source": l.Source})
		}
		return writeCSV(w, l.Email, l.Scope, at, l.Source)
	})
	w.Flush()
	if nameless > 0 {
		a.note("%s", strings.TrimSpace(fmt.Sprintf("%d more addresses are kept out whose text is not stored; heed knows them by their key", nameless)))
	}
	return firstError(err, w.Error())
}
