package web_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/web"
)

// choices posts the page with all choices as a browser would, with what stood
// on it.
func (b *bench) choices(path string, fields url.Values) reply {
	b.t.Helper()
	return b.ask("POST", path, urlencoded, fields.Encode())
}

// stood is what the page shows of Ann at first.
func stood(more ...string) url.Values {
	fields := url.Values{"had": {"topic:product", "topic:events"}}
	for i := 0; i < len(more); i += 2 {
		fields.Add(more[i], more[i+1])
	}
	return fields
}

// TestCentre: what is changed is recorded and told, what is not stays, and the
// button takes it back.
func TestCentre(t *testing.T) {
	b := newBench(t, func(o *web.Options) { o.Topics = map[string]string{"product": "What is new.", "events": ""} })
	path, before := "/p/"+b.fresh("ann@example.com"), b.rows()
	page := b.ask("GET", path, "", "")
	page.wants(t, 200, "a••@example.com", `value="product" checked`, `value="events" checked`, "What is new.", "It came from: form.", "We still write if a service that you use changes",
		`href="/news`+path+`/history"`, `href="/news`+path+`/requests"`, `action="/news`+path+`/stop"`)
	if strings.Count(page.body, " checked") != 2 || b.rows() != before {
		t.Error("a box is ticked that nobody ticked, or opening the page changed the ledger")
	}
	day := time.Now().UTC().AddDate(0, 0, 10).Format("2006-01-02")
	saved := b.choices(path, stood("topic", "product", "offers", "yes", "pause", day))
	saved.wants(t, 200, "Your choices are saved", "Now stopped: emails about “Events”", "Now on: offers from our partners", "paused until", "Undo this", "Reference: L-")
	if contains(saved.body, "Product news") || saved.header.Get("Heed-In-Flight") != "0" {
		t.Errorf("the page tells of what did not change: %s", saved.body)
	}
	state := b.state("ann@example.com")
	if state.Topics[2].Choice != consent.Out || state.Topics[1].Via != consent.ViaImport || state.Partner.Choice != consent.In || state.Sharing.Choice != "" || !state.Paused(time.Now().AddDate(0, 0, 9)) {
		t.Errorf("the state is %s", state.Encode())
	}
	e, err := b.s.Explain(context.Background(), "ann@example.com")
	if err != nil || e.State.PausedUntil == nil || e.State.PausedUntil.Format("2006-01-02") != day || e.Ledger[len(e.Ledger)-1].Scope != "pause" {
		t.Errorf("explained as %+v, %v", e.State, err)
	}
	b.choices(path, hidden(t, saved.body)).wants(t, 200, "Now on: emails about “Events”", "Now stopped: offers from our partners", "The pause has ended")
	if state := b.state("ann@example.com"); state.Topics[2].Choice != consent.In || state.Partner.Choice != consent.Out || state.Pause != 0 {
		t.Errorf("the state after the undo is %s", state.Encode())
	}
	b.choices(path, stood("topic", "product", "topic", "events")).wants(t, 200, "You changed nothing")
	b.ask("GET", path+"/history", "", "").wants(t, 200, "Your choices, one by one", "page behind a link", "a pause", "Product news")
	b.ask("POST", path+"/stop", urlencoded, "scope=all").wants(t, 200, "no more newsletters or offers")
	b.rows()
}

// hidden reads the hidden fields of a page's one form that has some.
func hidden(t *testing.T, page string) url.Values {
	t.Helper()
	fields := url.Values{}
	for _, part := range strings.Split(page, `<input type="hidden" name="`)[1:] {
		name, rest, _ := strings.Cut(part, `" value="`)
		value, _, _ := strings.Cut(rest, `"`)
		fields.Add(name, value)
	}
	if len(fields) == 0 {
		t.Fatalf("the page posts nothing: %s", page)
	}
	return fields
}

