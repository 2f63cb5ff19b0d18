package main

import (
	"cmp"
	"fmt"
	"time"

	"heed/store"
	"heed/templates"
)

type noticeCommand struct {
	New     noticeNewCommand     `cmd:"" help:"Store a notice as a draft."`
	Approve noticeApproveCommand `cmd:"" help:"Stand for a notice; two people have to."`
	Send    noticeSendCommand    `cmd:"" help:"Send a notice that two people approved."`
	List    noticeListCommand    `cmd:"" help:"List notices."`
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

type noticeNewCommand struct {
	File string `arg:"" help:"Markdown with front matter (subject, kind); - for standard input."`
	Key  string `required:"" help:"Names this notice: the same key never sends twice." placeholder:"KEY"`
	byFlag
	output
}

// Help tells the kinds and shows an example.
func (noticeNewCommand) Help() string {
	return `A notice goes to everybody who can be written to, whatever they opted out of, and advertises nothing. Kinds: legal, which the law or an authority asks for, and may name an audience; sale, that the business or a part of it is sold, acquired or merged, which always goes to all.

Example: heed notice new merger.md --key merger-2026 --by ann --json`
}

// noticeView is a notice and who stands for it.
type noticeView struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	State     string   `json:"state"`
	Name      string   `json:"name"`
	By        string   `json:"by"`
	Approvals []string `json:"approvals"`
}

// Run stores the draft, or shows the one that has the key.
func (c *noticeNewCommand) Run(a *app) error {
	source, err := readFile(c.File)
	if err != nil {
		return err
	}
	parsed, err := templates.ParseNotice(source)
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
	notice, err := a.draft(conf, s, parsed, source)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	notice.AlertKey, notice.SentBy = "notice "+c.Key, by
	id, _, err := s.AddCampaign(a.ctx, notice)
	if err != nil {
		return err
	}
	return a.tellNotice(s, id)
}

func (a *app) tellNotice(s *store.Store, id int64) error {
	c, err := s.Campaign(a.ctx, id)
	if err != nil {
		return err
	}
	v, err := a.viewNotice(s, c)
	if err != nil {
		return err
	}
	return a.show(v, func() { a.sayNotice(v) })
}

func (a *app) viewNotice(s *store.Store, c store.Campaign) (noticeView, error) {
	v := noticeView{ID: decimal(c.ID), Kind: cmp.Or(c.Notice, "policy"), State: c.State, Name: c.Name, By: c.SentBy, Approvals: []string{}}
	acts, err := s.Approvals(a.ctx, c.ID)
	for _, one := range acts {
		v.Approvals = append(v.Approvals, one.Staff)
	}
	return v, err
}

func (a *app) sayNotice(v noticeView) {
	a.say("%4s  %-5s %-9s by %-12s %d of 2 approvals  %s", v.ID, v.Kind, v.State, cmp.Or(v.By, "–"), len(v.Approvals), v.Name)
}

// notice finds a notice by its number.
func (a *app) notice(text string) (id int64, s *store.Store, c store.Campaign, err error) {
	if id, err = number(text, "notice"); err != nil {
		return 0, nil, c, err
	}
	if s, err = a.store(); err != nil {
		return 0, nil, c, err
	}
	if c, err = s.Campaign(a.ctx, id); err == nil && !c.NeedsTwo() {
		err = hinted(fmt.Errorf("campaign %d is no notice", id), "heed notice list shows those that there are")
	}
	return id, s, c, err
}

type noticeApproveCommand struct{ decideFlags }

// Help tells who may and shows an example.
func (noticeApproveCommand) Help() string {
	return "Two different people have to approve before a notice can be sent; who wrote it may be one of them. That holds for a notice of a new version of the policy too (heed campaign new, class policy_notice).\n\nExample: heed notice approve 9 --by bo --reason \"read by our lawyer\""
}

// Run records the approval.
func (c *noticeApproveCommand) Run(a *app) error {
	by, err := c.staff(a)
	if err != nil {
		return err
	}
	id, s, _, err := a.notice(c.ID)
	if err != nil {
		return err
	}
	if _, err := s.ApproveNotice(a.ctx, id, by, c.Reason); err != nil {
		return refusal(err)
	}
	return a.tellNotice(s, id)
}

type noticeSendCommand struct {
	ID string `arg:"" help:"Number of the notice."`
	byFlag
	output
}

// Help shows an example.
func (noticeSendCommand) Help() string {
	return "Refused (exit code 4) until two people have approved it. heed campaign status and results tell what became of it.\n\nExample: heed notice send 9 --by ann"
}

// Run starts it, once.
func (c *noticeSendCommand) Run(a *app) error {
	by, err := c.staff(a)
	if err != nil {
		return err
	}
	id, s, campaign, err := a.notice(c.ID)
	if err != nil {
		return err
	}
	if err := a.fit(s, campaign, false); err != nil {
		return err
	}
	if err := s.Start(a.ctx, id); err != nil {
		return refusal(err)
	}
	if err := s.NoteAct(a.ctx, store.StaffAct{Kind: store.ActNoticeSent, Staff: by, About: id, Said: cmp.Or(campaign.Notice, "policy "+campaign.Policy)}); err != nil {
		return err
	}
	return a.tellNotice(s, id)
}

type noticeListCommand struct{ output }

// Help shows an example.
func (noticeListCommand) Help() string { return "Example: heed notice list --json" }

// Run lists them, one a line.
func (c *noticeListCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	all, err := s.Campaigns(a.ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if !one.NeedsTwo() {
			continue
		}
		v, err := a.viewNotice(s, one)
		if err != nil {
			return err
		}
		if err := a.show(v, func() { a.sayNotice(v) }); err != nil {
			return err
		}
	}
	return nil
}
