package store_test

import (
	"context"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// TestPauseHoldsCampaigns: whoever paused is skipped as on hold, by the estimate
// and by the claim, and is written to again when the pause is over.
func TestPauseHoldsCampaigns(t *testing.T) {
	ctx := context.Background()
	now := time.Now().UTC()
	s := storetest.OpenWith(t, func(o *store.Options) { o.Now = func() time.Time { return now } })
	_, err := s.Import(ctx, []store.Contact{{Row: 2, Email: "ann@example.com", Topics: []string{"product"}, ConsentAt: now.Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"}}, "", false)
	must(t, err)
	key, _, err := s.Key("ann@example.com")
	must(t, err)
	_, err = s.RecordWishes(ctx, store.Choosing{Key: key, Received: now, Wishes: []store.Wish{{Scope: consent.PauseScope(now.Add(48 * time.Hour)), Choice: consent.Set}}})
	must(t, err)
	campaign := store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: "x", Audience: "all"}
	for after, want := range map[time.Duration]consent.Reason{0: consent.OnHold, 47 * time.Hour: consent.OnHold, 49 * time.Hour: ""} {
		then := now
		now = now.Add(after)
		got := consent.Reason("nobody")
		must(t, s.Estimate(ctx, campaign, func(_ store.Person, r consent.Reason) { got = r }))
		if got != want {
			t.Errorf("after %s: %q, want %q", after, got, want)
		}
		now = then
	}
	id, _, err := s.AddCampaign(ctx, campaign)
	must(t, err)
	must(t, s.Start(ctx, id))
	for done := false; err == nil && !done; {
		done, err = s.FanOut(ctx, id)
	}
	must(t, err)
	account, err := s.Account(ctx, id)
	if err != nil || account.Skipped["on_hold"] != 1 {
		t.Errorf("the account is %+v, %v", account, err)
	}
	report, err := s.Verify(ctx)
	must(t, err)
	for name, one := range report {
		if len(one.Broken) > 0 {
			t.Errorf("%s is broken: %v", name, one.Broken)
		}
	}
}

// TestLinksAreMailedSeldom: once an hour and three times a day, whoever asks.
func TestLinksAreMailedSeldom(t *testing.T) {
	ctx := context.Background()
	now := time.Now().UTC()
	s := storetest.OpenWith(t, func(o *store.Options) { o.Now = func() time.Time { return now } })
	_, err := s.Import(ctx, []store.Contact{{Row: 2, Email: "ann@example.com"}}, "", false)
	must(t, err)
	key, _, err := s.Key("ann@example.com")
	must(t, err)
	var asked []bool
	for range 10 {
		one, err := s.MailLink(ctx, key, "", "en")
		must(t, err)
		asked = append(asked, one)
		now = now.Add(30*time.Minute + time.Second)
	}
	want := []bool{true, false, true, false, true, false, false, false, false, false}
	for i := range want {
		if asked[i] != want[i] {
			t.Fatalf("asked every half hour, mailed %v, want %v", asked, want)
		}
	}
	now = now.Add(24 * time.Hour)
	if again, err := s.MailLink(ctx, key, "", "en"); err != nil || !again {
		t.Errorf("a day later: %v, %v", again, err)
	}
}
