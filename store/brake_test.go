package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// TestTheBrake: a flood of mails that prove nothing still takes effect, is kept
// together as one batch from its first mail on, and rings once. Signed mails,
// buttons of one's own and strangers are no part of it.
func TestTheBrake(t *testing.T) {
	at := time.Now()
	storetest.EnginesWith(t, func(o *store.Options) { o.Now = func() time.Time { return at } }, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 80)
		for i := range store.BrakeAnHour {
			mailed(t, s, wish(fmt.Sprintf("p%d@example.com", i)))
			mailed(t, s, wish(fmt.Sprintf("stranger%d@example.com", i)))
		}
		signed := wish("p60@example.com")
		signed.Authenticated = true
		mailed(t, s, signed)
		if all, err := s.Batches(ctx); err != nil || len(all) != 0 {
			t.Fatalf("%d within the hour are no flood: %+v, %v", store.BrakeAnHour, all, err)
		}
		for i := store.BrakeAnHour; i < store.BrakeAnHour+9; i++ {
			mailed(t, s, wish(fmt.Sprintf("p%d@example.com", i)))
		}
		all, err := s.Batches(ctx)
		must(t, err)
		if len(all) != 1 || all[0].OptOuts != store.BrakeAnHour+9 || all[0].People != all[0].OptOuts || all[0].Forged != nil {
			t.Fatalf("the batches are %+v", all)
		}
		// The journal's alarm may ring beside it, where the disk stood still for a second.
		alarms, err := s.Alarms(ctx, true)
		must(t, err)
		alarms = slices.DeleteFunc(alarms, func(a store.Alarm) bool { return a.Kind == store.AlarmJournal })
		if len(alarms) != 1 || alarms[0].Kind != store.AlarmBrake || alarms[0].Key != "batch 1" {
			t.Errorf("the alarms are %+v", alarms)
		}
		if e, _ := s.Explain(ctx, "p58@example.com"); e.State.Topics["product"] != "out" {
			t.Error("an opt-out of the flood has no effect")
		}
		must(t, s.MarkGenuine(ctx, 1))
		if n, err := s.Ringing(ctx, store.AlarmBrake); err != nil || n != 0 {
			t.Errorf("after staff looked the brake rings %d times, %v", n, err)
		}
		if err := s.MarkGenuine(ctx, 2); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a batch that is not: %v", err)
		}
		clean(t, s)
	})
}

// TestTheBrakeOfADay: half a percent of the list within a day is a flood too,
// however slow it comes.
func TestTheBrakeOfADay(t *testing.T) {
	at := time.Now()
	storetest.EnginesWith(t, func(o *store.Options) { o.Now = func() time.Time { return at } }, func(t *testing.T, s *store.Store) {
		people(t, s, 60)
		must(t, s.Do(context.Background(), `UPDATE counter SET value = 50000 WHERE name = 'person'`)) // who was erased does not count
		for i := range store.BrakeAtLeast + 1 {
			if all, _ := s.Batches(context.Background()); len(all) != 0 {
				t.Fatalf("%d a day are no flood: %+v", i, all)
			}
			mailed(t, s, wish(fmt.Sprintf("p%d@example.com", i)))
			at = at.Add(20 * time.Minute)
		}
		all, err := s.Batches(context.Background())
		must(t, err)
		if len(all) != 1 || all[0].OptOuts != store.BrakeAtLeast+1 {
			t.Errorf("the batches are %+v", all)
		}
	})
}

// TestAThousandForgeriesInOneCommand: each is marked by a row of its own, each
// person is asked once, nobody is switched back on, and whoever decided since
// is left alone.
func TestAThousandForgeriesInOneCommand(t *testing.T) {
	ctx := context.Background()
	s := storetest.Open(t)
	const n = 1000
	people(t, s, n)
	for i := range n {
		mailed(t, s, wish(fmt.Sprintf("p%d@example.com", i)))
	}
	sharing := wish("p7@example.com") // a second one in the same name
	sharing.Scope = consent.ScopeSharing
	mailed(t, s, sharing)
	mailed(t, s, wish("nobody@example.com"))
	_, err := s.OptOut(ctx, store.OptOut{Key: keyOf(t, s, "p1@example.com"), Scope: consent.ScopeMarketing, Via: consent.ViaPage, Authenticated: true})
	must(t, err)
	_, err = s.Undo(ctx, undoLink(t, s, "p2@example.com"))
	must(t, err)
	before, err := s.Explain(ctx, "p0@example.com")
	must(t, err)
	f, err := s.MarkForged(ctx, 1, "the same words a thousand times", "kim")
	must(t, err)
	if f.Marked != n+1 || f.Asked != n-2 {
		t.Errorf("marked %+v, want %d and %d people asked", f, n+1, n-2)
	}
	after, err := s.Explain(ctx, "p0@example.com")
	must(t, err)
	last := after.Ledger[len(after.Ledger)-1]
	if fmt.Sprint(after.State) != fmt.Sprint(before.State) || last.Choice != "note" || last.Via != "staff" {
		t.Errorf("marking changed %+v to %+v, last row %+v", before.State, after.State, last)
	}
	for email, want := range map[string]string{"p0@example.com": "[notice forged]", "p1@example.com": "[notice]", "p2@example.com": "[notice]"} {
		if got := fmt.Sprint(kinds(letters(t, s, email))); got != want {
			t.Errorf("%s got %s, want %s", email, got, want)
		}
	}
	_, err = s.Undo(ctx, undoLink(t, s, "p0@example.com"))
	must(t, err)
	if e, _ := s.Explain(ctx, "p0@example.com"); e.State.Topics["product"] != "in" {
		t.Errorf("after their own yes: %+v", e.State)
	}
	again, err := s.MarkForged(ctx, 1, "once more", "kim")
	must(t, err)
	if alarms, _ := s.Alarms(ctx, true); again.Marked != 0 || slices.ContainsFunc(alarms, func(a store.Alarm) bool { return a.Kind != store.AlarmJournal }) {
		t.Errorf("a second time: %+v, alarms %+v", again, alarms)
	}
	if _, err := s.MarkForged(ctx, 9, "x", "kim"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a batch that is not: %v", err)
	}
	clean(t, s)
}
