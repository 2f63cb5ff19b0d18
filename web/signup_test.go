package web_test

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
	"heed/web"
)

func withSignUp(o *web.Options) {
	o.SignUp = web.SignUpForm{Open: true, Ask: []string{"first_name", "last_name", "company"}, Offers: true, Sharing: true}
}

var wordingMark = regexp.MustCompile(`name="wording" value="([0-9a-f]+)"`)

// filled is a form as a browser sends it.
func (b *bench) filled(pairs ...string) string {
	b.t.Helper()
	page := b.ask("GET", "/s", "", "")
	page.wants(b.t, 200)
	v := url.Values{"wording": {wordingMark.FindStringSubmatch(page.body)[1]}, "form": {"sign-up page"}, "lang": {"en"}, "website": {""}}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

// signUpLink is what the letter to an address carries.
func (b *bench) signUpLink(email string) string {
	b.t.Helper()
	letters, err := b.s.Letters(context.Background(), b.key(email))
	if err != nil {
		b.t.Fatal(err)
	}
	for i := len(letters) - 1; i >= 0; i-- {
		if letters[i].Kind == store.WriteSignUp {
			return "/s/" + b.s.SignUpToken(b.key(email), letters[i].Change)
		}
	}
	b.t.Fatalf("no letter to %s", email)
	return ""
}

// TestSignUpFromTheFormToTheLedger: the form, the page behind the link, the
// button, and a second click.
func TestSignUpFromTheFormToTheLedger(t *testing.T) {
	b := newBench(t, withSignUp)
	b.ask("GET", "/s", "", "").wants(t, 200, "Sign up", `action="/news/s"`, "First name (optional)", `value="product"`, "version 2026-01")
	before := b.rows()
	b.ask("POST", "/s", urlencoded, b.filled("email", " Zoe@Example.org ", "topic", "events", "first_name", "Zoe", "sharing", "1")).
		wants(t, 200, "Look into your mailbox", "Z••@Example.org")
	path := b.signUpLink("zoe@example.org")
	for _, method := range []string{"GET", "HEAD", "GET"} {
		b.ask(method, path+"?confirm=signup", "", "").wants(t, 200)
	}
	page := b.ask("GET", path, "", "")
	page.wants(t, 200, "Sign up?", "z••@example.org", "Events", "passing your data", `action="/news`+path+`"`, `name="confirm" value="signup"`, `href="/news/v"`)
	if contains(page.body, "Product news") || contains(page.body, "Zoe") {
		t.Error("the page shows what was not chosen, or a name that anybody typed")
	}
	b.ask("POST", path, urlencoded, "confirm=delete").wants(t, 400, "Sign up?")
	b.ask("POST", path+"?confirm=signup", urlencoded, "").wants(t, 400, "Sign up?")
	if b.rows() != before {
		t.Fatal("the ledger changed before the button was pressed")
	}
	b.ask("POST", path, urlencoded, "confirm=signup").wants(t, 200, "You are signed up", "Events", `href="/news/p/`)
	state := b.state("zoe@example.org")
	if state.Topics[2].Choice != consent.In || state.Sharing.Choice != consent.In || len(state.Topics) != 1 || state.Partner.Choice != "" {
		t.Errorf("the state is %s", state.Encode())
	}
	rows := b.rows()
	b.ask("POST", path, urlencoded, "confirm=signup").wants(t, 200, "There is nothing more to do")
	b.ask("GET", path, "", "").wants(t, 200, "There is nothing more to do")
	if b.rows() != rows {
		t.Error("a second click wrote to the ledger")
	}
	for _, canary := range []string{"zoe", "Zoe"} {
		if contains(b.log.String(), canary) {
			t.Errorf("the log says %s: %s", canary, b.log)
		}
	}
}

// TestSignUpTellsNobodyWhoIsKnown: the answer to a form is the same for a stranger,
// for somebody signed up, opted out or erased, and for a second form within the
// day; so is what is written to the database.
func TestSignUpTellsNobodyWhoIsKnown(t *testing.T) {
	b := newBench(t, withSignUp)
	ctx := context.Background()
	if _, err := b.s.OptOut(ctx, store.OptOut{Key: b.key("ben@example.com"), Scope: consent.ScopeMarketing, Via: consent.ViaPage, Authenticated: true}); err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`.••@`)
	var first string
	for _, email := range []string{"nobody@example.com", "ann@example.com", "ben@example.com", "nobody@example.com"} {
		got := b.ask("POST", "/s", urlencoded, b.filled("email", email, "topic", "product"))
		got.wants(t, 200)
		body := address.ReplaceAllString(got.body, "•@")
		if first == "" {
			first = body
		}
		if body != first {
			t.Errorf("%s is answered otherwise than a stranger", email)
		}
		letters, err := b.s.Letters(ctx, b.key(email))
		if err != nil || len(letters) != 1 || letters[0].Kind != store.WriteSignUp {
			t.Errorf("%s has the letters %+v, %v", email, letters, err)
		}
	}
}

