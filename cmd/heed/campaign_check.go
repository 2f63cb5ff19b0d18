package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

type campaignCheckCommand struct{ one }

// Help tells the exit code and shows an example.
func (campaignCheckCommand) Help() string {
	return "Exit code 3 where problems were found.\n\nExample: heed campaign check 12"
}

// checkView is what a check found.
type checkView struct {
	ID       string         `json:"id"`
	OK       bool           `json:"ok"`
	Missing  map[string]int `json:"missing"` // by merge field, for how many people
	Problems []string       `json:"problems"`
	Warnings []string       `json:"warnings"`
	Bytes    int            `json:"bytes"` // of the HTML part
}

// Run looks at content, configuration and the people who would get it.
func (c *campaignCheckCommand) Run(a *app) error {
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	view, err := a.inspect(s, campaign)
	if err != nil {
		return err
	}
	if err := a.show(view, func() { a.sayCheck(view) }); err != nil || view.OK {
		return err
	}
	return misfit(view)
}

func (a *app) sayCheck(v checkView) {
	for _, text := range v.Problems {
		a.say("problem: %s", text)
	}
	for _, text := range v.Warnings {
		a.say("note: %s", text)
	}
	if v.OK {
		a.say("campaign %s can be sent", v.ID)
	}
}

// inspect checks a campaign against its audience of this moment.
func (a *app) inspect(s *store.Store, campaign store.Campaign) (checkView, error) {
	v := checkView{ID: decimal(campaign.ID), Missing: map[string]int{}, Problems: []string{}, Warnings: []string{}}
	conf, err := a.config()
	if err != nil {
		return v, err
	}
	if err := conf.canSend(); err != nil {
		v.Problems = append(v.Problems, err.Error())
		return v, nil
	}
	c, err := a.compile(s, campaign)
	if err != nil {
		v.Problems = append(v.Problems, err.Error())
		return v, nil
	}
	v.Warnings, v.Bytes = append(v.Warnings, c.words.Warnings()...), c.words.Size()
	var reached int
	v.Missing, reached, err = a.missing(s, c)
	if reached == 0 && err == nil {
		v.Warnings = append(v.Warnings, "nobody would get it now; heed campaign audience "+v.ID+" tells why")
	}
	if err == nil {
		err = errors.Join(a.checkApprovals(s, campaign, &v), a.checkRecords(s, campaign, &v))
	}
	for _, field := range slices.Sorted(maps.Keys(v.Missing)) {
		v.Problems = append(v.Problems, missingText(field, v.Missing[field]))
	}
	v.OK = len(v.Problems) == 0
	return v, err
}

// checkApprovals tells whoever checks a notice that its start still waits for people.
func (a *app) checkApprovals(s *store.Store, campaign store.Campaign, v *checkView) error {
	if !campaign.NeedsTwo() {
		return nil
	}
	acts, err := s.Approvals(a.ctx, campaign.ID)
	if missing := 2 - len(acts); missing > 0 {
		v.Warnings = append(v.Warnings, fmt.Sprintf("it starts once two people stand for it, of whom %d are missing: heed notice approve %s --by NAME --reason TEXT", missing, v.ID))
	}
	return err
}

// checkRecords tells that its start is refused for want of records in the DNS.
func (a *app) checkRecords(s *store.Store, campaign store.Campaign, v *checkView) error {
	missing, err := s.Unproven(a.ctx, campaign.Class)
	if missing {
		v.Warnings = append(v.Warnings, "it does not start as long as SPF, DKIM or DMARC are missing, which heed doctor tells")
	}
	return err
}

func missingText(field string, n int) string {
	people := fmt.Sprintf("%d people", n)
	if n == 1 {
		people = "1 person"
	}
	if field == "" {
		return "the text cannot be rendered for " + people
	}
	return fmt.Sprintf("%s is missing for %s and has no default", field, people)
}

// missing counts, over those who would get it now, whose values are missing.
func (a *app) missing(s *store.Store, c compiled) (fields map[string]int, reached int, err error) {
	fields = c.words.Check(func(yield func(templates.Person) bool) {
		var chunk []store.Person
		flush := func() {
			lists, failed := s.Lists(a.ctx, chunk)
			err = errors.Join(err, failed)
			for _, p := range chunk {
				yield(personOf(p, lists)) // counting takes everybody
			}
			chunk = chunk[:0]
		}
		failed := s.Estimate(a.ctx, c.Campaign, func(p store.Person, reason consent.Reason) {
			if reason != "" {
				return
			}
			reached++
			if chunk = append(chunk, p); len(chunk) == 500 {
				flush()
			}
		})
		err = errors.Join(err, failed)
		flush()
	})
	return fields, reached, err
}

