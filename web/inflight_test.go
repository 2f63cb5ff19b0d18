package web_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/web"
)

// claim begins a campaign about product news and claims its message to Ann.
func (b *bench) claim() (*store.Desk, store.Result) {
	b.t.Helper()
	ctx := context.Background()
	id, _, err := b.s.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: "x", Audience: "all"})
	if err == nil {
		err = b.s.Start(ctx, id)
	}
	for done := false; err == nil && !done; {
		done, err = b.s.FanOut(ctx, id)
	}
	if err == nil {
		err = b.s.Register(ctx, "w1", "newsletter", 1)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	desk := b.s.NewDesk("w1", func(err error) { b.t.Error(err) })
	b.t.Cleanup(desk.Close)
	ask := store.Ask{Campaign: id, Address: b.key("ann@example.com")}
	verdict, err := desk.Claim(ctx, ask)
	if err != nil || !verdict.Granted {
		b.t.Fatalf("the claim gave %+v, %v", verdict, err)
	}
	return desk, store.Result{Ask: ask, Token: verdict.Token, Outcome: store.Accepted, Code: 250}
}

func TestTheAnswerWaitsForWhatIsInFlight(t *testing.T) {
	b := newBench(t)
	desk, result := b.claim()
	answered := make(chan reply, 1)
	go func() { answered <- b.click(b.optOutLink("ann@example.com")) }()
	select {
	case got := <-answered:
		t.Fatalf("answered %d while a message was in flight", got.code)
	case <-time.After(300 * time.Millisecond):
	}
	if b.state("ann@example.com").Topics[1].Choice != consent.Out {
		t.Error("the opt-out itself waited")
	}
	result.EndAt = time.Now()
	desk.Finish(result)
	select {
	case got := <-answered:
		got.wants(t, 200)
		if got.header.Get("Heed-In-Flight") != "0" {
			t.Errorf("Heed-In-Flight is %q", got.header.Get("Heed-In-Flight"))
		}
	case <-time.After(store.Patience):
		t.Error("the answer came late")
	}
	b.rows()
}

func TestTheAnswerTellsWhatIsStillInFlight(t *testing.T) {
	b := newBench(t)
	desk, result := b.claim()
	begin := time.Now()
	got := b.click(b.optOutLink("ann@example.com"))
	got.wants(t, 200, "A message that left us before then can still arrive.")
	if took := time.Since(begin); took < store.Patience || took > store.Patience+10*time.Second {
		t.Errorf("answered after %s", took)
	}
	if got.header.Get("Heed-In-Flight") != "1" {
		t.Errorf("Heed-In-Flight is %q, want 1", got.header.Get("Heed-In-Flight"))
	}
	desk.Finish(result)
	if err := desk.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.ask("GET", "/metrics", "", "").wants(t, 200, "heed_sends_after_optout_total 0") // it was declared
}

func TestAClientThatGoesAwayIsStillOptedOut(t *testing.T) {
	b := newBench(t)
	desk, result := b.claim()
	conn, err := net.Dial("tcp", b.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Write([]byte("POST /u/" + b.optOutLink("ann@example.com") + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + urlencoded +
		"\r\nContent-Length: 26\r\n\r\nList-Unsubscribe=One-Click"))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return b.state("ann@example.com").Topics[1].Choice == consent.Out })
	conn.Close()
	time.Sleep(50 * time.Millisecond)
	desk.Finish(result)
	waitFor(t, func() bool { return len(b.log.String()) > 0 })
	if text := b.log.String(); !contains(text, "msg=optout_recorded") || !contains(text, "in_flight=0") {
		t.Errorf("the barrier was not waited for: %s", text)
	}
}

func TestDatabaseAway(t *testing.T) {
	b := newBench(t)
	opt, choices, ann := b.optOutLink("ann@example.com"), b.link(consent.PurposeChoices, "ann@example.com", 0), b.link(consent.PurposeConfirm, "ann@example.com", 1)
	if err := b.s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, got := range []reply{b.click(opt), b.ask("POST", "/p/"+choices, urlencoded, "scope=all"), b.ask("POST", "/p/"+choices, urlencoded, "scope=topic:product"),
		b.ask("POST", "/c/"+ann, urlencoded, "confirm=delete"), b.ask("GET", "/u/"+opt, "", ""), b.ask("GET", "/p/"+choices, "", ""), b.ask("GET", "/c/"+ann, "", "")} {
		got.wants(t, 503, "Please try again in a moment", "nothing has changed yet")
		if got.header.Get("Retry-After") == "" || got.header.Get("Heed-Effective-At") != "" {
			t.Errorf("headers %v", got.header)
		}
	}
	b.ask("GET", "/readyz", "", "").wants(t, 503, "not ready: database")
	b.ask("GET", "/healthz", "", "").wants(t, 200, "ok")
	b.click(opt[1:]).wants(t, 404)
	b.ask("GET", "/metrics", "", "").wants(t, 200, `heed_http_requests_total{code="503",route="one_click"} 2`)
}

// TestShutdownFinishesWhatIsUnderWay: a deploy loses no opt-out.
func TestShutdownFinishesWhatIsUnderWay(t *testing.T) {
	b := newBench(t)
	desk, result := b.claim()
	stop, ended := b.serve(web.Options{Store: b.s, PublicURL: "http://localhost"})
	answered := make(chan reply, 1)
	go func() { answered <- b.click(b.optOutLink("ann@example.com")) }()
	waitFor(t, func() bool { return b.state("ann@example.com").Topics[1].Choice == consent.Out })
	stop()
	select {
	case err := <-ended:
		t.Fatalf("Run ended with a request under way: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	desk.Finish(result)
	(<-answered).wants(t, 200)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestLimits: what is too large is refused, and a panic is never a false 200.
func TestLimits(t *testing.T) {
	b := newBench(t)
	broken := false
	now := func() time.Time {
		if broken {
			panic("no time")
		}
		return time.Now()
	}
	b.serve(web.Options{Store: b.s, PublicURL: "http://localhost", Now: now})
	token := b.optOutLink("ann@example.com")
	b.ask("GET", "/u/"+token, "", "", "X-Pad", strings.Repeat("x", 32<<10)).wants(t, 431)
	broken = true
	b.click(token).wants(t, 503, "Please try again in a moment")
	if !contains(b.log.String(), "msg=web_panic route=one_click") {
		t.Errorf("the log is %q", b.log.String())
	}
	broken = false
	b.click(token).wants(t, 200)
}

// serve puts Run in the place of the test's own server, and gives what ends it.
func (b *bench) serve(o web.Options) (stop context.CancelFunc, ended <-chan error) {
	b.t.Helper()
	o.Log = slog.New(slog.NewTextHandler(b.log, nil))
	server, err := web.New(o)
	if err != nil {
		b.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	b.server.Close()
	b.server = &httptest.Server{URL: "http://" + l.Addr().String(), Listener: l, Config: &http.Server{}}
	ctx, cancel := context.WithCancel(context.Background())
	b.t.Cleanup(cancel)
	result := make(chan error, 1)
	go func() { result <- server.Run(ctx, l) }()
	return cancel, result
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come about within 5 s")
		}
	}
}
