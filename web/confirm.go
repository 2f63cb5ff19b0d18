package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// confirm is /c/TOKEN: what a confirmation does, and the button that does it.
// The link went to the address on file, so that the click proves who asks.
// Opening it proves nothing: scanners open every link.
func (s *Server) confirm(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, ok := s.open(w, r, consent.PurposeConfirm)
	if !ok {
		return
	}
	if r.Method != http.MethodPost {
		s.showCase(w, r, link, http.StatusOK)
		return
	}
	fields, code := form(w, r)
	if code == 0 && fields.Get("confirm") != "delete" {
		code = http.StatusBadRequest
	}
	if code != 0 {
		s.showCase(w, r, link, code)
		return
	}
	s.confirmCase(w, r, link)
}

// confirmCase takes the click. The case is looked at first, because a second
// click is told something else than the first.
func (s *Server) confirmCase(w http.ResponseWriter, r *http.Request, link consent.Link) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	before, err := s.o.Store.CaseOf(ctx, link)
	if err == nil && s.waits(before) {
		_, err = s.o.Store.Confirm(ctx, link)
		if err == nil {
			s.confirmed(w, r, before)
			return
		}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrState) {
		s.unavailable(w, r, "confirm", err)
		return
	}
	s.showCase(w, r, link, http.StatusOK)
}

func (s *Server) confirmed(w http.ResponseWriter, r *http.Request, c store.Case) {
	s.o.Log.Info("case_confirmed", "case", c.ID, "kind", string(c.Kind))
	lang := spoken(c.Language, accepted(r))
	s.page(w, http.StatusOK, lang, func(w io.Writer) error {
		return templates.ConfirmDonePage(w, templates.ConfirmDoneData{Language: lang, Sender: s.o.SenderName,
			At: s.o.Now(), Reference: reference(c)})
	})
}

const daysToConfirm = int(store.ConfirmFor / (24 * time.Hour))

// waits tells whether a click still counts.
func (s *Server) waits(c store.Case) bool {
	return c.State == consent.CaseWaiting && !s.o.Now().After(c.Until)
}

// showCase shows where the case stands: with its button, run out, or closed.
func (s *Server) showCase(w http.ResponseWriter, r *http.Request, link consent.Link, code int) {
	ctx, cancel := context.WithTimeout(r.Context(), lookWithin)
	defer cancel()
	c, err := s.o.Store.CaseOf(ctx, link)
	if errors.Is(err, store.ErrNotFound) {
		s.noSuchLink(w, r)
		return
	}
	if err != nil {
		s.unavailable(w, r, "confirm", err)
		return
	}
	lang := spoken(c.Language, accepted(r))
	switch {
	case s.waits(c):
		s.page(w, code, lang, func(w io.Writer) error {
			return templates.ConfirmPage(w, templates.ConfirmData{Language: lang, Sender: s.o.SenderName,
				MaskedAddress: masked(c.Email), Action: s.action("c", r), Reference: reference(c)})
		})
	case c.State == consent.CaseWaiting:
		s.notice(w, r, http.StatusGone, templates.NoticeData{Kind: templates.NoticeExpired, Language: lang, Days: daysToConfirm})
	default:
		s.notice(w, r, code, templates.NoticeData{Kind: templates.NoticeUsed, Language: lang, Reference: reference(c)})
	}
}

func masked(email string) string {
	if email == "" {
		return ""
	}
	return templates.Mask(email)
}

// reference is the number under which staff find the case, as in the mails
// about it.
func reference(c store.Case) string { return fmt.Sprintf("H-%d", c.ID) }