// TestCentreOnlyTakesWhatIsItsOwn: wrong types, other people's fields, programs
// that post to all they find.
func TestCentreOnlyTakesWhatIsItsOwn(t *testing.T) {
	b := newBench(t)
	path, before := "/p/"+b.fresh("ann@example.com"), b.rows()
	for name, one := range map[string]struct {
		body string
		code int
	}{
		"nothing": {"", 400}, "one-click": {"List-Unsubscribe=One-Click", 400}, "too large": {"had=" + strings.Repeat("x", 5000), 413},
		"a pause in the past": {stood("topic", "product", "topic", "events", "pause", "2001-01-01").Encode(), 400},
		"a pause for years":   {stood("topic", "product", "topic", "events", "pause", "2999-01-01").Encode(), 400},
		"no day":              {stood("topic", "product", "topic", "events", "pause", "<script>").Encode(), 400},
		"an unknown topic":    {"topic=nosuch&had=topic:nosuch2", 200},
		"a status":            {"topic=erased&scope=erased&had=on_hold&restricted=yes&had=topic:erased", 200},
		"both wishes":         {"keep=topic:product&want=topic:events", 400},
		"a wish for a status": {"want=erased", 400},
	} {
		got := b.ask("POST", path, urlencoded, one.body)
		if got.code != one.code || contains(got.body, "<script>") {
			t.Errorf("%s: answered %d, want %d", name, got.code, one.code)
		}
		if strings.HasPrefix(name, "a pause") || name == "no day" {
			got.wants(t, 400, "<title>Error: ", `href="#pause-until"`, `aria-invalid="true"`)
		}
	}
	if b.rows() != before {
		t.Errorf("the ledger changed: %s", b.state("ann@example.com").Encode())
	}
	stranger := "/p/" + b.fresh("nobody@example.com")
	b.choices(stranger, url.Values{"topic": {"product"}}).wants(t, 404)
	if b.state("nobody@example.com").Topics != nil {
		t.Error("somebody never stored was signed up")
	}
}

// TestForwardedNewsletter: whoever holds a newsletter sees and changes nothing
// but that list, and whatever they ask for goes to the address on file.
func TestForwardedNewsletter(t *testing.T) {
	b := newBench(t)
	before := b.rows()
	for _, token := range []string{b.optOutLink("ann@example.com"), b.link(consent.PurposeChoices, "ann@example.com", 1)} {
		path := "/p/" + token
		for below, posted := range map[string]int{"/history": 405, "/requests": 403, "/stop": 403} {
			page := b.ask("GET", path+below, "", "")
			page.wants(t, 403, "Get a new link")
			b.ask("POST", path+below, urlencoded, "scope=all&ask=delete&what=x").wants(t, posted)
			if contains(page.body, "ann@") || contains(page.body, "a••") {
				t.Error("the page names the reader")
			}
		}
		b.choices(path, stood("offers", "yes", "sharing", "yes", "topic", "product")).wants(t, 400)
	}
	if b.rows() != before {
		t.Error("the ledger changed")
	}
	b.ask("POST", "/p/"+b.optOutLink("ann@example.com")+"/link", urlencoded, "fresh=yes").wants(t, 200, "Look into your mailbox")
	if letters := b.letters("ann@example.com"); len(letters) != 1 || letters[0].Kind != store.WriteChoices {
		t.Errorf("the letters are %+v", letters)
	}
}

