package web

import (
	"context"
	"errors"
	"io"
	"net/http"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// undo is /b/TOKEN: it takes back an opt-out that came by mail. The link went to
// the address on file, so that the button is pressed by its owner. Opening the
// page proves nothing and changes nothing.
func (s *Server) undo(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, ok := s.open(w, r, consent.PurposeUndo)
	if !ok {
		return
	}
	if r.Method != http.MethodPost {
		s.showUndo(w, r, link, http.StatusOK)
		return
	}
	fields, code := form(w, r)
	if code == 0 && fields.Get("undo") != "yes" {
		code = http.StatusBadRequest
	}
	if code != 0 {
		s.showUndo(w, r, link, code)
		return
	}
	s.takeBack(w, r, link)
}

func (s *Server) takeBack(w http.ResponseWriter, r *http.Request, link consent.Link) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	before, err := s.o.Store.UndoOf(ctx, link)
	if err == nil && s.canUndo(before) {
		var u store.Undo
		if u, err = s.o.Store.Undo(ctx, link); err == nil {
			s.o.Log.Info("optout_undone", "key", link.Address.String(), "scopes", len(u.Returns))
			if !s.sendOn(w, r, s.action("b", r, pair(fieldDone, "1"))) {
				s.undone(w, r, link, http.StatusOK, templates.UndoneNow, u)
			}
			return
		}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrState) {
		s.unavailable(w, r, "undo", err)
		return
	}
	s.showUndo(w, r, link, http.StatusOK)
}

// canUndo tells whether the button still does something.
func (s *Server) canUndo(u store.Undo) bool {
	return u.Undone.IsZero() && !s.o.Now().After(u.Until) && len(u.Returns) > 0
}

// showUndo shows what would come back, or why nothing does.
func (s *Server) showUndo(w http.ResponseWriter, r *http.Request, link consent.Link, code int) {
	ctx, cancel := context.WithTimeout(r.Context(), lookWithin)
	defer cancel()
	u, err := s.o.Store.UndoOf(ctx, link)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.noSuchLink(w, r)
	case err != nil:
		s.unavailable(w, r, "undo", err)
	case s.canUndo(u):
		s.askToUndo(w, r, link, code, u)
	case u.Undone.IsZero() && s.o.Now().After(u.Until):
		s.undone(w, r, link, http.StatusGone, templates.UndoneLate, u)
	case !u.Undone.IsZero() && r.Method != http.MethodPost && r.URL.Query().Get(fieldDone) == "1":
		s.undone(w, r, link, code, templates.UndoneNow, u)
	default:
		s.undone(w, r, link, code, templates.UndoneUsed, u)
	}
}

func (s *Server) askToUndo(w http.ResponseWriter, r *http.Request, link consent.Link, code int, u store.Undo) {
	who, err := s.whoIs(r, link.Address)
	if err != nil {
		s.unavailable(w, r, "undo", err)
		return
	}
	stopped, err := s.stops(r, u.Scopes)
	if err != nil {
		s.unavailable(w, r, "undo", err)
		return
	}
	s.page(w, code, who.lang, func(w io.Writer) error {
		return templates.UndoPage(w, templates.UndoData{Language: who.lang, Sender: s.o.SenderName, MaskedAddress: who.masked,
			Action: s.action("b", r), Stopped: stopped, At: u.At.In(who.zone), Until: u.Until.In(who.zone)})
	})
}

func (s *Server) undone(w http.ResponseWriter, r *http.Request, link consent.Link, code int, kind templates.UndoneKind, u store.Undo) {
	lang, at := s.languageOf(r, link.Address), u.Undone
	if kind == templates.UndoneLate {
		at = u.Until
	}
	s.page(w, code, lang, func(w io.Writer) error {
		return templates.UndonePage(w, lang, s.o.SenderName, kind, at, s.askPath(r))
	})
}

// stops puts scopes into words.
func (s *Server) stops(r *http.Request, scopes []consent.Scope) (out templates.Stops, err error) {
	for _, scope := range scopes {
		topic, err := s.topicOf(r.Context(), scope)
		if err != nil {
			return out, err
		}
		switch {
		case topic != "":
			out.Topics = append(out.Topics, topic)
		case scope == consent.ScopePartner:
			out.Offers = true
		case scope == consent.ScopeSharing:
			out.Sharing = true
		default:
			out.All = true
		}
	}
	return out, nil
}
