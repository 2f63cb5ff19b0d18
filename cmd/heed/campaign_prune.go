package main

import (
	"errors"

	"heed/store"
)

type campaignPruneCommand struct {
	one
	Early bool `help:"Also when it ended less than 30 days ago: mails that come back are then matched to nobody."`
}

// Help tells what goes, what stays, and shows an example.
func (campaignPruneCommand) Help() string {
	return "Deletes who got the campaign and keeps how many: its status still tells every figure, its results list nobody any more. [retention] results does the same by itself.\n\nExample: heed campaign prune 12"
}

// Run replaces the deliveries by their sums.
func (c *campaignPruneCommand) Run(a *app) error {
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	n, err := s.Prune(a.ctx, campaign.ID, c.Early)
	if errors.Is(err, store.ErrTooSoon) {
		hint := "wait 30 days from its end, or say --early if no mail that comes back is to be matched"
		if !campaign.Class.Marketing() {
			hint = "wait 30 days from its end"
		}
		return problem{exitRefused, err, hint}
	}
	if err != nil {
		return err
	}
	view := struct {
		ID     string `json:"id"`
		Pruned int    `json:"pruned"`
	}{decimal(campaign.ID), n}
	return a.show(view, func() { a.say("%d deliveries of campaign %d are kept as sums", n, campaign.ID) })
}