func (b *bench) letters(email string) []store.Correspondence {
	b.t.Helper()
	all, err := b.s.Letters(context.Background(), b.key(email))
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// TestAskingForALink: the same answer whether an address is on file, and one letter
// an hour; of somebody of whom nothing is stored it is dropped when its turn comes.
func TestAskingForALink(t *testing.T) {
	b := newBench(t)
	b.ask("GET", "/link", "", "").wants(t, 200, "Your email address", `action="/news/link"`)
	known := b.ask("POST", "/link", urlencoded, "email=ANN%40example.com")
	again := b.ask("POST", "/link", urlencoded, "email=ann%40example.com")
	stranger := b.ask("POST", "/link", urlencoded, "email=nobody%40example.com")
	known.wants(t, 200, "If we write to this address, a link is on its way")
	if known.body != stranger.body || again.body != known.body {
		t.Error("the answers differ")
	}
	if n := len(b.letters("ann@example.com")); n != 1 {
		t.Errorf("%d letters within an hour", n)
	}
	if got := b.letters("nobody@example.com"); len(got) != 1 || got[0].To != "" {
		t.Errorf("for somebody of whom nothing is stored there waits %+v", got)
	}
	for name, body := range map[string]string{"nothing": "", "no address": "email=ann", "two lines": "email=ann%40example.com%0D%0ABcc%3Aeve%40example.org",
		"a script": "email=%3Cscript%3E%40x", "long": "email=" + strings.Repeat("a", 3000) + "%40example.com"} {
		got := b.ask("POST", "/link", urlencoded, body)
		got.wants(t, 400, "<title>Error: ", `href="#email"`)
		if contains(got.body, "<script>") || len(got.body) > 12<<10 {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	b.ask("POST", "/link", urlencoded, "email="+strings.Repeat("a", 5000)).wants(t, 413)
	if contains(b.log.String(), "@example") {
		t.Errorf("an address is in the log: %s", b.log.String())
	}
}

// TestLinkThatHasRunOut leads to the page that mails a new one.
func TestLinkThatHasRunOut(t *testing.T) {
	b := newBench(t)
	old := b.s.FreshLink(b.key("ann@example.com"), time.Now().Add(-time.Hour))
	for _, below := range []string{"", "/history", "/requests", "/stop"} {
		got := b.ask("GET", "/p/"+old+below, "", "")
		got.wants(t, 410, "This link has run out", "Mail me a link")
		if contains(got.body, "a••") {
			t.Error("the page still tells whose link it was")
		}
	}
	b.choices("/p/"+old, stood("offers", "yes")).wants(t, 410)
	b.ask("GET", "/u/cut", "", "").wants(t, 404, `href="/news/link"`)
}

// TestSignal: Sec-GPC is a no to sharing, recorded once, shown, and outweighed
// by nothing but the person's own choice since.
func TestSignal(t *testing.T) {
	b := newBench(t)
	path, before := "/p/"+b.fresh("ann@example.com"), b.rows()
	b.ask("GET", path, "", "", "Sec-GPC", "0")
	b.ask("HEAD", path, "", "", "Sec-GPC", "1")
	if b.rows() != before {
		t.Fatal("the ledger changed without a signal")
	}
	for range 3 {
		b.ask("GET", path, "", "", "Sec-GPC", "1").wants(t, 200, "Global Privacy Control")
	}
	b.ask("GET", "/p/"+b.optOutLink("ann@example.com"), "", "", "Sec-GPC", "1").wants(t, 200)
	entries, err := b.s.Ledger(context.Background(), b.key("ann@example.com"))
	last := entries[len(entries)-1]
	if err != nil || b.rows() != before+1 || last.Scope != consent.ScopeSharing || last.Choice != consent.Out || last.Source != store.GPCSource || last.Authenticated {
		t.Fatalf("recorded as %+v", last)
	}
	b.choices(path, stood("topic", "product", "topic", "events", "sharing", "yes")).wants(t, 200, "Now on: passing your data on")
	if b.state("ann@example.com").Sharing.Choice != consent.In {
		t.Error("the person's own yes does not count")
	}
	b.ask("GET", path, "", "", "Sec-GPC", "1").wants(t, 200, "Two wishes contradict each other", "by a signal of your browser")
	if b.state("ann@example.com").Sharing.Choice != consent.Out {
		t.Error("the stricter is not followed")
	}
}

// TestRequestsFromThePage: a copy, a correction, a deletion; where they stand;
// and back.
func TestRequestsFromThePage(t *testing.T) {
	b := newBench(t)
	path := "/p/" + b.fresh("ann@example.com")
	b.ask("GET", path+"/requests", "", "").wants(t, 200, "Ask for a copy", "Ask for a correction", "Ask for deletion")
	for _, body := range []string{"", "ask=everything", "ask=", "scope=all"} {
		b.ask("POST", path+"/requests", urlencoded, body).wants(t, 400)
	}
	b.ask("POST", path+"/requests", urlencoded, "ask=correct&what=").wants(t, 400, "<title>Error: ", `href="#what"`)
	b.ask("POST", path+"/requests", urlencoded, "ask=correct&what="+strings.Repeat("x", 2001)).wants(t, 400, "2,000 characters")
	if all, err := b.s.Cases(context.Background(), true); err != nil || len(all) != 0 {
		t.Fatalf("%d cases, %v", len(all), err)
	}
	asked := b.ask("POST", path+"/requests", urlencoded, "ask=delete")
	asked.wants(t, 200, "You ask us to delete your data.", "We have mailed you a link", "Reference: H-1", `href="/news/q/`)
	c := b.theCase(1)
	if c.Kind != consent.CaseErasure || c.State != consent.CaseWaiting || c.Via != "page" || b.state("ann@example.com").Hold == 0 {
		t.Errorf("the case is %+v", c)
	}
	status := "/q/" + between(t, asked.body, `href="/news/q/`, `"`)
	b.ask("GET", status, "", "").wants(t, 200, "Where your request stands", "We wait until", "at the latest", "Withdraw my request", "Reference: H-1")
	b.ask("POST", status, urlencoded, "").wants(t, 400)
	b.ask("POST", status, urlencoded, "withdraw=yes").wants(t, 200, "Your request is withdrawn")
	if state := b.state("ann@example.com"); state.Hold != 0 || b.theCase(1).State != consent.CaseDone {
		t.Errorf("the hold goes on: %s", state.Encode())
	}
	b.ask("GET", status, "", "").wants(t, 200, "It was withdrawn on")
	b.ask("POST", status, urlencoded, "withdraw=yes").wants(t, 200, "It was withdrawn on")
	corrected := b.ask("POST", path+"/requests", urlencoded, "ask=correct&what=My+name+is+Anne")
	corrected.wants(t, 200, "You ask us to correct your data.", "A person reads it")
	b.ask("GET", "/q/"+between(t, corrected.body, `href="/news/q/`, `"`), "", "").wants(t, 200, "A person looks at it.")
	file, err := b.s.CaseFile(context.Background(), 2)
	if err != nil || !strings.Contains(fmt.Sprint(file.Events), "My name is Anne") {
		t.Errorf("what was written is not in the case: %+v, %v", file.Events, err)
	}
	b.rows()
}

func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, from)
	part, _, ended := strings.Cut(rest, to)
	if !found || !ended {
		t.Fatalf("%q is not in %s", from, text)
	}
	return part
}

// TestStatusOfADeletion goes on to its end, and cannot be withdrawn on the way.
func TestStatusOfADeletion(t *testing.T) {
	b := newBench(t)
	c, path := b.erasure()
	token, err := b.s.StatusLink(c)
	if err != nil {
		t.Fatal(err)
	}
	b.ask("POST", path, urlencoded, "confirm=delete").wants(t, 200)
	b.ask("GET", "/q/"+token, "", "").wants(t, 200, "It is certain that it comes from you.", "It is done by")
	b.ask("POST", "/q/"+token, urlencoded, "withdraw=yes").wants(t, 200, "It is certain")
	if b.theCase(c.ID).State != consent.CaseConfirmed {
		t.Fatal("a deletion that is being carried out was withdrawn")
	}
	if err := b.s.Erase(context.Background(), c.ID); err != nil {
		t.Fatal(err)
	}
	after := b.ask("GET", "/q/"+token, "", "")
	after.wants(t, 200, "Reference: H-1")
	if contains(after.body, "@example.com") || contains(after.body, "<button") {
		t.Error("the page of a deletion names somebody, or has a button")
	}
	b.ask("GET", "/q/"+b.link(consent.PurposeStatus, "ann@example.com", 77), "", "").wants(t, 404)
	b.ask("GET", "/q/"+b.link(consent.PurposeStatus, "ben@example.com", 1), "", "").wants(t, 404)
}

// TestCrossSite: what another site makes a browser post is refused; a program
// without an Origin is not, nor is a page of ours.
func TestCrossSite(t *testing.T) {
	b := newBench(t)
	fresh := "/p/" + b.fresh("ann@example.com")
	before := b.rows()
	for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", "https://mail.example.com.evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
		for path, body := range map[string]string{fresh: stood("offers", "yes").Encode(), fresh + "/stop": "scope=all", fresh + "/requests": "ask=delete", fresh + "/link": "fresh=yes", "/link": "email=ann%40example.com"} {
			b.ask("POST", path, urlencoded, body, header...).wants(t, 403, "nothing has changed")
		}
	}
	if cases, _ := b.s.Cases(context.Background(), true); b.rows() != before || len(cases) != 0 || len(b.letters("ann@example.com")) != 0 {
		t.Error("a post of another site did something")
	}
	b.ask("POST", fresh, urlencoded, stood("topic", "product").Encode(), "Origin", "https://mail.example.com", "Sec-Fetch-Site", "same-origin").wants(t, 200, "Now stopped")
	b.ask("POST", "/u/"+b.optOutLink("ann@example.com"), urlencoded, "List-Unsubscribe=One-Click", "Origin", "https://webmail.example").wants(t, 200)
}