func personOf(p store.Person, lists store.Lists) templates.Person {
	t := lists.Traits(p)
	return templates.Person{Email: t.Email, FirstName: t.FirstName, LastName: t.LastName, Company: t.Company, Language: t.Language,
		TimeZone: t.TimeZone, Attr: t.Attrs, Services: t.Services, Topics: t.Topics}
}

// fit refuses what a check finds wrong. With skip, people for whom a value is
// missing are left out instead, and counted as unrenderable.
func (a *app) fit(s *store.Store, campaign store.Campaign, skip bool) error {
	if fits, err := a.fitsEverybody(s, campaign); err != nil || fits {
		return err
	}
	v, err := a.inspect(s, campaign)
	if err != nil || v.OK {
		return err
	}
	if skip && len(v.Missing) == len(v.Problems) {
		a.note("note: %s; they are left out", strings.Join(v.Problems, "; "))
		return nil
	}
	return misfit(v)
}

// fitsEverybody tells whether nothing speaks against a campaign whoever stored is
// in its audience: all that it asks for is known of everybody. It spares the look
// at each person, which takes long where they are many; false says nothing.
func (a *app) fitsEverybody(s *store.Store, campaign store.Campaign) (bool, error) {
	conf, err := a.config()
	if err != nil || conf.canSend() != nil {
		return false, err
	}
	c, err := a.compile(s, campaign)
	if err != nil || !c.words.Plain() {
		return false, nil // the look at each person tells why
	}
	shapes, whole, err := s.Shapes(a.ctx)
	if err != nil || !whole {
		return false, err
	}
	missing := c.words.Check(func(yield func(templates.Person) bool) {
		for _, fields := range shapes {
			yield(known(fields)) // checking takes everybody
		}
	})
	return len(missing) == 0, nil
}

// known is a person of whom just these fields are known.
func known(fields []string) templates.Person {
	p := templates.Person{Email: "x", Attr: map[string]string{}}
	places := map[string]*string{"first_name": &p.FirstName, "last_name": &p.LastName, "company": &p.Company,
		"language": &p.Language, "time_zone": &p.TimeZone}
	for _, name := range fields {
		if field := places[name]; field != nil {
			*field = "x"
		} else if attr, is := strings.CutPrefix(name, "attr."); is {
			p.Attr[attr] = "x"
		}
	}
	return p
}

func misfit(v checkView) error {
	hint := "mend the file and store it again with heed campaign new"
	if len(v.Missing) > 0 {
		hint = `write a default, such as {{ first_name | default: "there" }}, or leave those people out with --skip-unrenderable`
	}
	return found(hint, "campaign %s: %s", v.ID, strings.Join(v.Problems, "; "))
}

type campaignAudienceCommand struct{ one }

// Help shows an example.
func (campaignAudienceCommand) Help() string { return "Example: heed campaign audience 12" }

// audienceView counts who would get a campaign.
type audienceView struct {
	Audience int                    `json:"audience"`
	WillGet  int                    `json:"will_get"`
	Skipped  map[consent.Reason]int `json:"skipped"`
}

// Run asks, for everybody in the audience, the question that the send asks.
func (c *campaignAudienceCommand) Run(a *app) error {
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	v, err := a.estimate(s, campaign)
	if err != nil {
		return err
	}
	return a.show(v, func() {
		a.say("%d of %d will get it", v.WillGet, v.Audience)
		for _, reason := range consent.Reasons() {
			if n := v.Skipped[reason]; n > 0 {
				a.say("  %6d %s (%s)", n, reason, reasonSaid[string(reason)])
			}
		}
	})
}

func (a *app) estimate(s *store.Store, campaign store.Campaign) (audienceView, error) {
	v := audienceView{Skipped: map[consent.Reason]int{}}
	err := s.Estimate(a.ctx, campaign, func(_ store.Person, reason consent.Reason) {
		v.Audience++
		if reason == "" {
			v.WillGet++
		} else {
			v.Skipped[reason]++
		}
	})
	return v, err
}
