package main

import (
	"fmt"

	"heed/store"
)

type keyCommand struct {
	List   keyListCommand   `cmd:"" help:"List the keys, without their secrets."`
	Rotate keyRotateCommand `cmd:"" help:"Make a new link key; the old ones stay valid."`
}

type keyListCommand struct{ output }

// Help shows an example.
func (keyListCommand) Help() string {
	return "Link keys seal the links in mails. The newest seals, all open.\n\nExample: heed key list"
}

// keyView is one key.
type keyView struct {
	Kind  string `json:"kind"` // link | dkim
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
	for _, one := range all {
		if err := a.show(one, func() {
			a.say("%-5s %-16s %s", one.Kind, one.ID, map[bool]string{true: "in use", false: "still opens old links"}[one.Seals])
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
