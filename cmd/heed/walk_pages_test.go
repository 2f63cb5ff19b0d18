package main

import (
	"context"
	"encoding/base64"
	"html"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/redis/go-redis/v9"

	"heed/consent"
	"heed/mailer"
	"heed/mailer/mailertest"
	"heed/scheduler"
	"heed/store"
	"heed/store/storetest"
	"heed/web"
	"heed/worker"
)

// street is a whole heed whose mails and pages are looked at in Chromium, with
// JavaScript off.
type street struct {
	t     *testing.T
	s     *store.Store
	sink  *mailertest.Sink
	pages *httptest.Server
	mails *httptest.Server
	shown string // the HTML of the mail that is open
	ctx   context.Context
	heard int
}

func openStreet(t *testing.T) *street {
	t.Helper()
	storetest.Need(t, "chromium")
	h := &street{t: t, s: storetest.Open(t)}
	var handler http.Handler
	h.pages = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(h.pages.Close)
	h.mails = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, h.shown)
	}))
	t.Cleanup(h.mails.Close)
	log := slog.New(slog.DiscardHandler)
	server, err := web.New(web.Options{Store: h.s, PublicURL: h.pages.URL, SenderName: "Harbour Notes", SignUp: web.SignUpForm{Open: true}, About: store.About{Controller: store.Controller{PostalAddress: "Pier 1"}}, Topics: map[string]string{"product": "What is new.", "events": ""}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	handler = server.Handler()
	h.work(log)
	h.look()
	return h
}

// work starts what sends.
func (h *street) work(log *slog.Logger) {
	h.t.Helper()
	var err error
	if h.sink, err = mailertest.Start(mailertest.Options{Keep: mailertest.KeepAll}); err != nil {
		h.t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(h.t).Addr()})
	relay, err := mailer.ParseRelay("smtp://" + h.sink.Addr())
	if err != nil {
		h.t.Fatal(err)
	}
	w, err := worker.New(worker.Options{Store: h.s, Redis: client, Relay: relay, PublicURL: h.pages.URL, Log: log,
		Sender: worker.Sender{Name: "Harbour Notes", From: "notes@example.com", Domain: "example.com", PostalAddress: "Pier 1"}})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- w.Run(ctx) }()
	go func() { done <- scheduler.New(scheduler.Options{Store: h.s, Redis: client, Log: log}).Run(ctx) }()
	h.t.Cleanup(func() {
		cancel()
		<-done
		<-done
		client.Close()
		h.sink.Close()
	})
}

// look starts Chromium, and forbids it to run scripts.
func (h *street) look() {
	h.t.Helper()
	options := chromedp.DefaultExecAllocatorOptions[:]
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses its sandbox to root
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	h.t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	h.t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		h.t.Fatal(err)
	}
	ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	h.t.Cleanup(stop)
	h.ctx = ctx
	h.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return chromedp.Void{}, err
	})
}

func (h *street) do(steps ...chromedp.Action[chromedp.Void]) {
	h.t.Helper()
	if err := chromedp.Do(h.ctx, steps...); err != nil {
		h.t.Fatal(err)
	}
}

// reads gives the page that is open, once it has loaded what a text stands on.
func (h *street) reads(want ...string) string {
	h.t.Helper()
	text := ""
	err := eventually(h.ctx, 20*time.Second, "the page with "+strings.Join(want, ", "), func() (bool, error) {
		var err error
		text, err = chromedp.Run(h.ctx, chromedp.Text(chromedp.CSS("body")))
		return err == nil && !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(text, w) }), nil
	})
	if err != nil {
		h.t.Fatalf("%v; it says:\n%s", err, text)
	}
	return text
}

