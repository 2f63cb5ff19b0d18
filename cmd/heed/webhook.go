package main

import (
	"context"
	"errors"
	"time"

	"heed/store"
)

type webhookCommand struct {
	List   webhookListCommand   `cmd:"" help:"List the webhooks, and how they fare."`
	Test   webhookTestCommand   `cmd:"" help:"Send a webhook a message that says nothing."`
	Enable webhookEnableCommand `cmd:"" help:"Tell a webhook again that was put off, and all that it has missed."`
	Replay webhookReplayCommand `cmd:"" help:"Tell a webhook again what happened within some days."`
}

// webhookView is a webhook as it is printed.
type webhookView struct {
	ID      string     `json:"id"`
	State   string     `json:"state"` // on | off
	Test    bool       `json:"test"`  // of the sandbox
	Events  []string   `json:"events"`
	Waiting int        `json:"waiting"` // messages that it has not taken yet
	Failing *time.Time `json:"failing,omitempty"`
	Next    *time.Time `json:"next,omitempty"` // when it is tried again
	Stopped *time.Time `json:"stopped,omitempty"`
}

type webhookListCommand struct{ output }

// Help shows an example.
func (webhookListCommand) Help() string { return "Example: heed webhook list" }

// Run lists the webhooks of the configuration, one a line.
func (c *webhookListCommand) Run(a *app) error {
	conf, s, err := a.both()
	if err != nil {
		return err
	}
	known, err := hookStates(a.ctx, s)
	if err != nil {
		return err
	}
	tried, err := a.sandboxStates(conf)
	if err != nil {
		return err
	}
	for _, one := range conf.Webhook {
		h := known[one.ID]
		if one.Test {
			h = tried[one.ID]
		}
		v := webhookView{ID: one.ID, Test: one.Test, State: h.State, Events: one.Events, Waiting: h.Waiting, Failing: orNil(h.Failing), Next: orNil(h.Rest), Stopped: orNil(h.Stopped)}
		if v.State == "" {
			v.State = "on"
		}
		if err := a.show(v, func() { a.sayWebhook(v) }); err != nil {
			return err
		}
	}
	return nil
}

func hookStates(ctx context.Context, s *store.Store) (map[string]store.HookState, error) {
	states, err := s.HookStates(ctx)
	known := map[string]store.HookState{}
	for _, one := range states {
		known[one.ID] = one
	}
	return known, err
}

// sandboxStates is empty where no webhook hears of the sandbox.
func (a *app) sandboxStates(conf *config) (map[string]store.HookState, error) {
	if len(conf.hooks(true)) == 0 {
		return nil, nil
	}
	s, err := conf.sandboxStore(a.ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return hookStates(a.ctx, s)
}

func (a *app) sayWebhook(v webhookView) {
	fares := ""
	switch {
	case v.Stopped != nil:
		fares = ", put off on " + v.Stopped.Format(time.DateTime) + "; heed webhook enable " + v.ID
	case v.Failing != nil:
		fares = ", takes nothing since " + v.Failing.Format(time.DateTime)
		if v.Next != nil {
			fares += ", tried again at " + v.Next.Format(time.DateTime)
		}
		fares += "; webhook_failed in the log says why"
	}
	if v.Test {
		fares = ", of the sandbox" + fares
	}
	a.say("%-20s %-3s %d waiting%s", v.ID, v.State, v.Waiting, fares)
}

// oneWebhook is the argument that names one.
type oneWebhook struct {
	ID string `arg:"" help:"Its id in the configuration."`
	output
}

// open gives the store whose events the webhook is told; done closes it where
// it is that of the sandbox.
func (o oneWebhook) open(a *app) (s *store.Store, done func(), err error) {
	conf, err := a.config()
	if err != nil {
		return nil, nil, err
	}
	if len(conf.Webhook) == 0 {
		return nil, nil, problem{exitUsage, errors.New("there is no webhook"), "[[webhook]] in heed.toml names one; heed config example shows how"}
	}
	if err := oneOf("webhook", o.ID, conf.webhookIDs()); err != nil {
		return nil, nil, err
	}
	if !conf.testHook(o.ID) {
		s, err = a.store()
		return s, func() {}, err
	}
	if s, err = conf.sandboxStore(a.ctx); err != nil {
		return nil, nil, err
	}
	return s, func() { s.Close() }, nil
}

type webhookTestCommand struct{ oneWebhook }

// Help shows an example.
func (webhookTestCommand) Help() string {
	return "The message is sent by heed serve or heed worker, like every other; heed webhook list tells whether it was taken.\n\nExample: heed webhook test shop"
}

// Run writes the message.
func (c *webhookTestCommand) Run(a *app) error {
	s, done, err := c.open(a)
	if err != nil {
		return err
	}
	defer done()
	if err := s.TestHook(a.ctx, c.ID); err != nil {
		return err
	}
	return a.show(map[string]string{"id": c.ID}, func() { a.say("webhook %s is sent webhook.test", c.ID) })
}

type webhookEnableCommand struct{ oneWebhook }

// Help shows an example.
func (webhookEnableCommand) Help() string { return "Example: heed webhook enable shop" }

// Run lets it be told again.
func (c *webhookEnableCommand) Run(a *app) error {
	s, done, err := c.open(a)
	if err != nil {
		return err
	}
	defer done()
	n, err := s.EnableHook(a.ctx, c.ID)
	return firstError(err, a.tellSentAgain(c.ID, n, err))
}

type webhookReplayCommand struct {
	oneWebhook
	Since time.Duration `help:"From how long ago on; at most 720h." default:"24h" placeholder:"TIME"`
}

// Help shows an example.
func (webhookReplayCommand) Help() string {
	return "Messages keep their webhook-id, so that a receiver can tell those that it has had.\n\nExample: heed webhook replay shop --since 48h"
}

// Run sends again.
func (c *webhookReplayCommand) Run(a *app) error {
	if c.Since <= 0 || c.Since > store.HooksFor {
		return problem{exitUsage, errors.New("--since must be more than nothing and at most 720h"), "what happened is kept for thirty days"}
	}
	s, done, err := c.open(a)
	if err != nil {
		return err
	}
	defer done()
	n, err := s.ReplayHook(a.ctx, c.ID, time.Now().Add(-c.Since))
	return firstError(err, a.tellSentAgain(c.ID, n, err))
}

func (a *app) tellSentAgain(id string, n int, err error) error {
	if err != nil {
		return nil
	}
	return a.show(map[string]any{"id": id, "messages": n}, func() { a.say("webhook %s: messages sent again: %d", id, n) })
}
