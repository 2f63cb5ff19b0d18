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
func (s *Server) under(page, below string, r *http.Request) string {
	return s.prefix + "/" + page + "/" + strings.ToLower(r.PathValue("token")) + "/" + below + onward(r)
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
	s.page(w, http.StatusOK, lang, func(w io.Writer) error { return templates.LinkSentPage(w, lang, s.o.SenderName) })
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
		s.showRequests(w, r, link, http.StatusOK, templates.RequestsData{})
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
	var token string
	if err == nil {
		token, err = s.o.Store.StatusLink(c)
	}
	if err != nil {
		s.unavailable(w, r, "requests", err)
		return
	}
	s.o.Log.Info("request_begun", "case", c.ID, "kind", string(c.Kind))
	s.page(w, http.StatusOK, who.lang, func(w io.Writer) error {
		return templates.AskedPage(w, templates.AskedData{Language: who.lang, Sender: s.o.SenderName, Kind: string(c.Kind), Reference: reference(c),
			Due: c.Due.In(who.zone), Mailed: c.State == consent.CaseWaiting, Status: s.prefix + "/q/" + token + onward(r)})
	})
}

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
		lang := s.language(r, c.Language)
		s.page(w, http.StatusOK, lang, func(w io.Writer) error {
			return templates.WithdrawnPage(w, lang, s.o.SenderName, reference(c), s.askPath(r))
		})
	}
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

// ledgerReference is the number of a row of the ledger, as people quote it.
func ledgerReference(seq int64) string {
	if seq == 0 {
		return ""
	}
	return "L-" + strconv.FormatInt(seq, 10)
}
