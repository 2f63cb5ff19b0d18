package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"heed/consent"
	"heed/store"
)

type contactCommand struct {
	Import     importCommand     `cmd:"" help:"Store people from a CSV file. Never turns a no into a yes."`
	Export     exportCommand     `cmd:"" help:"Write everybody stored as CSV, in the form that import reads."`
	Show       showCommand       `cmd:"" help:"Show one person."`
	Move       moveCommand       `cmd:"" help:"Change an address, once both mailboxes have confirmed it."`
	Correct    correctCommand    `cmd:"" help:"Correct details of a person, for their request."`
	Restrict   restrictCommand   `cmd:"" help:"Only keep the data of an address from now on: nothing goes out."`
	Unrestrict unrestrictCommand `cmd:"" help:"End that, once the person has been told."`
	Optout     optoutCommand     `cmd:"" help:"Stop mail to an address, on its holder's wish."`
	Registered registeredCommand `cmd:"" help:"Confirm once that somebody made an account."`
}

type showCommand struct {
	Address string `arg:"" help:"E-mail address."`
	output
}

// Help shows an example.
func (showCommand) Help() string { return "Example: heed contact show ann@example.com --json" }

// contactView is a person as `contact show` prints them.
type contactView struct {
	Email     string             `json:"email"`
	FirstName string             `json:"first_name"`
	LastName  string             `json:"last_name"`
	Company   string             `json:"company"`
	Language  string             `json:"language"`
	TimeZone  string             `json:"time_zone"`
	Services  []string           `json:"services"`
	Attrs     map[string]string  `json:"attrs"`
	State     store.ExplainState `json:"state"`
}

