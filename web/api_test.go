package web_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"heed/store"
	"heed/web"
)

// program speaks to the API with a key.
type program struct {
	*bench
	secret string
}

func (b *bench) program(scopes ...string) program {
	b.t.Helper()
	secret, _, err := b.s.NewAPIKey(context.Background(), store.APIKey{Name: "test", Scopes: scopes})
	if err != nil {
		b.t.Fatal(err)
	}
	return program{b, secret}
}

func (p program) call(method, path, body string, header ...string) reply {
	p.t.Helper()
	return p.ask(method, path, "application/json", body, append([]string{"Authorization", "Bearer " + p.secret}, header...)...)
}

// says fails unless the answer has the code and the fields.
func (r reply) says(t *testing.T, code int, fields map[string]any) map[string]any {
	t.Helper()
	var got map[string]any
	if r.code != code || json.Unmarshal([]byte(r.body), &got) != nil {
		t.Errorf("answered %d, want %d: %s", r.code, code, r.body)
	}
	for name, want := range fields {
		if have := got[name]; have != want {
			t.Errorf("%s is %v, want %v: %s", name, have, want, r.body)
		}
	}
	return got
}

// refused fails unless the answer is a problem with the code.
func (r reply) refused(t *testing.T, status int, code string) {
	t.Helper()
	r.says(t, status, map[string]any{"code": code, "status": float64(status), "type": "about:blank"})
	if kind := r.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("a problem has the type %q", kind)
	}
}

const annConsent = `"consent":{"topics":["product"],"at":"2026-01-02T10:00:00Z","source":"sign-up","text":"I want product news"}`

func TestAPIStoresAPerson(t *testing.T) {
	b := newBench(t)
	p := b.program("contacts", "preferences")
	made := p.call("PUT", "/v1/contacts/u-1", `{"email":"Cleo@Example.com","first_name":"Cleo","services":["files"],"attrs":{"plan":"pro"},`+annConsent+`}`)
	made.says(t, 201, map[string]any{"result": "added", "kept_out": false})
	p.call("PUT", "/v1/contacts/u-1", `{"first_name":"Cleo"}`).says(t, 200, map[string]any{"result": "unchanged"})
	p.call("PUT", "/v1/contacts/u-1", `{"first_name":"","attrs":{},"services":[]}`).says(t, 200, map[string]any{"result": "updated"})
	p.call("GET", "/v1/contacts/u-1", "").says(t, 200, map[string]any{"email": "cleo@example.com", "first_name": "", "external_id": "u-1"})
	p.call("GET", "/v1/contacts/u-1/preferences", "").says(t, 200, map[string]any{"marketing": "in"})
	p.call("PUT", "/v1/contacts/u-2", `{"email":"ann@example.com"}`).says(t, 200, map[string]any{"result": "updated"})
	p.call("PUT", "/v1/contacts/u-1", `{"email":"ann@example.com"}`).refused(t, 409, "address_taken")
	p.call("PUT", "/v1/contacts/u-3", `{}`).refused(t, 404, "not_found")
	moved := p.call("PUT", "/v1/contacts/u-1", `{"email":"cleo@example.org"}`).says(t, 202, nil)
	if change, _ := moved["address_change"].(map[string]any); change["state"] != "pending" {
		t.Errorf("another address gave %v", moved)
	}
	p.call("GET", "/v1/contacts/u-1", "").says(t, 200, map[string]any{"email": "cleo@example.com"})
	b.rows()
}

func TestAPIRecordsChoices(t *testing.T) {
	b := newBench(t)
	p := b.program("contacts", "preferences")
	p.call("PUT", "/v1/contacts/ann", `{"email":"ann@example.com"}`)
	const path = "/v1/contacts/ann/preferences"
	stopped := p.call("PUT", path, `{"topics":{"product":"out"}}`)
	stopped.says(t, 200, map[string]any{"state": "done"})
	if stopped.header.Get("Heed-In-Flight") != "0" || !strings.Contains(stopped.body, "topic:product") {
		t.Errorf("a no was answered %v %s", stopped.header, stopped.body)
	}
	p.call("GET", path, "").wants(t, 200, `"product":"out"`, `"events":"in"`)
	proof := `,"consent":{"at":"2026-01-02T10:00:00Z","source":"account page","text":"yes"}`
	for range 2 {
		p.call("PUT", path, `{"topics":{"product":"in"},"partner_offers":"in"}`).says(t, 202, map[string]any{"state": "pending"})
	}
	p.call("PUT", path, `{"topics":{"product":"in"}`+proof+`}`).wants(t, 202, `"pending":["topic:product"]`)
	p.call("GET", path, "").wants(t, 200, `"product":"out"`, `"partner_offers":"unknown"`)
	if letters, err := b.s.Letters(context.Background(), b.key("ann@example.com")); err != nil || len(letters) != 1 || letters[0].Kind != store.WriteSignUp {
		t.Errorf("asking three times wrote %+v, %v", letters, err)
	}
	p.call("PUT", path, `{"partner_offers":"in"`+proof+`}`).says(t, 200, map[string]any{"state": "done"})
	p.call("GET", path, "").wants(t, 200, `"product":"out"`, `"partner_offers":"in"`)
	p.call("PUT", path, `{"topics":{"nothing":"out"}}`).refused(t, 422, "unknown_topic")
	p.call("PUT", path, `{}`).refused(t, 422, "invalid_request")
	p.call("PUT", path, `{"marketing":"in"}`).refused(t, 422, "invalid_request")
	if s := b.state("ann@example.com"); s.Topics[1].Choice != "out" {
		t.Errorf("product is %+v", s.Topics[1])
	}
	b.rows()
}

