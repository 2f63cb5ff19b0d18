package web

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// version is /v, the policy in force, and /v/ID, one of its versions. With a
// sealed link in place of the id it is the version that this person agreed to.
func (s *Server) version(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	d := templates.VersionData{Language: s.language(r, ""), Sender: s.o.SenderName}
	all, err := s.o.Store.Versions(r.Context())
	var shown *store.Version
	link, sealed := s.o.Store.Keys().Links.Open(r.PathValue("version"))
	switch {
	case err != nil:
	case sealed == nil && s.guessed(w, r, link):
		return
	case sealed == nil && (link.Purpose == consent.PurposeChoices || link.Purpose == consent.PurposeOptOut || link.Purpose == consent.PurposeAgree):
		d.Personal, d.Language = true, s.languageOf(r, link.Address)
		shown, d.Agreed, err = s.agreedTo(r.Context(), all, link.Address)
	default:
		if shown = pick(all, r.PathValue("version")); shown == nil {
			s.badLink(w, r)
			return
		}
	}
	if err != nil {
		s.unavailable(w, r, "version", err)
		return
	}
	if shown != nil {
		d.Version, d.Text, d.Hash, d.State = shown.ID, shown.Text, hex.EncodeToString(shown.Hash), shown.State
		d.Purposes, d.Effective, d.Ended = shown.Purposes, shown.Effective, shown.Ended
	}
	for _, one := range all {
		if one.ID != d.Version && one.State != "withdrawn" {
			d.Others = append(d.Others, templates.VersionLink{Path: s.versionPath(one.ID), Version: one.ID})
		}
	}
	s.page(w, http.StatusOK, d.Language, func(w io.Writer) error { return templates.VersionPage(w, d) })
}

func (s *Server) versionPath(id string) string { return s.prefix + "/v/" + url.PathEscape(id) }

// pick finds a version by its id; without one, the version in force.
func pick(all []store.Version, id string) *store.Version {
	for i, one := range all {
		if one.ID == id || id == "" && one.State == "in_force" {
			return &all[i]
		}
	}
	return nil
}

// agreedTo finds the latest version that a person's choices were said under.
func (s *Server) agreedTo(ctx context.Context, all []store.Version, key consent.Key) (v *store.Version, at time.Time, err error) {
	state, err := s.o.Store.State(ctx, key)
	if err != nil {
		return nil, at, err
	}
	marks := map[string]consent.Mark{}
	for _, mark := range state.Yeses() {
		if marks[mark.Policy].At < mark.At {
			marks[mark.Policy] = mark
		}
	}
	for i, one := range all {
		if mark, agreed := marks[one.ID]; agreed {
			v, at = &all[i], mark.Time()
		}
	}
	return v, at, nil
}

// agree is /a/TOKEN: whether somebody agrees to a new version. Only the button
// says yes; a no, or silence, changes nothing.
func (s *Server) agree(w http.ResponseWriter, r *http.Request) {
	arrived := s.o.Now()
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, ok := s.open(w, r, consent.PurposeAgree)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	v, err := s.o.Store.VersionByNumber(ctx, int(link.Scope))
	if errors.Is(err, store.ErrNotFound) || v.State == "withdrawn" {
		s.noSuchLink(w, r)
		return
	}
	who, err2 := s.whoIs(r, link.Address)
	if err = errors.Join(err, err2); err != nil {
		s.unavailable(w, r, "agree", err)
		return
	}
	d := templates.SignedUpData{Language: who.lang, Sender: s.o.SenderName, MaskedAddress: who.masked, Action: s.action("a", r), Policy: v.ID, Purposes: v.Purposes, Texts: s.versionPath(v.ID),
		Way: s.prefix + "/p/" + s.o.Store.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeChoices, Address: link.Address})}
	code := http.StatusOK
	if r.Method == http.MethodPost {
		fields, bad := form(w, r)
		if bad == 0 && fields.Get("confirm") == "agree" {
			s.agreed(w, r, ctx, link, d, store.Click{Received: arrived, Network: s.o.Store.Network(sender(r)), Wording: templates.AgreeWording(d)})
			return
		}
		code = max(bad, http.StatusBadRequest)
	}
	s.page(w, code, d.Language, func(w io.Writer) error { return templates.AgreePage(w, d) })
}

func (s *Server) agreed(w http.ResponseWriter, r *http.Request, ctx context.Context, link consent.Link, d templates.SignedUpData, c store.Click) {
	scopes, err := s.o.Store.Agree(ctx, link, c)
	switch {
	case errors.Is(err, store.ErrState): // a newer version has taken its place: nothing is asked any more
		s.notice(w, r, http.StatusGone, templates.NoticeData{Kind: templates.NoticeUsed, Language: d.Language})
		return
	case err != nil:
		s.unavailable(w, r, "agree", err)
		return
	}
	s.o.Log.Info("policy_agreed", "key", link.Address.String(), "choices", len(scopes))
	s.page(w, http.StatusOK, d.Language, func(w io.Writer) error { return templates.AgreedPage(w, d, len(scopes) == 0) })
}

// announcement remembers what is announced, so that no page asks the database for it
// more than once in a while.
type announcement struct {
	mu    sync.Mutex
	asked time.Time
	v     store.Version
}

// lookAgain is how long a page may lag behind a publication.
const lookAgain = 15 * time.Second

// banner is on top of every page while a new version is announced; empty
// otherwise, and where the database does not say.
func (s *Server) banner(lang string) (line string) {
	defer func() {
		if recover() != nil {
			line = "" // a page without it is better than none
		}
	}()
	v, due := s.announced.last(s.o.Now())
	if due {
		v = s.lookForVersion(v)
	}
	if v.ID == "" {
		return ""
	}
	return templates.Banner(lang, s.o.SenderName, v.Effective, s.versionPath(v.ID))
}

// last gives what was announced when the database was asked last; due tells whoever
// is to ask it again.
func (a *announcement) last(now time.Time) (v store.Version, due bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if due = now.Sub(a.asked) > lookAgain || now.Before(a.asked); due {
		a.asked = now
	}
	return a.v, due
}

// lookForVersion asks the database, without the lock: no other page waits for that.
func (s *Server) lookForVersion(v store.Version) store.Version {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, announced, err := s.o.Store.PolicyNow(ctx)
	if err != nil {
		return v
	}
	s.announced.mu.Lock()
	defer s.announced.mu.Unlock()
	s.announced.v = announced
	return announced
}
