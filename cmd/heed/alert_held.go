package main

import (
	"errors"
	"fmt"
	"slices"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// advertising gives what a text sells its exit code: it is a rule that refuses
// it, not a slip.
func advertising(err error) error {
	var m templates.Marketing
	if !errors.As(err, &m) {
		return err
	}
	return problem{exitRefused, err, "take it out, or send it as a campaign to those who want to hear of it"}
}

type alertListCommand struct {
	All bool `help:"Those about which somebody has decided too."`
	output
}

// Help shows an example.
func (alertListCommand) Help() string {
	return "An alert waits while somebody who would get it had as many as the cap allows (delivery.alert_cap, 4 in 30 days). An alarm tells of it.\n\nExample: heed alert list --json"
}

// heldView is an alert that holds people back.
type heldView struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Service  string `json:"service"`
	SentBy   string `json:"sent_by"`
	State    string `json:"state"`
	Held     int    `json:"held"`
	Decision string `json:"decision"` // approved, refused; empty: nobody decided
}

// Run lists them, one a line.
func (c *alertListCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	services, err := s.Services(a.ctx)
	if err != nil {
		return err
	}
	held, err := s.HeldAlerts(a.ctx, !c.All)
	if err != nil {
		return err
	}
	for _, one := range held {
		v := viewHeld(one.Campaign, one.Held, services)
		if err := a.show(v, func() { a.sayHeld(v) }); err != nil {
			return err
		}
	}
	return nil
}

func viewHeld(c store.Campaign, held int, services []store.Named) heldView {
	return heldView{ID: decimal(c.ID), Name: c.Name, Service: byNumber(services, c.Service).ID, SentBy: c.SentBy, State: c.State, Held: held, Decision: c.OverCap}
}

func (a *app) sayHeld(v heldView) {
	a.say("%4s  %4d held  %-12s sent by %-12s %-9s %s", v.ID, v.Held, v.Service, v.SentBy, v.Decision, v.Name)
}

type alertShowCommand struct {
	ID string `arg:"" help:"Number of the alert."`
	output
}

// Help shows an example.
func (alertShowCommand) Help() string {
	return "With its text, for the person who has to decide.\n\nExample: heed alert show 7"
}

// alertShown is an alert with its text and where everybody stands.
type alertShown struct {
	heldView
	Account store.Account `json:"account"`
	Source  string        `json:"source"`
}

// Run shows one alert.
func (c *alertShowCommand) Run(a *app) error {
	id, s, campaign, err := a.alert(c.ID)
	if err != nil {
		return err
	}
	services, err := s.Services(a.ctx)
	if err != nil {
		return err
	}
	account, err := s.Account(a.ctx, id)
	if err != nil {
		return err
	}
	v := alertShown{viewHeld(campaign, account.Skipped[consent.Capped], services), account, campaign.Source}
	return a.show(v, func() {
		a.sayHeld(v.heldView)
		a.say("%d of %d accepted\n\n%s", account.Accepted, account.Audience, v.Source)
	})
}

// alert finds an alert by its number.
func (a *app) alert(text string) (id int64, s *store.Store, c store.Campaign, err error) {
	if id, err = number(text, "alert"); err != nil {
		return 0, nil, c, err
	}
	if s, err = a.store(); err != nil {
		return 0, nil, c, err
	}
	if c, err = s.Campaign(a.ctx, id); err == nil && c.Class != consent.Alert {
		err = hinted(fmt.Errorf("campaign %d is no alert", id), "heed alert list shows those that wait for somebody")
	}
	return id, s, c, err
}

type decideFlags struct {
	ID     string `arg:"" help:"Its number."`
	Reason string `help:"Why; it is kept." placeholder:"TEXT" required:""`
	byFlag
	output
}

type alertApproveCommand struct{ decideFlags }

// Help tells who may and shows an example.
func (alertApproveCommand) Help() string {
	return "It takes another person than the one who sent the alert. What was decided is kept with the reason: heed acts list.\n\nExample: heed alert approve 7 --by bo --reason \"the outage of today, not of last week\""
}

// Run lets it out.
func (c *alertApproveCommand) Run(a *app) error {
	return c.decide(a, func(s *store.Store, id int64, by string) (int, error) { return s.ApproveAlert(a.ctx, id, by, c.Reason) },
		"alert %s goes out to %d people who had as many as the cap allows")
}

type alertRefuseCommand struct{ decideFlags }

// Help shows an example.
func (alertRefuseCommand) Help() string {
	return "Those who are held back do not get it; the alarm ends. It can still be approved later.\n\nExample: heed alert refuse 7 --by bo --reason \"they got the same yesterday\""
}

// Run decides against it.
func (c *alertRefuseCommand) Run(a *app) error {
	return c.decide(a, func(s *store.Store, id int64, by string) (int, error) {
		return 0, s.RefuseAlert(a.ctx, id, by, c.Reason)
	},
		"alert %s does not go out to those who are held back; %d of them get it")
}

func (c *decideFlags) decide(a *app, act func(s *store.Store, id int64, by string) (int, error), words string) error {
	by, err := c.staff(a)
	if err != nil {
		return err
	}
	id, s, _, err := a.alert(c.ID)
	if err != nil {
		return err
	}
	if c.Reason != printableLine(c.Reason) || len(c.Reason) > 500 {
		return problem{exitUsage, errors.New("--reason is one line of at most 500 letters"), ""}
	}
	released, err := act(s, id, by)
	if err != nil {
		return refusal(err)
	}
	campaign, err := s.Campaign(a.ctx, id)
	if err != nil {
		return err
	}
	return a.show(struct {
		ID       string `json:"id"`
		Decision string `json:"decision"`
		Released int    `json:"released"`
	}{decimal(id), campaign.OverCap, released}, func() { a.say(words, decimal(id), released) })
}

// numbered is the number of what an act is about, where it has one.
func numbered(about int64) string {
	if about == 0 {
		return ""
	}
	return " " + decimal(about)
}

type actsCommand struct {
	List actsListCommand `cmd:"" help:"List what staff did, oldest first."`
}

type actsListCommand struct {
	Kind string `help:"Only acts of a kind, such as disclosed." placeholder:"KIND"`
	output
}

// Help tells what is in it and shows an example.
func (actsListCommand) Help() string {
	return "Alerts that were let out above the cap, notices that were approved and sent, disclosures, exports: each with who did it, who looked as well, and why. Each row covers the one before it; heed verify finds a change (I5).\n\nExample: heed acts list --json"
}

// actView is one act.
type actView struct {
	Number  string `json:"number"`
	At      string `json:"at"`
	Kind    string `json:"kind"`
	By      string `json:"by"`
	Second  string `json:"second"`
	About   int64  `json:"about"`
	Address string `json:"address_key"`
	Said    string `json:"said"`
}

// Run lists them, one a line.
func (c *actsListCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	acts, err := s.StaffActs(a.ctx)
	if err != nil {
		return err
	}
	acts = slices.DeleteFunc(acts, func(one store.StaffAct) bool { return c.Kind != "" && one.Kind != c.Kind })
	for _, one := range acts {
		v := actView{decimal(one.ID), stamp(one.At), one.Kind, one.Staff, one.Second, one.About, one.Address, one.Said}
		if err := a.show(v, func() {
			a.say("%4s  %s  %-16s%s by %s%s  %s", v.Number, v.At, v.Kind, numbered(v.About), v.By, bracketed(v.Second), v.Said)
		}); err != nil {
			return err
		}
	}
	return nil
}
