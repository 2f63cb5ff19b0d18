package web

import (
	"errors"
	"io"
	"net/http"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// choices is /p/TOKEN. With the link of a newsletter, which may have been passed
// on, it shows no more than that list, and only stops. With a link that was
// mailed to the address on file, and is good for a while only, it shows and
// changes everything.
func (s *Server) choices(w http.ResponseWriter, r *http.Request) {
	arrived := s.o.Now()
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, fresh, ok := s.openChoices(w, r)
	if !ok {
		return
	}
	s.heedSignal(r, link, arrived)
	switch {
	case r.Method != http.MethodPost && s.showDone(w, r, link), r.Method != http.MethodPost && fresh && s.showSaved(w, r, link):
	case r.Method != http.MethodPost && fresh:
		s.showCentre(w, r, link, http.StatusOK, nil)
	case r.Method != http.MethodPost:
		s.showChoices(w, r, link, http.StatusOK)
	case !s.sameSite(r):
		s.notice(w, r, http.StatusForbidden, templates.NoticeData{Kind: templates.NoticeReadOnly})
	case fresh:
		s.save(w, r, link, arrived)
	default:
		s.stopList(w, r, link, arrived)
	}
}

// openChoices reads either kind of link; fresh tells which. One that was good
// for a while and is not any more leads to the page that mails a new one.
func (s *Server) openChoices(w http.ResponseWriter, r *http.Request) (link consent.Link, fresh, ok bool) {
	ring := s.o.Store.Keys().Links
	link, err := ring.OpenUntil(r.PathValue("token"), s.o.Now())
	switch {
	case errors.Is(err, consent.ErrLate):
		s.askForLink(w, r, http.StatusGone, templates.AskLinkData{Late: true})
		return link, false, false
	case err == nil && link.Purpose == consent.PurposeChoices:
		return link, true, !s.guessed(w, r, link)
	}
	link, ok = s.open(w, r, consent.PurposeChoices, consent.PurposeOptOut)
	return link, false, ok
}

// openFresh is for what a newsletter's link must not do.
func (s *Server) openFresh(w http.ResponseWriter, r *http.Request) (link consent.Link, ok bool) {
	link, fresh, ok := s.openChoices(w, r)
	if ok && !fresh {
		s.askForLink(w, r, http.StatusForbidden, templates.AskLinkData{})
	}
	return link, ok && fresh
}

// heedSignal follows Sec-GPC (11 CCR 7025): a no to sharing, recorded once,
// whatever page with choices it comes to. It is the one header that changes
// something, and can only ever mean less.
func (s *Server) heedSignal(r *http.Request, link consent.Link, arrived time.Time) {
	if r.Header.Get("Sec-GPC") != "1" || r.Method == http.MethodHead {
		return
	}
	fresh, err := s.o.Store.Signal(r.Context(), link.Address, arrived)
	if err != nil {
		s.o.Log.Error("web_unavailable", "route", "signal", "cause", err)
	}
	if fresh {
		s.o.Log.Info("signal_heeded", "key", link.Address.String())
	}
}

// stopList is the button of a page that a newsletter's link opened.
func (s *Server) stopList(w http.ResponseWriter, r *http.Request, link consent.Link, arrived time.Time) {
	scope, code, err := s.chosen(w, r, link)
	switch {
	case err != nil:
		s.unavailable(w, r, "choices", err)
	case code != 0:
		s.showChoices(w, r, link, code)
	default:
		s.optOut(w, r, "choices", "p", store.OptOut{Key: link.Address, Scope: scope, Received: arrived, Via: consent.ViaPage, Authenticated: true})
	}
}

// chosen reads which button was pressed. Only what the page offers can be
// chosen.
func (s *Server) chosen(w http.ResponseWriter, r *http.Request, link consent.Link) (scope consent.Scope, code int, err error) {
	fields, code := form(w, r)
	if code != 0 {
		return "", code, nil
	}
	if fields.Get("scope") == "all" {
		return consent.ScopeMarketing, 0, nil
	}
	who, err := s.whoIs(r, link.Address)
	if err != nil {
		return "", 0, err
	}
	rows, err := s.listOf(r, link, who.state)
	for _, one := range rows {
		if fields.Get("scope") == "topic:"+one.ID {
			return consent.TopicScope(one.Number), 0, err
		}
	}
	return "", http.StatusBadRequest, err
}

// choice is a topic that somebody decided about.
type choice struct {
	store.Named
	in   bool
	torn bool // a yes and a no contradict each other
}

// shown is what the page shows of them.
func shown(rows []choice) []templates.Choice {
	out := make([]templates.Choice, len(rows))
	for i, one := range rows {
		out[i] = templates.Choice{ID: one.ID, Name: one.Name, In: one.in, Torn: one.torn}
	}
	return out
}

// listOf gives the one topic that a newsletter's link is about. Whoever never
// chose topics has none: one button for everything is all that there is to
// stop.
func (s *Server) listOf(r *http.Request, link consent.Link, state consent.State) (rows []choice, err error) {
	topics, err := s.o.Store.Topics(r.Context())
	for _, one := range topics {
		if mark, chosen := state.Topics[one.Number]; chosen && one.Number == int(link.Scope) {
			rows = append(rows, choice{Named: one, in: mark.Choice == consent.In && !closed(state)})
		}
	}
	return rows, err
}

// closed tells whether all marketing stands still whatever the topics say.
func closed(state consent.State) bool { return state.Erased != 0 || state.Suppressed != 0 }

// stopsAll tells whether nothing is left that the button for everything stops.
func stopsAll(state consent.State) bool {
	for _, mark := range state.Topics {
		if mark.Choice == consent.In {
			return closed(state)
		}
	}
	return closed(state) || state.Marketing.Choice == consent.Out && state.Partner.Choice != consent.In
}

func (s *Server) showChoices(w http.ResponseWriter, r *http.Request, link consent.Link, code int) {
	who, err := s.whoIs(r, link.Address)
	if err != nil {
		s.unavailable(w, r, "choices", err)
		return
	}
	rows, err := s.listOf(r, link, who.state)
	if err != nil {
		s.unavailable(w, r, "choices", err)
		return
	}
	conflicts, everything, err := s.torn(r, link.Address, who, rows)
	if err != nil {
		s.unavailable(w, r, "choices", err)
		return
	}
	s.page(w, code, who.lang, func(w io.Writer) error {
		return templates.ChoicesPage(w, templates.ChoicesData{Language: who.lang, Sender: s.o.SenderName, MaskedAddress: who.masked, Action: s.action("p", r),
			Topics: shown(rows), Conflicts: ofList(conflicts, rows), Stopped: stopsAll(who.state) && !everything, Fresh: s.under("p", "link", r)})
	})
}

// ofList leaves the contradictions that a newsletter's link may show: those
// about its own list, and about everything.
func ofList(all []templates.Conflict, rows []choice) (some []templates.Conflict) {
	for _, one := range all {
		for _, row := range rows {
			if one.Topic == row.Name {
				some = append(some, one)
			}
		}
		if one.Topic == "" && !one.What.Sharing {
			some = append(some, one)
		}
	}
	return some
}

// torn finds the wishes that contradict each other, and marks the topics among
// them: the no counts, and its button makes it certain. everything tells that
// the button for all is such a one.
func (s *Server) torn(r *http.Request, key consent.Key, who person, rows []choice) (out []templates.Conflict, everything bool, err error) {
	conflicts, err := s.o.Store.Conflicts(r.Context(), key)
	if err != nil || closed(who.state) {
		return nil, false, err
	}
	for _, one := range conflicts {
		c := templates.Conflict{Yes: one.Yes.Received.In(who.zone), No: one.No.Received.In(who.zone), How: string(one.Yes.Via), Way: wayOf(one.No)}
		if c.What, err = s.stops(r, []consent.Scope{one.Scope}); err != nil {
			return nil, false, err
		}
		if len(c.What.Topics) == 1 {
			c.Topic = c.What.Topics[0]
		}
		topics, err := s.o.Store.Topics(r.Context())
		if err != nil {
			return nil, false, err
		}
		c.Field = scopeField(one.Scope, topics)
		for i := range rows {
			rows[i].torn = rows[i].torn || one.Scope == consent.TopicScope(rows[i].Number)
		}
		everything = everything || c.What.All || c.What.Offers
		out = append(out, c)
	}
	return out, everything, nil
}

// wayOf tells a browser's signal from somebody's own act on a page.
func wayOf(e consent.Entry) string {
	if e.Source == store.GPCSource {
		return "signal"
	}
	return string(e.Via)
}
