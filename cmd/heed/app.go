package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"heed/store"
)

// app is what the commands work with. The configuration and the database are
// opened when a command first asks for them.
type app struct {
	voice
	ctx   context.Context
	flags settingFlags
	env   environment

	loaded *config
	opened *store.Store
}

// config loads the configuration once.
func (a *app) config() (*config, error) {
	if a.loaded == nil {
		c, err := loadConfig(a.flags, a.env)
		if err != nil {
			return nil, err
		}
		a.loaded = &c
	}
	return a.loaded, nil
}

// store opens the database once, with the topics and services of the
// configuration in it.
func (a *app) store() (*store.Store, error) {
	if a.opened != nil {
		return a.opened, nil
	}
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	policy, err := c.policy()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, hinted(fmt.Errorf("making the data folder: %w", err), "HEED_DATA must name a folder that this user can write")
	}
	o := c.storeOptions()
	o.Policy = policy
	s, err := store.Open(a.ctx, o)
	if err != nil {
		return nil, explainOpen(err)
	}
	a.opened = s
	if err := s.SyncTopics(a.ctx, named(topicsOf(c.Topics)), named(c.Services)); err != nil {
		return s, err
	}
	return s, c.syncWelcomes(a.ctx, s)
}

// storeOptions says where the database, the keys and the journal lie, and what
// rules hold.
func (c *config) storeOptions() store.Options {
	log := c.logger()
	return store.Options{URL: patient(c.DatabaseURL), Keys: c.keys(), Journal: c.journal(), Limits: c.limits(), Plan: c.plan(), Law: c.Law.law(), Retention: c.Retention.periods(), Hooks: c.hooks(false), Complaints: c.complaints(), Unauthenticated: c.Sender.Unauthenticated,
		JournalAway: func(err error) { log.Error("journal_unreachable", "error", err.Error()) }}
}

// explainOpen says what to do when the database does not open.
func explainOpen(err error) error {
	var network *net.OpError
	if errors.As(err, &network) {
		return hinted(err, "is the database server running, and does DATABASE_URL name its host and port?")
	}
	if strings.Contains(err.Error(), "authentication") {
		return hinted(err, "check user and password in DATABASE_URL or in the file that DATABASE_URL_FILE names")
	}
	return hinted(err, "check DATABASE_URL and HEED_DATA; heed config print shows where each came from")
}

func (a *app) close() {
	if a.opened != nil {
		a.opened.Close()
	}
}

// both opens what most commands need.
func (a *app) both() (*config, *store.Store, error) {
	c, err := a.config()
	if err != nil {
		return nil, nil, err
	}
	s, err := a.store()
	return c, s, err
}

// scrubbed is an error whose text shows no password.
type scrubbed struct {
	error
	text string
}

func (s scrubbed) Error() string { return s.text }

func (s scrubbed) Unwrap() error { return s.error }

// scrub takes passwords out of an error, whatever library put them there.
func (a *app) scrub(err error) error {
	if err == nil || a.loaded == nil {
		return err
	}
	text := err.Error()
	for _, secret := range a.loaded.secrets() {
		text = strings.ReplaceAll(text, secret, "xxxxx")
	}
	if text == err.Error() {
		return err
	}
	return scrubbed{err, text}
}

// number reads the id of a campaign or case.
func number(text, what string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, problem{exitUsage, fmt.Errorf("%q is no number of a %s", text, what), fmt.Sprintf("heed %s list shows the numbers", what)}
	}
	return id, nil
}

func decimal(id int64) string { return strconv.FormatInt(id, 10) }
