package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heed/consent"
	"heed/store"
)

type caseCommand struct {
	List    caseListCommand    `cmd:"" help:"List the open cases, those that are due first."`
	Open    caseOpenCommand    `cmd:"" help:"Open a case by hand, for a wish that came by letter or telephone."`
	Show    caseShowCommand    `cmd:"" help:"Show one case."`
	Resolve caseResolveCommand `cmd:"" help:"End a case by your decision."`

	Certificate caseCertificateCommand `cmd:"" help:"Show what an erasure deleted, what stays and why."`
}

// caseView is a case as it is printed.
type caseView struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind"`
	State    string     `json:"state"`
	Identity string     `json:"identity"`
	Email    string     `json:"email"`
	Mailbox  string     `json:"mailbox"`
	Received time.Time  `json:"received"`
	Due      time.Time  `json:"due"`
	Language string     `json:"language,omitempty"`
	Ended    *time.Time `json:"ended,omitempty"`
	Outcome  string     `json:"outcome,omitempty"`
}

func viewCase(c store.Case) caseView {
	v := caseView{ID: decimal(c.ID), Kind: string(c.Kind), State: string(c.State), Identity: string(c.Identity), Email: c.Email,
		Mailbox: c.Mailbox, Received: c.Received, Due: c.Due, Language: c.Language, Outcome: c.Outcome}
	if !c.Ended.IsZero() {
		v.Ended = &c.Ended
	}
	return v
}

func (a *app) showCase(c store.Case) error {
	return a.show(viewCase(c), func() {
		a.say("%6d  %-13s %-9s %-9s due %s  %s", c.ID, c.Kind, c.State, c.Identity, c.Due.Format(time.DateOnly), c.Email)
	})
}

type caseListCommand struct {
	All bool `help:"The ended ones too."`
	output
}

// Help shows an example.
func (caseListCommand) Help() string { return "Example: heed case list --json" }

// Run lists the cases, one a line.
func (c *caseListCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	all, err := s.Cases(a.ctx, !c.All)
	if err != nil {
		return err
	}
	for _, one := range all {
		if err := a.showCase(one); err != nil {
			return err
		}
	}
	return nil
}

func caseKinds() []string {
	return []string{string(consent.CaseErasure), string(consent.CaseAccess), string(consent.CaseRectification), string(consent.CaseObjection),
		string(consent.CaseComplaint), string(consent.CaseGuardian), string(consent.CaseReview)}
}

type caseOpenCommand struct {
	Kind    string `arg:"" help:"erasure, access, rectification, objection, complaint, guardian or review."`
	Address string `arg:"" help:"E-mail address of the person."`
	output
}

// Help tells the consequence and shows an example.
func (caseOpenCommand) Help() string {
	return "The person is on hold from now on: no marketing, no sharing. For an erasure a confirmation link is mailed to the address on file.\n\nExample: heed case open erasure ann@example.com"
}

// Run opens the case.
func (c *caseOpenCommand) Run(a *app) error {
	if !slices.Contains(caseKinds(), c.Kind) {
		return problem{exitUsage, fmt.Errorf("the kind %q is unknown", c.Kind), "kinds are " + strings.Join(caseKinds(), ", ")}
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	id, err := s.OpenCase(a.ctx, consent.CaseKind(c.Kind), c.Address, "desk")
	if err != nil {
		return err
	}
	opened, err := s.Case(a.ctx, id)
	if err != nil {
		return err
	}
	return a.showCase(opened)
}

type caseShowCommand struct {
	ID string `arg:"" help:"Number of the case."`
	output
}

// Help shows an example.
func (caseShowCommand) Help() string { return "Example: heed case show 3" }

// Run shows the case.
func (c *caseShowCommand) Run(a *app) error {
	id, err := number(c.ID, "case")
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	one, err := s.Case(a.ctx, id)
	if err != nil {
		return err
	}
	return a.showCase(one)
}

type caseResolveCommand struct {
	ID      string `arg:"" help:"Number of the case."`
	Outcome string `help:"What was done, in a sentence." placeholder:"TEXT" default:"resolved by staff"`
	Refused bool   `help:"The request is refused; say why in --outcome."`
	output
}

// Help tells the consequence and shows an example.
func (caseResolveCommand) Help() string {
	return "With the last open case of a person the hold on them ends. Opt-outs stay.\n\nExample: heed case resolve 3 --outcome \"sent the data by post\""
}

// Run ends the case.
func (c *caseResolveCommand) Run(a *app) error {
	id, err := number(c.ID, "case")
	if err != nil {
		return err
	}
	if c.Outcome == "erased" {
		return problem{exitRefused, errors.New("an erasure is done by the confirmed request itself, not by a word"),
			"the person confirms by the link in the mail; heed serve then erases"}
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	if err := s.Resolve(a.ctx, id, c.Outcome, c.Refused); err != nil {
		return err
	}
	one, err := s.Case(a.ctx, id)
	if err != nil {
		return err
	}
	return a.showCase(one)
}
