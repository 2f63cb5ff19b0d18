package web_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
	"heed/web"
)

const (
	hookSecret     = "whsec_c2VjcmV0IG9mIHR3byBzZXJ2ZXJz"
	postmarkSecret = "heed:a long password of ours"
)

// told is a server that a provider may tell of messages.
func told(t *testing.T, s *store.Store) (b *bench, now time.Time) {
	t.Helper()
	filled(t, s)
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	now = time.Now()
	return newBenchOn(t, s, func(o *web.Options) {
		o.Now = func() time.Time { return now }
		o.Doors.Providers = []web.Provider{{Kind: "standard", SecretFile: file("s", hookSecret)}, {Kind: "postmark", SecretFile: file("p", postmarkSecret)}}
	}), now
}

// sent hands product news over to Ann, and gives what stands in its Message-ID.
func (b *bench) sent() string {
	b.t.Helper()
	desk, result := b.claim()
	result.EndAt = time.Now()
	desk.Finish(result)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if a, err := b.s.Account(context.Background(), result.Campaign); err == nil && a.Accepted == 1 {
			return fmt.Sprintf("%d.%s", result.Campaign, result.Address)
		}
	}
	b.t.Fatal("a message never was accepted")
	return ""
}

func (b *bench) signed(now time.Time, id, body, secret string) reply {
	b.t.Helper()
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		b.t.Fatal(err)
	}
	signature, err := hook.Sign(id, now, []byte(body))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.ask("POST", "/hooks/events", "application/json", body, "webhook-id", id, "webhook-timestamp", fmt.Sprint(now.Unix()), "webhook-signature", signature)
}

func basic(secret string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(secret)) }

func standardBody(kind, id, message string) string {
	return fmt.Sprintf(`{"type":%q,"timestamp":"2026-01-01T00:00:00Z","data":{"id":%q,"message_id":"<%s@example.com>","recipient":"ann@example.com","hard":true,"status":"5.1.1"}}`, kind, id, message)
}

// TestProviderEvents: what a provider tells does what a report by mail does, once.
func TestProviderEvents(t *testing.T) { storetest.Engines(t, providerEvents) }

func providerEvents(t *testing.T, s *store.Store) {
	b, now := told(t, s)
	first, second := b.sent(), b.sent()
	b.signed(now, "m1", standardBody("message.bounced", "e1", first), hookSecret).wants(t, 204)
	if b.state("ann@example.com").Dead == 0 {
		t.Error("a mailbox that does not exist is not dead")
	}
	rows := b.rows()
	b.signed(now, "m2", standardBody("message.bounced", "e1", first), hookSecret).wants(t, 204)
	if b.rows() != rows {
		t.Error("a second copy changed something")
	}
	complaint := fmt.Sprintf(`{"RecordType":"SpamComplaint","ID":42,"Type":"SpamComplaint","Email":"ann@example.com","MessageID":"00000000-0000-0000-0000-000000000000","Metadata":{"heed":%q}}`, second)
	b.ask("POST", "/hooks/postmark", "application/json", complaint, "Authorization", basic(postmarkSecret)).wants(t, 204)
	if b.state("ann@example.com").Marketing.Choice != consent.Out {
		t.Error("a spam report by Postmark stopped nothing")
	}
	b.ask("POST", "/hooks/postmark", "application/json", `{"RecordType":"Open","ID":1}`, "Authorization", basic(postmarkSecret)).wants(t, 204)
}

// TestComplaintByAProviderPauses: too many spam reports that a provider tells pause
// the campaign as those by mail do, and the log says so.
func TestComplaintByAProviderPauses(t *testing.T) {
	limited := func(o *store.Options) { o.Complaints = store.ComplaintLimit{Share: 0.5, Least: 1} }
	storetest.EnginesWith(t, limited, func(t *testing.T, s *store.Store) {
		b, now := told(t, s)
		message := b.sent()
		b.signed(now, "m1", standardBody("message.complained", "e1", message), hookSecret).wants(t, 204)
		id, _, _ := strings.Cut(message, ".")
		if log := b.log.String(); !strings.Contains(log, "msg=campaign_paused campaign="+id) || strings.Contains(log, "@example") {
			t.Errorf("the log: %s", log)
		}
	})
}

// TestProviderEventsHostile: what is forged, old, about nobody or no event
// changes nothing.
func TestProviderEventsHostile(t *testing.T) { storetest.Engines(t, providerEventsHostile) }

func providerEventsHostile(t *testing.T, s *store.Store) {
	b, now := told(t, s)
	ann := b.sent()
	rows := b.rows()
	body := standardBody("message.complained", "e1", ann)
	b.signed(now, "m", body, "whsec_YW5vdGhlciBzZWNyZXQgb2YgdHdv").refused(t, 401, "not_proven")
	b.signed(now.Add(-6*time.Minute), "m", body, hookSecret).refused(t, 401, "not_proven")
	b.ask("POST", "/hooks/events", "application/json", body).refused(t, 401, "not_proven")
	b.ask("POST", "/hooks/postmark", "application/json", body, "Authorization", basic("heed:wrong")).refused(t, 401, "not_proven")
	b.ask("GET", "/hooks/events", "", "").refused(t, 405, "method_not_allowed")
	b.ask("POST", "/hooks/sendgrid", "application/json", body).refused(t, 404, "no_such_provider")
	b.ask("POST", "/hooks/events", "application/json", strings.Repeat("x", 2<<20)).refused(t, 413, "too_large")
	b.signed(now, "m", `{"type":"message.opened"}`, hookSecret).refused(t, 400, "invalid_request")
	b.signed(now, "m", `[]`, hookSecret).refused(t, 400, "invalid_request")
	for i, message := range []string{"nothing", "1.aaaa", "99." + b.key("ann@example.com").String(), "1." + b.key("ben@example.com").String(), "1." + b.key("nobody@example.com").String()} {
		b.signed(now, "m", standardBody("message.complained", fmt.Sprint("x", i), message), hookSecret).wants(t, 204)
	}
	if b.rows() != rows || b.state("ann@example.com").Marketing.Choice == consent.Out {
		t.Error("something changed")
	}
	if strings.Contains(b.log.String(), "ann@") {
		t.Error("the log names somebody")
	}
}