// TestSignUpFlaws: each is told beside its field and in the list, what was typed
// stays, and nothing is stored.
func TestSignUpFlaws(t *testing.T) {
	b := newBench(t, withSignUp)
	got := b.ask("POST", "/s", urlencoded, b.filled("email", "аnn@example.com", "first_name", "see evil.example", "last_name", "Smith"))
	got.wants(t, 422, "<title>Error: Sign up", `href="#email"`, `href="#first_name"`, `href="#topic-product"`, `aria-invalid="true"`, `value="Smith"`, "letters that look alike", "Choose at least one")
	b.ask("POST", "/s", urlencoded, b.filled("topic", "product")).wants(t, 422, "Enter your email address")
	b.ask("POST", "/s", urlencoded, b.filled("email", `"><script>alert(1)</script>@example.com`, "topic", "product", "lang", "de")).wants(t, 422, "&lt;script&gt;")
	b.ask("POST", "/s", urlencoded, strings.Repeat("x", 5000)).wants(t, 413, "Sign up")
	b.ask("POST", "/s", "application/json", `{"email":"zoe@example.org"}`).wants(t, 409, "have changed meanwhile")
	b.ask("DELETE", "/s", "", "").wants(t, 405)
	b.ask("POST", "/s", urlencoded, "email=zoe@example.org&topic=product&wording=0123").wants(t, 409, "have changed meanwhile", `value="zoe@example.org"`)
	if n, err := b.s.Letters(context.Background(), b.key("zoe@example.org")); err != nil || len(n) != 0 {
		t.Errorf("a form with flaws led to %v, %v", n, err)
	}
}

// TestSignUpTrap: whoever fills in what people do not see gets the same answer, and
// nothing else.
func TestSignUpTrap(t *testing.T) {
	b := newBench(t, withSignUp)
	form := strings.Replace(b.filled("email", "zoe@example.org", "topic", "product"), "website=", "website=http%3A%2F%2Fspam.example", 1)
	b.ask("POST", "/s", urlencoded, form).wants(t, 200, "Look into your mailbox")
	if letters, _ := b.s.Letters(context.Background(), b.key("zoe@example.org")); len(letters) != 0 {
		t.Error("a program was believed")
	}
}

