package web_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/html"

	"heed/consent"
	"heed/store"
	"heed/templates"
	"heed/web"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

// TestChoicesOfANewsletter: a newsletter may have been passed on, so its link
// shows and stops its own list, or everything, and nothing else.
func TestChoicesOfANewsletter(t *testing.T) {
	b := newBench(t)
	path := "/p/" + b.link(consent.PurposeChoices, "ann@example.com", 2)
	page := b.ask("GET", path, "", "")
	page.wants(t, 200, "a••@example.com", "You get emails about “Events”.", `value="topic:events"`, "Stop all marketing emails", `action="/news`+path+`"`,
		`action="/news`+path+`/link"`, "may have been passed on")
	if contains(page.body, "Product news") || contains(page.body, "checkbox") {
		t.Errorf("the page shows more than its list:\n%s", page.body)
	}
	b.ask("POST", path, urlencoded, "scope=topic:product").wants(t, 400)
	b.ask("POST", path, urlencoded, "scope=topic:events").wants(t, 200, "Done.", "Events", "Reference: L-")
	state := b.state("ann@example.com")
	if state.Topics[2].Choice != consent.Out || state.Topics[2].Via != consent.ViaPage || state.Topics[1].Choice != consent.In {
		t.Errorf("the state is %s", state.Encode())
	}
	page = b.ask("GET", path, "", "")
	page.wants(t, 200, "Emails about “Events” are stopped.")
	if contains(page.body, `value="topic:events"`) {
		t.Error("what is stopped can be stopped once more")
	}
	b.ask("POST", path, urlencoded, "scope=all").wants(t, 200)
	page = b.ask("GET", path, "", "")
	page.wants(t, 200, "You get no newsletters or offers from Harbour &amp; Notes.")
	if strings.Count(page.body, "<button") != 1 {
		t.Error("nothing is left to stop, and there is another button than that for a link")
	}
	b.rows()
}

// TestChoicesNeverOptIn: whoever holds a forwarded link can only stop.
func TestChoicesNeverOptIn(t *testing.T) {
	b := newBench(t)
	b.click(b.link(consent.PurposeOptOut, "ann@example.com", 0)).wants(t, 200)
	before := b.rows()
	path := "/p/" + b.link(consent.PurposeChoices, "ann@example.com", 0)
	for _, body := range []string{"scope=topic:product&choice=in", "scope=in", "", "scope=topic:", "scope=topic:nosuch", "scope=on_hold", "scope=erased", "scope=topic:1"} {
		b.ask("POST", path, urlencoded, body)
	}
	if state := b.state("ann@example.com"); state.Marketing.Choice != consent.Out || state.Topics[1].Choice != consent.Out {
		t.Errorf("the state is %s", state.Encode())
	}
	if b.rows() != before {
		t.Error("the ledger changed")
	}
}

// TestBenHasOneButton: whoever never chose topics can stop everything, and a
// topic made up by hand is refused.
func TestBenHasOneButton(t *testing.T) {
	b := newBench(t)
	path := "/p/" + b.link(consent.PurposeChoices, "ben@example.com", 0)
	page := b.ask("GET", path, "", "")
	page.wants(t, 200, "Alle Werbe-E-Mails abbestellen")
	if strings.Count(page.body, "<button") != 2 {
		t.Error("there is another button than those to stop all and to get a link")
	}
	b.ask("POST", path, urlencoded, "scope=topic:product").wants(t, 400, "<button")
	b.ask("POST", path, urlencoded, "scope=all").wants(t, 200)
}

// erasure opens a case for Ann and gives it with the path of its link.
func (b *bench) erasure() (store.Case, string) {
	b.t.Helper()
	id, err := b.s.OpenCase(context.Background(), store.Report{Kind: consent.CaseErasure, Email: "ann@example.com", Mailbox: "privacy"})
	if err != nil {
		b.t.Fatal(err)
	}
	c := b.theCase(id)
	token, err := b.s.ConfirmLink(c)
	if err != nil {
		b.t.Fatal(err)
	}
	return c, "/c/" + token
}

