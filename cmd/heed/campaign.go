package main

import (
	"errors"
	"fmt"
	"time"

	"heed/store"
)

type campaignCommand struct {
	New      campaignNewCommand      `cmd:"" help:"Check a campaign file and store it as a draft."`
	List     campaignListCommand     `cmd:"" help:"List the campaigns."`
	Check    campaignCheckCommand    `cmd:"" help:"Look for what would go wrong, and for whom a value is missing."`
	Preview  campaignPreviewCommand  `cmd:"" help:"Show the message as one person would get it."`
	Test     campaignTestCommand     `cmd:"" help:"Send the message, marked [TEST], to an address of yours."`
	Audience campaignAudienceCommand `cmd:"" help:"Count who would get it now, and who not and why."`
	Schedule campaignScheduleCommand `cmd:"" help:"Set when it begins."`
	Start    campaignStartCommand    `cmd:"" help:"Begin at once."`
	Pause    campaignPauseCommand    `cmd:"" help:"Stop for now; nothing is in flight when the command returns."`
	Resume   campaignResumeCommand   `cmd:"" help:"Go on after a pause."`
	Confirm  campaignConfirmCommand  `cmd:"" help:"Let a campaign go on that a restore has put on hold."`
	Cancel   campaignCancelCommand   `cmd:"" help:"End it: whoever still waits does not get it."`
	Wait     campaignWaitCommand     `cmd:"" help:"Wait until it has ended."`
	Status   campaignStatusCommand   `cmd:"" help:"Tell where everybody stands."`
	Results  campaignResultsCommand  `cmd:"" help:"List what became of each recipient."`
	Prune    campaignPruneCommand    `cmd:"" help:"Keep only the sums of a campaign that has ended."`
	Resend   campaignResendCommand   `cmd:"" help:"Try again whoever did not get it."`
}

// one is the campaign that a command is about.
type one struct {
	ID string `arg:"" help:"Number of the campaign."`
	output
}

func (o one) open(a *app) (*store.Store, store.Campaign, error) {
	id, err := number(o.ID, "campaign")
	if err != nil {
		return nil, store.Campaign{}, err
	}
	s, err := a.store()
	if err != nil {
		return nil, store.Campaign{}, err
	}
	c, err := s.Campaign(a.ctx, id)
	return s, c, err
}

// stateView is what a step answers.
type stateView struct {
	ID       string     `json:"id"`
	State    string     `json:"state"`
	At       *time.Time `json:"scheduled,omitempty"`
	InFlight *int       `json:"in_flight,omitempty"`
}

// tellState reads the campaign again and tells its state.
func (a *app) tellState(s *store.Store, id int64, inFlight *int) error {
	c, err := s.Campaign(a.ctx, id)
	if err != nil {
		return err
	}
	view := stateView{ID: decimal(id), State: c.State, InFlight: inFlight}
	if c.State == "scheduled" {
		view.At = &c.Scheduled
	}
	return a.show(view, func() {
		a.say("campaign %d is %s%s", id, c.State, describe(view))
	})
}

func describe(v stateView) string {
	switch {
	case v.At != nil:
		return " for " + v.At.Format(time.RFC3339)
	case v.InFlight != nil && *v.InFlight > 0:
		return fmt.Sprintf("; %d messages were still on their way", *v.InFlight)
	}
	return ""
}

type campaignListCommand struct{ output }

// Help shows an example.
func (campaignListCommand) Help() string { return "Example: heed campaign list" }

// Run lists the campaigns, one a line.
func (c *campaignListCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	all, err := s.Campaigns(a.ctx)
	if err != nil {
		return err
	}
	engine, err := s.Engine(a.ctx)
	if err != nil {
		return err
	}
	moves := false
	for _, one := range all {
		causes, err := s.Standing(a.ctx, one, nil, engine)
		if err != nil {
			return err
		}
		moves = moves || one.State == "sending" || one.State == "scheduled"
		view := struct {
			ID      string        `json:"id"`
			Name    string        `json:"name"`
			Class   string        `json:"class"`
			State   string        `json:"state"`
			Because []becauseView `json:"because,omitempty"`
		}{decimal(one.ID), one.Name, string(one.Class), one.State, because(decimal(one.ID), causes)}
		if err := a.show(view, func() { a.say("%6d  %-10s %-14s %s", one.ID, one.State, one.Class, one.Name) }); err != nil {
			return err
		}
	}
	if len(all) == 0 && !a.json {
		a.say("there is no campaign; heed campaign new FILE stores one")
	}
	if moves {
		for _, one := range because("", engine) {
			a.note("note: %s; %s", one.Says, one.Hint)
		}
	}
	return nil
}

