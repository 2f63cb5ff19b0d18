package worker_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
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

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/worker"
)

const systemSecret = "a secret of the two of us"

// otherSystem is a program that is told of erasures.
type otherSystem struct {
	t      *testing.T
	answer string
	status int

	mu   sync.Mutex
	told []string
}

func (o *otherSystem) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		o.t.Error(err)
	}
	mac := hmac.New(sha256.New, []byte(systemSecret))
	mac.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "." + string(body)))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("webhook-signature") != want || r.Header.Get("webhook-id") == "" {
		o.t.Errorf("the signature is %q, want %q", r.Header.Get("webhook-signature"), want)
	}
	o.mu.Lock()
	o.told = append(o.told, string(body))
	o.mu.Unlock()
	w.WriteHeader(o.status)
	if _, err := io.WriteString(w, o.answer); err != nil {
		o.t.Error(err)
	}
}

// TestSystemsAreToldOfAnErasure: each gets what it needs to find the person,
// signed; the case stays open until all have answered, and the certificate
// says what each did.
func TestSystemsAreToldOfAnErasure(t *testing.T) {
	ctx := context.Background()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(systemSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	others := map[string]*otherSystem{
		"files":   {t: t, status: 200, answer: `{"status":"deleted"}`},
		"billing": {t: t, status: 200, answer: `{"status":"kept","law":"§ 147 AO","until":"2033-12-31"}`},
		"silent":  {t: t, status: 500, answer: "no"},
		"vague":   {t: t, status: 200, answer: `{"status":"kept"}`},
		"away":    {t: t, status: 302},
	}
	b := newBench(t, mailertest.Options{})
	var systems []worker.System
	var plan store.Plan
	for _, id := range []string{"files", "billing", "silent", "vague", "away"} {
		server := httptest.NewServer(others[id])
		t.Cleanup(server.Close)
		systems = append(systems, worker.System{ID: id, Name: "The " + id, Webhook: worker.Webhook{URL: server.URL, SecretFile: secret}})
		plan.Systems = append(plan.Systems, store.System{ID: id, Name: "The " + id})
	}
	b.reopen(plan)
	defer b.start(func(o *worker.Options) { o.Systems = systems })()
	id := b.erases(ctx, store.Contact{Email: "ann@example.org", ExternalID: "customer-7"})
	b.holds("all being told", func() bool {
		return !slices.ContainsFunc([]string{"files", "billing", "silent", "vague", "away"}, func(id string) bool {
			o := others[id]
			o.mu.Lock()
			defer o.mu.Unlock()
			return len(o.told) == 0
		})
	})
	var said struct {
		Type string
		Data struct {
			Email       string
			ExternalIDs []string `json:"external_ids"`
		}
	}
	if err := json.Unmarshal([]byte(others["files"].told[0]), &said); err != nil || said.Type != "person.erase" ||
		said.Data.Email != "ann@example.org" || !slices.Equal(said.Data.ExternalIDs, []string{"customer-7"}) {
		t.Errorf("the system was told %+v, %v", said, err)
	}
	answer := func(system string, a store.Answer) {
		t.Helper()
		b.holds(system+" having been asked", func() bool {
			all, err := b.store.Notices(ctx, id)
			return err == nil && slices.ContainsFunc(all, func(n store.Notice) bool { return n.System == system && n.Tries > 0 })
		})
		if err := b.store.Answered(ctx, id, system, a); err != nil {
			t.Errorf("%s: %v", system, err)
		}
	}
	answer("silent", store.Answer{State: "deleted"})
	answer("vague", store.Answer{State: "kept", Law: "a court order"})
	if c, err := b.store.Case(ctx, id); err != nil || c.State != consent.CaseConfirmed {
		t.Errorf("with one system silent the case is %s, %v", c.State, err)
	}
	answer("away", store.Answer{State: "deleted"})
	b.holds("the certificate", func() bool { return len(b.sink.Records()) == 2 })
	text := letterText(t, b.sink.Records()[1])
	for _, want := range []string{"- The files", "- The silent", "- The billing: § 147 AO, until 31 December 2033", "- The vague: a court order"} {
		if !strings.Contains(text, want) {
			t.Errorf("the certificate lacks %q: %s", want, text)
		}
	}
}

// TestASystemOfTheInnerNetworkIsNotCalled: a name that leads inside is refused
// at the moment of the call, whatever it led to before.
func TestASystemOfTheInnerNetworkIsNotCalled(t *testing.T) {
	called := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer server.Close()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(systemSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	for _, host := range []string{"localhost:" + port, "127.0.0.1:" + port, "[::ffff:127.0.0.1]:" + port, "10.0.0.1", "169.254.169.254", "[::1]:" + port, "100.64.0.1", "[fd00::1]", "0.0.0.0:" + port} {
		h := worker.Webhook{URL: "http://" + host + "/", SecretFile: secret, Public: true}
		if _, err := h.Post(context.Background(), "id", time.Now(), []byte("{}")); err == nil || !strings.Contains(err.Error(), "private") {
			t.Errorf("%s was called: %v", host, err)
		}
	}
	if called {
		t.Error("the server was called")
	}
}
