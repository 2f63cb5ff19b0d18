package main

import (
	"errors"
	"strings"
	"time"

	"heed/store"
)

type tokenCommand struct {
	Create tokenCreateCommand `cmd:"" help:"Make a key for a program; it is shown once."`
	List   tokenListCommand   `cmd:"" help:"List the keys of programs, without their secrets."`
	Revoke tokenRevokeCommand `cmd:"" help:"End a key from this moment on."`
}

// tokenView is a key as it is printed. Token is there only where it was just
// made.
type tokenView struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Prefix  string     `json:"prefix"`
	Token   string     `json:"token,omitempty"`
	Scopes  []string   `json:"scopes"`
	Test    bool       `json:"test"`
	State   string     `json:"state"` // active | expired | revoked
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
	Used    *time.Time `json:"used,omitempty"`
}

func viewToken(k store.APIKey) tokenView {
	return tokenView{ID: decimal(k.ID), Name: k.Name, Prefix: k.Prefix, Scopes: k.Scopes, Test: k.Test, State: k.State(time.Now()),
		Created: k.Created, Expires: orNil(k.Expires), Used: orNil(k.Used)}
}

type tokenCreateCommand struct {
	Name   string   `arg:"" help:"What will use it, such as \"shop backend\"."`
	Scopes []string `name:"scope" required:"" help:"What it is good for: send, contacts, preferences, campaigns, cases, suppressions, read-only or admin; several with commas. read-only beside others takes all changing away from them. partner:ID alone: the key of that partner, for its own feed and notices." placeholder:"SCOPE,…"`
	Test   bool     `help:"A key for the sandbox: it neither reads nor changes real people, and what it sends is handed to nobody."`
	Days   int      `help:"How many days it is good for, 0 for ever." default:"365"`
	output
}

// Help tells what to do with it and shows an example.
func (tokenCreateCommand) Help() string {
	return "The key is shown once and kept nowhere: put it into the secrets of the program at once. docs/api.md says what programs can do with it.\n\n" +
		"Example: heed token create \"shop backend\" --scope contacts,preferences,send\nExample: heed token create \"trying things\" --scope admin --test\nExample: heed token create \"acme's own\" --scope partner:acme"
}

// Run makes the key.
func (c *tokenCreateCommand) Run(a *app) error {
	conf, s, err := a.both()
	if err != nil {
		return err
	}
	k := store.APIKey{Name: c.Name, Scopes: c.Scopes, Test: c.Test}
	if k.Partner() != "" {
		if _, err := conf.partner(k.Partner()); err != nil {
			return err
		}
	}
	switch {
	case c.Days < 0:
		return problem{exitUsage, errors.New("--days is less than 0"), "0 makes a key that never expires"}
	case c.Days > 0:
		k.Expires = time.Now().AddDate(0, 0, c.Days)
	}
	secret, made, err := s.NewAPIKey(a.ctx, k)
	if err != nil {
		return problem{exitUsage, err, "see heed token create --help"}
	}
	v := viewToken(made)
	v.Token = secret
	return a.show(v, func() {
		a.say("%s", secret)
		a.note("This is the only time that the key is shown. heed token revoke %s ends it.", made.Prefix)
	})
}

type tokenListCommand struct{ output }

// Help shows an example.
func (tokenListCommand) Help() string { return "Example: heed token list" }

// Run lists the keys, one a line.
func (c *tokenListCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	all, err := s.APIKeys(a.ctx)
	for _, k := range all {
		v := viewToken(k)
		if err := a.show(v, func() {
			used := "never used"
			if v.Used != nil {
				used = "used " + v.Used.Format(time.DateTime)
			}
			a.say("%4s  %s…  %-8s %-30s %s, %s", v.ID, v.Prefix, v.State, v.Name, strings.Join(v.Scopes, ","), used)
		}); err != nil {
			return err
		}
	}
	return err
}

type tokenRevokeCommand struct {
	Key string `arg:"" help:"Its number, or how it begins, as heed token list shows it."`
	output
}

// Help shows an example.
func (tokenRevokeCommand) Help() string { return "Example: heed token revoke heed_live_k3x7q2ab" }

// Run ends the key.
func (c *tokenRevokeCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	k, err := s.RevokeAPIKey(a.ctx, strings.TrimSuffix(c.Key, "…"))
	if errors.Is(err, store.ErrNoKey) {
		return hinted(err, "heed token list shows the keys that there are")
	}
	if err != nil {
		return err
	}
	return a.show(viewToken(k), func() { a.say("key %s (%s) opens nothing any more", k.Prefix, k.Name) })
}