// TestThousandScanners: whatever is fetched, and however often, nothing changes.
func TestThousandScanners(t *testing.T) {
	b := newBench(t, withSignUp)
	c, confirm := b.erasure()
	status, err := b.s.StatusLink(c)
	if err != nil {
		t.Fatal(err)
	}
	version, err := b.s.PublishPolicy(t.Context(), store.Publication{PolicyVersion: consent.PolicyVersion{ID: "2026-02", Hash: []byte{1}, Text: "more"}, Material: true})
	if err != nil {
		t.Fatal(err)
	}
	change, err := b.s.MoveContact(t.Context(), "ben@example.com", "new@example.com", 0, "kim")
	if err != nil {
		t.Fatal(err)
	}
	b.ask("POST", "/s", urlencoded, b.filled("email", "zoe@example.org", "topic", "events")).wants(t, 200)
	signUp := b.signUpLink("zoe@example.org")
	fresh, before := "/p/"+b.fresh("ann@example.com"), b.rows()
	paths := []string{"/u/" + b.optOutLink("ann@example.com"), "/p/" + b.optOutLink("ann@example.com"), fresh, fresh + "/history", fresh + "/requests", fresh + "/stop", fresh + "/link",
		confirm, "/q/" + status, "/link", "/b/" + b.optOutLink("ann@example.com"), "/", signUp, "/a/" + b.s.AgreeToken(b.key("ann@example.com"), version),
		"/n/" + b.link(consent.PurposeUnused, "ann@example.com", 1), "/m/" + b.s.Half(change, change.Old), "/v/" + b.optOutLink("ann@example.com"), "/s"}
	for i := range 1000 {
		path := paths[i%len(paths)] + []string{"", "?scope=all&confirm=delete&confirm=agree&confirm=signup&confirm=move&unused=yes&ask=delete&withdraw=yes&fresh=yes", "/"}[i%3]
		method, header := []string{"GET", "HEAD", "OPTIONS"}[i%7%3], []string{"User-Agent", "Mozilla/5.0 (scanner)", "Purpose", "prefetch", "Sec-Purpose", "prefetch"}
		if got := b.ask(method, path, "", "", header...); got.code >= 500 {
			t.Fatalf("%s %s: %d", method, path, got.code)
		}
	}
	change, err = b.s.AddressChange(t.Context(), change.ID)
	if err != nil || change.State != "waiting" || !change.OldClicked.IsZero() || len(b.state("zoe@example.org").Topics) > 0 {
		t.Errorf("the change is %+v, %v; or somebody was signed up", change, err)
	}
	if b.rows() != before || b.theCase(c.ID).State != consent.CaseWaiting || len(b.letters("ann@example.com")) != 1 {
		t.Error("a fetch changed something")
	}
}

