package web

import (
	"io"
	"net/http"
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
		s.optOut(w, r, "choices", "p", store.OptOut{Key: link.Address, Scope: consent.ScopeMarketing, Received: arrived, Via: consent.ViaPage, Authenticated: true})
	}
}
