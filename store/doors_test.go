package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// TestDoorsOnBothEngines walks what programs do through both engines: contacts,
// choices, services, lists in pages, webhooks and events of providers.
func TestDoorsOnBothEngines(t *testing.T) {
	storetest.EnginesWith(t, func(o *store.Options) {
		o.Hooks = []store.Hook{{ID: "shop", Events: store.HookEvents()}}
	}, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		put := func(id, email string) store.Put {
			t.Helper()
			p, err := s.PutContact(ctx, id, store.Details{Email: email, Services: []string{"files"}, Consent: &store.Agreement{
				Topics: []string{"product"}, At: time.Now().Add(-time.Hour), Source: "form", Text: "yes"}})
			must(t, err)
			return p
		}
		ann := put("u1", "ann@example.com")
		put("u2", "ben@example.com")
		if again := put("u1", "ann@example.com"); again.Fresh || again.Changed || again.Subject != ann.Subject {
			t.Errorf("the same again: %+v", again)
		}
		if _, err := s.PutContact(ctx, "u1", store.Details{Email: "ben@example.com"}); !errors.Is(err, store.ErrTaken) {
			t.Errorf("the address of somebody else gave %v", err)
		}
		for range 2 {
			if moved, err := s.PutContact(ctx, "u2", store.Details{Email: "ben@example.org"}); err != nil || moved.Move.ID != 1 {
				t.Errorf("another address: %+v, %v", moved.Move, err)
			}
		}
		changed, err := s.Hold(ctx, ann.ID, "files", false)
		if err != nil || !changed {
			t.Errorf("a service given up: %v, %v", changed, err)
		}
		stopped, unproven, err := s.Choose(ctx, ann.Key, []consent.Scope{consent.TopicScope(1)}, []consent.Scope{consent.ScopePartner}, store.Agreement{Source: "page"}, time.Now())
		if err != nil || len(stopped) != 1 || len(unproven) != 1 {
			t.Errorf("choices: %+v, %v, %v", stopped, unproven, err)
		}
		doorsLists(ctx, t, s)
		jobs, err := s.Carry(ctx, "preference", 50)
		must(t, err)
		if len(jobs) < 2 {
			t.Fatalf("webhooks have the jobs %+v", jobs)
		}
		call, err := s.HookCall(ctx, jobs[0].Subject)
		must(t, err)
		must(t, s.HookFailed(ctx, call, 500, 0, false))
		if all, err := s.HookStates(ctx); err != nil || all[0].State != "on" {
			t.Errorf("one failure put the webhook off: %+v, %v", all, err)
		}
		must(t, s.HookFailed(ctx, call, 410, 0, true))
		if n, err := s.EnableHook(ctx, "shop"); err != nil || n != len(jobs) {
			t.Errorf("%d of %d messages are told again, %v", n, len(jobs), err)
		}
		must(t, s.HookSent(ctx, call, 200))
		if n, err := s.ReplayHook(ctx, "shop", time.Now().Add(-time.Hour)); err != nil || n != 1 {
			t.Errorf("%d messages are told once more, %v", n, err)
		}
		for i, want := range []string{"no_action", "duplicate"} {
			if f, err := s.RecordEvent(ctx, store.ProviderEvent{Provider: "p", ID: "e", Message: "1.x"}); err != nil || f.Outcome != want {
				t.Errorf("event %d: %+v, %v", i, f, err)
			}
		}
		clean(t, s)
	})
}

// doorsLists reads every list in pages of one.
func doorsLists(ctx context.Context, t *testing.T, s *store.Store) {
	t.Helper()
	id, _, err := s.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: "x", Audience: "all"})
	must(t, err)
	must(t, s.Start(ctx, id))
	for done := false; !done; {
		done, err = s.FanOut(ctx, id)
		must(t, err)
	}
	first, err := s.Messages(ctx, id, "", 1)
	must(t, err)
	second, err := s.Messages(ctx, id, first[0].Address.String(), 10)
	if err != nil || len(second) != 1 || len(second[0].ExternalIDs) != 1 || second[0].Address == first[0].Address {
		t.Errorf("the second page of messages is %+v, %v", second, err)
	}
	if found, err := s.CampaignsBefore(ctx, 0, "sending", 5); err != nil || len(found) != 1 {
		t.Errorf("campaigns: %+v, %v", found, err)
	}
	if found, err := s.CampaignsBefore(ctx, id, "", 5); err != nil || len(found) != 0 {
		t.Errorf("campaigns before the first: %+v, %v", found, err)
	}
	no, err := s.OpenCase(ctx, store.Report{Kind: consent.CaseComplaint, Email: "ben@example.com", Mailbox: "api", Via: "api"})
	must(t, err)
	if found, err := s.CasesAfter(ctx, 0, "open", 5); err != nil || len(found) != 1 || found[0].ID != no {
		t.Errorf("cases: %+v, %v", found, err)
	}
	lines, next, err := s.SuppressionsAfter(ctx, "", 1)
	must(t, err)
	more, last, err := s.SuppressionsAfter(ctx, next, 10)
	if err != nil || len(lines)+len(more) != 1 || last != "" {
		t.Errorf("suppressions: %+v then %+v, %v", lines, more, err)
	}
}
