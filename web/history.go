package web

import (
	"io"
	"net/http"
	"slices"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

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