// Run prints one person.
func (c *showCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	key, email, err := s.Key(c.Address)
	if err != nil {
		return err
	}
	p, known, err := s.PersonByKey(a.ctx, key)
	if err != nil {
		return err
	}
	if !known {
		return hinted(fmt.Errorf("nobody is stored under %s", email), "heed explain "+email+" tells what is known of the address all the same")
	}
	e, err := s.Explain(a.ctx, email)
	if err != nil {
		return err
	}
	held, err := holdings(a, s)
	if err != nil {
		return err
	}
	view := contactView{Email: p.Email, FirstName: p.FirstName, LastName: p.LastName, Company: p.Company, Language: p.Language,
		TimeZone: p.TimeZone, Services: orEmpty(held[p.ID]), Attrs: attrsOrEmpty(p.Attrs), State: e.State}
	return a.show(view, func() {
		a.say("%s\n  name      %s %s\n  company   %s\n  language  %s\n  services  %s", p.Email, printableLine(p.FirstName), printableLine(p.LastName), printableLine(p.Company),
			printableLine(p.Language), strings.Join(view.Services, ", "))
		for _, name := range slices.Sorted(maps.Keys(p.Attrs)) {
			a.say("  attr.%s  %s", name, printableLine(p.Attrs[name]))
		}
		a.sayState(e.State)
	})
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func attrsOrEmpty(attrs map[string]string) map[string]string {
	if attrs == nil {
		return map[string]string{}
	}
	return attrs
}

// holdings lists which services each person holds, by the person's number.
func holdings(a *app, s *store.Store) (map[int64][]string, error) {
	services, err := s.Services(a.ctx)
	if err != nil {
		return nil, err
	}
	held := map[int64][]string{}
	for _, one := range services {
		holders := store.Campaign{Class: consent.Newsletter, Service: one.Number, Audience: "all"}
		err := s.Estimate(a.ctx, holders, func(p store.Person, _ consent.Reason) { held[p.ID] = append(held[p.ID], one.ID) })
		if err != nil {
			return nil, fmt.Errorf("reading who holds %s: %w", one.ID, err)
		}
	}
	return held, nil
}

type optoutCommand struct {
	Address string `arg:"" help:"E-mail address; it need not be stored."`
	Topic   string `help:"Stop only this topic." placeholder:"ID"`
	Sharing bool   `help:"Stop passing their data on to partners instead."`

	Received string `help:"When the wish came: 2026-11-20 or RFC 3339; now where it is left out." placeholder:"TIME"`
	Way      string `help:"How it came: letter, telephone, person or other." placeholder:"WAY" name:"by" default:"other"`
	output
}

// Help shows an example and the promise.
func (optoutCommand) Help() string {
	return "Stops all marketing mail, or one topic. It holds when the command returns, and no later import undoes it. Where the wish came earlier by letter or telephone, say when: wishes count in the order in which they came.\n\nExample: heed contact optout ann@example.com --received 2026-11-20 --by letter"
}

// stoppedView is what an opt-out answers.
type stoppedView struct {
	Email       string    `json:"email"`
	Scope       string    `json:"scope"`
	EffectiveAt time.Time `json:"effective_at"`
	InFlight    int       `json:"in_flight"`
	Already     bool      `json:"already"`
	Received    time.Time `json:"received"`
	Outweighed  bool      `json:"outweighed"` // by a yes that came after it
}

// Run records the opt-out, waits for what is in flight, and answers.
func (c *optoutCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	key, email, err := s.Key(c.Address)
	if err != nil {
		return err
	}
	ask, view, err := c.ask(a, s)
	if err != nil {
		return err
	}
	ask.Key, view.Email = key, email
	stopped, err := s.OptOut(a.ctx, ask)
	if err != nil {
		return err
	}
	if view.InFlight, err = s.AwaitClaims(a.ctx, []consent.Key{key}); err != nil {
		return err
	}
	view.EffectiveAt, view.Already, view.Outweighed = stopped.Effective, stopped.Already, stopped.Outweighed
	return a.show(view, func() { view.tell(a) })
}

// tell says it in words.
func (v stoppedView) tell(a *app) {
	if v.Outweighed {
		a.say("the wish of %s is recorded, but a yes that came after it counts: %s still gets %s", v.Received.Format(time.RFC3339), v.Email, v.Scope)
		return
	}
	a.say("%s is opted out of %s since %s; %d messages were already on their way", v.Email, v.Scope, v.EffectiveAt.Format(time.RFC3339), v.InFlight)
}

// ask reads what is to be stopped, and when and how the wish came.
func (c *optoutCommand) ask(a *app, s *store.Store) (ask store.OptOut, view stoppedView, err error) {
	ask = store.OptOut{Scope: consent.ScopeMarketing, Via: consent.ViaStaff, Source: c.Way, Received: time.Now().UTC()}
	view.Scope = "marketing"
	if !slices.Contains([]string{"letter", "telephone", "person", "other"}, c.Way) {
		return ask, view, problem{exitUsage, fmt.Errorf("%q is no way on which a wish comes", printableLine(c.Way)), "--by takes letter, telephone, person or other"}
	}
	if c.Received != "" {
		conf, err := a.config()
		if err != nil {
			return ask, view, err
		}
		at, err := receivedOn(c.Received, conf.Law.law().Zone, time.Now())
		if err != nil {
			return ask, view, err
		}
		ask.Received = lastOf(c.Received, at, time.Now())
	}
	view.Received = ask.Received
	switch {
	case c.Sharing && c.Topic != "":
		return ask, view, problem{exitUsage, errors.New("--topic and --sharing are two wishes"), "record one after the other"}
	case c.Sharing:
		ask.Scope, view.Scope = consent.ScopeSharing, "sharing"
	case c.Topic != "":
		topic, err := topicByID(a, s, c.Topic)
		if err != nil {
			return ask, view, err
		}
		ask.Scope, view.Scope = consent.TopicScope(topic.Number), "topic:"+topic.ID
	}
	return ask, view, nil
}

// lastOf takes a day for its end, so that of two wishes of one day the stricter
// counts.
func lastOf(text string, at, now time.Time) time.Time {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return at
	}
	if end := at.Add(24*time.Hour - time.Microsecond); end.Before(now) {
		return end
	}
	return now.UTC()
}

// topicByID finds a topic, and suggests one where there is none of that name.
func topicByID(a *app, s *store.Store, id string) (store.Named, error) {
	topics, err := s.Topics(a.ctx)
	if err != nil {
		return store.Named{}, err
	}
	return findNamed(topics, id, "topic")
}

func findNamed(all []store.Named, id, what string) (store.Named, error) {
	var ids []string
	for _, one := range all {
		if one.ID == id {
			return one, nil
		}
		ids = append(ids, one.ID)
	}
	text := fmt.Sprintf("the %s %q is not in the configuration", what, id)
	if near := nearest(id, ids); near != "" {
		text += fmt.Sprintf(", did you mean %s?", near)
	}
	return store.Named{}, hinted(errors.New(text), fmt.Sprintf("add it to heed.toml as [[%s]] with id and name", what))
}

type topicCommand struct {
	List topicListCommand `cmd:"" help:"List the topics."`
}

type topicListCommand struct{ output }

// Help shows an example.
func (topicListCommand) Help() string { return "Example: heed topic list --json" }

// Run lists the topics, one a line.
func (c *topicListCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	topics, err := s.Topics(a.ctx)
	if err != nil {
		return err
	}
	for _, one := range topics {
		if err := a.show(one, func() { a.say("%-24s %s", one.ID, one.Name) }); err != nil {
			return err
		}
	}
	return nil
}