func (b *bench) theCase(id int64) store.Case {
	b.t.Helper()
	c, err := b.s.Case(context.Background(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func TestConfirm(t *testing.T) {
	b := newBench(t)
	c, path := b.erasure()
	b.ask("GET", path, "", "").wants(t, 200, "Delete my data?", "a••@example.com", `action="/news`+path+`"`, "Reference: H-1")
	b.ask("HEAD", path, "", "").wants(t, 200)
	b.ask("GET", path+"?confirm=delete", "", "").wants(t, 200)
	b.ask("POST", path, urlencoded, "List-Unsubscribe=One-Click").wants(t, 400, "<button")
	b.ask("POST", path+"?confirm=delete", urlencoded, "").wants(t, 400, "<button")
	if state := b.theCase(c.ID).State; state != consent.CaseWaiting {
		t.Fatalf("the case is %s before anybody confirmed it", state)
	}
	b.ask("POST", path, urlencoded, "confirm=delete").wants(t, 200, "Your data is being deleted", "Reference: H-1", `href="/news/q/`)
	if got := b.theCase(c.ID); got.State != consent.CaseConfirmed || got.Identity != consent.IdentityConfirmed {
		t.Fatalf("the case is %s, %s", got.State, got.Identity)
	}
	b.ask("POST", path, urlencoded, "confirm=delete").wants(t, 200, "There is nothing more to do")
	if err := b.s.Erase(context.Background(), c.ID); err != nil {
		t.Fatal(err)
	}
	after := b.ask("GET", path, "", "")
	after.wants(t, 200, "There is nothing more to do", "Reference: H-1")
	if contains(after.body, "<button") || contains(after.body, "@example.com") {
		t.Error("a closed case has a button or an address")
	}
	b.click(b.optOutLink("ann@example.com")).wants(t, 200, "no more newsletters or offers")
}

func TestConfirmThatHasRunOut(t *testing.T) {
	later := func(o *web.Options) {
		o.Now = func() time.Time { return time.Now().Add(store.ConfirmFor + time.Minute) }
	}
	b := newBench(t, later)
	c, path := b.erasure()
	b.ask("GET", path, "", "").wants(t, 410, "This link has run out", "30 days")
	b.ask("POST", path, urlencoded, "confirm=delete").wants(t, 410, "Nothing was deleted")
	if state := b.theCase(c.ID).State; state != consent.CaseWaiting {
		t.Errorf("the case is %s", state)
	}
	b.ask("GET", "/c/"+b.link(consent.PurposeConfirm, "ann@example.com", 77), "", "").wants(t, 404)
}

// everyPage opens one of each page.
func (b *bench) everyPage() map[string]reply {
	_, path := b.erasure()
	token := b.optOutLink("ann@example.com")
	return map[string]reply{
		"ask": b.ask("GET", "/u/"+token, "", ""), "choices": b.ask("GET", "/p/"+token, "", ""),
		"case": b.ask("GET", path, "", ""), "cut": b.ask("GET", "/u/x", "", ""), "nowhere": b.ask("GET", "/wp-login.php", "", ""),
		"home": b.ask("GET", "/", "", ""), "read-only": b.ask("PUT", "/", "", ""),
		"done": b.click(token), "confirmed": b.ask("POST", path, urlencoded, "confirm=delete"), "used": b.ask("GET", path, "", ""),
	}
}

func TestEveryPageKeepsToItself(t *testing.T) {
	for name, got := range newBench(t).everyPage() {
		csp := got.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "style-src " + templates.StyleHash(), "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !contains(csp, want) {
				t.Errorf("%s: the policy %q lacks %q", name, csp, want)
			}
		}
		for field, want := range map[string]string{"Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Set-Cookie": "", "Content-Type": "text/html; charset=utf-8"} {
			if got.header.Get(field) != want {
				t.Errorf("%s: %s is %q, want %q", name, field, got.header.Get(field), want)
			}
		}
		accessible(t, name, got.body)
	}
}

// accessible checks what a screen reader and a strict policy need.
func accessible(t *testing.T, name, page string) {
	t.Helper()
	count := map[string]int{}
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "src" {
				t.Errorf("%s: <%s> has %s", name, n.Data, a.Key)
			}
		}
	}
	if count["h1"] != 1 || count["main"] != 1 || count["title"] != 1 || count["style"] != 1 || count["script"]+count["link"]+count["img"] != 0 {
		t.Errorf("%s has %v", name, count)
	}
	if count["form"] != count["button"] {
		t.Errorf("%s: %d forms, %d buttons", name, count["form"], count["button"])
	}
}

