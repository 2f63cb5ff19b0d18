package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

func errorsIsNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }

// under is a path below that of a link's page.
func (s *Server) under(page, below string, r *http.Request, more ...string) string {
	return s.prefix + "/" + page + "/" + strings.ToLower(r.PathValue("token")) + "/" + below + onward(r, more...)
}

// sameSite refuses what another site makes a browser post. Programs send no
// Origin, and a page of ours that of this host: nothing that a mailbox provider
// posts is refused (RFC 8058 §3.1).
func (s *Server) sameSite(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	from, err := url.Parse(origin)
	return err == nil && from.Host != "" && (from.Host == r.Host || from.Host == s.host)
}

// Answers to questions for a link come this long after they were asked. The work
// is the same whether an address is on file; this covers what the disk and the
// caches make of it.
const evenly = 250 * time.Millisecond

// askForLink shows the page that mails a link.
func (s *Server) askForLink(w http.ResponseWriter, r *http.Request, code int, d templates.AskLinkData) {
	d.Language, d.Sender, d.Action = s.language(r, ""), s.o.SenderName, s.askPath(r)
	s.page(w, code, d.Language, func(w io.Writer) error { return templates.AskLinkPage(w, d) })
}

// askLink is /link: whoever has no link that works gives their address, and the
// link goes there if it is on file. The answer is the same for everybody.
func (s *Server) askLink(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	if r.Method != http.MethodPost && r.URL.Query().Get(fieldDone) == "1" {
		s.linkSent(w, r)
		return
	}
	if r.Method != http.MethodPost {
		s.askForLink(w, r, http.StatusOK, templates.AskLinkData{})
		return
	}
	if !s.sameSite(r) {
		s.notice(w, r, http.StatusForbidden, templates.NoticeData{Kind: templates.NoticeReadOnly})
		return
	}
	fields, code := form(w, r)
	key, _, err := s.o.Store.Key(strings.TrimSpace(fields.Get(templates.FieldEmail)))
	if code != 0 || err != nil {
		s.askForLink(w, r, max(code, http.StatusBadRequest), templates.AskLinkData{Wrong: true, Given: brief(fields.Get(templates.FieldEmail))})
		return
	}
	s.mailLink(w, r, key, began)
}

// brief bounds what is shown again of what was posted.
func brief(text string) string {
	if runes := []rune(text); len(runes) > 254 {
		return string(runes[:254])
	}
	return text
}

// linkOf is /p/TOKEN/link: the holder of a newsletter has a link mailed to
// whoever it was sent to.
func (s *Server) linkOf(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, _, ok := s.openChoices(w, r)
	if !ok {
		return
	}
	fields, code := form(w, r)
	switch {
	case r.Method != http.MethodPost:
		s.showChoices(w, r, link, http.StatusOK)
	case !s.sameSite(r):
		s.notice(w, r, http.StatusForbidden, templates.NoticeData{Kind: templates.NoticeReadOnly})
	case code != 0 || fields.Get(templates.FieldFresh) != "yes":
		s.showChoices(w, r, link, max(code, http.StatusBadRequest))
	default:
		s.mailLink(w, r, link.Address, began)
	}
}

func (s *Server) mailLink(w http.ResponseWriter, r *http.Request, key consent.Key, began time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	lang := s.language(r, "")
	asked, err := s.o.Store.MailLink(ctx, key, s.o.Store.Network(sender(r)), lang)
	if errors.Is(err, store.ErrTooMany) {
		s.tooMany(w, r, time.Hour)
		return
	}
	if err != nil {
		s.unavailable(w, r, "link", err)
		return
	}
	if asked {
		s.o.Log.Info("link_asked", "key", key.String())
	}
	select {
	case <-time.After(time.Until(began.Add(evenly))):
	case <-r.Context().Done():
	}
	if !s.sendOn(w, r, s.prefix+"/link"+onward(r, pair(fieldDone, "1"))) {
		s.linkSent(w, r)
	}
}

// linkSent says the same to everybody.
func (s *Server) linkSent(w http.ResponseWriter, r *http.Request) {
	lang := s.language(r, "")
	s.again(w, r, lang, func(w io.Writer) error { return templates.LinkSentPage(w, lang, s.o.SenderName) })
}

// maxWrong bounds what somebody writes about a correction, in characters.
const maxWrong = 2000

