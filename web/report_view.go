package web

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// sections lays a copy out for the page. The file holds the same and more of
// its numbers; nothing that is in the store about the person is only in one.
func sections(r store.Held, about store.About, purposes string, topics []store.Named) []templates.ReportSection {
	r = withTopics(r, topics)
	return []templates.ReportSection{
		{ID: "controller", Entries: entries{{text("name", about.Controller.Name), text("postal_address", about.Controller.PostalAddress),
			text("contact", about.Controller.Contact), text("purpose", purposes)}}},
		{ID: "profile", Entries: profile(r)},
		{ID: "state", Entries: entries{standing(r.State)}},
		{ID: "sources", Entries: each(r.Sources, source)},
		{ID: "choices", Entries: each(r.Choices, choiceLine)},
		{ID: "policies", Entries: each(r.Policies, func(p store.ReportPolicy) []field { return []field{text("policy", p.ID), text("fingerprint", p.Hash)} })},
		{ID: "messages", Entries: each(r.Messages, message)},
		{ID: "mails", Entries: each(r.Mails, mail)},
		{ID: "letters", Entries: each(r.Letters, letter)},
		{ID: "cases", Entries: caseLines(r.Cases)},
		{ID: "moves", Entries: each(r.Addresses, moveLine)},
		{ID: "copies", Entries: each(r.Copies, copyLine)},
		{ID: "given", Entries: each(r.Given, givenLine)},
		{ID: "signups", Entries: signUpLines(r)},
		{ID: "recipients", Entries: each(about.Recipients, recipient)},
		{ID: "retention", Entries: each(about.Retention, func(k store.Retention) []field {
			return []field{coded("what", k.What), text("days", strconv.Itoa(k.Days))}
		})},
	}
}

type (
	field   = templates.ReportField
	entries = [][]field
)

func text(label, value string) field        { return field{Label: label, Value: value} }
func coded(label, value string) field       { return field{Label: label, Coded: value} }
func when(label string, at time.Time) field { return field{Label: label, Time: at} }
func perhaps(label string, at *time.Time) field {
	if at == nil {
		return field{Label: label}
	}
	return when(label, *at)
}

func yesNo(label string, yes bool) field {
	if yes {
		return coded(label, "yes")
	}
	return coded(label, "no")
}

// withTopics gives topics the names that people know.
func withTopics(r store.Held, topics []store.Named) store.Held {
	names := map[string]string{}
	for _, one := range topics {
		names["topic:"+one.ID] = one.Name
	}
	named := func(scope string) string {
		if name, is := names[scope]; is {
			return name
		}
		return scope
	}
	r.Choices, r.Sources = slices.Clone(r.Choices), slices.Clone(r.Sources)
	for i := range r.Choices {
		r.Choices[i].Scope = named(r.Choices[i].Scope)
	}
	for i := range r.Sources {
		r.Sources[i].Scope = named(r.Sources[i].Scope)
	}
	now := map[string]string{}
	for id, choice := range r.State.Topics {
		now[named("topic:"+id)] = choice
	}
	r.State.Topics = now
	return r
}

// open writes whatever was sealed as one line.
func open(label string, value any) field { return text(label, flat(value)) }

func flat(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any:
		var parts []string
		for key, one := range v {
			if said := flat(one); said != "" {
				parts = append(parts, key+": "+said)
			}
		}
		slices.Sort(parts)
		return strings.Join(parts, "; ")
	case []any:
		var parts []string
		for _, one := range v {
			parts = append(parts, flat(one))
		}
		return strings.Join(parts, ", ")
	}
	raw, _ := json.Marshal(value) // came out of JSON
	return string(raw)
}

func each[T any](all []T, lay func(T) []field) (out entries) {
	for _, one := range all {
		out = append(out, lay(one))
	}
	return out
}

func profile(r store.Held) entries {
	var keys []field
	for _, key := range r.AddressKey {
		keys = append(keys, text("address_key", key))
	}
	p := r.Person
	if p == nil {
		return entries{keys}
	}
	lines := []field{text("email", p.Email), text("first_name", p.FirstName), text("last_name", p.LastName), text("company", p.Company),
		text("language", p.Language), text("time_zone", p.TimeZone)}
	names := make([]string, 0, len(p.Attributes))
	for name := range p.Attributes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		lines = append(lines, text("attribute", name+": "+p.Attributes[name]))
	}
	lines = append(lines, text("external_ids", strings.Join(p.ExternalIDs, ", ")), text("services", strings.Join(p.Services, ", ")),
		when("stored", p.Stored), when("updated", p.Updated), text("random_id", p.Subject))
	return entries{append(lines, keys...)}
}

