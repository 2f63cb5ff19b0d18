package main

import (
	"errors"
	"time"

	"heed/store"
)

type caseCertificateCommand struct {
	ID string `arg:"" help:"Number of the case."`
	output
}

// Help tells what it is good for and shows an example.
func (caseCertificateCommand) Help() string {
	return "It names nobody. While the erasure goes on it shows what is still waited for.\n\nExample: heed case certificate 3 --json"
}

// certificateView is a certificate as it is printed.
type certificateView struct {
	Case       string       `json:"case"`
	Received   time.Time    `json:"received"`
	Begun      time.Time    `json:"begun"`
	Ended      *time.Time   `json:"ended,omitempty"`
	Items      []itemView   `json:"items"`
	Systems    []systemView `json:"systems"`
	Kept       []string     `json:"kept"`
	Backups    []backupView `json:"backups"`
	LastBackup *time.Time   `json:"last_backup,omitempty"`
	RestsOn    string       `json:"rests_on"`
}

type itemView struct {
	Item    string    `json:"item"`
	What    string    `json:"what"`
	State   string    `json:"state"`
	Changed time.Time `json:"changed"`
	Note    string    `json:"note,omitempty"`
}

type systemView struct {
	System string     `json:"system"`
	Name   string     `json:"name"`
	Answer string     `json:"answer"` // due | accepted | deleted | kept
	Law    string     `json:"law,omitempty"`
	Until  *time.Time `json:"until,omitempty"`
	Ended  *time.Time `json:"ended,omitempty"`
}

type backupView struct {
	Name string `json:"name"`
	Days int    `json:"days"`
}

func viewItems(all []store.ErasureItem) []itemView {
	items := []itemView{}
	for _, one := range all {
		items = append(items, itemView{one.Item, one.What, one.State, one.Changed, one.Note})
	}
	return items
}

func viewCertificate(c store.Certificate) certificateView {
	v := certificateView{Case: decimal(c.Case), Received: c.Received, Begun: c.Begun, Items: viewItems(c.Items), Backups: []backupView{}, Systems: []systemView{},
		Kept:    []string{"the coded form of the address, so that nobody is written to again", "the record that the request was met, without name and address"},
		RestsOn: "the date of the last backup rests on the cycles that [[backup]] declares"}
	if !c.Ended.IsZero() {
		v.Ended, v.LastBackup = &c.Ended, &c.LastBackup
	}
	for _, one := range c.Systems {
		v.Systems = append(v.Systems, systemView{one.System, one.Name, one.State, one.Law, orNil(one.Until), orNil(one.Ended)})
		if one.State == "kept" {
			v.Kept = append(v.Kept, "at "+one.Name+": "+one.Law)
		}
	}
	for _, one := range c.Backups {
		v.Backups = append(v.Backups, backupView{one.Name, int(one.Cycle / (24 * time.Hour))})
	}
	return v
}

// Run shows the certificate.
func (c *caseCertificateCommand) Run(a *app) error {
	id, err := number(c.ID, "case")
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	found, err := s.Certificate(a.ctx, id)
	if err != nil {
		return hinted(err, "an erasure begins with the click on the link that was mailed; heed case show tells where the case stands")
	}
	v := viewCertificate(found)
	return a.show(v, func() { a.sayCertificate(v) })
}

func (a *app) sayCertificate(v certificateView) {
	a.say("case %s, asked %s, begun %s", v.Case, v.Received.Format(time.DateOnly), v.Begun.Format(time.DateOnly))
	a.sayItems(v.Items)
	for _, one := range v.Systems {
		a.say("%-8s %-13s %s", one.Answer, one.System, one.Name)
	}
	for _, one := range v.Kept {
		a.say("stays: %s", one)
	}
	if v.Ended == nil {
		a.say("not ended: somebody is still to answer")
		return
	}
	a.say("ended %s; the last backup is overwritten by %s (%s)", v.Ended.Format(time.DateOnly), v.LastBackup.Format(time.DateOnly), v.RestsOn)
}

func (a *app) sayItems(items []itemView) {
	for _, one := range items {
		a.say("%-8s %-13s %s%s", one.State, one.Item, one.What, bracketed(one.Note))
	}
}

func bracketed(note string) string {
	if note == "" {
		return ""
	}
	return " (" + note + ")"
}

type caseSystemCommand struct {
	ID      string `arg:"" help:"Number of the case."`
	System  string `arg:"" help:"Id of the system."`
	Deleted bool   `help:"It has deleted what it held."`
	Kept    bool   `help:"It keeps something that a law wants."`
	Law     string `help:"Which law, for --kept; the certificate tells it." placeholder:"TEXT"`
	Until   string `help:"Until when, for --kept." placeholder:"YYYY-MM-DD"`
	output
}

// Help tells when and shows an example.
func (caseSystemCommand) Help() string {
	return "For a system that answered by letter or telephone. The case ends when all have answered.\n\nExample: heed case system 3 billing --kept --law \"§ 147 AO\" --until 2033-12-31"
}

// Run records the answer.
func (c *caseSystemCommand) Run(a *app) error {
	id, err := number(c.ID, "case")
	if err != nil {
		return err
	}
	answer, err := c.answer()
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	if err := s.Answered(a.ctx, id, c.System, answer); err != nil {
		return hinted(err, "heed case certificate "+c.ID+" lists the systems of the case and what they answered")
	}
	found, err := s.Certificate(a.ctx, id)
	if err != nil {
		return err
	}
	v := viewCertificate(found)
	return a.show(v, func() { a.sayCertificate(v) })
}

func (c *caseSystemCommand) answer() (answer store.Answer, err error) {
	wrong := func(text string) error {
		return problem{exitUsage, errors.New(text), "heed case system 3 billing --deleted, or --kept --law TEXT --until 2033-12-31"}
	}
	switch {
	case c.Deleted == c.Kept:
		return answer, wrong("say either --deleted or --kept")
	case c.Kept == (c.Law == ""):
		return answer, wrong("--kept goes with --law, and --law with --kept")
	case c.Law != printableLine(c.Law) || len(c.Law) > 200:
		return answer, wrong("--law is one line of at most 200 letters")
	case c.Until != "" && !c.Kept:
		return answer, wrong("--until goes with --kept")
	}
	answer.State = "deleted"
	if c.Kept {
		answer.State, answer.Law = "kept", c.Law
	}
	if c.Until != "" {
		if answer.Until, err = time.Parse(time.DateOnly, c.Until); err != nil {
			return answer, wrong("--until must be a date such as 2033-12-31")
		}
	}
	return answer, nil
}
