package main

import (
	"errors"

	"heed/store"
)

type disclosureCommand struct {
	Add  disclosureAddCommand  `cmd:"" help:"Write down a document by which an authority may be given data."`
	List disclosureListCommand `cmd:"" help:"List the documents."`
}

type disclosureAddCommand struct {
	Document   string `required:"" help:"Its reference, such as a docket number; no name of a person." placeholder:"REF"`
	Authority  string `required:"" help:"Who wrote it." placeholder:"NAME"`
	ApprovedBy string `required:"" help:"Another person who looked at it." placeholder:"NAME"`
	byFlag
	output
}

// Help tells why and shows an example.
func (disclosureAddCommand) Help() string {
	return "Nobody's data is given to an authority without a document that two people have looked at. Who did, and what was given, is kept: heed acts list. The person reads it in the copy of their data.\n\nExample: heed disclosure add --document \"4 Gs 123/26\" --authority \"Amtsgericht Hamburg\" --by ann --approved-by bo"
}

// disclosureView is a document.
type disclosureView struct {
	ID         string `json:"id"`
	Document   string `json:"document"`
	Authority  string `json:"authority"`
	By         string `json:"by"`
	ApprovedBy string `json:"approved_by"`
	At         string `json:"at,omitempty"`
}

// Run writes it down.
func (c *disclosureAddCommand) Run(a *app) error {
	by, err := c.staff(a)
	if err != nil {
		return err
	}
	for _, text := range []string{c.Document, c.Authority, c.ApprovedBy} {
		if text != printableLine(text) || len(text) > 200 {
			return problem{exitUsage, errors.New("document, authority and names are one line of at most 200 letters each"), ""}
		}
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	d := store.Disclosure{Document: c.Document, Authority: c.Authority, By: by, ApprovedBy: c.ApprovedBy}
	if d.ID, err = s.AddDisclosure(a.ctx, d); err != nil {
		return refusal(err)
	}
	v := disclosureView{ID: decimal(d.ID), Document: d.Document, Authority: d.Authority, By: d.By, ApprovedBy: d.ApprovedBy}
	return a.show(v, func() {
		a.say("disclosure %s; heed contact export --for-disclosure %s ADDRESS gives the data", v.ID, v.ID)
	})
}

type disclosureListCommand struct{ output }

// Help shows an example.
func (disclosureListCommand) Help() string { return "Example: heed disclosure list --json" }

// Run lists them, one a line.
func (c *disclosureListCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	all, err := s.Disclosures(a.ctx)
	if err != nil {
		return err
	}
	for _, d := range all {
		v := disclosureView{decimal(d.ID), d.Document, d.Authority, d.By, d.ApprovedBy, stamp(d.Created)}
		if err := a.show(v, func() {
			a.say("%4s  %s  %s, %s; %s, approved by %s", v.ID, v.At, v.Document, v.Authority, v.By, v.ApprovedBy)
		}); err != nil {
			return err
		}
	}
	return nil
}
