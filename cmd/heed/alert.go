package main

import (
	"errors"
	"fmt"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

type alertCommand struct {
	Send    alertSendCommand    `cmd:"" help:"Send a service alert at once to the holders of its service."`
	List    alertListCommand    `cmd:"" help:"List the alerts that wait for a second person."`
	Show    alertShowCommand    `cmd:"" help:"Show one alert, and whom it holds back."`
	Approve alertApproveCommand `cmd:"" help:"Let an alert out to those whom the cap held back."`
	Refuse  alertRefuseCommand  `cmd:"" help:"Decide that those whom the cap held back do not get it."`
}

type alertSendCommand struct {
	File             string `arg:"" help:"Markdown with front matter (subject, service); - for standard input."`
	Key              string `required:"" help:"Names this alert: the same key never sends twice." placeholder:"KEY"`
	To               string `help:"Only to this holder of the service." placeholder:"ADDRESS"`
	SkipUnrenderable bool   `help:"Leave out people for whom a value is missing."`
	byFlag
	output
}

// Help shows an example.
func (alertSendCommand) Help() string {
	return "An alert goes to everybody who holds the service, whatever they opted out of, so it must not advertise. Who had as many as the cap allows is held back until another person than the one who sent it decides: heed alert approve. Called again with the same key it sends nothing and tells the figures of the first time.\n\nExample: heed alert send outage.md --key outage-2026-06-14"
}

// alertView is what became of an alert so far.
type alertView struct {
	ID       string                 `json:"id"`
	Queued   int                    `json:"queued"`
	Held     int                    `json:"held"` // over the cap of alerts a person
	Skipped  map[consent.Reason]int `json:"skipped"`
	Repeated bool                   `json:"repeated"`
}

// Run stores the alert under its key and starts it.
func (c *alertSendCommand) Run(a *app) error {
	if c.Key == "" {
		return problem{exitUsage, errors.New("--key is empty"), "take something that names the event, such as outage-2026-06-14"}
	}
	source, err := readFile(c.File)
	if err != nil {
		return err
	}
	parsed, err := templates.ParseAlert(source)
	if err != nil {
		return fmt.Errorf("reading %s: %w", c.File, err)
	}
	by, err := c.staff(a)
	if err != nil {
		return err
	}
	conf, s, err := a.both()
	if err != nil {
		return err
	}
	alert, err := a.draft(conf, s, parsed, source)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	alert.AlertKey, alert.SentBy = c.Key, by
	if c.To != "" {
		key, _, err := s.Key(c.To)
		if err != nil {
			return err
		}
		alert.OnlyTo = key.String()
	}
	view, err := a.sendAlert(s, alert, c.SkipUnrenderable)
	if err != nil {
		return err
	}
	return a.show(view, func() {
		a.say("alert %s: %d queued, %d held back by the cap, %d skipped", view.ID, view.Queued, view.Held, sum(view.Skipped))
		if view.Held > 0 {
			a.say("Another person decides about those who are held back: heed alert show %s, then approve or refuse.", view.ID)
		}
		if view.Repeated {
			a.say("It was sent before under this key; nothing is sent again.")
		}
	})
}

func sum(counts map[consent.Reason]int) (n int) {
	for _, one := range counts {
		n += one
	}
	return n
}

// sendAlert starts an alert that is new, or that was stored and never started
// because the caller was cut off. The text that counts is the stored one.
func (a *app) sendAlert(s *store.Store, alert store.Campaign, skip bool) (alertView, error) {
	if err := a.fitNew(s, alert, skip); err != nil {
		return alertView{}, err
	}
	id, _, err := s.AddCampaign(a.ctx, alert)
	if err != nil { // somebody else may have stored it just now
		if id, _ = a.alertByKey(s, alert.AlertKey); id == 0 {
			return alertView{}, err
		}
	}
	stored, err := s.Campaign(a.ctx, id)
	if err != nil {
		return alertView{}, err
	}
	if stored.State != "draft" {
		return a.repeated(s, id)
	}
	estimate, err := a.estimate(s, stored)
	if err != nil {
		return alertView{}, err
	}
	if err := s.Start(a.ctx, id); errors.Is(err, store.ErrState) {
		return a.repeated(s, id) // somebody else has just started it
	} else if err != nil {
		return alertView{}, err
	}
	v := alertView{ID: decimal(id), Queued: estimate.WillGet, Held: estimate.Skipped[consent.Capped], Skipped: estimate.Skipped}
	delete(v.Skipped, consent.Capped)
	return v, nil
}

// fitNew checks an alert before it is stored, unless its key is known: then
// nothing will be sent, and nothing can be wrong.
func (a *app) fitNew(s *store.Store, alert store.Campaign, skip bool) error {
	id, err := a.alertByKey(s, alert.AlertKey)
	if err != nil || id != 0 {
		return err
	}
	return a.fit(s, alert, skip)
}

// alertByKey is 0 where no alert has the key.
func (a *app) alertByKey(s *store.Store, key string) (int64, error) {
	known, err := s.Campaigns(a.ctx)
	for _, one := range known {
		if one.AlertKey == key {
			return one.ID, nil
		}
	}
	return 0, err
}

// repeated tells the figures of an alert that was sent before.
func (a *app) repeated(s *store.Store, id int64) (alertView, error) {
	account, err := s.Account(a.ctx, id)
	if err != nil {
		return alertView{}, err
	}
	v := alertView{ID: decimal(id), Queued: account.Audience - sum(account.Skipped), Held: account.Skipped[consent.Capped],
		Skipped: account.Skipped, Repeated: true}
	delete(v.Skipped, consent.Capped)
	return v, nil
}
