package main

import (
	"time"

	"heed/store"
)

type explainCommand struct {
	Address string `arg:"" help:"E-mail address; it need not be stored."`
	output
}

// Help shows an example.
func (explainCommand) Help() string {
	return "What the address decided, when and on which way; what was sent to it, what not, and why.\n\nExample: heed explain ann@example.com"
}

// Run tells everything about one address.
func (c *explainCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	e, err := s.Explain(a.ctx, c.Address)
	if err != nil {
		return err
	}
	return a.show(e, func() { a.sayExplanation(e) })
}

func (a *app) sayExplanation(e store.Explanation) {
	known := "stored"
	if !e.Known {
		known = "nobody is stored under it"
	}
	a.say("%s (%s)", e.Email, known)
	a.sayState(e.State)
	a.say("What was decided:")
	for _, l := range e.Ledger {
		scope := l.Scope
		if l.Until != nil {
			scope += " until " + l.Until.Format(time.RFC3339)
		}
		a.say("  %s  %-18s %-5s by %s  %s", l.At.Format(time.RFC3339), scope, l.Choice, l.Via, l.Policy)
	}
	a.say("What was sent:")
	for _, m := range e.Messages {
		a.say("  %s  campaign %s (%s): %s %s", m.At.Format(time.RFC3339), m.Campaign, m.Name, m.Outcome, m.Reason)
	}
	for _, l := range e.Letters {
		a.say("  %s  letter (%s): %s", l.At.Format(time.RFC3339), l.Kind, l.State)
	}
}