// requests is /p/TOKEN/requests: it starts a copy, a correction or a deletion.
func (s *Server) requests(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, ok := s.openFresh(w, r)
	if !ok {
		return
	}
	if r.Method != http.MethodPost {
		if !s.showAsked(w, r, link) {
			s.showRequests(w, r, link, http.StatusOK, templates.RequestsData{})
		}
		return
	}
	if !s.sameSite(r) {
		s.notice(w, r, http.StatusForbidden, templates.NoticeData{Kind: templates.NoticeReadOnly})
		return
	}
	fields, code := form(w, r)
	kind := map[string]consent.CaseKind{templates.AskCopy: consent.CaseAccess, templates.AskCorrect: consent.CaseRectification,
		templates.AskDelete: consent.CaseErasure}[fields.Get(templates.FieldAsk)]
	what := strings.TrimSpace(fields.Get(templates.FieldWhat))
	switch {
	case code != 0 || kind == "":
		s.showRequests(w, r, link, max(code, http.StatusBadRequest), templates.RequestsData{})
	case kind == consent.CaseRectification && (what == "" || utf8.RuneCountInString(what) > maxWrong):
		s.showRequests(w, r, link, http.StatusBadRequest, templates.RequestsData{Wrong: true, Given: what})
	default:
		s.begin(w, r, link, kind, what)
	}
}

func (s *Server) showRequests(w http.ResponseWriter, r *http.Request, link consent.Link, code int, d templates.RequestsData) {
	who, err := s.whoIs(r, link.Address)
	if err != nil {
		s.unavailable(w, r, "requests", err)
		return
	}
	d.Language, d.Sender, d.MaskedAddress = who.lang, s.o.SenderName, who.masked
	d.Action, d.Back = s.under("p", "requests", r), s.action("p", r)
	s.page(w, code, who.lang, func(w io.Writer) error { return templates.RequestsPage(w, d) })
}

// begin opens the case. What needs a click gets its link mailed, as if the
// request had come by mail: the page alone deletes nothing and shows nothing.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, link consent.Link, kind consent.CaseKind, what string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	who, err := s.whoIs(r, link.Address)
	if err == nil && who.email == "" {
		s.noSuchLink(w, r)
		return
	}
	var id int64
	if err == nil {
		id, err = s.o.Store.OpenCase(ctx, store.Report{Kind: kind, Email: who.email, Mailbox: "privacy", Via: "page", Note: what, Language: who.lang})
	}
	var c store.Case
	if err == nil {
		c, err = s.o.Store.Case(ctx, id)
	}
	if err != nil {
		s.unavailable(w, r, "requests", err)
		return
	}
	s.o.Log.Info("request_begun", "case", c.ID, "kind", string(c.Kind))
	if !s.sendOn(w, r, s.under("p", "requests", r, pair(fieldAsked, strconv.FormatInt(c.ID, 10)))) {
		s.tellAsked(w, r, who, c)
	}
}

// showAsked tells again what begin told, as long as it is so.
func (s *Server) showAsked(w http.ResponseWriter, r *http.Request, link consent.Link) bool {
	id, given := rowIn(r, fieldAsked)
	if !given {
		return false
	}
	c, err := s.o.Store.Case(r.Context(), id)
	if errorsIsNotFound(err) || err == nil && (c.Key != link.Address.String() || c.Via != "page" || !c.Ended.IsZero()) {
		return false
	}
	who, err2 := s.whoIs(r, link.Address)
	if err := errors.Join(err, err2); err != nil {
		s.unavailable(w, r, "requests", err)
		return true
	}
	s.tellAsked(w, r, who, c)
	return true
}

func (s *Server) tellAsked(w http.ResponseWriter, r *http.Request, who person, c store.Case) {
	token, err := s.o.Store.StatusLink(c)
	if err != nil {
		s.unavailable(w, r, "requests", err)
		return
	}
	s.again(w, r, who.lang, func(w io.Writer) error {
		return templates.AskedPage(w, templates.AskedData{Language: who.lang, Sender: s.o.SenderName, Kind: string(c.Kind), Reference: reference(c),
			Due: c.Due.In(who.zone), Mailed: c.State == consent.CaseWaiting, Status: s.prefix + "/q/" + token + onward(r)})
	})
}

// ledgerReference is the number of a row of the ledger, as people quote it.
func ledgerReference(seq int64) string {
	if seq == 0 {
		return ""
	}
	return "L-" + strconv.FormatInt(seq, 10)
}