// mail waits for the next mail to somebody and opens it in Chromium: its HTML where
// it has some, or its text with links, as mail programs make them. It gives its text.
func (h *street) mail(to string) string {
	h.t.Helper()
	var text string
	err := eventually(h.ctx, 30*time.Second, "a mail to "+to, func() (bool, error) {
		all := h.sink.Records()
		for i := h.heard; i < len(all); i++ {
			if all[i].To == to {
				h.heard = i + 1
				var err error
				text, h.shown, err = bodies(all[i].Data)
				return true, err
			}
		}
		return false, nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	if h.shown == "" {
		h.shown = `<!doctype html><meta charset="utf-8"><title>Letter</title><body style="white-space:pre-wrap">` +
			pageLink.ReplaceAllString(html.EscapeString(text), `<a href="$0">$0</a>`)
	}
	h.do(chromedp.Navigate(h.mails.URL))
	return text
}

// bodies reads the text and the HTML of a mail.
func bodies(raw []byte) (text, html string, err error) {
	m, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		return "", "", err
	}
	kind, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return "", "", err
	}
	if kind == "text/plain" {
		text, err = decoded(m.Header.Get("Content-Transfer-Encoding"), m.Body)
		return text, "", err
	}
	for parts := multipart.NewReader(m.Body, parameters["boundary"]); ; {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return text, html, nil
		}
		if err != nil {
			return "", "", err
		}
		body, err := decoded(part.Header.Get("Content-Transfer-Encoding"), part)
		if err != nil {
			return "", "", err
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			html = body
		} else {
			text = body
		}
	}
}

func decoded(encoding string, r io.Reader) (string, error) {
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	}
	raw, err := io.ReadAll(r)
	return string(raw), err
}

var pageLink = regexp.MustCompile(`http://127\.0\.0\.1:\d+/[^\s"]+`)

func (h *street) state(email string) consent.State {
	h.t.Helper()
	key, _, err := h.s.Key(email)
	if err != nil {
		h.t.Fatal(err)
	}
	state, err := h.s.State(h.t.Context(), key)
	if err != nil {
		h.t.Fatal(err)
	}
	return state
}

// tabTo moves the focus by the keyboard alone, until it is on what a selector
// names. Whatever has the focus on the way is in the window and is marked.
func (h *street) tabTo(selector string) {
	h.t.Helper()
	for range 60 {
		h.do(chromedp.KeyEvent("\t"))
		at, err := chromedp.Run(h.ctx, chromedp.Evaluate[string](`(e => { const b = e.getBoundingClientRect(), s = getComputedStyle(e);
			return b.bottom < 0 || b.top > innerHeight ? "out of sight" : s.outlineStyle === "none" && e !== document.body ? "not marked: " + e.outerHTML.slice(0, 80) : e.matches("`+selector+`") ? "here" : "" })(document.activeElement)`))
		if err != nil {
			h.t.Fatal(err)
		}
		switch at {
		case "here":
			return
		case "":
		default:
			h.t.Fatalf("the focus is %s", at)
		}
	}
	h.t.Fatalf("the keyboard does not reach %s", selector)
}

// sends starts a newsletter in a language to one person.
func (h *street) sends(language, to string) {
	h.t.Helper()
	h.starts(store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: "---\nsubject: News\ntopic: product\nlanguage: " + language + "\n---\nHello.\n"}, to)
}

func (h *street) starts(c store.Campaign, to string) {
	h.t.Helper()
	c.Audience = `email == "` + to + `"`
	id, _, err := h.s.AddCampaign(h.t.Context(), c)
	for _, by := range []string{"kim", "lee"} { // a notice takes two people
		if err == nil && c.Class == consent.PolicyNotice {
			_, err = h.s.ApproveNotice(h.t.Context(), id, by, "read")
		}
	}
	if err == nil {
		err = h.s.Start(h.t.Context(), id)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *street) knows(email, language string) {
	h.t.Helper()
	_, err := h.s.Import(h.t.Context(), []store.Contact{{Email: email, Language: language, Topics: []string{"product", "events"}, ConsentAt: time.Now().Add(-time.Hour),
		ConsentSource: "form", ConsentText: "yes"}}, "", false)
	if err != nil {
		h.t.Fatal(err)
	}
}