// TestSignUpFromAnotherSite: a form that was given out is taken across sites, with
// the words that stood on it, also after ours have changed.
func TestSignUpFromAnotherSite(t *testing.T) {
	b := newBench(t, withSignUp)
	mark, err := b.s.KeepWording(context.Background(), "Words of the footer, as they were")
	if err != nil {
		t.Fatal(err)
	}
	v := url.Values{"wording": {mark}, "form": {"shop-footer"}, "lang": {"fr"}, "email": {"zoe@example.org"}, "topic": {"product"}}
	b.ask("POST", "/s", urlencoded, v.Encode(), "Origin", "https://shop.example", "Sec-Fetch-Site", "cross-site", "Referer", "https://shop.example/").
		wants(t, 200, "Consultez votre boîte")
	b.ask("POST", b.signUpLink("zoe@example.org"), urlencoded, "confirm=signup").wants(t, 200, "Vous êtes inscrit")
	r, err := b.s.Held(context.Background(), b.key("zoe@example.org"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Choices[0]; c.Source != "shop-footer" || !contains(fmt.Sprint(c.Evidence), "Words of the footer, as they were") {
		t.Errorf("the proof is %+v", c)
	}
}

// TestSignUpsOfANetwork: behind a proxy of ours the network is that of the client
// that it names; too many are told so, and another network is not held up.
func TestSignUpsOfANetwork(t *testing.T) {
	b := newBench(t, withSignUp)
	post := func(n int, hops string) reply {
		return b.ask("POST", "/s", urlencoded, b.filled("email", fmt.Sprintf("zoe%d@example.org", n), "topic", "product"), "X-Forwarded-For", hops)
	}
	for n := range store.SignUpsOfNetwork {
		post(n, fmt.Sprintf("10.0.0.%d, 192.0.2.%d, 127.0.0.1", n, n)).wants(t, 200)
	}
	got := post(100, "203.0.113.9, 192.0.2.77")
	got.wants(t, 429, "Too many sign-ups")
	if got.header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	post(101, "192.0.3.1").wants(t, 200)
}

// TestSignUpThatHasRunOut: the page says so and leads to the form; a link of another
// kind opens nothing here.
func TestSignUpThatHasRunOut(t *testing.T) {
	var late time.Duration
	b := newBench(t, withSignUp)
	b.s = storetest.OpenWith(t, func(o *store.Options) { o.Now = func() time.Time { return time.Now().Add(late) } })
	b = newBenchOn(t, b.s, withSignUp)
	b.ask("POST", "/s", urlencoded, b.filled("email", "zoe@example.org", "topic", "product")).wants(t, 200)
	path := b.signUpLink("zoe@example.org")
	late = store.SignUpFor + time.Minute
	b.ask("GET", path, "", "").wants(t, 410, "This link has run out", `href="/news/s"`)
	b.ask("POST", path, urlencoded, "confirm=signup").wants(t, 410, "This link has run out")
	if state := b.state("zoe@example.org"); len(state.Topics) != 0 {
		t.Errorf("the state is %s", state.Encode())
	}
	token := strings.TrimPrefix(path, "/s/")
	b.ask("GET", "/s/"+token[:len(token)-1], "", "").wants(t, 404)
	b.ask("GET", "/u/"+token, "", "").wants(t, 404)
	b.ask("GET", "/s/"+b.optOutLink("ann@example.com"), "", "").wants(t, 404)
}

// TestSignUpIsOffByDefault: without a word in the configuration there is no form.
func TestSignUpIsOffByDefault(t *testing.T) {
	b := newBench(t)
	b.ask("GET", "/s", "", "").wants(t, 404)
	b.ask("POST", "/s", urlencoded, "email=zoe@example.org&topic=product").wants(t, 404)
}

// TestPolicyPages: the version in force, one that is announced with its banner on
// every page, and the one that somebody agreed to.
func TestPolicyPages(t *testing.T) {
	b := newBench(t, withSignUp)
	ctx := context.Background()
	b.ask("GET", "/v", "", "").wants(t, 200, "Privacy policy, version 2026-01", "In force since", "the policy")
	b.ask("GET", "/v/2026-01", "", "").wants(t, 200, "Privacy policy, version 2026-01")
	b.ask("GET", "/v/nosuch", "", "").wants(t, 404)
	b.ask("POST", "/v", "", "").wants(t, 405)
	p := store.Publication{PolicyVersion: consent.NewPolicyVersion("2026-02", []byte("# New\n\nMore words.")), Material: true}
	p.Purposes = []string{"news", "research"}
	if _, err := b.s.PublishPolicy(ctx, p); err != nil {
		t.Fatal(err)
	}
	b2 := newBenchOn(t, b.s, withSignUp)
	b2.ask("GET", "/v/2026-02", "", "").wants(t, 200, "It comes into force on", "<h2>New</h2>", "What your data may be used for", "<bdi>research</bdi>")
	for _, path := range []string{"/", "/s", "/v", "/p/" + b.optOutLink("ann@example.com")} {
		b2.ask("GET", path, "", "").wants(t, 200, "changes its privacy policy on", `href="/news/v/2026-02"`)
	}
	b2.ask("GET", "/v/"+b.optOutLink("ann@example.com"), "", "").wants(t, 200, "version 2026-01", "You agreed to this version on")
	b2.ask("GET", "/v/"+b.optOutLink("ben@example.com"), "", "", "Accept-Language", "en").wants(t, 200, "Sie haben keiner Fassung zugestimmt")
}

// TestAgree: opening changes nothing, the button says each yes anew under the new
// version, and what was stopped stays stopped.
func TestAgree(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	b.ask("POST", "/p/"+b.link(consent.PurposeOptOut, "ann@example.com", 2), urlencoded, "scope=topic:events").wants(t, 200)
	v, err := b.s.PublishPolicy(ctx, store.Publication{PolicyVersion: consent.PolicyVersion{ID: "2026-02", Hash: []byte{1}, Text: "more", Purposes: []string{"research"}}, Material: true})
	if err != nil {
		t.Fatal(err)
	}
	path := "/a/" + b.s.AgreeToken(b.key("ann@example.com"), v)
	before := b.rows()
	b.ask("GET", path+"?confirm=agree", "", "").wants(t, 200, "Do you agree?", "version 2026-02", "a••@example.com", "<bdi>research</bdi>", `href="/news/v/2026-02"`)
	b.ask("POST", path, urlencoded, "confirm=signup").wants(t, 400, "Do you agree?")
	if b.rows() != before {
		t.Fatal("the ledger changed before the button was pressed")
	}
	b.ask("POST", path, urlencoded, "confirm=agree").wants(t, 200, "You agreed to version 2026-02")
	state := b.state("ann@example.com")
	if state.Topics[1].Policy != "2026-02" || state.Topics[2].Choice != consent.Out {
		t.Errorf("the state is %s", state.Encode())
	}
	rows := b.rows()
	b.ask("POST", path, urlencoded, "confirm=agree").wants(t, 200)
	if b.rows() != rows || rows != before+1 {
		t.Errorf("the ledger has %d rows, then %d, from %d", rows, b.rows(), before)
	}
	b.ask("POST", "/a/"+b.s.AgreeToken(b.key("ben@example.com"), v), urlencoded, "confirm=agree").wants(t, 200, "nichts, dem Sie zustimmen")
	b.ask("GET", "/a/"+b.link(consent.PurposeAgree, "ann@example.com", 99), "", "").wants(t, 404)
}