// TestWebVersionOfANewsletter: what has gone out can be read by whoever has its
// link, with nothing about a reader; nothing else can.
func TestWebVersionOfANewsletter(t *testing.T) {
	b := newBench(t, func(o *web.Options) { o.About = store.About{Controller: store.Controller{PostalAddress: "Pier 1"}} })
	ctx := context.Background()
	add := func(class consent.Class) store.Campaign {
		source := "---\nsubject: Big <news>\ntopic: product\nlanguage: de\n---\nHallo {{ first_name }}, <script>alert(1)</script>\n"
		if class == consent.Newsletter {
			source = strings.Replace(source, ", <script>alert(1)</script>", "", 1)
		}
		id, _, err := b.s.AddCampaign(ctx, store.Campaign{Name: "n", Class: class, Topic: 1, Source: source, Audience: "all"})
		if err != nil {
			t.Fatal(err)
		}
		c, err := b.s.Campaign(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	news := add(consent.Newsletter)
	path := "/w/" + b.s.WebLink(news)
	b.ask("GET", path, "", "").wants(t, 404)
	if err := b.s.Start(ctx, news.ID); err != nil {
		t.Fatal(err)
	}
	got := b.ask("GET", path, "", "")
	got.wants(t, 200, "Hallo", "Big &lt;news&gt;", `lang="de"`, "wie er für alle ist", "Pier 1")
	if got.header.Get("X-Robots-Tag") != "noindex" || !contains(got.header.Get("Content-Security-Policy"), "default-src 'none'") || got.header.Get("Set-Cookie") != "" || contains(got.body, "/u/") {
		t.Errorf("headers %v, %s", got.header, got.body)
	}
	b.ask("POST", path, urlencoded, "x=1").wants(t, 405)
	b.ask("GET", "/w/"+b.optOutLink("ann@example.com"), "", "").wants(t, 404)
	b.ask("GET", "/w/"+b.s.WebLink(store.Campaign{ID: 77}), "", "").wants(t, 404)
}
