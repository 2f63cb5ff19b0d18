package web_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"heed/store"
	"heed/store/storetest"
	"heed/web"
)

// bodies are good ones for each operation that takes one.
var bodies = map[string]string{
	"send-alert":        `{"key":"a","service":"files","subject":"Slow","text":"Slow."}`,
	"estimate-audience": `{"topic":"product"}`,
	"create-campaign":   `{"source":"---\nname: June\nsubject: News\ntopic: product\n---\nHello"}`,
	"schedule-campaign": `{"at":"2099-01-01T00:00:00Z"}`,
	"open-case":         `{"kind":"complaint","external_id":"ann"}`,
	"put-contact":       `{"email":"ann@example.com"}`,
	"post-event":        `{"type":"deactivated"}`,
	"put-preferences":   `{"marketing":"out"}`,
	"answer-notice":     `{"status":"stopped"}`,
	"add-suppressions":  `{"suppressions":[{"email":"x@example.com"}]}`,
}

// agreeable finds nothing wrong with anything.
func agreeable() web.Desk {
	return web.Desk{
		Draft: func(context.Context, []byte, bool) (store.Campaign, []string, error) {
			return store.Campaign{Name: "n"}, nil, nil
		},
		Check: func(context.Context, store.Campaign) (web.Checked, error) { return web.Checked{}, nil },
		Fit:   func(context.Context, store.Campaign, bool) error { return nil },
	}
}

// TestAPanicIsAProblem: a program is not answered with a page for people.
func TestAPanicIsAProblem(t *testing.T) {
	b := newBench(t, func(o *web.Options) { o.Doors.Desk.Draft = nil })
	got := b.program("admin").call("POST", "/v1/campaigns", bodies["create-campaign"])
	if got.refused(t, 503, "unavailable"); got.header.Get("Retry-After") == "" {
		t.Error("it says no time")
	}
}

// away is a store whose database has gone.
func away(t *testing.T) *store.Store {
	t.Helper()
	s := storetest.Open(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEachOperationSaysThatItFailed: what was let in, and then meets a database
// that is gone, is answered with 503 and a time, and never as done; also with a
// key of idempotency.
func TestEachOperationSaysThatItFailed(t *testing.T) {
	room := away(t)
	b := newBench(t, func(o *web.Options) {
		o.Doors.Partners = map[string][]string{"acme": nil}
		o.Doors.Sandbox = func(context.Context) (web.Room, error) {
			return web.Room{Store: room, Desk: agreeable(), PublicURL: "https://mail.example.com/sandbox", Simulated: true}, nil
		}
	})
	key := func(scope string) program {
		secret, _, err := b.s.NewAPIKey(context.Background(), store.APIKey{Name: "test", Scopes: []string{scope}, Test: true})
		if err != nil {
			t.Fatal(err)
		}
		return program{b, secret}
	}
	admin, acme := key("admin"), key("partner:acme")
	text, err := web.Describe()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string
			Tags        []string
			RequestBody any
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths {
		for method, op := range item {
			body := bodies[op.OperationID]
			if (op.RequestBody != nil) != (body != "") {
				t.Errorf("%s wants a body: give it a good one here", op.OperationID)
			}
			who := admin
			if op.Tags[0] == "partner" {
				who = acme
			}
			got := who.call(strings.ToUpper(method), withIDs(path), body, "Idempotency-Key", op.OperationID)
			if got.refused(t, 503, "unavailable"); t.Failed() {
				t.Fatal(op.OperationID)
			}
			if got.header.Get("Retry-After") == "" {
				t.Errorf("%s says no time", op.OperationID)
			}
		}
	}
}

// withIDs puts 1 in the place of each parameter of a path.
func withIDs(path string) string {
	for before, rest, more := strings.Cut(path, "{"); more; before, rest, more = strings.Cut(path, "{") {
		_, after, _ := strings.Cut(rest, "}")
		path = before + "1" + after
	}
	return path
}
