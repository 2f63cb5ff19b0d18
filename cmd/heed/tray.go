package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"heed/consent"
	"heed/store"
)

type trayCommand struct {
	List  trayListCommand  `cmd:"" help:"List the mails that ask for nothing."`
	Show  trayShowCommand  `cmd:"" help:"Show one of them."`
	Case  trayCaseCommand  `cmd:"" help:"Make a case of one, with a clock and a hold."`
	Clear trayClearCommand `cmd:"" help:"Delete them from the tray, with their texts."`
}

// trayView is a mail in the tray as it is printed.
type trayView struct {
	ID       string    `json:"id"`
	Received time.Time `json:"received"`
	Mailbox  string    `json:"mailbox"`
	From     string    `json:"from"`
	Subject  string    `json:"subject"`
	Text     string    `json:"text,omitempty"`
}

func viewTray(m store.MailText) trayView {
	return trayView{ID: decimal(m.Inbound), Received: m.Received, Mailbox: m.Mailbox, From: printableLine(m.Writer), Subject: printableLine(m.Subject)}
}

type trayListCommand struct{ output }

// Help tells what the tray is and shows an example.
func (trayListCommand) Help() string {
	return "What is no plausible request lies here without clock, hold or case, until you clear it or its time is over ([retention] tray). The mails themselves lie in the folder Review of their mailbox.\n\nExample: heed tray list --json"
}

// Run lists the mails, one a line.
func (c *trayListCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	all, err := s.Tray(a.ctx)
	if err != nil {
		return err
	}
	for _, m := range all {
		v := viewTray(m)
		if err := a.show(v, func() { a.say("%6s  %s  %s: %s", v.ID, v.Received.Format(time.DateOnly), v.From, v.Subject) }); err != nil {
			return err
		}
	}
	return nil
}

type trayShowCommand struct {
	ID string `arg:"" help:"Number of the mail."`
	output
}

// Help shows an example.
func (trayShowCommand) Help() string { return "Example: heed tray show 12" }

// Run shows the mail.
func (c *trayShowCommand) Run(a *app) error {
	id, err := number(c.ID, "tray")
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	m, err := s.TrayMail(a.ctx, id)
	if err != nil {
		return hintTray(err)
	}
	v := viewTray(m)
	v.Text = printable(m.Text)
	return a.show(v, func() {
		a.say("from      %s\nsubject   %s\nreceived  %s (%s)\n\n%s", v.From, v.Subject, minute(v.Received), v.Mailbox, v.Text)
	})
}

func hintTray(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return hinted(err, "heed tray list shows the numbers")
	}
	return err
}

type trayCaseCommand struct {
	ID   string `arg:"" help:"Number of the mail."`
	Kind string `help:"Kind of the case." placeholder:"KIND" default:"review"`
	byFlag
	output
}

// Help tells the consequence and shows an example.
func (trayCaseCommand) Help() string {
	return "The clock runs from the day on which the mail came, and who wrote it is on hold until the case ends. For an erasure a confirmation link is mailed to the address on file.\n\nExample: heed tray case 12 --kind complaint"
}

// Run makes the case.
func (c *trayCaseCommand) Run(a *app) error {
	if err := oneOf("kind", c.Kind, store.CaseKinds()); err != nil {
		return err
	}
	id, err := number(c.ID, "tray")
	if err != nil {
		return err
	}
	by, err := c.staff(a)
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	made, err := s.CaseFromTray(a.ctx, id, consent.CaseKind(c.Kind), by)
	if err != nil {
		return hintTray(err)
	}
	return a.showCase(made)
}

type trayClearCommand struct {
	IDs   []string `arg:"" optional:"" name:"id" help:"Numbers of mails."`
	All   bool     `help:"All of them."`
	Older int      `help:"Those that came more than DAYS ago." placeholder:"DAYS"`
	output
}

// Help tells the consequence and shows an example.
func (trayClearCommand) Help() string {
	return "Their texts are deleted. The mails stay in the folder Review of their mailbox until their own time is over ([retention] mails).\n\nExample: heed tray clear --older 14\nExample: heed tray clear 12 13"
}

// Run clears the tray.
func (c *trayClearCommand) Run(a *app) error {
	ids, before, err := c.which(time.Now())
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	n, err := s.ClearTray(a.ctx, ids, before)
	if err != nil {
		return err
	}
	if missing := len(ids) - n; missing > 0 {
		a.note("%d of the numbers are not in the tray", missing)
	}
	return a.show(map[string]int{"cleared": n}, func() { a.say("%d mails are cleared", n) })
}

func (c *trayClearCommand) which(now time.Time) (ids []int64, before time.Time, err error) {
	ways := 0
	for _, given := range []bool{len(c.IDs) > 0, c.All, c.Older != 0} {
		if given {
			ways++
		}
	}
	if ways != 1 || c.Older < 0 || len(c.IDs) > 500 {
		return nil, before, problem{exitUsage, errors.New("say which mails: numbers (at most 500), --all or --older DAYS, and only one of these"), "heed tray list shows them"}
	}
	for _, text := range c.IDs {
		id, err := number(strings.TrimSpace(text), "tray")
		if err != nil {
			return nil, before, fmt.Errorf("clearing the tray: %w", err)
		}
		ids = append(ids, id)
	}
	if c.All {
		return nil, now.AddDate(100, 0, 0), nil
	}
	return ids, now.AddDate(0, 0, -c.Older), nil
}
