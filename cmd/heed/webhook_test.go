package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
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

	"heed/mailer/mailertest"
)

// receiver is a server of somebody else, which checks signatures by the words of
// the Standard Webhooks specification and nothing of ours.
type receiver struct {
	t      *testing.T
	secret []byte
	mu     sync.Mutex
	cond   *sync.Cond
	status int
	calls  []hookCall
}

// hookCall is what came in.
type hookCall struct {
	ID, Type string
	Test     bool
	Data     map[string]any
	status   int // that was answered
}

func newReceiver(t *testing.T, secret string) (*receiver, string) {
	r := &receiver{t: t, secret: []byte(secret), status: 204}
	r.cond = sync.NewCond(&r.mu)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server.URL
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		r.t.Error(err)
	}
	id := q.Header.Get("webhook-id")
	mac := hmac.New(sha256.New, r.secret)
	fmt.Fprintf(mac, "%s.%s.%s", id, q.Header.Get("webhook-timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if !slices.Contains(strings.Fields(q.Header.Get("webhook-signature")), want) {
		r.t.Errorf("the signature of %s is wrong", body)
	}
	one := hookCall{ID: id}
	if err := json.Unmarshal(body, &one); err != nil || strings.Contains(string(body), "@") {
		r.t.Errorf("was told %s, %v", body, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	one.status = r.status
	r.calls = append(r.calls, one)
	r.cond.Broadcast()
	w.WriteHeader(r.status)
}

// heard waits for the nth call of a kind.
func (r *receiver) heard(kind string, n int) hookCall {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	stop := context.AfterFunc(ctx, r.cond.Broadcast)
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		seen := 0
		for _, one := range r.calls {
			if one.Type == kind {
				if seen++; seen == n {
					return one
				}
			}
		}
		if ctx.Err() != nil {
			r.t.Fatalf("%s did not come %d times, but %+v", kind, n, r.calls)
		}
		r.cond.Wait()
	}
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.calls)
}

// call speaks to the API.
func (s *served) call(t *testing.T, key, method, path, body string, want int) {
	t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != want {
		t.Errorf("%s %s answered %d, want %d: %s %v", method, path, answer.StatusCode, want, text, err)
	}
}

const hookSecret = "a secret that two servers share"

// hooked is a server with a webhook for real people and one for the sandbox.
func hooked(t *testing.T, more string) (server *served, live, test *receiver, sink *mailertest.Sink) {
	t.Helper()
	sink, err := mailertest.Start(mailertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sink.Close)
	live, liveURL := newReceiver(t, hookSecret)
	test, testURL := newReceiver(t, hookSecret)
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("whsec_"+base64.StdEncoding.EncodeToString([]byte(hookSecret))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	form := "[[webhook]]\nid = %q\nurl = %q\nsecret_file = %q\nevents = [\"preference\", \"bounce\", \"complaint\", \"case\"]\n%s"
	config := doorsConfig + fmt.Sprintf(form, "shop", liveURL, secret, "") + fmt.Sprintf(form, "shop-test", testURL, secret, "test = true\n") + strings.ReplaceAll(more, "SECRET", secret)
	return startServeWith(t, config, "SMTP_URL="+sink.URL()), live, test, sink
}

const hookPerson = `{"email":"%s@example.com","services":["files"],"consent":{"topics":["news"],"at":"2026-01-02T10:00:00Z","source":"sign-up","text":"I want the news"}}`

// TestTheSandboxHasWebhooksOfItsOwn: what a test key does is told to webhooks
// marked so and to no other, also a bounce; what a live key does never is.
func TestTheSandboxHasWebhooksOfItsOwn(t *testing.T) {
	server, live, test, sink := hooked(t, "")
	key := server.token(t, "--scope", "admin", "--test")
	server.call(t, key, "PUT", "/v1/contacts/ann", fmt.Sprintf(hookPerson, "ann"), 201)
	server.call(t, key, "PUT", "/v1/contacts/ben", fmt.Sprintf(hookPerson, "bounce+ben"), 201)
	server.call(t, key, "PUT", "/v1/contacts/ann/preferences", `{"topics":{"news":"out"}}`, 200)
	for n := 1; ; n++ {
		if one := test.heard("preference.changed", n); !one.Test || one.Data["choice"] == "out" {
			break
		}
	}
	server.call(t, key, "POST", "/v1/alerts", `{"key":"a","service":"files","subject":"Slow","text":"Files are slow."}`, 202)
	if one := test.heard("message.bounced", 1); !one.Test || one.Data["hard"] != true {
		t.Errorf("a bounce of the sandbox is %+v", one)
	}
	server.heed(t, "webhook", "test", "shop-test")
	test.heard("webhook.test", 1)
	if n := live.count(); n != 0 {
		t.Errorf("the webhook for real people was called %d times", n)
	}
	before := test.count()
	server.call(t, server.token(t, "--scope", "admin"), "PUT", "/v1/contacts/cleo", fmt.Sprintf(hookPerson, "cleo"), 201)
	if one := live.heard("preference.changed", 1); one.Test {
		t.Error("what happened to a real person is called a test")
	}
	if n := test.count(); n != before {
		t.Errorf("the webhook of the sandbox was told of a real person")
	}
	if list := server.heed(t, "webhook", "list"); !strings.Contains(list, "shop-test") || !strings.Contains(list, "of the sandbox") {
		t.Errorf("the list is %s", list)
	}
	if sink.Count() != 0 {
		t.Error("the sandbox handed a message to the relay")
	}
}
