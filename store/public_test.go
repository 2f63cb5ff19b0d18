package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// TestPublicFiguresHideFewPeople: what is shown outside counts ten people or
// more, holds no id, and gives no total from which a smaller count follows.
func TestPublicFiguresHideFewPeople(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		var all []store.Contact
		for i := range 21 {
			c := store.Contact{Row: i, Email: fmt.Sprintf("p%d@example.com", i), Topics: []string{"product"}, Sharing: i < 9, ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "f", ConsentText: "yes"}
			if i < 12 {
				c.Services = []string{"files"}
			}
			all = append(all, c)
		}
		_, err := s.Import(ctx, all, "", false)
		must(t, err)
		d := desk(t, s, "w1")
		alerted(t, s, d, "a", "ann")
		_, err = s.OptOut(ctx, store.OptOut{Key: keyOf(t, s, "p0@example.com"), Scope: consent.ScopeMarketing, Via: consent.ViaPage, Authenticated: true})
		must(t, err)
		f, err := s.Public(ctx)
		must(t, err)
		raw, err := json.Marshal(f)
		must(t, err)
		for _, want := range []string{`{"name":"1","count":12}`, `{"name":"0","count":null}`, `{"name":"product","count":20}`, `{"name":"sharing","count":null}`,
			`{"name":"no_marketing","count":null}`, `{"name":"alert","count":12}`, `"smallest_count_shown":10`} {
			if !strings.Contains(string(raw), want) {
				t.Errorf("the figures lack %s: %s", want, raw)
			}
		}
		for _, banned := range []string{"@", `"count":9`, `"count":1}`, `"count":21`, "total"} {
			if strings.Contains(string(raw), banned) {
				t.Errorf("the figures hold %q: %s", banned, raw)
			}
		}
	})
}
