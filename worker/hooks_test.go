package worker_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/store/storetest"
	"heed/worker"
)

// listener is a server that is told of what happens, and checks each signature
// as its own library does.
type listener struct {
	t      *testing.T
	secret string
	url    string

	mu     sync.Mutex
	status int
	after  string // Retry-After
	calls  int
	told   []told
}

// told is a message that was taken.
type told struct {
	id, body string
	Type     string
	Data     map[string]any
}

func newListener(t *testing.T) *listener {
	r := &listener{t: t, secret: "whsec_c2VjcmV0IG9mIHR3byBzZXJ2ZXJz", status: 204}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *listener) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if hook, err := standardwebhooks.NewWebhook(r.secret); err != nil || hook.VerifyIgnoringTimestamp(body, q.Header) != nil {
		r.t.Errorf("the signature of %s is wrong", body)
	}
	if r.status/100 == 2 {
		one := told{id: q.Header.Get("webhook-id"), body: string(body)}
		if err := json.Unmarshal(body, &one); err != nil {
			r.t.Error(err)
		}
		r.told = append(r.told, one)
	}
	if r.after != "" {
		w.Header().Set("Retry-After", r.after)
	}
	w.WriteHeader(r.status)
}

func (r *listener) heard(kind string) (all []told) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.told {
		if one.Type == kind {
			all = append(all, one)
		}
	}
	return all
}

func (r *listener) answers(status int, after string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.after = status, after
}

func (r *listener) called() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// hooked is a bench whose worker tells one webhook, by a clock of the test.
func hooked(t *testing.T, s *store.Store, time *clock, r *listener, secrets string) *bench {
	t.Helper()
	b := newBench(t, mailertest.Options{})
	b.store = s
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secrets), 0o600); err != nil {
		t.Fatal(err)
	}
	b.start(func(o *worker.Options) {
		o.Now, o.Hooks = time.now, map[string]worker.Webhook{"shop": {URL: r.url, SecretFile: file}}
	})
	return b
}

// hookEngines runs a test on both engines, with one webhook and a clock of the
// test.
func hookEngines(t *testing.T, test func(t *testing.T, s *store.Store, c *clock)) {
	c := &clock{}
	storetest.EnginesWith(t, func(o *store.Options) {
		c = &clock{at: time.Now().UTC()}
		o.Hooks, o.Now = []store.Hook{{ID: "shop", Events: []string{"preference", "bounce", "complaint", "erasure", "case"}}}, c.now
	}, func(t *testing.T, s *store.Store) { test(t, s, c) })
}

func (b *bench) key(email string) consent.Key {
	key, _, err := b.store.Key(email)
	if err != nil {
		b.t.Fatal(err)
	}
	return key
}

// TestWebhooksAreTold: what happened comes as ids, signed with every secret, and
// names nobody.
func TestWebhooksAreTold(t *testing.T) { hookEngines(t, webhooksAreTold) }

func webhooksAreTold(t *testing.T, s *store.Store, c *clock) {
	ctx := context.Background()
	r := newListener(t)
	b := hooked(t, s, c, r, "whsec_bmV3ZXIgc2VjcmV0IG9mIHR3bw==\n"+r.secret+"\n")
	put, err := b.store.PutContact(ctx, "user-1", store.Details{Email: "ann@example.org"})
	if err == nil {
		_, err = b.store.OptOut(ctx, store.OptOut{Key: put.Key, Scope: consent.TopicScope(1), Via: consent.ViaPage})
	}
	if err == nil {
		_, err = b.store.OptOut(ctx, store.OptOut{Key: b.key("nobody@example.org"), Scope: consent.ScopeMarketing, Via: consent.ViaOneClick})
	}
	if err != nil {
		t.Fatal(err)
	}
	b.holds("the choice", func() bool { return len(r.heard("preference.changed")) == 1 })
	one := r.heard("preference.changed")[0]
	if one.Data["person"] != put.Subject || one.Data["scope"] != "topic:product" || one.Data["choice"] != "out" || one.Data["via"] != "page" ||
		!slices.Equal(one.Data["external_ids"].([]any), []any{"user-1"}) {
		t.Errorf("told %s", one.body)
	}
	b.erases(ctx, store.Contact{Email: "ann@example.org"})
	b.holds("the erasure", func() bool { return len(r.heard("person.erased")) == 1 && len(r.heard("case.closed")) == 1 })
	if one := r.heard("person.erased")[0]; !slices.Equal(one.Data["external_ids"].([]any), []any{"user-1"}) {
		t.Errorf("told %s", one.body)
	}
	if len(r.heard("case.opened")) != 1 || len(r.heard("case.confirmed")) != 1 {
		t.Error("a case was not told of")
	}
	for _, one := range r.told {
		if strings.Contains(one.body, "@") || strings.Contains(one.body, "ann") {
			t.Errorf("a message names somebody: %s", one.body)
		}
	}
}

