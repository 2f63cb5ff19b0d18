package web

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// showCentre shows all choices; where what was posted cannot be taken, as it was
// filled in.
func (s *Server) showCentre(w http.ResponseWriter, r *http.Request, link consent.Link, code int, filled *filledIn) {
	d, who, err := s.centre(r, link.Address)
	if err != nil {
		s.unavailable(w, r, "choices", err)
		return
	}
	if filled != nil {
		filled.into(&d)
	}
	s.page(w, code, who.lang, func(w io.Writer) error { return templates.CentrePage(w, d) })
}

// centre gathers what the page shows.
func (s *Server) centre(r *http.Request, key consent.Key) (d templates.CentreData, who person, err error) {
	if who, err = s.whoIs(r, key); err != nil {
		return d, who, err
	}
	d = templates.CentreData{Language: who.lang, Sender: s.o.SenderName, MaskedAddress: who.masked, Action: s.action("p", r),
		History: s.under("p", "history", r), Data: s.under("p", "requests", r),
		Offers: gets(who.state, who.state.Partner), Sharing: who.state.Sharing.Choice == consent.In}
	if !stopsAll(who.state) {
		d.Stop = s.under("p", "stop", r)
	}
	now := s.o.Now().In(who.zone)
	d.First, d.Last = now.AddDate(0, 0, 1), now.AddDate(1, 0, 0)
	if who.state.Paused(now) {
		d.Paused = time.UnixMicro(who.state.Pause).In(who.zone)
	}
	return s.chosenIn(r, key, who, d)
}

// chosenIn adds what has to be looked up.
func (s *Server) chosenIn(r *http.Request, key consent.Key, who person, d templates.CentreData) (templates.CentreData, person, error) {
	topics, err := s.o.Store.Topics(r.Context())
	for _, one := range topics {
		mark, chosen := who.state.Topics[one.Number]
		if about, configured := s.o.Topics[one.ID]; configured || chosen || len(s.o.Topics) == 0 {
			d.Topics = append(d.Topics, templates.CentreTopic{ID: one.ID, Name: one.Name, About: about, In: gets(who.state, topicMark(who.state, mark, chosen))})
		}
	}
	if err != nil {
		return d, who, err
	}
	if d.Conflicts, _, err = s.torn(r, key, who, nil); err != nil {
		return d, who, err
	}
	entries, err := s.o.Store.Ledger(r.Context(), key)
	for _, e := range entries {
		if e.Source == store.GPCSource && who.state.Sharing.Choice == consent.Out {
			d.Signal = e.Received.In(who.zone)
		}
	}
	if err != nil {
		return d, who, err
	}
	if d.Services, err = s.o.Store.ServicesOf(r.Context(), who.id); err != nil {
		return d, who, err
	}
	origin, err := s.o.Store.OriginOf(r.Context(), key)
	d.Came, d.Source = origin.At.In(who.zone), origin.Source
	return d, who, err
}

// topicMark is what counts for a topic: whoever never chose topics has said yes
// to all of them with a yes to everything.
func topicMark(s consent.State, own consent.Mark, chosen bool) consent.Mark {
	if !chosen && len(s.Topics) == 0 {
		return s.Marketing
	}
	return own
}

func gets(s consent.State, m consent.Mark) bool { return m.Choice == consent.In && !closed(s) }

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

// save takes the choices, waits for what is in flight, and tells what changed.
func (s *Server) save(w http.ResponseWriter, r *http.Request, link consent.Link, arrived time.Time) {
	fields, code := form(w, r)
	if code != 0 {
		s.showCentre(w, r, link, code, nil)
		return
	}
	if len(fields) == 0 || fields.Get("List-Unsubscribe") != "" { // a program that posts to all it finds
		s.showCentre(w, r, link, http.StatusBadRequest, nil)
		return
	}
	who, err := s.whoIs(r, link.Address)
	if err != nil {
		s.unavailable(w, r, "choices", err)
		return
	}
	topics, err := s.o.Store.Topics(r.Context())
	if err != nil {
		s.unavailable(w, r, "choices", err)
		return
	}
	filled := readChoices(fields)
	wishes, ok := filled.wishes(topics, arrived.In(who.zone))
	if !ok {
		s.showCentre(w, r, link, http.StatusBadRequest, filled)
		return
	}
	s.choose(w, r, link, who, topics, store.Choosing{Key: link.Address, Received: arrived, Wishes: wishes, Wording: wording(who.lang, topics, wishes)}, filled)
}

// wording is the evidence of a choice: what the page said beside it.
func wording(lang string, topics []store.Named, wishes []store.Wish) string {
	said := map[string]string{"page": "choices", "language": lang}
	for _, one := range wishes {
		if number, is := one.Scope.Topic(); is {
			said[string(one.Scope)] = nameOf(topics, number)
		} else {
			said[string(one.Scope)] = templates.ChoiceWording(lang, string(one.Scope))
		}
	}
	text, _ := json.Marshal(said) // strings always can be written
	return string(text)
}

func nameOf(topics []store.Named, number int) string {
	for _, one := range topics {
		if one.Number == number {
			return one.Name
		}
	}
	return ""
}

