package web

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// filledIn is what was posted.
type filledIn struct {
	had    map[string]bool
	topics []string
	offers bool
	shares bool
	pause  string
	keep   string // the no of a contradiction that was picked; empty: none
	want   string // the yes
	wrong  string // the end of a pause that cannot be
}

// readChoices reads the fields. Whatever else was posted counts for nothing.
func readChoices(fields url.Values) *filledIn {
	f := &filledIn{had: map[string]bool{}, topics: fields[templates.FieldTopic], offers: fields.Get(templates.FieldOffers) != "",
		shares: fields.Get(templates.FieldSharing) != "", pause: strings.TrimSpace(fields.Get(templates.FieldPause)),
		keep: fields.Get(templates.FieldKeep), want: fields.Get(templates.FieldWant)}
	for _, one := range fields[templates.FieldHad] {
		f.had[one] = true
	}
	return f
}

func (f *filledIn) into(d *templates.CentreData) {
	for i, one := range d.Topics {
		d.Topics[i].In = slices.Contains(f.topics, one.ID)
	}
	d.Offers, d.Sharing, d.WrongPause = f.offers, f.shares, f.wrong
}

// hadPause is the end of the pause that stood on the page; empty: none did.
func (f *filledIn) hadPause() string {
	for one := range f.had {
		if day, is := strings.CutPrefix(one, templates.FieldPause+":"); is {
			return day
		}
	}
	return ""
}

// wishes are the differences between what stood on the page and what was posted:
// what somebody did not touch they did not choose. ok is false where the pause
// has no end that it can have.
func (f *filledIn) wishes(topics []store.Named, now time.Time) (all []store.Wish, ok bool) {
	if f.keep != "" || f.want != "" {
		return f.picked(topics)
	}
	add := func(scope consent.Scope, was, is bool) {
		if was != is {
			choice := consent.Out
			if is {
				choice = consent.In
			}
			all = append(all, store.Wish{Scope: scope, Choice: choice})
		}
	}
	for _, one := range topics {
		add(consent.TopicScope(one.Number), f.had[templates.FieldTopic+":"+one.ID], slices.Contains(f.topics, one.ID))
	}
	add(consent.ScopePartner, f.had[templates.FieldOffers], f.offers)
	add(consent.ScopeSharing, f.had[templates.FieldSharing], f.shares)
	if f.pause == f.hadPause() {
		return all, true
	}
	pause, ok := f.pauses(now)
	return append(all, pause), ok
}

// picked is what somebody chose of two wishes that contradict each other.
func (f *filledIn) picked(topics []store.Named) (all []store.Wish, ok bool) {
	for _, scope := range scopesOf(topics) {
		switch scopeField(scope, topics) {
		case f.keep:
			all = append(all, store.Wish{Scope: scope, Choice: consent.Out, Sure: true})
		case f.want:
			all = append(all, store.Wish{Scope: scope, Choice: consent.In})
		}
	}
	return all, len(all) == 1
}

func scopesOf(topics []store.Named) []consent.Scope {
	all := []consent.Scope{consent.ScopeMarketing, consent.ScopePartner, consent.ScopeSharing}
	for _, one := range topics {
		all = append(all, consent.TopicScope(one.Number))
	}
	return all
}

// scopeField is how a scope is called in the fields of the page.
func scopeField(scope consent.Scope, topics []store.Named) string {
	for _, one := range topics {
		if scope == consent.TopicScope(one.Number) {
			return templates.FieldTopic + ":" + one.ID
		}
	}
	return map[consent.Scope]string{consent.ScopeMarketing: "all", consent.ScopePartner: templates.FieldOffers, consent.ScopeSharing: templates.FieldSharing}[scope]
}

// pauses reads the day: the pause ends when it begins where the person lives.
func (f *filledIn) pauses(now time.Time) (store.Wish, bool) {
	if f.pause == "" {
		return store.Wish{Scope: consent.PauseScope(now), Choice: consent.Lift}, true
	}
	until, err := time.ParseInLocation(templates.DayForm, f.pause, now.Location())
	if err != nil || !until.After(now) || until.After(now.AddDate(1, 0, 1)) {
		f.wrong = f.pause
		return store.Wish{}, false
	}
	return store.Wish{Scope: consent.PauseScope(until), Choice: consent.Set}, true
}