// TestWebhookThatFails: it is tried less and less often, as it asks; after five
// days it is put off and the operator is told; then it gets all that it missed,
// and once more what it asks for, under the same ids.
func TestWebhookThatFails(t *testing.T) { hookEngines(t, webhookThatFails) }

func webhookThatFails(t *testing.T, s *store.Store, clock *clock) {
	ctx := context.Background()
	r := newListener(t)
	r.answers(503, "3600")
	b := hooked(t, s, clock, r, r.secret)
	put, err := b.store.PutContact(ctx, "user-1", store.Details{Email: "ann@example.org"})
	for _, scope := range []consent.Scope{consent.TopicScope(1), consent.ScopeMarketing} {
		if err == nil {
			_, err = b.store.OptOut(ctx, store.OptOut{Key: put.Key, Scope: scope, Via: consent.ViaPage})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	state := func() store.HookState {
		all, err := b.store.HookStates(ctx)
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all[0]
	}
	// The answer to a call that was under way when the clock went on makes it rest anew.
	patient := func(what string, ok func() bool) {
		b.holds(what, func() bool {
			met := ok()
			if !met && state().Rest.After(clock.now()) {
				clock.pass(25 * time.Hour)
			}
			return met
		})
	}
	b.holds("a first failure", func() bool { return !state().Rest.IsZero() })
	if rest := state().Rest.Sub(clock.now()); rest < 59*time.Minute || rest > time.Hour {
		t.Errorf("after Retry-After: 3600 it rests for %s", rest)
	}
	before := r.called()
	clock.pass(10 * time.Minute)
	b.carry(ctx)
	if r.called() != before {
		t.Error("it was called while it rests")
	}
	for day := 0; day < 6 && state().State == "on"; day++ {
		calls := r.called()
		clock.pass(25 * time.Hour)
		patient("another try", func() bool { return r.called() > calls || state().State == "off" })
		b.holds("its end", func() bool { return state().State == "off" || state().Rest.After(clock.now()) })
	}
	alarms, err := b.store.Alarms(ctx, true)
	if s := state(); s.State != "off" || s.Waiting != 2 || err != nil || !slices.ContainsFunc(alarms, func(a store.Alarm) bool { return a.Kind == store.AlarmWebhook }) {
		t.Fatalf("after days it is %+v, alarms %+v, %v", s, alarms, err)
	}
	r.answers(200, "")
	if n, err := b.store.EnableHook(ctx, "shop"); err != nil || n != 2 {
		t.Errorf("it missed %d messages, %v", n, err)
	}
	patient("all that it missed", func() bool { return len(r.heard("preference.changed")) == 2 && state().Waiting == 0 })
	if n, err := b.store.ReplayHook(ctx, "shop", clock.now().Add(-store.HooksFor)); err != nil || n != 2 {
		t.Errorf("%d messages are told again, %v", n, err)
	}
	patient("both again", func() bool { return len(r.heard("preference.changed")) == 4 })
	ids := map[string]int{}
	for _, one := range r.heard("preference.changed") {
		ids[one.id]++
	}
	if len(ids) != 2 {
		t.Errorf("the ids are %v", ids)
	}
	r.answers(410, "")
	if err := b.store.TestHook(ctx, "shop"); err != nil {
		t.Fatal(err)
	}
	b.holds("it being gone", func() bool { return state().State == "off" })
}
