package store_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// shapes lists the shapes, each as one text.
func shapes(t *testing.T, s *store.Store) (all []string, whole bool) {
	t.Helper()
	found, whole, err := s.Shapes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range found {
		all = append(all, strings.Join(one, " "))
	}
	slices.Sort(all)
	return all, whole
}

// TestShapesTellWhatIsKnown: what is known of people is told without their names,
// and follows each way in which details change.
func TestShapesTellWhatIsKnown(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		put := func(contacts ...store.Contact) {
			t.Helper()
			if _, err := s.Import(ctx, contacts, "", false); err != nil {
				t.Fatal(err)
			}
		}
		want := func(want ...string) {
			t.Helper()
			if all, whole := shapes(t, s); !whole || !slices.Equal(all, want) {
				t.Errorf("the shapes are %q (%v), want %q", all, whole, want)
			}
		}
		want()
		put(store.Contact{Email: "a@example.com", FirstName: "Ann", Attrs: map[string]string{"plan": "pro"}},
			store.Contact{Email: "b@example.com", FirstName: "\u200b ", Company: "Pier"})
		want("attr.plan first_name", "company")
		put(store.Contact{Email: "b@example.com", FirstName: "Bob", Attrs: map[string]string{"plan": "free"}})
		want("attr.plan company first_name", "attr.plan first_name")

		kase, err := s.OpenCase(ctx, store.Report{Kind: "rectification", Email: "a@example.com", Received: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		company := "Quay"
		if _, err := s.Correct(ctx, "a@example.com", store.Decision{Case: kase, By: "staff"}, store.Correction{Company: &company}); err != nil {
			t.Fatal(err)
		}
		want("attr.plan company first_name")
		s.ForgetShapes(ctx, t)
		if _, whole := shapes(t, s); whole {
			t.Error("everything is known of people whom nobody has looked at")
		}
		if err := s.Reshape(ctx); err != nil {
			t.Fatal(err)
		}
		want("attr.plan company first_name")
	})
}

// TestHoldersAreFoundAmongAll: an alert reaches the holders of its service, in the
// order in which they came, and no others.
func TestHoldersAreFoundAmongAll(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		_, err := s.Import(ctx, []store.Contact{{Email: "a@example.com"}, {Email: "b@example.com", Services: []string{"files"}},
			{Email: "c@example.com"}, {Email: "d@example.com", Services: []string{"files"}}}, "", false)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		alert := store.Campaign{Class: consent.Alert, Service: 1, Audience: "all"}
		if err := s.Estimate(ctx, alert, func(p store.Person, _ consent.Reason) { got = append(got, p.Email) }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, []string{"b@example.com", "d@example.com"}) {
			t.Errorf("the alert would go to %v", got)
		}
	})
}