func TestAPIMakesALinkForTheAccountPage(t *testing.T) {
	now := time.Now()
	b := newBench(t, func(o *web.Options) { o.Now = func() time.Time { return now } })
	p := b.program("contacts", "preferences")
	p.call("PUT", "/v1/contacts/ann", `{"email":"ann@example.com"}`)
	made := p.call("POST", "/v1/contacts/ann/preferences/link", "").says(t, 201, nil)
	link, _ := made["url"].(string)
	path := strings.TrimPrefix(link, "https://mail.example.com/news")
	b.ask("GET", path, "", "").wants(t, 200, "a••@example.com")
	now = now.Add(16 * time.Minute)
	if late := b.ask("GET", path, "", ""); late.code == 200 {
		t.Error("after a quarter of an hour the link still opens")
	}
}

func TestAPITakesEvents(t *testing.T) {
	b := newBench(t)
	p := b.program("contacts")
	p.call("PUT", "/v1/contacts/ann", `{"email":"ann@example.com"}`)
	const path = "/v1/contacts/ann/events"
	p.call("POST", path, `{"type":"holds","service":"files"}`).says(t, 200, map[string]any{"state": "done"})
	p.call("POST", path, `{"type":"holds","service":"files"}`).says(t, 200, map[string]any{"state": "unchanged"})
	p.call("GET", "/v1/contacts/ann", "").wants(t, 200, `"services":["files"]`)
	p.call("POST", path, `{"type":"holds_no_longer","service":"files"}`).says(t, 200, map[string]any{"state": "done"})
	p.call("POST", path, `{"type":"holds","service":"none"}`).refused(t, 422, "invalid_request")
	p.call("POST", path, `{"type":"holds"}`).refused(t, 422, "invalid_request")
	p.call("POST", path, `{"type":"gone"}`).refused(t, 422, "invalid_request")
	p.call("POST", path, `{"type":"address_changed","email":"ann@example.org"}`).says(t, 202, map[string]any{"state": "pending"})
	p.call("POST", path, `{"type":"address_changed","email":"ann@example.org"}`).says(t, 202, map[string]any{"state": "pending"})
	if letters, _ := b.s.Letters(context.Background(), b.key("ann@example.com")); len(letters) != 1 {
		t.Errorf("the same change twice wrote %d letters to the old address", len(letters))
	}
	p.call("POST", "/v1/contacts/new/events", `{"type":"registered"}`).refused(t, 404, "contact_unknown")
	p.call("POST", "/v1/contacts/new/events", `{"type":"registered","email":"new@example.com"}`).says(t, 200, map[string]any{"state": "done"})
	p.call("POST", "/v1/contacts/new/events", `{"type":"registered"}`).says(t, 200, map[string]any{"state": "unchanged"})
	gone := p.call("POST", path, `{"type":"deactivated"}`).says(t, 202, map[string]any{"state": "pending"})
	if b.state("ann@example.com").Hold == 0 || gone["case"] == nil {
		t.Errorf("a deactivated account: %v, %+v", gone, b.state("ann@example.com"))
	}
	b.rows()
}

