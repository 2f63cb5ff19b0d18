package web_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
	"heed/web"
)

// bench is a server on a real store, with Ann, who said yes to product news
// and events, and Ben, who never chose topics.
type bench struct {
	t      *testing.T
	s      *store.Store
	server *httptest.Server
	log    *logged
}

// logged keeps what is logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newBench(t *testing.T, change ...func(*web.Options)) *bench {
	t.Helper()
	s := storetest.Open(t)
	filled(t, s)
	return newBenchOn(t, s, change...)
}

// filled stores Ann and Ben.
func filled(t *testing.T, s *store.Store) {
	t.Helper()
	contacts := []store.Contact{
		{Row: 2, Email: "ann@example.com", Topics: []string{"product", "events"}, ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"},
		{Row: 3, Email: "ben@example.com", Language: "de-AT"},
	}
	result, err := s.Import(context.Background(), contacts, "test", false)
	if err != nil || result.Added != 2 {
		t.Fatalf("import gave %+v, %v", result, err)
	}
}

// newBenchOn serves a store that another bench has filled.
func newBenchOn(t *testing.T, s *store.Store, change ...func(*web.Options)) *bench {
	t.Helper()
	b := &bench{t: t, s: s, log: &logged{}}
	b.open(change...)
	return b
}

func (b *bench) open(change ...func(*web.Options)) {
	t := b.t
	t.Helper()
	o := web.Options{Store: b.s, PublicURL: "https://mail.example.com/news", SenderName: "Harbour & Notes",
		UnsubscribeAddress: "unsubscribe@harbour.example", Log: slog.New(slog.NewTextHandler(b.log, nil))}
	for _, one := range change {
		one(&o)
	}
	server, err := web.New(o)
	if err != nil {
		t.Fatal(err)
	}
	first := httptest.NewServer(server.Handler())
	b.server = first
	t.Cleanup(func() { first.Close() })
}

func (b *bench) key(email string) consent.Key {
	b.t.Helper()
	key, _, err := b.s.Key(email)
	if err != nil {
		b.t.Fatal(err)
	}
	return key
}

func (b *bench) link(purpose consent.Purpose, email string, scope uint16) string {
	return b.s.Keys().Links.Seal(consent.Link{Purpose: purpose, Address: b.key(email), Scope: scope})
}

// fresh is a link that was mailed to somebody's address just now.
func (b *bench) fresh(email string) string {
	return b.s.FreshLink(b.key(email), time.Now().Add(store.FreshFor))
}

// optOutLink is what stands in product news to somebody.
func (b *bench) optOutLink(email string) string { return b.link(consent.PurposeOptOut, email, 1) }

// reply is an answer, read to its end.
type reply struct {
	code   int
	header http.Header
	body   string
}

const urlencoded = "application/x-www-form-urlencoded"

// ask sends one request and never follows a redirect.
func (b *bench) ask(method, path, kind, body string, header ...string) reply {
	b.t.Helper()
	r, err := http.NewRequest(method, b.server.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return b.send(r)
}

func (b *bench) send(r *http.Request) reply {
	b.t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header, string(text)}
}

func (b *bench) click(token string) reply {
	b.t.Helper()
	return b.ask("POST", "/u/"+token, urlencoded, "List-Unsubscribe=One-Click")
}

// state gives what somebody decided.
func (b *bench) state(email string) consent.State {
	b.t.Helper()
	state, err := b.s.State(context.Background(), b.key(email))
	if err != nil {
		b.t.Fatal(err)
	}
	return state
}

// rows counts the rows of the ledger, and checks all invariants on the way.
func (b *bench) rows() int {
	b.t.Helper()
	report, err := b.s.Verify(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	for name, one := range report {
		if len(one.Broken) > 0 {
			b.t.Errorf("%s is broken: %v", name, one.Broken)
		}
	}
	return report["I5"].Checked
}

// wants fails unless the answer has the code and holds the texts.
func (r reply) wants(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("answered %d, want %d: %s", r.code, code, r.body)
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			t.Errorf("the answer lacks %q: %s", text, r.body)
		}
	}
}