func TestNamesAreText(t *testing.T) {
	b := newBench(t, func(o *web.Options) { o.SenderName = `<script>alert("x")</script>` })
	err := b.s.SyncTopics(context.Background(), []store.Named{{ID: "product", Name: `"><img src=x onerror=alert(1)>`}, {ID: "events", Name: "Events"}}, []store.Named{{ID: "files", Name: "Files"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range b.everyPage() {
		accessible(t, name, got.body)
	}
}

func TestBehindAProxy(t *testing.T) {
	b := newBench(t)
	target, _ := url.Parse(b.server.URL)
	proxy := httputil.NewSingleHostReverseProxy(target)
	direct := b.server.URL
	for name, handler := range map[string]http.Handler{"kept": proxy, "stripped": http.StripPrefix("/news", proxy)} {
		t.Run(name, func(t *testing.T) {
			front := httptest.NewServer(handler)
			defer front.Close()
			b.server.URL = front.URL
			defer func() { b.server.URL = direct }()
			for _, end := range []string{"", "/"} {
				b.ask("GET", "/news/u/"+b.optOutLink("ann@example.com")+end, "", "").wants(t, 200, `action="/news/u/`)
				b.ask("POST", "/news/u/"+b.optOutLink("ann@example.com")+end, urlencoded, "List-Unsubscribe=One-Click").wants(t, 200)
			}
		})
	}
}

func TestReadiness(t *testing.T) {
	var broken error
	b := newBench(t, func(o *web.Options) {
		o.Ready = []web.Check{{Name: "redis", Probe: func(context.Context) error { return broken }}, {Name: "smtp", Probe: func(context.Context) error { return nil }}}
	})
	b.ask("GET", "/readyz", "", "").wants(t, 200, "ok")
	broken = errors.New("dial redis://user:secret@10.0.0.1")
	got := b.ask("GET", "/readyz", "", "")
	got.wants(t, 503, "not ready: redis\n")
	if contains(got.body, "secret") || contains(got.body, "smtp") {
		t.Errorf("the answer tells too much: %s", got.body)
	}
}

// TestOtherAddresses: whoever looks around is told what this is, in a page.
func TestOtherAddresses(t *testing.T) {
	b := newBench(t)
	b.ask("GET", "/", "", "").wants(t, 200, "Harbour &amp; Notes", "unsubscribe@harbour.example")
	b.ask("POST", "/healthz", "", "").wants(t, 405, "nothing has changed")
	got := b.ask("DELETE", "/u/"+b.optOutLink("ann@example.com"), "", "", "Accept-Language", "de")
	got.wants(t, 405, "Diese Seite lässt sich nur öffnen")
	if allow := got.header.Get("Allow"); allow != "GET, HEAD, POST, OPTIONS" {
		t.Errorf("Allow is %q", allow)
	}
}

// TestDoneLeadsToTheRest: the page after an opt-out of one topic leads to what
// else there is to stop, with the same link.
func TestDoneLeadsToTheRest(t *testing.T) {
	b := newBench(t)
	token := b.optOutLink("ann@example.com")
	b.click(token).wants(t, 200, `href="/news/p/`+token+`">`)
	b.ask("GET", "/p/"+token, "", "").wants(t, 200, "Emails about “Product news” are stopped.", `value="all"`)
	all := b.ask("POST", "/p/"+token, urlencoded, "scope=all")
	all.wants(t, 200, "no more newsletters or offers")
	if contains(all.body, "<a class=") {
		t.Error("all is stopped, and the page leads on")
	}
}

func TestMetricsAndLogHoldNoAddress(t *testing.T) {
	b := newBench(t)
	token := b.optOutLink("ann@example.com")
	b.click(token).wants(t, 200)
	b.click(token).wants(t, 200)
	b.ask("GET", "/u/"+token[1:], "", "").wants(t, 404)
	got := b.ask("GET", "/metrics", "", "")
	got.wants(t, 200, `heed_optouts_total{via="one_click"} 1`, `heed_optout_effective_seconds_count{via="one_click"} 1`,
		"heed_sends_after_optout_total 0", `heed_http_requests_total{code="200",route="one_click"} 2`, `heed_http_requests_total{code="404",route="one_click"} 1`)
	for _, text := range []string{got.body, b.log.String()} {
		if contains(text, token) || contains(text, token[1:]) || contains(text, "@example.com") {
			t.Errorf("a token or an address leaked: %s", text)
		}
	}
	if !contains(b.log.String(), "msg=optout_recorded") || !contains(b.log.String(), "key="+b.key("ann@example.com").String()) {
		t.Errorf("the log is %q", b.log.String())
	}
}

// TestBrokenPromiseIsCounted makes a worker do what must never happen, to end a
// message after the opt-out was acknowledged, and looks whether the figure
// tells.
func TestBrokenPromiseIsCounted(t *testing.T) {
	b := newBench(t)
	desk, result := b.claim()
	answered := make(chan reply, 1)
	go func() { answered <- b.click(b.optOutLink("ann@example.com")) }()
	waitFor(t, func() bool { return b.state("ann@example.com").Topics[1].Choice == consent.Out })
	result.EndAt = time.Now().Add(time.Minute)
	desk.Finish(result)
	got := <-answered
	got.wants(t, 200)
	if got.header.Get("Heed-In-Flight") != "0" {
		t.Fatalf("Heed-In-Flight is %q", got.header.Get("Heed-In-Flight"))
	}
	b.ask("GET", "/metrics", "", "").wants(t, 200, "heed_sends_after_optout_total 1")
}

func TestNewRefuses(t *testing.T) {
	b := newBench(t)
	if _, err := web.New(web.Options{Store: b.s, PublicURL: "mail.example.com"}); err == nil {
		t.Error("a PUBLIC_URL without a host was taken")
	}
	registry := prometheus.NewRegistry()
	metrics, err := web.NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := web.New(web.Options{Store: b.s, PublicURL: "http://localhost", Registry: registry, Metrics: metrics}); err != nil {
		t.Errorf("metrics made beforehand were not taken: %v", err)
	}
	if _, err := web.New(web.Options{Store: b.s, PublicURL: "http://localhost", Registry: registry}); err == nil {
		t.Error("the same metrics were registered twice")
	}
}
