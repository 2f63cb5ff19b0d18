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

// status is /q/TOKEN: where a request stands, and the button that withdraws it.
func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, ok := s.open(w, r, consent.PurposeStatus)
	if !ok {
		return
	}
	if r.Method != http.MethodPost {
		s.showStatus(w, r, link, http.StatusOK)
		return
	}
	fields, code := form(w, r)
	switch {
	case !s.sameSite(r):
		s.notice(w, r, http.StatusForbidden, templates.NoticeData{Kind: templates.NoticeReadOnly})
	case code != 0 || fields.Get(templates.FieldWithdraw) != "yes":
		s.showStatus(w, r, link, max(code, http.StatusBadRequest))
	default:
		s.withdraw(w, r, link)
	}
}

func (s *Server) withdraw(w http.ResponseWriter, r *http.Request, link consent.Link) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	c, err := s.o.Store.Withdraw(ctx, link)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.noSuchLink(w, r)
	case errors.Is(err, store.ErrState): // it has ended, or is being carried out: the page says so
		s.showStatus(w, r, link, http.StatusOK)
	case err != nil:
		s.unavailable(w, r, "status", err)
	default:
		s.o.Log.Info("request_withdrawn", "case", c.ID)
		if !s.sendOn(w, r, s.action("q", r, pair(fieldDone, "1"))) {
			s.tellWithdrawn(w, r, c)
		}
	}
}

func (s *Server) tellWithdrawn(w http.ResponseWriter, r *http.Request, c store.Case) {
	lang := s.language(r, c.Language)
	s.again(w, r, lang, func(w io.Writer) error {
		return templates.WithdrawnPage(w, lang, s.o.SenderName, reference(c), s.askPath(r))
	})
}

func (s *Server) showStatus(w http.ResponseWriter, r *http.Request, link consent.Link, code int) {
	ctx, cancel := context.WithTimeout(r.Context(), lookWithin)
	defer cancel()
	p, err := s.o.Store.ProgressOf(ctx, link)
	if errors.Is(err, store.ErrNotFound) {
		s.noSuchLink(w, r)
		return
	}
	who, whoErr := s.whoIs(r, link.Address)
	if err = errors.Join(err, whoErr); err != nil {
		s.unavailable(w, r, "status", err)
		return
	}
	if p.Outcome == store.OutcomeWithdrawn && r.Method != http.MethodPost && r.URL.Query().Get(fieldDone) == "1" {
		s.tellWithdrawn(w, r, p.Case)
		return
	}
	in := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return t.In(who.zone)
	}
	lang := s.language(r, p.Language)
	d := templates.StatusData{Language: lang, Sender: s.o.SenderName, Kind: string(p.Kind), Reference: reference(p.Case), Received: in(p.Received),
		Waits: p.State == consent.CaseWaiting, Until: in(p.Until), Certain: p.Identity == consent.IdentityConfirmed, Due: in(p.Due), Done: in(p.Ended),
		Refused: p.State == consent.CaseRefused, Withdrawn: p.Outcome == store.OutcomeWithdrawn, Backups: in(p.BackupsGone)}
	if p.Withdrawable() {
		d.Withdraw = s.action("q", r)
	}
	s.page(w, code, lang, func(w io.Writer) error { return templates.StatusPage(w, d) })
}
