package main

import (
	"errors"
	"fmt"
	"os"

	"heed/store"
)

type keyCommand struct {
	List   keyListCommand   `cmd:"" help:"List the keys, without their secrets."`
	Rotate keyRotateCommand `cmd:"" help:"Make a new link key; the old ones stay valid."`
	Backup keyBackupCommand `cmd:"" help:"Make a pair of keys for encrypted backups."`
}

type keyListCommand struct{ output }

// Help shows an example.
func (keyListCommand) Help() string {
	return "Link keys seal the links in mails. The newest seals, all open.\n\nExample: heed key list"
}

// keyView is one key.
type keyView struct {
	Kind  string `json:"kind"` // link | dkim | backup
	ID    string `json:"id"`
	Seals bool   `json:"seals"` // used for what is sent now
}

// Run lists the keys, one a line.
func (c *keyListCommand) Run(a *app) error {
	conf, s, err := a.both()
	if err != nil {
		return err
	}
	ids := store.LinkIDs(s.Keys().Links)
	var all []keyView
	for i, id := range ids {
		all = append(all, keyView{"link", fmt.Sprint(id), i == len(ids)-1})
	}
	for _, key := range conf.Sender.DKIM {
		all = append(all, keyView{"dkim", key.Selector, true})
	}
	backups, err := conf.backupKeys()
	if err != nil {
		return err
	}
	for _, key := range backups {
		all = append(all, keyView{"backup", key.String(), true})
	}
	for _, one := range all {
		if err := a.show(one, func() {
			a.say("%-6s %-16s %s", one.Kind, one.ID, map[bool]string{true: "in use", false: "still opens old links"}[one.Seals])
		}); err != nil {
			return err
		}
	}
	return nil
}

type keyRotateCommand struct{ output }

// Help tells the consequence and shows an example.
func (keyRotateCommand) Help() string {
	return "Links that were mailed before stay valid for ever. Running processes take the new key when they are started again.\n\nExample: heed key rotate"
}

// Run makes the next link key.
func (c *keyRotateCommand) Run(a *app) error {
	conf, _, err := a.both()
	if err != nil {
		return err
	}
	id, err := store.RotateLinks(conf.keys())
	if err != nil {
		return err
	}
	return a.show(keyView{"link", fmt.Sprint(id), true}, func() {
		a.say("link key %d seals the links of everything sent after the next start of heed serve", id)
		a.say("Keep a copy of %s in a safe place: without the keys no old link works.", conf.keys())
	})
}

type keyBackupCommand struct {
	File        string `arg:"" help:"File to write the secret key to; it must not exist."`
	PostQuantum bool   `name:"post-quantum" help:"A kind of key that computers of the future cannot break either; its public part is long, and best kept in a file."`
	output
}

// Help tells where the two go and shows an example.
func (keyBackupCommand) Help() string {
	return "The public key goes into backup_recipients; the file opens every backup that is encrypted to it. Make it where restores are made, or move it there: " +
		"a machine that makes backups needs it never. Without the file no encrypted backup can be read by anybody, so keep two copies. age-keygen makes the same kind.\n\n" +
		"Example: heed key backup /safe/backup-identity.txt"
}

// backupKeyView is a pair that was made.
type backupKeyView struct {
	File      string `json:"file"`
	Recipient string `json:"recipient"`
}

// Run makes the pair.
func (c *keyBackupCommand) Run(a *app) error {
	identity, public, err := store.NewBackupKey(c.PostQuantum)
	if err != nil {
		return err
	}
	if err := writeFresh(c.File, identity); err != nil {
		return hinted(fmt.Errorf("writing the secret key: %w", err), "name a new file in a folder that this user can write; what exists is never replaced")
	}
	return a.show(backupKeyView{c.File, public}, func() {
		a.say("%s opens the backups; keep two copies, none of them on the machine that makes backups", c.File)
		a.say("backup_recipients = %q", public)
	})
}

// writeFresh writes a file that only its owner may read, and replaces none.
func writeFresh(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
