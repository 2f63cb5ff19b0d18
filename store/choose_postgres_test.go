package store_test

import (
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// TestChoosingOnPostgres goes through the statements of the page with all
// choices on the other engine.
func TestChoosingOnPostgres(t *testing.T) {
	ctx := t.Context()
	s := storetest.OpenPostgres(t)
	now := time.Now().UTC()
	_, err := s.Import(ctx, []store.Contact{{Row: 2, Email: "ann@example.com", Topics: []string{"product"}, ConsentAt: now.Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"}}, "", false)
	must(t, err)
	key, _, err := s.Key("ann@example.com")
	must(t, err)
	done, err := s.RecordWishes(ctx, store.Choosing{Key: key, Received: now, Wishes: []store.Wish{{Scope: consent.PauseScope(now.Add(48 * time.Hour)), Choice: consent.Set},
		{Scope: consent.TopicScope(1), Choice: consent.Out}, {Scope: consent.ScopePartner, Choice: consent.In}}, Wording: "{}"})
	if err != nil || len(done.Changed) != 3 || done.Reference == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	fresh, err := s.Signal(ctx, key, now)
	if again, err2 := s.Signal(ctx, key, now); err != nil || err2 != nil || !fresh || again {
		t.Errorf("the signal was recorded %v, then %v: %v, %v", fresh, again, err, err2)
	}
	for i, want := range []bool{true, false} {
		if asked, err := s.MailLink(ctx, key, "", "en"); err != nil || asked != want {
			t.Errorf("link %d: %v, %v", i+1, asked, err)
		}
	}
	id, err := s.OpenCase(ctx, store.Report{Kind: consent.CaseErasure, Email: "ann@example.com", Mailbox: "privacy", Via: "page", Language: "de"})
	must(t, err)
	link := consent.Link{Purpose: consent.PurposeStatus, Address: key, Scope: uint16(id)}
	if p, err := s.ProgressOf(ctx, link); err != nil || p.State != consent.CaseWaiting {
		t.Errorf("%+v, %v", p, err)
	}
	if c, err := s.Withdraw(ctx, link); err != nil || c.State != consent.CaseDone {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := s.WebCampaign(ctx, consent.Link{Scope: 1}); err == nil {
		t.Error("a campaign is shown that there is not")
	}
	if o, err := s.OriginOf(ctx, key); err != nil || o.Source != "form" {
		t.Errorf("%+v, %v", o, err)
	}
	report, err := s.Verify(ctx)
	must(t, err)
	for name, one := range report {
		if len(one.Broken) > 0 {
			t.Errorf("%s is broken: %v", name, one.Broken)
		}
	}
}
