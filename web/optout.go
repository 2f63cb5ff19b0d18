package web

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// pageMark in the query of a form's action tells the page's own button from a
// mailbox provider's one-click. It changes nothing but what the ledger says.
const pageMark = "page"

// finishWithin bounds the work for an opt-out. A client that goes away does not
// shorten it: what was asked for is done.
const finishWithin = 10 * time.Second

// oneClick is /u/TOKEN: POST stops mail (RFC 8058 §3.2), reading never does.
// Cookies, Authorization, Referer and Origin are not looked at: the token alone
// tells who it is (RFC 8058 §3.1, §6).
func (s *Server) oneClick(w http.ResponseWriter, r *http.Request) {
	arrived := s.o.Now()
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, ok := s.open(w, r, consent.PurposeOptOut)
	if !ok {
		return
	}
	if r.Method != http.MethodPost {
		if !s.showDone(w, r, link) {
			s.askToStop(w, r, link, http.StatusOK)
		}
		return
	}
	fields, code := form(w, r)
	if code == 0 && !asksOneClick(fields) {
		code = http.StatusBadRequest // a scanner that posts to all it finds
	}
	if code != 0 {
		s.askToStop(w, r, link, code)
		return
	}
	o := store.OptOut{Key: link.Address, Topic: int(link.Scope), Received: arrived, Via: consent.ViaOneClick, Authenticated: true}
	if r.URL.Query().Get(pageMark) == "1" || fields.Get(pageMark) == "1" {
		o.Via = consent.ViaPage
	}
	if fields.Get("scope") == "all" {
		o.Scope = consent.ScopeMarketing
	}
	s.optOut(w, r, "one_click", "u", o)
}

// optOut records an opt-out and answers it: 200 only when it is committed and
// nothing that it stops can leave any more, or the answer says what may. page is
// where a browser reads it again.
func (s *Server) optOut(w http.ResponseWriter, r *http.Request, route, page string, o store.OptOut) {
	stopped, inFlight, err := s.record(r.Context(), o)
	if err != nil {
		s.unavailable(w, r, route, err)
		return
	}
	if took := s.o.Now().Sub(o.Received); !stopped.Already {
		s.metrics.OptedOut(o.Via, took)
	}
	s.o.Log.Info("optout_recorded", "via", string(o.Via), "scope", string(stopped.Scope), "key", o.Key.String(),
		"in_flight", inFlight, "already", stopped.Already)
	promise(w, stopped.Effective, inFlight)
	if to := s.donePath(r, page, stopped); to != "" && s.sendOn(w, r, to) {
		return
	}
	s.tellStopped(w, r, o.Key, stopped, inFlight)
}

// promise sets the headers by which programs know what an opt-out promises.
func promise(w http.ResponseWriter, effective time.Time, inFlight int) {
	w.Header().Set("Heed-Effective-At", effective.UTC().Format(effectiveForm))
	w.Header().Set("Heed-In-Flight", strconv.Itoa(inFlight))
}

func (s *Server) tellStopped(w http.ResponseWriter, r *http.Request, key consent.Key, stopped store.Stopped, inFlight int) {
	lang := s.languageOf(r, key)
	s.again(w, r, lang, func(w io.Writer) error {
		return templates.DonePage(w, templates.DoneData{Language: lang, Sender: s.o.SenderName, Topic: stopped.Topic,
			At: stopped.Effective, InFlight: inFlight,
			Choices: s.action("p", r), Already: stopped.Already, Number: ledgerReference(stopped.Reference), Fresh: s.under("p", "link", r)})
	})
}

// effectiveForm is RFC 3339 in UTC, always with microseconds.
const effectiveForm = "2006-01-02T15:04:05.000000Z07:00"

func (s *Server) record(ctx context.Context, o store.OptOut) (store.Stopped, int, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	stopped, err := s.o.Store.OptOut(ctx, o)
	if err != nil {
		return stopped, 0, err
	}
	inFlight, err := s.o.Store.AwaitClaims(ctx, []consent.Key{o.Key})
	return stopped, inFlight, err
}

// askToStop shows the page with the one button. It is the answer to a POST
// without the pair too: whoever meant it finds the button.
func (s *Server) askToStop(w http.ResponseWriter, r *http.Request, link consent.Link, code int) {
	who, err := s.whoIs(r, link.Address)
	if err != nil {
		s.unavailable(w, r, "one_click", err)
		return
	}
	topic, err := s.topicOf(r.Context(), who.state.OneClickScope(int(link.Scope)))
	if err != nil {
		s.unavailable(w, r, "one_click", err)
		return
	}
	s.page(w, code, who.lang, func(w io.Writer) error {
		return templates.UnsubscribePage(w, templates.UnsubscribeData{Language: who.lang, Sender: s.o.SenderName, Topic: topic,
			MaskedAddress: who.masked, Action: s.action("u", r, pageMark+"=1")})
	})
}

// topicOf gives the name of a scope's topic, empty for all marketing.
func (s *Server) topicOf(ctx context.Context, scope consent.Scope) (string, error) {
	number, ok := scope.Topic()
	if !ok {
		return "", nil
	}
	topics, err := s.o.Store.Topics(ctx)
	for _, one := range topics {
		if one.Number == number {
			return one.Name, err
		}
	}
	return "", err
}