type campaignScheduleCommand struct {
	one
	At               string `required:"" help:"When it begins: RFC 3339, or a date and time in UTC." placeholder:"TIME"`
	StartBy          string `help:"When it is too late to begin; it is then missed rather than sent late." placeholder:"TIME"`
	SkipUnrenderable bool   `help:"Leave out people for whom a value is missing."`
}

// Help shows an example.
func (campaignScheduleCommand) Help() string {
	return "Example: heed campaign schedule 12 --at 2026-12-01T09:00:00+01:00 --start-by 2026-12-01T12:00:00+01:00"
}

// Run sets when the campaign begins, once nothing speaks against it.
func (c *campaignScheduleCommand) Run(a *app) error {
	at, err := moment("--at", c.At)
	if err != nil {
		return err
	}
	by, err := moment("--start-by", c.StartBy)
	if err != nil {
		return err
	}
	if !by.IsZero() && !by.After(at) {
		return problem{exitUsage, errors.New("--start-by is not after --at: it could never begin"), ""}
	}
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	if err := a.fit(s, campaign, c.SkipUnrenderable); err != nil {
		return err
	}
	if err := s.Schedule(a.ctx, campaign.ID, at, by); err != nil {
		return err
	}
	return a.tellState(s, campaign.ID, nil)
}

func moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, problem{exitUsage, fmt.Errorf("%s is %q", flag, text), "write 2026-12-01T09:00:00+01:00, or 2026-12-01 09:00 for UTC"}
}

type campaignStartCommand struct {
	one
	SkipUnrenderable bool `help:"Leave out people for whom a value is missing."`
}

// Help shows an example.
func (campaignStartCommand) Help() string {
	return "The sending is done by heed serve, or heed worker and heed scheduler.\n\nExample: heed campaign start 12"
}

// Run begins the campaign, once nothing speaks against it.
func (c *campaignStartCommand) Run(a *app) error {
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	if by := campaign.StartBy; !by.IsZero() && time.Now().After(by) && (campaign.State == "draft" || campaign.State == "scheduled") {
		return problem{exitRefused, fmt.Errorf("campaign %d was to begin by %s at the latest", campaign.ID, by.Format(time.RFC3339)),
			"if it is still to go out, store it again with another start_by"}
	}
	if err := a.fit(s, campaign, c.SkipUnrenderable); err != nil {
		return err
	}
	if err := s.Start(a.ctx, campaign.ID); err != nil {
		return err
	}
	return a.tellState(s, campaign.ID, nil)
}

type campaignPauseCommand struct{ one }

// Help shows an example.
func (campaignPauseCommand) Help() string { return "Example: heed campaign pause 12" }

// Run pauses the campaign and waits for what is in flight.
func (c *campaignPauseCommand) Run(a *app) error {
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	n, err := s.Pause(a.ctx, campaign.ID, "")
	if err != nil {
		return err
	}
	return a.tellState(s, campaign.ID, &n)
}

type campaignResumeCommand struct{ one }

// Help shows an example.
func (campaignResumeCommand) Help() string { return "Example: heed campaign resume 12" }

// Run lets the campaign go on.
func (c *campaignResumeCommand) Run(a *app) error {
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	if err := s.Resume(a.ctx, campaign.ID); err != nil {
		return err
	}
	return a.tellState(s, campaign.ID, nil)
}

type campaignCancelCommand struct{ one }

// Help shows an example.
func (campaignCancelCommand) Help() string { return "Example: heed campaign cancel 12" }

// Run ends the campaign and waits for what is in flight.
func (c *campaignCancelCommand) Run(a *app) error {
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	n, err := s.Cancel(a.ctx, campaign.ID)
	if err != nil {
		return err
	}
	return a.tellState(s, campaign.ID, &n)
}
