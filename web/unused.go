package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// unused is /n/TOKEN, from the footer of a service alert: the reader says that
// they use the service no more. Opening the page changes nothing, and neither
// does the button by itself: it begins a check, and alerts go on until that has
// ended. Whoever an alert was forwarded to must not be able to keep its reader
// from what they need to know.
func (s *Server) unused(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, ok := s.open(w, r, consent.PurposeUnused)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	look, code := s.o.Store.QuestionOf, http.StatusOK
	if r.Method == http.MethodPost {
		fields, failed := form(w, r)
		switch {
		case failed != 0:
			code = failed
		case fields.Get("unused") != "yes":
			code = http.StatusBadRequest
		default:
			look = s.o.Store.Question
		}
	}
	check, holds, err := look(ctx, link)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.noSuchLink(w, r)
	case err != nil:
		s.unavailable(w, r, "unused", err)
	case code == http.StatusOK && s.sendOn(w, r, s.action("n", r)): // it says there what was asked
	default:
		s.showUnused(w, r, code, link, check, holds)
	}
}

func (s *Server) showUnused(w http.ResponseWriter, r *http.Request, code int, link consent.Link, check store.ServiceCheck, holds bool) {
	who, err := s.whoIs(r, link.Address)
	if err != nil {
		who = person{lang: s.language(r, ""), zone: time.UTC} // what was asked for is done
	}
	d := templates.UnusedData{Language: who.lang, Sender: s.o.SenderName, MaskedAddress: who.masked, Action: s.action("n", r), Service: check.Service.Name}
	show := templates.UnusedPage
	switch {
	case !holds:
		show = templates.UnusedNonePage
	case check.ID != 0:
		show, d.At = templates.UnusedAskedPage, check.Asked.In(who.zone)
	}
	s.page(w, code, who.lang, func(w io.Writer) error { return show(w, d) })
}
