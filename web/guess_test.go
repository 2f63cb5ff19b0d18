package web_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
	"heed/web"
)

// watched is SQLite whose statements are written down.
type watched struct {
	mu  sync.Mutex
	all []string
}

func (w *watched) note(_ context.Context, step storetest.Step) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, strings.TrimSpace(step.What+" "+step.Query))
	return nil
}

// during gives what the database was asked while something was done.
func (w *watched) during(do func()) []string {
	w.mu.Lock()
	w.all = nil
	w.mu.Unlock()
	do()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all
}

// TestKnownAndUnknownTakeTheSameWork: what a page asks of the database, and the
// letters that follow from it, are the same whether an address is on file, was
// erased, or never was: the time of an answer tells nothing that another way
// could not.
func TestKnownAndUnknownTakeTheSameWork(t *testing.T) {
	w := &watched{}
	sqlite := &storetest.Stepped{Shelf: &storetest.Shelf{}, Turn: w.note, Freed: func(any) {}}
	s := storetest.OpenWith(t, func(o *store.Options) { o.Connect = sqlite.Connect })
	ctx := context.Background()
	_, err := s.Import(ctx, []store.Contact{{Row: 2, Email: "ben@example.com"}, {Row: 3, Email: "gone@example.com"}}, "test", false)
	if err != nil {
		t.Fatal(err)
	}
	b := newBenchOn(t, s, withSignUp)
	b.erased("gone@example.com")
	b.ask("GET", "/", "", "").wants(t, 200) // what every page says of the policy is read once a while
	steps := map[string]func(email string) reply{
		"the page to unsubscribe": func(email string) reply { return b.ask("GET", "/u/"+b.optOutLink(email), "", "") },
		"the page of choices":     func(email string) reply { return b.ask("GET", "/p/"+b.optOutLink(email), "", "") },
		"one click":               func(email string) reply { return b.click(b.optOutLink(email)) },
		"a link by address":       func(email string) reply { return b.ask("POST", "/link", urlencoded, "email="+email) },
		"the same within an hour": func(email string) reply { return b.ask("POST", "/link", urlencoded, "email="+email) },
		"a sign-up": func(email string) reply {
			return b.ask("POST", "/s", urlencoded, b.filled("email", email, "topic", "product"))
		},
		"the same within the day": func(email string) reply {
			return b.ask("POST", "/s", urlencoded, b.filled("email", email, "topic", "product"))
		},
	}
	for _, name := range []string{"the page to unsubscribe", "the page of choices", "one click", "a link by address", "the same within an hour", "a sign-up", "the same within the day"} {
		var first []string
		for _, email := range []string{"ben@example.com", "nobody@example.com", "gone@example.com"} {
			asked := w.during(func() { steps[name](email).wants(t, http.StatusOK) })
			if len(asked) < 2 {
				t.Fatalf("%s: only %q was seen", name, asked)
			}
			if first == nil {
				first = asked
			}
			if !slices.Equal(first, asked) {
				t.Errorf("%s: for %s the database is asked\n%s\nand for somebody on file\n%s", name, email, strings.Join(asked, "\n"), strings.Join(first, "\n"))
			}
		}
	}
	for _, email := range []string{"ben@example.com", "nobody@example.com", "gone@example.com"} {
		if got := b.letterKinds(email); !slices.Equal(got, []string{store.WriteChoices, store.WriteSignUp}) {
			t.Errorf("%s has the letters %v waiting", email, got)
		}
	}
}

func (b *bench) letterKinds(email string) (kinds []string) {
	for _, one := range b.letters(email) {
		if one.State == "waiting" {
			kinds = append(kinds, one.Kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// erased has somebody deleted, as a click on their own link does.
func (b *bench) erased(email string) {
	b.t.Helper()
	ctx := context.Background()
	id, err := b.s.OpenCase(ctx, store.Report{Kind: consent.CaseErasure, Email: email, Mailbox: "privacy"})
	var c store.Case
	if err == nil {
		c, err = b.s.Case(ctx, id)
	}
	var token string
	if err == nil {
		token, err = b.s.ConfirmLink(c)
	}
	var link consent.Link
	if err == nil {
		link, err = b.s.Keys().Links.Open(token)
	}
	if err == nil {
		_, err = b.s.Confirm(ctx, link)
	}
	if err == nil {
		err = b.s.Erase(ctx, id)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestGuessedLinks: a network from which one bad link after the other comes is told
// to wait, whatever it opens; but an opt-out is taken from everywhere, and other
// networks notice nothing.
func TestGuessedLinks(t *testing.T) {
	now := time.Now()
	b := newBench(t, func(o *web.Options) { o.Now = func() time.Time { return now } })
	from := func(network, method, path, body string) reply {
		return b.ask(method, path, urlencoded, body, "X-Forwarded-For", network)
	}
	guess := func(n int) string { return fmt.Sprintf("/c/%s%03d", strings.Repeat("a", 47), n) }
	fresh := "/p/" + b.fresh("ann@example.com")
	for n := range 61 {
		from("192.0.2.1", "GET", fresh, "").wants(t, 200)
		from(fmt.Sprintf("192.0.2.%d", n), "GET", guess(n), "").wants(t, 404)
		from("127.0.0.1", "GET", guess(n), "").wants(t, 404) // nobody knows who that is
	}
	got := from("192.0.2.200", "GET", fresh, "")
	got.wants(t, 429, "try again")
	if got.header.Get("Retry-After") != "60" {
		t.Errorf("when to try again: %q", got.header.Get("Retry-After"))
	}
	from("192.0.2.1", "GET", guess(100), "").wants(t, 404)
	from("127.0.0.1", "GET", fresh, "").wants(t, 200)
	from("192.0.2.1", "POST", "/u/"+b.optOutLink("ann@example.com"), "List-Unsubscribe=One-Click").wants(t, 200)
	from("198.51.100.1", "GET", fresh, "").wants(t, 200)
	from("198.51.100.1", "GET", guess(101), "").wants(t, 404)
	now = now.Add(time.Minute)
	from("192.0.2.1", "GET", fresh, "").wants(t, 200)
}

// TestLinksAskedForByANetwork: too many addresses from one network are refused, and
// nothing is kept of the one that is.
func TestLinksAskedForByANetwork(t *testing.T) {
	b := newBench(t)
	ask := func(n int, network string) reply {
		return b.ask("POST", "/link", urlencoded, fmt.Sprintf("email=a%d%%40example.org", n), "X-Forwarded-For", network)
	}
	var all sync.WaitGroup
	for n := range store.LinksOfNetwork { // side by side: each answer waits for its time
		all.Go(func() { ask(n, "192.0.2.7").wants(t, 200) })
	}
	all.Wait()
	ask(100, "192.0.2.8").wants(t, 429, "Too many requests", "Nothing has changed")
	if n := len(b.letters("a100@example.org")); n != 0 {
		t.Errorf("a refused question has %d letters", n)
	}
	ask(101, "192.0.3.1").wants(t, 200)
}
