package main

import (
	"errors"

	"heed/store"
)

type campaignResendCommand struct {
	one
	Missing   bool `help:"Whoever was deferred or ran out of time." xor:"what"`
	Uncertain bool `help:"Whoever's message the relay never answered for: some may get it twice." xor:"what"`
}

// Help tells what is at stake and shows an example.
func (campaignResendCommand) Help() string {
	return "Only a person decides this. Opt-outs are asked again for each message, as on the first try.\n\nExample: heed campaign resend 12 --missing"
}

// Run puts people back among those who wait.
func (c *campaignResendCommand) Run(a *app) error {
	if !c.Missing && !c.Uncertain {
		return problem{exitUsage, errors.New("say who: --missing or --uncertain"), "see heed campaign resend --help"}
	}
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	who := store.ResendMissing
	if c.Uncertain {
		who = store.ResendUncertain
	}
	n, err := s.Resend(a.ctx, campaign.ID, who)
	if err != nil {
		return err
	}
	after, err := s.Campaign(a.ctx, campaign.ID)
	if err != nil {
		return err
	}
	view := struct {
		ID    string `json:"id"`
		State string `json:"state"`
		Again int    `json:"again"`
	}{decimal(campaign.ID), after.State, n}
	return a.show(view, func() { a.say("%d messages are tried again; campaign %d is %s", n, campaign.ID, after.State) })
}
