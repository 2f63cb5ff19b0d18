package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

type policyCommand struct {
	Publish  policyPublishCommand  `cmd:"" help:"Post a new version of the policy."`
	List     policyListCommand     `cmd:"" help:"List the versions."`
	Show     policyShowCommand     `cmd:"" help:"Print the text of a version."`
	Withdraw policyWithdrawCommand `cmd:"" help:"Take back a version that is not in force yet."`
}

type policyPublishCommand struct {
	File     string   `arg:"" help:"The text, as Markdown or plain text; - for standard input."`
	ID       string   `help:"Id of the version, such as 2026-06." required:"" placeholder:"ID"`
	Material bool     `help:"It changes what data is used for: it comes into force 30 days after it was posted."`
	Purposes []string `help:"All that it lets data be used for; without it, what the version before it does." placeholder:"NAME"`
	output
}

// Help tells the rules and shows an example.
func (policyPublishCommand) Help() string {
	return `A material version is shown on every page for 30 days before it comes into force; one that only mends words is in force at once and may name no new purpose. What people agreed to before still holds for them: a campaign whose purpose their version does not name skips them with the reason policy.

To tell people, send a campaign with class: policy_notice and policy: ID in its front matter; since it goes to everybody, two people approve it first (heed notice approve). To ask whether they agree, send one with class: consent_request and policy: ID; whoever does not answer has not agreed.

Example: heed policy publish privacy-2026-06.md --id 2026-06 --material --purposes news,research`
}

// policyView is a version as commands print it.
type policyView struct {
	ID        string     `json:"id"`
	State     string     `json:"state"`
	Material  bool       `json:"material"`
	Purposes  []string   `json:"purposes"`
	SHA256    string     `json:"sha256"`
	Posted    time.Time  `json:"posted"`
	Effective time.Time  `json:"effective"`
	Ended     *time.Time `json:"ended,omitempty"`
	Text      string     `json:"text,omitempty"`
}

func viewOf(v store.Version) policyView {
	view := policyView{ID: v.ID, State: v.State, Material: v.Material, Purposes: orEmpty(v.Purposes), SHA256: hex.EncodeToString(v.Hash),
		Posted: v.Posted, Effective: v.Effective}
	if !v.Ended.IsZero() {
		view.Ended = &v.Ended
	}
	return view
}

// Run publishes it.
func (c *policyPublishCommand) Run(a *app) error {
	text, err := readFile(c.File)
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	p := store.Publication{PolicyVersion: consent.NewPolicyVersion(c.ID, text), Material: c.Material}
	p.Purposes = c.Purposes
	v, err := s.PublishPolicy(a.ctx, p)
	if err != nil {
		return err
	}
	return a.show(viewOf(v), func() {
		if v.State == "in_force" {
			a.say("version %s is in force", v.ID)
			return
		}
		a.say("version %s is announced on every page, and comes into force on %s", v.ID, v.Effective.Format(time.DateOnly))
	})
}

type policyListCommand struct{ output }

// Help shows an example.
func (policyListCommand) Help() string { return "Example: heed policy list --json" }

// Run lists the versions, one a line.
func (c *policyListCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	all, err := s.Versions(a.ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		view := viewOf(one)
		if err := a.show(view, func() {
			a.say("%-16s %-10s from %s  %v", view.ID, view.State, view.Effective.Format(time.DateOnly), view.Purposes)
		}); err != nil {
			return err
		}
	}
	return nil
}

type oneVersion struct {
	ID string `arg:"" help:"Id of the version."`
	output
}

func (o oneVersion) open(a *app) (*store.Store, store.Version, error) {
	s, err := a.store()
	if err != nil {
		return nil, store.Version{}, err
	}
	v, err := s.Version(a.ctx, o.ID)
	if errors.Is(err, store.ErrNotFound) {
		err = hinted(fmt.Errorf("there is no version %s of the policy", o.ID), "heed policy list shows those that there are")
	}
	return s, v, err
}

type policyShowCommand struct{ oneVersion }

// Help shows an example.
func (policyShowCommand) Help() string { return "Example: heed policy show 2026-06" }

// Run prints the text.
func (c *policyShowCommand) Run(a *app) error {
	_, v, err := c.open(a)
	if err != nil {
		return err
	}
	view := viewOf(v)
	view.Text = v.Text
	return a.show(view, func() { fmt.Fprint(a.out, v.Text) })
}

type policyWithdrawCommand struct{ oneVersion }

// Help shows an example.
func (policyWithdrawCommand) Help() string {
	return "Only a version that is announced and not in force yet can be taken back.\n\nExample: heed policy withdraw 2026-06"
}

// Run takes it back.
func (c *policyWithdrawCommand) Run(a *app) error {
	s, v, err := c.open(a)
	if err != nil {
		return err
	}
	if err := s.WithdrawPolicy(a.ctx, v.ID); err != nil {
		return err
	}
	v, err = s.Version(a.ctx, v.ID)
	return firstError(err, a.show(viewOf(v), func() { a.say("version %s is taken back", v.ID) }))
}

// checkPolicy wants the version that a campaign is about, and a purpose that the
// version in force names: what no version names, nobody can have agreed to.
func (a *app) checkPolicy(s *store.Store, c templates.Campaign) error {
	if c.Policy != "" {
		v, err := s.Version(a.ctx, c.Policy)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return hinted(fmt.Errorf("policy: there is no version %s", c.Policy), "heed policy list shows those that there are; heed policy publish makes one")
		case err != nil:
			return err
		case v.State == "replaced" || v.State == "withdrawn":
			return hinted(fmt.Errorf("policy: the version %s is %s", v.ID, v.State), "a notice or a request is about the version in force, or one that is announced")
		}
	}
	if c.Purpose == "" {
		return nil
	}
	inForce, _, err := s.PolicyNow(a.ctx)
	if err == nil && !slices.Contains(inForce.Purposes, c.Purpose) {
		err = hinted(fmt.Errorf("purpose: the policy in force does not let data be used for %q, but for %v", c.Purpose, orEmpty(inForce.Purposes)),
			"publish a version that does: heed policy publish FILE --id ID --material --purposes ...; it takes 30 days")
	}
	return err
}
