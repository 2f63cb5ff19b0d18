package main

import (
	"errors"
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
		"keep copies of HEED_DATA/keys apart from it.\n\nExample: heed backup /backups/"
}

// Run makes the backup.
func (c *backupCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	file := c.File
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, "heed-"+time.Now().UTC().Format("20060102T150405Z")+".backup")
	}
	made, err := s.Backup(a.ctx, file)
	if err != nil {
		return hinted(err, "name a new file in a folder that this user can write and that has room")
	}
	return a.show(made, func() {
		a.say("%s: %d bytes, %d people, %d rows of the ledger, verified", made.File, made.Bytes, made.People, made.Ledger)
	})
}

type restoreCommand struct {
	File string `arg:"" type:"existingfile" help:"File that heed backup has written."`
	output
}

// Help tells the consequences and shows an example.
func (restoreCommand) Help() string {
	return "Every heed must be stopped. What is replaced is kept and named; delete it when it is not needed, since it holds people. " +
		"At the next start the journal is replayed before anything is sent, and every campaign is on hold until heed campaign confirm.\n\n" +
		"Example: heed restore /backups/heed-20260301T030000Z.backup"
}

// Run restores the backup.
func (c *restoreCommand) Run(a *app) error {
	conf, err := a.config()
	if err != nil {
		return err
	}
	done, err := store.Restore(a.ctx, conf.storeOptions(), c.File)
	if errors.Is(err, store.ErrRunning) {
		return problem{exitRefused, err, "stop heed serve, web, worker, inbox and scheduler on every machine, then restore"}
	}
	if err != nil {
		return hinted(err, "nothing was changed; heed backup writes what can be restored")
	}
	return a.show(done, func() {
		a.say("the database is as it was at %s: %d people, %d rows of the ledger", done.At.Format(time.RFC3339), done.People, done.Ledger)
		if done.Old != "" {
			a.say("what was there lies in %s; delete it when it is not needed: it holds people", done.Old)
		}
		a.say("start heed: it replays the journal first; then look at every campaign and confirm or cancel it (heed campaign list)")
	})
}
