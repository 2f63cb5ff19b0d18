package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"heed/consent"
	"heed/store"
)

type exportCommand struct {
	Address       string `arg:"" optional:"" help:"One person, for an authority; needs --for-disclosure."`
	ForDisclosure string `help:"Number of the document by which an authority is given this person's data." placeholder:"ID"`
	byFlag
	output
}

// Help tells the form and shows an example.
func (exportCommand) Help() string {
	return `CSV on standard output, in the form that import reads; with --json an object a line. That everybody's data was written out is kept among the acts of staff.

The data of one person is given to an authority only by a document that was written down before with heed disclosure add.

Example: heed contact export > people.csv
Example: heed contact export --for-disclosure 1 ann@example.com`
}

// exporter knows what a row needs besides the person.
type exporter struct {
	topics map[int]string
	held   map[int64][]string
}

// Run writes everybody. The file is read twice: first for the names of the
// attributes, which are columns.
func (c *exportCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	e := exporter{topics: map[int]string{}}
	if e.held, err = holdings(a, s); err != nil {
		return err
	}
	topics, err := s.Topics(a.ctx)
	if err != nil {
		return err
	}
	for _, one := range topics {
		e.topics[one.Number] = one.ID
	}
	by, err := c.staff(a)
	if err != nil {
		return err
	}
	if c.Address != "" || c.ForDisclosure != "" {
		return c.disclose(a, s, e, by)
	}
	if err := s.NoteAct(a.ctx, store.StaffAct{Kind: store.ActExported, Staff: by, Said: "everybody"}); err != nil {
		return err
	}
	if a.json {
		return e.objects(a, s)
	}
	attrs := map[string]bool{}
	if err := s.People(a.ctx, 0, func(p store.Person) bool {
		for name := range p.Attrs {
			attrs[name] = true
		}
		return true
	}); err != nil {
		return err
	}
	return e.rows(a, s, slices.Sorted(maps.Keys(attrs)))
}

func (e exporter) objects(a *app, s *store.Store) error {
	var failed error
	err := s.People(a.ctx, 0, func(p store.Person) bool {
		failed = a.line(e.object(p))
		return failed == nil
	})
	return firstError(failed, err)
}

func (e exporter) object(p store.Person) map[string]any {
	row := map[string]any{}
	for column, value := range e.row(p) {
		row[column] = value
	}
	row["topics"], row["services"], row["attrs"] = orEmpty(e.chosen(p)), orEmpty(e.held[p.ID]), attrsOrEmpty(p.Attrs)
	return row
}

func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// disclose writes out one person for an authority.
func (c *exportCommand) disclose(a *app, s *store.Store, e exporter, by string) error {
	if c.Address == "" || c.ForDisclosure == "" {
		return problem{exitRefused, errors.New("nobody's data is given to anybody without a document"),
			"heed disclosure add writes the document down; then heed contact export --for-disclosure ID ADDRESS"}
	}
	id, err := number(c.ForDisclosure, "disclosure")
	if err != nil {
		return err
	}
	key, _, err := s.Key(c.Address)
	if err != nil {
		return err
	}
	p, err := s.Disclose(a.ctx, id, key, by)
	if err != nil {
		return refusal(err)
	}
	if a.json {
		return a.line(e.object(p))
	}
	return e.table(a, slices.Sorted(maps.Keys(p.Attrs)), func(each func(store.Person) bool) error {
		each(p)
		return nil
	})
}

func (e exporter) rows(a *app, s *store.Store, attrs []string) error {
	return e.table(a, attrs, func(each func(store.Person) bool) error { return s.People(a.ctx, 0, each) })
}

// table writes people as CSV, with a header.
func (e exporter) table(a *app, attrs []string, people func(each func(store.Person) bool) error) error {
	columns := slices.DeleteFunc(contactColumns(), func(c string) bool { return c == "attr.NAME" || c == "external_id" })
	header := slices.Clone(columns)
	for _, name := range attrs {
		header = append(header, "attr."+name)
	}
	w := csv.NewWriter(a.out)
	if err := w.Write(header); err != nil {
		return err
	}
	var failed error
	err := people(func(p store.Person) bool {
		row, fields := e.row(p), []string{}
		for _, column := range columns {
			fields = append(fields, row[column])
		}
		for _, name := range attrs {
			fields = append(fields, p.Attrs[name])
		}
		failed = writeCSV(w, fields...)
		return failed == nil
	})
	w.Flush()
	return firstError(failed, err, w.Error())
}

// row gives a person by column. The consent columns tell the newest yes.
func (e exporter) row(p store.Person) map[string]string {
	newest := p.State.Marketing
	if newest.Choice != consent.In {
		newest = consent.Mark{}
	}
	for _, mark := range p.State.Topics {
		if mark.Choice == consent.In && mark.At > newest.At {
			newest = mark
		}
	}
	at := ""
	if newest.At != 0 {
		at = newest.Time().UTC().Format(time.RFC3339)
	}
	return map[string]string{"email": p.Email, "first_name": p.FirstName, "last_name": p.LastName, "company": p.Company, "language": p.Language,
		"time_zone": p.TimeZone, "topics": strings.Join(e.chosen(p), "|"), "services": strings.Join(e.held[p.ID], "|"),
		"partner_offers": said(p.State.Partner), "sharing": said(p.State.Sharing), "consent_at": at, "consent_source": newest.Source}
}

func said(m consent.Mark) string {
	return map[consent.Choice]string{consent.In: "yes", consent.Out: "no"}[m.Choice]
}

// chosen lists the topics that somebody said yes to.
func (e exporter) chosen(p store.Person) (ids []string) {
	for number, mark := range p.State.Topics {
		if mark.Choice == consent.In {
			ids = append(ids, e.topics[number])
		}
	}
	slices.Sort(ids)
	return ids
}

// sayState tells for people what an address decided.
func (a *app) sayState(s store.ExplainState) {
	a.say("  marketing %s, partner offers %s, sharing %s", s.Marketing, s.PartnerOffers, s.Sharing)
	for _, topic := range slices.Sorted(maps.Keys(s.Topics)) {
		a.say("  topic %s: %s", topic, s.Topics[topic])
	}
	for name, on := range map[string]bool{"on hold": s.OnHold, "restricted": s.Restricted, "dead: mail to it came back": s.Dead, "erased": s.Erased, "suppressed": s.Suppressed} {
		if on {
			a.say("  %s", fmt.Sprintf("this address is %s", name))
		}
	}
	if s.PausedUntil != nil {
		a.say("  marketing is paused until %s", s.PausedUntil.Format(time.RFC3339))
	}
}
