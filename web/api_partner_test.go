package web_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"heed/store"
	"heed/web"
)

// shared is a bench with partners, whom Cleo, Dan and Eve let have their data.
func shared(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, func(o *web.Options) {
		o.Doors.Partners = map[string][]string{"acme": {"first_name"}, "beta": nil}
	})
	var all []store.Contact
	for i, name := range []string{"cleo", "dan", "eve"} {
		all = append(all, store.Contact{Row: i + 2, Email: name + "@example.com", FirstName: "First", LastName: "Secret", Sharing: true, Services: []string{"files"},
			ExternalID: name, ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"})
	}
	if result, err := b.s.Import(context.Background(), all, "test", false); err != nil || result.Added != 3 {
		t.Fatalf("import gave %+v, %v", result, err)
	}
	return b
}

// TestAPartnersKeyOpensItsOwnFeedOnly: it reads nothing else, and no other key
// reads a feed, since whoever reads one has been given it.
func TestAPartnersKeyOpensItsOwnFeedOnly(t *testing.T) {
	b := shared(t)
	acme, beta, gone := b.program("partner:acme"), b.program("partner:beta"), b.program("partner:gone")
	got := acme.call("GET", "/v1/partner/feed", "")
	got.wants(t, 200, `"partner":"acme"`, `{"email":"cleo@example.com","first_name":"First"}`)
	if strings.Contains(got.body, "Secret") || strings.Contains(got.body, "ann@") {
		t.Errorf("the feed gives too much: %s", got.body)
	}
	beta.call("GET", "/v1/partner/feed", "").wants(t, 200, `{"email":"cleo@example.com"}`)
	gone.call("GET", "/v1/partner/feed", "").refused(t, 403, "partner_unknown")
	for _, other := range [][]string{{"admin"}, {"read-only"}, {"contacts", "preferences"}} {
		b.program(other...).call("GET", "/v1/partner/feed", "").refused(t, 403, "scope_missing")
	}
	for _, path := range []string{"/v1/contacts/cleo", "/v1/contacts/cleo/preferences", "/v1/cases", "/v1/suppressions", "/v1/campaigns"} {
		acme.call("GET", path, "").refused(t, 403, "scope_missing")
	}
	acme.call("PUT", "/v1/contacts/cleo", `{"first_name":"x"}`).refused(t, 403, "scope_missing")
}

// TestAWithdrawalLeavesTheFeedAtOnce: with the answer that it was recorded, also
// between two pages, and the ETag says so.
func TestAWithdrawalLeavesTheFeedAtOnce(t *testing.T) {
	b := shared(t)
	acme, beta, shop := b.program("partner:acme"), b.program("partner:beta"), b.program("preferences")
	first := acme.call("GET", "/v1/partner/feed?limit=1", "")
	cursor, _ := first.says(t, 200, nil)["next_cursor"].(string)
	second := acme.call("GET", "/v1/partner/feed?limit=1&cursor="+cursor, "")
	second.wants(t, 200, "dan@example.com")
	tag := first.header.Get("ETag")
	for _, given := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if again := acme.call("GET", "/v1/partner/feed?limit=1", "", "If-None-Match", given); again.code != 304 || again.body != "" || again.header.Get("ETag") != tag {
			t.Errorf("the same page again with %s: %d %q", given, again.code, again.body)
		}
	}
	shop.call("PUT", "/v1/contacts/cleo/preferences", `{"sharing":"out"}`).says(t, 200, nil)
	shop.call("PUT", "/v1/contacts/dan/preferences", `{"sharing":"out"}`).says(t, 200, nil)
	after := acme.call("GET", "/v1/partner/feed?limit=1", "", "If-None-Match", tag)
	if after.code != 200 || strings.Contains(after.body, "cleo@") {
		t.Errorf("after the withdrawal the page is %d %s", after.code, after.body)
	}
	all := acme.call("GET", "/v1/partner/feed", "")
	if all.wants(t, 200, "eve@example.com"); strings.Contains(all.body, "cleo@") || strings.Contains(all.body, "dan@") {
		t.Errorf("after both withdrawals the feed is %s", all.body)
	}
	if rest := acme.call("GET", "/v1/partner/feed?limit=1&cursor="+cursor, ""); rest.code != 200 || strings.Contains(rest.body, "dan@") {
		t.Errorf("an old cursor gave %s", rest.body)
	}
	beta.call("GET", "/v1/partner/feed?limit=1&cursor="+cursor, "").refused(t, 422, "invalid_cursor")
	if told := beta.call("GET", "/v1/partner/notices", ""); told.code != 200 || !strings.Contains(told.body, `"notices":[]`) {
		t.Errorf("who was given nothing is told %s", told.body)
	}
	acme.call("GET", "/v1/partner/notices", "").wants(t, 200, `"reference":"N-1"`, `"email":"cleo@example.com"}`, "dan@example.com")
	beta.call("POST", "/v1/partner/notices/1/answer", `{"status":"stopped"}`).refused(t, 404, "not_found")
	acme.call("POST", "/v1/partner/notices/1/answer", `{"status":"stopped","law":"x"}`).refused(t, 422, "invalid_request")
	acme.call("POST", "/v1/partner/notices/1/answer", `{"status":"stopped"}`, "Idempotency-Key", "a").says(t, 200, map[string]any{"state": "done"})
	acme.call("POST", "/v1/partner/notices/1/answer", `{"status":"stopped"}`, "Idempotency-Key", "a").says(t, 200, map[string]any{"state": "done"})
	acme.call("POST", "/v1/partner/notices/1/answer", `{"status":"stopped"}`).refused(t, 404, "not_found")
	b.rows()
	if strings.Contains(b.log.String(), "@example") {
		t.Error("the log holds an address")
	}
}
