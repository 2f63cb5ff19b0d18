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
	if code != 0 {
		s.showCase(w, r, link, code)
		return
	}
	s.confirmCase(w, r, link, fields.Get("confirm"))
}

// button is what the form of a case posts: each kind has its own, so that no
// click ever does something else than its page said.
func button(k consent.CaseKind) string {
	switch k {
	case consent.CaseErasure:
		return "delete"
	case consent.CaseAccess:
		return "copy"
	}
	return ""
}

// confirmCase takes the click. The case is looked at first, because a second
// click is told something else than the first.
func (s *Server) confirmCase(w http.ResponseWriter, r *http.Request, link consent.Link, pressed string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	before, err := s.o.Store.CaseOf(ctx, link)
	if err == nil && s.waits(before) {
		if pressed == "" || pressed != button(before.Kind) {
			s.showCase(w, r, link, http.StatusBadRequest)
			return
		}
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
	lang := s.language(r, c.Language)
	if c.Kind == consent.CaseAccess {
		s.copyReady(w, r, c, lang)
		return
	}
	status := ""
	if token, err := s.o.Store.StatusLink(c); err == nil {
		status = s.prefix + "/q/" + token + onward(r)
	}
	s.page(w, http.StatusOK, lang, func(w io.Writer) error {
		return templates.ConfirmDonePage(w, templates.ConfirmDoneData{Language: lang, Sender: s.o.SenderName,
			At: s.o.Now(), Reference: reference(c), Status: status})
	})
}

// copyReady leads on to the copy, whose link is also on its way by mail.
func (s *Server) copyReady(w http.ResponseWriter, r *http.Request, c store.Case, lang string) {
	ctx, cancel := context.WithTimeout(r.Context(), lookWithin)
	defer cancel()
	links, err := s.o.Store.ReportLinks(ctx, c.ID)
	if err != nil || len(links) == 0 {
		s.unavailable(w, r, "confirm", err)
		return
	}
	link := links[len(links)-1]
	s.page(w, http.StatusOK, lang, func(w io.Writer) error {
		return templates.CopyReadyPage(w, templates.RightData{Language: lang, Sender: s.o.SenderName, Reference: reference(c), At: s.o.Now(),
			Until: link.Until, Way: s.prefix + "/r/" + s.o.Store.SealReport(link) + onward(r)})
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
	lang := s.language(r, c.Language)
	switch {
	case s.waits(c):
		s.askCase(w, r, c, code, lang)
	case c.State == consent.CaseWaiting && c.Kind == consent.CaseAccess:
		s.page(w, http.StatusGone, lang, func(w io.Writer) error {
			return templates.LatePage(w, templates.RightData{Language: lang, Sender: s.o.SenderName, Days: daysToConfirm, Reference: reference(c), Ask: s.askPath(r)})
		})
	case c.State == consent.CaseWaiting:
		s.notice(w, r, http.StatusGone, templates.NoticeData{Kind: templates.NoticeExpired, Language: lang, Days: daysToConfirm})
	default:
		s.notice(w, r, code, templates.NoticeData{Kind: templates.NoticeUsed, Language: lang, Reference: reference(c)})
	}
}

// askCase shows what the click would do, in the words of its kind, and for
// whom: the address on file, to which the link went.
func (s *Server) askCase(w http.ResponseWriter, r *http.Request, c store.Case, code int, lang string) {
	who := masked(c.Email)
	if key, err := consent.ParseKey(c.Key); err == nil {
		if stored, err := s.whoIs(r, key); err == nil && stored.masked != "" {
			who = stored.masked
		}
	}
	s.page(w, code, lang, func(w io.Writer) error {
		if c.Kind == consent.CaseAccess {
			return templates.CopyAskPage(w, templates.RightData{Language: lang, Sender: s.o.SenderName, MaskedAddress: who,
				Action: s.action("c", r), Reference: reference(c)})
		}
		return templates.ConfirmPage(w, templates.ConfirmData{Language: lang, Sender: s.o.SenderName,
			MaskedAddress: who, Action: s.action("c", r), Reference: reference(c)})
	})
}

func masked(email string) string {
	if email == "" {
		return ""
	}
	return templates.Mask(email)
}

// reference is the number under which staff find the case, as in the mails
// about it.
func reference(c store.Case) string { return caseReference(c.ID) }

func caseReference(id int64) string { return fmt.Sprintf("H-%d", id) }