// standing is what the choices add up to.
func standing(s store.ExplainState) []field {
	lines := []field{coded("marketing", s.Marketing), coded("partner_offers", s.PartnerOffers), coded("sharing", s.Sharing)}
	topics := make([]string, 0, len(s.Topics))
	for topic := range s.Topics {
		topics = append(topics, topic)
	}
	slices.Sort(topics)
	for _, topic := range topics {
		lines = append(lines, coded(topic, s.Topics[topic]))
	}
	for _, one := range []struct {
		name string
		set  bool
	}{{"on_hold", s.OnHold}, {"restricted", s.Restricted}, {"dead", s.Dead}, {"erased", s.Erased}, {"suppressed", s.Suppressed}} {
		if one.set {
			lines = append(lines, yesNo(one.name, true))
		}
	}
	return append(lines, perhaps("paused", s.PausedUntil))
}

// scoped says what a choice is about, and of a pause until when.
func scoped(scope string) (about, until field) {
	if end, pause := consent.Scope(scope).Pause(); pause {
		return coded("scope", "pause"), when("paused", end)
	}
	return coded("scope", scope), field{Label: "paused"}
}

func source(s store.ReportSource) []field {
	scope, _ := scoped(s.Scope)
	return []field{when("at", s.At), scope, coded("via", s.Via), text("source", s.Source), text("wording", s.Wording), text("import", s.Import)}
}

func choiceLine(c store.ReportChoice) []field {
	scope, until := scoped(c.Scope)
	return []field{when("received", c.Received), scope, until, coded("choice", c.Choice), coded("via", c.Via), text("source", c.Source),
		text("policy", c.Policy), yesNo("authenticated", c.Authenticated), open("evidence", c.Evidence)}
}

func message(m store.ReportMessage) []field {
	answer := strings.TrimSpace(m.Status)
	if m.Code != 0 {
		answer = strings.TrimSpace(strconv.Itoa(m.Code) + " " + answer)
	}
	return []field{text("campaign", m.Name), coded("class", m.Class), coded("outcome", m.Outcome), coded("reason", m.Reason), when("at", m.Changed),
		perhaps("handed_over", m.Handed), perhaps("returned", m.Returned), text("answer", answer), text("attempts", strconv.Itoa(m.Attempts))}
}

func mail(m store.ReportMail) []field {
	return []field{when("received", m.Received), text("mailbox", m.Mailbox), coded("kind", m.Kind), coded("outcome", "did_"+m.Outcome), text("reference", m.Case),
		open("rules", m.Rules), open("text", m.Text)}
}

func letter(l store.ReportLetter) []field {
	return []field{when("created", l.Created), coded("kind", "letter_"+l.Kind), coded("state", l.State), perhaps("ended", l.Ended), text("reference", l.Case), open("words", l.Words)}
}

// caseLines shows a case, and under it what happened to it.
func caseLines(all []store.ReportCase) (out entries) {
	for _, c := range all {
		lines := []field{text("reference", c.Reference), coded("kind", c.Kind), coded("state", c.State), coded("identity", c.Identity), text("email", c.Email),
			text("mailbox", c.Mailbox), when("received", c.Received), when("due", c.Due), perhaps("ended", c.Ended), text("outcome", c.Outcome)}
		for _, e := range c.Events {
			lines = append(lines, when("at", e.At), coded("event", "event_"+e.Kind), coded("via", e.By), open("words", e.Detail))
		}
		for _, item := range c.Erasure {
			lines = append(lines, text("what", item.Item), coded("state", item.State), text("words", item.Note))
		}
		out = append(out, lines)
	}
	return out
}

func moveLine(m store.ReportMove) []field {
	return []field{when("created", m.Created), coded("state", m.State), perhaps("old_mailbox", m.Old), perhaps("new_mailbox", m.New), open("words", m.Detail)}
}

func copyLine(c store.ReportCopyLink) []field {
	return []field{text("reference", c.Case), when("created", c.Created), when("until", c.Until), perhaps("ended", c.Closed)}
}

func recipient(r store.Recipient) []field {
	return []field{text("name", r.Name), coded("role", r.Role), text("purpose", r.Purpose), text("contract", r.Contract), text("contact", r.Contact), text("country", r.Country)}
}

func givenLine(g store.ReportGiven) []field {
	return []field{when("at", g.At), coded("event", "given_"+g.Kind), text("name", g.To), text("words", g.By), perhaps("ended", g.Ended)}
}

// signUpLines are the forms sent in for the address, and what followed.
func signUpLines(r store.Held) (all entries) {
	for _, one := range r.SignUps {
		all = append(all, []field{coded("state", one.State), when("created", one.Created), when("until", one.Until), perhaps("ended", one.Ended), open("words", one.Detail)})
	}
	for _, one := range r.Accounts {
		all = append(all, []field{coded("kind", "letter_registered"), when("at", one.At)})
	}
	for _, one := range r.Welcomed {
		all = append(all, []field{coded("kind", "welcome"), text("scope", one.Topic), when("at", one.At)})
	}
	return all
}
