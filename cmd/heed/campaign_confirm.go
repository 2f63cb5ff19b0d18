package main

import (
	"errors"
	"fmt"

	"heed/store"
)

type campaignConfirmCommand struct {
	ID  string `arg:"" optional:"" help:"Number of the campaign."`
	All bool   `help:"Every campaign that is on hold."`
	output
}

// Help tells when and shows an example.
func (campaignConfirmCommand) Help() string {
	return "After the database was put back from an older copy, campaigns are on hold: what the copy calls waiting may have been sent since. " +
		"Compare with the log and the relay's, cancel what was sent, and confirm the rest.\n\nExample: heed campaign confirm 12"
}

// Run lets one or all go on.
func (c *campaignConfirmCommand) Run(a *app) error {
	if (c.ID == "") != c.All {
		return problem{exitUsage, errors.New("name a campaign, or --all"), "heed campaign list shows which are on hold"}
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	ids, err := c.which(a, s)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.ConfirmCampaign(a.ctx, id); err != nil {
			return hinted(err, fmt.Sprintf("heed campaign status %d tells its state", id))
		}
		if err := a.tellState(s, id, nil); err != nil {
			return err
		}
	}
	return nil
}

func (c *campaignConfirmCommand) which(a *app, s *store.Store) (ids []int64, err error) {
	if !c.All {
		id, err := number(c.ID, "campaign")
		return []int64{id}, err
	}
	all, err := s.Campaigns(a.ctx, "draft", "scheduled", "sending", "paused")
	for _, one := range all {
		if one.Held != "" {
			ids = append(ids, one.ID)
		}
	}
	return ids, err
}