// TestAPIKeys: what a key opens, and what it does not.
func TestAPIKeys(t *testing.T) {
	now := time.Now()
	b := newBench(t, func(o *web.Options) { o.Now = func() time.Time { return now } })
	p := b.program("contacts")
	p.call("PUT", "/v1/contacts/ann", `{"email":"ann@example.com"}`).says(t, 200, nil)
	p.call("GET", "/v1/contacts/ann/preferences", "").refused(t, 403, "scope_missing")
	b.ask("GET", "/v1/contacts/ann", "", "").refused(t, 401, "key_missing")
	program{b, "heed_live_" + strings.Repeat("a", 52)}.call("GET", "/v1/contacts/ann", "").refused(t, 401, "key_unknown")
	program{b, p.secret[:40]}.call("GET", "/v1/contacts/ann", "").refused(t, 401, "key_unknown")
	reader := b.program("read-only")
	reader.call("GET", "/v1/contacts/ann/preferences", "").says(t, 200, nil)
	reader.call("PUT", "/v1/contacts/ann", `{"first_name":"X"}`).refused(t, 403, "scope_missing")
	b.program("contacts", "read-only").call("PUT", "/v1/contacts/ann", `{"first_name":"X"}`).refused(t, 403, "scope_missing")
	test, _, err := b.s.NewAPIKey(context.Background(), store.APIKey{Name: "t", Scopes: []string{"admin"}, Test: true})
	if err != nil {
		t.Fatal(err)
	}
	program{b, test}.call("GET", "/v1/contacts/ann", "").refused(t, 403, "no_sandbox")
	short, made, err := b.s.NewAPIKey(context.Background(), store.APIKey{Name: "s", Scopes: []string{"admin"}, Expires: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	program{b, short}.call("GET", "/v1/contacts/ann", "").says(t, 200, nil)
	now = now.Add(2 * time.Hour)
	program{b, short}.call("GET", "/v1/contacts/ann", "").refused(t, 401, "key_expired")
	if _, err := b.s.RevokeAPIKey(context.Background(), made.Prefix); err != nil {
		t.Fatal(err)
	}
	program{b, short}.call("GET", "/v1/contacts/ann", "").refused(t, 401, "key_revoked")
	if all, _ := b.s.APIKeys(context.Background()); all[0].Used.IsZero() {
		t.Error("nobody noted that the key was used")
	}
	if strings.Contains(b.log.String(), p.secret) {
		t.Error("the log holds a key")
	}
}

// TestAPIRates: too many wrong keys of a network, and too many requests of a key,
// are put off; a right key is not refused for the wrong ones beside it.
func TestAPIRates(t *testing.T) {
	now := time.Now()
	b := newBench(t, func(o *web.Options) { o.Now = func() time.Time { return now }; o.Doors.Rate = 1 })
	p, wrong := b.program("contacts"), program{b, "heed_live_wrong"}
	codes := map[int]int{}
	for range 30 {
		codes[wrong.call("GET", "/v1/contacts/x", "").code]++
	}
	if codes[401] != 20 || codes[429] != 10 {
		t.Errorf("30 wrong keys were answered %v", codes)
	}
	for range 4 {
		p.call("GET", "/v1/contacts/x", "").refused(t, 404, "contact_unknown")
	}
	late := p.call("GET", "/v1/contacts/x", "")
	late.refused(t, 429, "too_many_requests")
	if late.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", late.header.Get("Retry-After"))
	}
	now = now.Add(time.Second)
	p.call("GET", "/v1/contacts/x", "").refused(t, 404, "contact_unknown")
}

// TestAPIOnce: a request that is sent again is not done again.
func TestAPIOnce(t *testing.T) {
	b := newBench(t)
	p := b.program("contacts", "preferences")
	const key = "Idempotency-Key"
	first := p.call("PUT", "/v1/contacts/u-1", `{"email":"cleo@example.com"}`, key, "a")
	again := p.call("PUT", "/v1/contacts/u-1", `{"email":"cleo@example.com"}`, key, "a")
	if first.code != 201 || again.code != 201 || first.body != again.body || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("first %d %s, again %d %s", first.code, first.body, again.code, again.body)
	}
	p.call("PUT", "/v1/contacts/u-1", `{"email":"dora@example.com"}`, key, "a").refused(t, 422, "idempotency_key_reused")
	p.call("PUT", "/v1/contacts/u-2", `{"email":"cleo@example.com"}`, key, "a").refused(t, 422, "idempotency_key_reused")
	other := b.program("contacts")
	other.call("PUT", "/v1/contacts/u-9", `{"email":"dora@example.com"}`, key, "a").says(t, 201, nil)
	p.call("PUT", "/v1/contacts/u-7", `{}`, key, "b").refused(t, 404, "not_found")
	p.call("PUT", "/v1/contacts/u-7", `{"email":"eve@example.com"}`, key, "b").says(t, 201, nil)
	for range 2 {
		stop := p.call("PUT", "/v1/contacts/u-1/preferences", `{"marketing":"out"}`, key, "c")
		if stop.code != 200 || stop.header.Get("Heed-In-Flight") != "0" {
			t.Errorf("a no: %d %v %s", stop.code, stop.header, stop.body)
		}
	}
	done := make(chan reply, 20)
	for range cap(done) {
		go func() { done <- p.call("PUT", "/v1/contacts/u-5", `{"email":"fay@example.com"}`, key, "d") }()
	}
	made := 0
	for range cap(done) {
		switch r := <-done; {
		case r.code == 201 && r.header.Get("Idempotent-Replayed") == "":
			made++
		case r.code != 201 && r.code != 409:
			t.Errorf("at the same time: %d %s", r.code, r.body)
		}
	}
	if made != 1 {
		t.Errorf("the same request at once was done %d times", made)
	}
	b.rows()
}

