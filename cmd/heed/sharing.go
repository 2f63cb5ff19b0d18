package main

import (
	"time"

	"heed/store"
	"heed/worker"
)

type sharingCommand struct {
	Feed        sharingFeedCommand        `cmd:"" help:"Write the file of those who share with a partner."`
	Status      sharingStatusCommand      `cmd:"" help:"Show what partners have, and what they were told and answered."`
	Acknowledge sharingAcknowledgeCommand `cmd:"" help:"Write down that a partner has heard."`
}

type sharingFeedCommand struct {
	Partner string `required:"" help:"Id of the partner." placeholder:"ID"`
	Out     string `required:"" help:"File to write, whole or not at all." placeholder:"FILE"`
	output
}

// Help tells who is in it and shows an example.
func (sharingFeedCommand) Help() string {
	return `CSV with the address, and the fields that the partner's [[partner]] in heed.toml names, of those who agreed to sharing and against whom nothing stands: no hold, no restriction, no erasure, no dead address. Who is in it is remembered, so that the partner is told when they withdraw.

A partner with a file in heed.toml needs no command: the worker keeps the file up to date within seconds of a withdrawal.

Example: heed sharing feed --partner acme --out acme.csv`
}

// feedView is what was written.
type feedView struct {
	Partner string `json:"partner"`
	File    string `json:"file"`
	People  int    `json:"people"`
}

// Run writes the file.
func (c *sharingFeedCommand) Run(a *app) error {
	conf, s, err := a.both()
	if err != nil {
		return err
	}
	p, err := conf.partner(c.Partner)
	if err != nil {
		return err
	}
	people, err := worker.WriteFeedFile(a.ctx, s, p, c.Out)
	if err != nil {
		return err
	}
	v := feedView{c.Partner, c.Out, people}
	return a.show(v, func() { a.say("%d people who share with %s are in %s", people, p.Name, c.Out) })
}

type sharingStatusCommand struct{ output }

// Help shows an example.
func (sharingStatusCommand) Help() string {
	return "Notices that nobody has answered stand below each partner with their numbers.\n\nExample: heed sharing status --json"
}

// partnerView is how things stand with a partner.
type partnerView struct {
	Partner    string        `json:"partner"`
	Name       string        `json:"name"`
	Fields     []string      `json:"fields"`
	Has        int           `json:"has"` // people whose data it got and who have not withdrawn
	File       string        `json:"file"`
	Built      *time.Time    `json:"built"`
	Behind     *time.Time    `json:"behind_since"` // first change that is not in the file
	Due        int           `json:"due"`
	Accepted   int           `json:"accepted"`
	Done       int           `json:"done"`
	Unanswered []noticeShown `json:"unanswered"`
}

// noticeShown is a notice that waits for an answer.
type noticeShown struct {
	Number string    `json:"number"`
	State  string    `json:"state"`
	Told   time.Time `json:"since"`
	Tries  int       `json:"tries"`
}

// Run shows each partner.
func (c *sharingStatusCommand) Run(a *app) error {
	conf, s, err := a.both()
	if err != nil {
		return err
	}
	notices, err := s.OutsideNotices(a.ctx, false)
	if err != nil {
		return err
	}
	for _, p := range conf.partners() {
		v, err := a.viewPartner(s, p, notices)
		if err != nil {
			return err
		}
		if err := a.show(v, func() { a.sayPartner(v) }); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) viewPartner(s *store.Store, p worker.Partner, notices []store.OutsideNotice) (v partnerView, err error) {
	v = partnerView{Partner: p.ID, Name: p.Name, Fields: append([]string{}, p.Fields...), File: p.File, Unanswered: []noticeShown{}}
	if v.Has, err = s.SharedCount(a.ctx, p.ID); err != nil {
		return v, err
	}
	feed, err := s.FeedOf(a.ctx, p.ID)
	if !feed.Built.IsZero() {
		v.Built = &feed.Built
	}
	if !feed.Since.IsZero() && p.File != "" {
		v.Behind = &feed.Since
	}
	for _, n := range notices {
		if n.Kind != store.OutsideSharing || n.Party != p.ID {
			continue
		}
		switch n.State {
		case "due":
			v.Due++
		case "accepted":
			v.Accepted++
		default:
			v.Done++
			continue
		}
		v.Unanswered = append(v.Unanswered, noticeShown{decimal(n.ID), n.State, n.Created, n.Tries})
	}
	return v, err
}

func (a *app) sayPartner(v partnerView) {
	a.say("%s (%s): has the data of %d; of withdrawals %d are told and heard, %d only accepted, %d still to be told", v.Partner, v.Name, v.Has, v.Done, v.Accepted, v.Due)
	if v.Built != nil {
		a.say("  %s built %s", v.File, stamp(*v.Built))
	}
	if v.Behind != nil {
		a.say("  behind since %s", stamp(*v.Behind))
	}
	for _, n := range v.Unanswered {
		a.say("  notice %s: %s since %s, told %d times", n.Number, n.State, stamp(n.Told), n.Tries)
	}
}

type sharingAcknowledgeCommand struct {
	Number string `arg:"" help:"Number of the notice."`
	byFlag
	output
}

// Help tells when and shows an example.
func (sharingAcknowledgeCommand) Help() string {
	return "For a partner that answered by mail or telephone.\n\nExample: heed sharing acknowledge 12 --by ann"
}

// Run writes it down.
func (c *sharingAcknowledgeCommand) Run(a *app) error {
	id, err := number(c.Number, "notice")
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
	if err := s.Acknowledged(a.ctx, id, by); err != nil {
		return hinted(err, "heed sharing status lists those that wait")
	}
	return a.show(map[string]string{"number": c.Number, "state": "done"}, func() { a.say("notice %s is answered", c.Number) })
}
