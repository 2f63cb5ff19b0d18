package web

import (
	"io"
	"net/http"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// choices is /p/TOKEN: what a person gets, each with a button that stops it.
// It only ever stops: whoever a newsletter was forwarded to holds its link too,
// and must not be able to sign its reader up for more.
func (s *Server) choices(w http.ResponseWriter, r *http.Request) {
	arrived := s.o.Now()
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, ok := s.open(w, r, consent.PurposeChoices, consent.PurposeOptOut)
	if !ok {
		return
	}
	if r.Method != http.MethodPost {
		s.showChoices(w, r, link, http.StatusOK)
		return
	}
	scope, code, err := s.chosen(w, r, link)
	switch {
	case err != nil:
		s.unavailable(w, r, "choices", err)
	case code != 0:
		s.showChoices(w, r, link, code)
	default:
		s.optOut(w, r, "choices", store.OptOut{Key: link.Address, Scope: scope, Received: arrived, Via: consent.ViaPage, Authenticated: true})
	}
}

// chosen reads which button was pressed. Only what the page offers this person
// can be chosen.
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
	rows, err := s.chosenTopics(r, who.state)
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

// chosenTopics lists the topics that somebody decided about. Whoever never
// chose topics has none: one button for everything is all that there is to
// stop.
func (s *Server) chosenTopics(r *http.Request, state consent.State) ([]choice, error) {
	topics, err := s.o.Store.Topics(r.Context())
	var rows []choice
	for _, one := range topics {
		if mark, chosen := state.Topics[one.Number]; chosen {
			rows = append(rows, choice{Named: one, in: mark.Choice == consent.In && !closed(state)})
		}
	}
	return rows, err
}

// closed tells whether all marketing stands still whatever the topics say.
func closed(state consent.State) bool { return state.Erased != 0 || state.Suppressed != 0 }

// stopsAll tells whether nothing is left that the button for everything stops.
func stopsAll(state consent.State, rows []choice) bool {
	for _, one := range rows {
		if one.in {
			return false
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
	rows, err := s.chosenTopics(r, who.state)
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
		return templates.ChoicesPage(w, templates.ChoicesData{Language: who.lang, Sender: s.o.SenderName, MaskedAddress: who.masked,
			Action: s.action("p", r), Topics: shown(rows), Conflicts: conflicts, Stopped: stopsAll(who.state, rows) && !everything})
	})
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
		c := templates.Conflict{Yes: one.Yes.Received.In(who.zone), No: one.No.Received.In(who.zone), How: string(one.Yes.Via), Way: string(one.No.Via)}
		if c.What, err = s.stops(r, []consent.Scope{one.Scope}); err != nil {
			return nil, false, err
		}
		if len(c.What.Topics) == 1 {
			c.Topic = c.What.Topics[0]
		}
		for i := range rows {
			rows[i].torn = rows[i].torn || one.Scope == consent.TopicScope(rows[i].Number)
		}
		everything = everything || c.What.All || c.What.Offers
		out = append(out, c)
	}
	return out, everything, nil
}