// TestAPIHostile: what is wrong is refused with a clear error, and nothing has
// changed.
func TestAPIHostile(t *testing.T) {
	b := newBench(t)
	p := b.program("admin")
	p.call("PUT", "/v1/contacts/ann", `{"email":"ann@example.com"}`)
	before := b.rows()
	for _, one := range []struct {
		method, path, body, code string
		status                   int
	}{
		{"PUT", "/v1/contacts/x", `{"email":"x@example.com","admin":true}`, "invalid_request", 422},
		{"PUT", "/v1/contacts/x", `{"email":17}`, "invalid_request", 422},
		{"PUT", "/v1/contacts/x", `[1]`, "invalid_request", 422},
		{"PUT", "/v1/contacts/x", `{"email":`, "invalid_request", 400},
		{"PUT", "/v1/contacts/x", ``, "invalid_request", 400},
		{"PUT", "/v1/contacts/x", `{"email":"` + strings.Repeat("x", 70<<10) + `"}`, "too_large", 413},
		{"PUT", "/v1/contacts/x", `{"email":"x@example.com\r\nBcc: y@example.com"}`, "invalid_request", 422},
		{"PUT", "/v1/contacts/x", `{"email":"x@example.com","first_name":"A\r\nBcc: y@example.com"}`, "invalid_request", 422},
		{"PUT", "/v1/contacts/x", `{"email":"a@b@example.com"}`, "invalid_request", 422},
		{"PUT", "/v1/contacts/x", `{"email":"x@example.com","time_zone":"../../etc/passwd"}`, "invalid_request", 422},
		{"PUT", "/v1/contacts/x", `{"email":"x@example.com","services":["nothing"]}`, "invalid_request", 422},
		{"PUT", "/v1/contacts/x", `{"email":"x@example.com","consent":{"topics":["product"],"at":"2999-01-01T00:00:00Z","source":"s","text":"t"}}`, "invalid_request", 422},
		{"PUT", "/v1/contacts/ann@example.com", `{"email":"x@example.com"}`, "invalid_request", 422},
		{"PUT", "/v1/contacts/x?email=x@example.com", `{"email":"x@example.com"}`, "invalid_request", 422},
		{"PUT", "/v1/contacts/" + strings.Repeat("x", 300), `{"email":"x@example.com"}`, "invalid_request", 422},
		{"PATCH", "/v1/contacts/ann", `{}`, "method_not_allowed", 405},
		{"GET", "/v1/nothing", ``, "no_such_operation", 404},
		{"GET", "/v1/contacts/nobody", ``, "contact_unknown", 404},
	} {
		p.call(one.method, one.path, one.body).refused(t, one.status, one.code)
	}
	p.ask("PUT", "/v1/contacts/x", "text/plain", "email=x", "Authorization", "Bearer "+p.secret).refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	if b.rows() != before {
		t.Error("something was recorded")
	}
	if _, known, _ := b.s.PersonByKey(context.Background(), b.key("x@example.com")); known {
		t.Error("somebody was stored")
	}
}

// TestHomographs: addresses that look alike are different people.
func TestHomographs(t *testing.T) {
	b := newBench(t)
	p := b.program("admin")
	p.call("PUT", "/v1/contacts/ann", `{"email":"ann@example.com"}`)
	p.call("PUT", "/v1/contacts/evil", `{"email":"\u0430nn@example.com"}`).says(t, 201, nil)
	p.call("PUT", "/v1/contacts/evil/preferences", `{"marketing":"out"}`).says(t, 200, nil)
	if s := b.state("ann@example.com"); s.Marketing.Choice == "out" {
		t.Error("a Cyrillic a stopped the mail of a Latin one")
	}
}
