package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"heed/store"
)

type backupCommand struct {
	File string `arg:"" help:"File to write, or a folder in which one is named by the time."`
	output
}

// Help tells what is not in it and shows an example.
func (backupCommand) Help() string {
	return "One SQLite file, whichever database it comes from. It is read back, and its ledger verified. Keys and journal are not in it: " +
		"keep copies of HEED_DATA/keys apart from it. With backup_recipients it is encrypted to these keys (age), so that this machine cannot read it; " +
		"a readable copy lies for a moment in a private folder beside the database, and never where the backup goes.\n\nExample: heed backup /backups/"
}

// Run makes the backup.
func (c *backupCommand) Run(a *app) error {
	conf, err := a.config()
	if err != nil {
		return err
	}
	keys, err := conf.backupKeys()
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	made, err := s.Backup(a.ctx, c.path(len(keys) > 0), keys...)
	if err != nil {
		return hinted(err, "name a new file in a folder that this user can write and that has room"+alsoRoom(len(keys) > 0))
	}
	return a.show(made, func() { a.sayBackup(made, keys) })
}

// path names the file. Its ending tells other programs that it is encrypted.
func (c *backupCommand) path(encrypted bool) string {
	if info, err := os.Stat(c.File); err != nil || !info.IsDir() {
		return c.File
	}
	name := "heed-" + time.Now().UTC().Format("20060102T150405Z") + ".backup"
	if encrypted {
		name += ".age"
	}
	return filepath.Join(c.File, name)
}

func alsoRoom(encrypted bool) string {
	if encrypted {
		return "; the folder of the database needs room for a copy too"
	}
	return ""
}

func (a *app) sayBackup(made store.Archive, keys []store.BackupKey) {
	a.say("%s: %d bytes, %d people, %d rows of the ledger, verified", made.File, made.Bytes, made.People, made.Ledger)
	if made.Encrypted {
		a.say("encrypted to %d keys; SHA-256 %s", len(keys), made.SHA256)
	}
}

type restoreCommand struct {
	File     string `arg:"" type:"existingfile" help:"File that heed backup has written."`
	Identity string `short:"i" help:"File of the secret key that opens an encrypted backup; - reads it from standard input." placeholder:"FILE"`
	Check    bool   `help:"Only look whether it can be restored; nothing is changed, and heed may run."`
	output
}

// Help tells the consequences and shows an example.
func (restoreCommand) Help() string {
	return "Every heed must be stopped. What is replaced is kept and named; delete it when it is not needed, since it holds people. " +
		"At the next start the journal is replayed before anything is sent, and every campaign is on hold until heed campaign confirm.\n\n" +
		"Example: heed restore /backups/heed-20260301T030000Z.backup.age --identity /safe/backup-identity.txt"
}

// Run restores the backup.
func (c *restoreCommand) Run(a *app) error {
	conf, err := a.config()
	if err != nil {
		return err
	}
	o := conf.storeOptions()
	if o.Identity, err = c.identity(); err != nil {
		return err
	}
	if o.BackupKeys, err = conf.backupKeys(); err != nil {
		return err
	}
	if c.Check {
		return c.check(a, o)
	}
	done, err := store.Restore(a.ctx, o, c.File)
	if err != nil {
		return explainRestore(err)
	}
	return a.show(done, func() { a.sayRestored(done) })
}

func (c *restoreCommand) check(a *app, o store.Options) error {
	found, err := store.CheckBackup(a.ctx, o, c.File)
	if err != nil {
		return explainRestore(err)
	}
	return a.show(found, func() {
		a.say("%s can be restored: as it was at %s, %d people, %d rows of the ledger, verified", found.File, found.At.Format(time.RFC3339), found.People, found.Ledger)
	})
}

// identity reads the secret key, if one was given.
func (c *restoreCommand) identity() (store.BackupIdentity, error) {
	if c.Identity == "" {
		return store.BackupIdentity{}, nil
	}
	from := io.Reader(os.Stdin)
	if c.Identity != "-" {
		f, err := os.Open(c.Identity)
		if err != nil {
			return store.BackupIdentity{}, hinted(fmt.Errorf("reading the identity: %w", err), "--identity names the file that heed key backup or age-keygen has written")
		}
		defer f.Close()
		from = f
	}
	identity, err := store.ParseBackupIdentity(from)
	return identity, hinted(err, "--identity names the file that heed key backup or age-keygen has written; one that is protected by a passphrase goes through age -d first: age -d FILE | heed restore BACKUP --identity -")
}

func explainRestore(err error) error {
	switch {
	case errors.Is(err, store.ErrRunning):
		return problem{exitRefused, err, "stop heed serve, web, worker, inbox and scheduler on every machine, then restore"}
	case errors.Is(err, store.ErrNoIdentity):
		return hinted(err, "nothing was changed; give --identity FILE, the file that was written when the key in backup_recipients was made")
	}
	return hinted(err, "nothing was changed; heed backup writes what can be restored")
}

func (a *app) sayRestored(done store.Restored) {
	a.say("the database is as it was at %s: %d people, %d rows of the ledger", done.At.Format(time.RFC3339), done.People, done.Ledger)
	if done.Old != "" {
		a.say("what was there lies in %s; delete it when it is not needed: it holds people", done.Old)
	}
	a.say("start heed: it replays the journal first; then look at every campaign and confirm or cancel it (heed campaign list)")
}