func (s *Server) choose(w http.ResponseWriter, r *http.Request, link consent.Link, who person, topics []store.Named, c store.Choosing, filled *filledIn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	done, err := s.o.Store.RecordWishes(ctx, c)
	inFlight := 0
	if err == nil && len(done.Changed) > 0 {
		inFlight, err = s.o.Store.AwaitClaims(ctx, []consent.Key{link.Address})
	}
	if errorsIsNotFound(err) {
		s.noSuchLink(w, r)
		return
	}
	if err != nil {
		s.unavailable(w, r, "choices", err)
		return
	}
	for _, one := range done.Changed {
		if one.Choice == consent.Out {
			s.metrics.OptedOut(consent.ViaPage, s.o.Now().Sub(c.Received))
		}
	}
	s.o.Log.Info("choices_saved", "key", link.Address.String(), "changed", len(done.Changed), "in_flight", inFlight)
	w.Header().Set("Heed-Effective-At", done.Effective.UTC().Format(effectiveForm))
	w.Header().Set("Heed-In-Flight", strconv.Itoa(inFlight))
	d := templates.SavedData{Language: who.lang, Sender: s.o.SenderName, At: done.Effective.In(who.zone), InFlight: inFlight,
		Back: s.action("p", r), Undo: s.action("p", r), Number: ledgerReference(done.Reference)}
	told(&d, done.Changed, topics, who.zone)
	if d.Fields = reversed(done.Changed, topics, filled, who.zone); filled.keep != "" || filled.want != "" {
		d.Undo = "" // both wishes are on record, and this was the choice between them
	}
	s.page(w, http.StatusOK, who.lang, func(w io.Writer) error { return templates.SavedPage(w, d) })
}

// told puts what changed into words.
func told(d *templates.SavedData, changed []store.Wish, topics []store.Named, zone *time.Location) {
	for _, one := range changed {
		if until, pause := one.Scope.Pause(); pause {
			if d.Resumed = one.Choice == consent.Lift; !d.Resumed {
				d.Paused = until.In(zone)
			}
			continue
		}
		change := templates.Change{All: one.Scope == consent.ScopeMarketing, Offers: one.Scope == consent.ScopePartner, Sharing: one.Scope == consent.ScopeSharing}
		if number, is := one.Scope.Topic(); is {
			change.Topic = nameOf(topics, number)
		}
		if one.Choice == consent.In {
			d.On = append(d.On, change)
		} else {
			d.Off = append(d.Off, change)
		}
	}
}

// reversed is what the button posts that takes the changes back, in the fields
// of the page itself.
func reversed(changed []store.Wish, topics []store.Named, filled *filledIn, zone *time.Location) (all []templates.HiddenField) {
	add := func(name, value string) { all = append(all, templates.HiddenField{Name: name, Value: value}) }
	for _, one := range changed {
		field, value := templates.FieldOffers, ""
		if number, is := one.Scope.Topic(); is {
			for _, topic := range topics {
				if topic.Number == number {
					field, value = templates.FieldTopic, topic.ID
				}
			}
		} else if one.Scope == consent.ScopeSharing {
			field = templates.FieldSharing
		}
		until, pause := one.Scope.Pause()
		switch {
		case pause && one.Choice == consent.Set:
			add(templates.FieldHad, templates.FieldPause+":"+until.In(zone).Format(templates.DayForm))
			add(templates.FieldPause, filled.hadPause())
		case pause:
			add(templates.FieldPause, filled.hadPause())
		case one.Choice == consent.In && value != "":
			add(templates.FieldHad, field+":"+value)
		case one.Choice == consent.In:
			add(templates.FieldHad, field)
		case value != "":
			add(field, value)
		default:
			add(field, "yes")
		}
	}
	return append(all, templates.HiddenField{Name: "undo", Value: "yes"})
}

// stopEverything is /p/TOKEN/stop: the button of that page that stops all
// marketing.
func (s *Server) stopEverything(w http.ResponseWriter, r *http.Request) {
	arrived := s.o.Now()
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, ok := s.openFresh(w, r)
	if !ok {
		return
	}
	fields, code := form(w, r)
	switch {
	case r.Method != http.MethodPost:
		s.showCentre(w, r, link, http.StatusOK, nil)
	case !s.sameSite(r):
		s.notice(w, r, http.StatusForbidden, templates.NoticeData{Kind: templates.NoticeReadOnly})
	case code != 0 || fields.Get("scope") != "all":
		s.showCentre(w, r, link, max(code, http.StatusBadRequest), nil)
	default:
		s.optOut(w, r, "choices", store.OptOut{Key: link.Address, Scope: consent.ScopeMarketing, Received: arrived, Via: consent.ViaPage, Authenticated: true})
	}
}

// history is /p/TOKEN/history: each choice on record.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	link, ok := s.openFresh(w, r)
	if !ok {
		return
	}
	who, err := s.whoIs(r, link.Address)
	if err != nil {
		s.unavailable(w, r, "history", err)
		return
	}
	entries, err := s.o.Store.Ledger(r.Context(), link.Address)
	if err != nil {
		s.unavailable(w, r, "history", err)
		return
	}
	topics, err := s.o.Store.Topics(r.Context())
	if err != nil {
		s.unavailable(w, r, "history", err)
		return
	}
	slices.Reverse(entries)
	section := templates.ReportSection{ID: "choices", Entries: each(entries, func(e consent.Entry) []field { return entryLine(e, topics) })}
	s.page(w, http.StatusOK, who.lang, func(w io.Writer) error {
		return templates.HistoryPage(w, who.lang, s.o.SenderName, who.masked, s.action("p", r), section)
	})
}

func entryLine(e consent.Entry, topics []store.Named) []field {
	scope, until := scoped(string(e.Scope))
	if number, is := e.Scope.Topic(); is {
		scope = text("scope", nameOf(topics, number))
	}
	return []field{when("received", e.Received), scope, until, coded("choice", string(e.Choice)), coded("via", wayOf(e)), text("source", e.Source), text("policy", e.PolicyID)}
}
