package store_test

import (
	"context"
	"testing"
	"time"

	"heed/store"
	"heed/store/storetest"
)

// TestParkedJobsWaitAndAreReleased: what a limit holds back leaves its batch,
// is counted where it waits, and comes again when it is released.
func TestParkedJobsWaitAndAreReleased(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 10)
		id := campaign(t, s)
		must(t, s.Register(ctx, "w", "worker", 1))
		j := begun(t, s)
		letters, err := s.Batch(ctx, j)
		must(t, err)
		parts := []store.Parked{{Limit: "group:google", Due: time.Now().Add(time.Hour)}, {Limit: "group:yahoo", Due: time.Now().Add(time.Hour)}}
		for i, l := range letters[:8] {
			parts[i/6].Asks = append(parts[i/6].Asks, l.Ask)
		}
		must(t, s.Park(ctx, j, parts))
		old := j
		old.Generation--
		must(t, s.Park(ctx, old, []store.Parked{{Limit: "group:google", Due: time.Now(), Asks: []store.Ask{letters[9].Ask}}}))
		if n, err := s.Waiting(ctx, j); err != nil || n != 2 {
			t.Errorf("%d wait in the batch, %v; want 2: a job that is not ours must move nothing", n, err)
		}
		must(t, s.EndJob(ctx, j, time.Time{}))
		held, err := s.HeldBy(ctx, id)
		if err != nil || held["group:google"] != 6 || held["group:yahoo"] != 2 {
			t.Errorf("held %v, %v", held, err)
		}
		names, err := s.ParkedLimits(ctx)
		if err != nil || len(names) != 2 || names[0] != "group:google" {
			t.Errorf("limits %v, %v", names, err)
		}
		if jobs, err := s.Carry(ctx, "newsletter", 9); err != nil || len(jobs) != 0 {
			t.Errorf("carried too early: %v, %v", jobs, err)
		}
		for range 2 { // the second time it finds one at work already
			_, err = s.Release(ctx, "group:google", 1)
			must(t, err)
		}
		next := begun(t, s)
		if letters, err := s.Batch(ctx, next); err != nil || len(letters) != 6 || next.Pace != "group:google" {
			t.Errorf("released %+v with %d letters, %v", next, len(letters), err)
		}
		must(t, s.Rest(ctx, next, next.Pace, time.Now().Add(time.Hour)))
		must(t, s.EndJob(ctx, next, time.Time{})) // it is nobody's any more
		if _, err = s.Release(ctx, "group:google", 1); err != nil {
			t.Error(err)
		}
		again := begun(t, s)
		if again.ID != next.ID || again.Attempts != 1 || again.Generation != next.Generation+1 {
			t.Errorf("after a rest: %+v", again)
		}
		stopped := map[string]func(store.Job) error{
			"failed": func(j store.Job) error { return s.FailJob(ctx, j, time.Now().Add(time.Hour), false) },
			"ended":  func(j store.Job) error { return s.EndJob(ctx, j, time.Now().Add(time.Hour)) },
		}
		other := "group:yahoo"
		for what, stop := range stopped {
			must(t, stop(again))
			_, err = s.Release(ctx, again.Pace, 1)
			must(t, err)
			if jobs, err := s.Carry(ctx, "newsletter", 9); err != nil || len(jobs) != 0 {
				t.Errorf("a limit released a job that %s before its time: %v, %v", what, jobs, err)
			}
			if other != "" {
				_, err = s.Release(ctx, other, 1)
				must(t, err)
				again, other = begun(t, s), ""
			}
		}
		a, err := s.Account(ctx, id)
		if err != nil || a.Waiting != 10 {
			t.Errorf("the account says %+v, %v", a, err)
		}
	})
}

// begun carries and begins the only job that is due.
func begun(t *testing.T, s *store.Store) store.Job {
	t.Helper()
	ctx := context.Background()
	jobs, err := s.Carry(ctx, "newsletter", 9)
	must(t, err)
	if len(jobs) != 1 {
		t.Fatalf("%d jobs are due, want 1", len(jobs))
	}
	j, ok, err := s.Begin(ctx, jobs[0].ID, jobs[0].Generation, "w")
	if err != nil || !ok {
		t.Fatalf("the job cannot be begun: %v", err)
	}
	return j
}

// TestWarmUpGrowsDayByDay: each day with mail is a step of the plan, a day
// without is none, what is not used is given back, and alerts count without
// being held.
func TestWarmUpGrowsDayByDay(t *testing.T) {
	first := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	now := first
	storetest.EnginesWith(t, func(o *store.Options) { o.Now = func() time.Time { return now } }, func(t *testing.T, s *store.Store) {
		now = first
		ctx := context.Background()
		plan := []int{50, 100}
		take := func(n int, forced bool, want int, whole bool) {
			t.Helper()
			got, all, err := s.TakeDay(ctx, "relay:new", plan, n, forced)
			if err != nil || got != want || all != whole {
				t.Errorf("on %s of %d: %d, %v, %v; want %d, %v", now.Format(time.DateOnly), n, got, all, err, want, whole)
			}
		}
		take(30, false, 30, false)
		take(30, false, 20, false)
		take(30, false, 0, false)
		take(5, true, 5, false) // an alert
		now = now.Add(24 * time.Hour)
		take(150, false, 100, false)
		must(t, s.ReturnDay(ctx, "relay:new", now, 100)) // nothing was sent after all
		now = now.Add(48 * time.Hour)
		take(150, false, 100, false) // so it is still the second step
		now = now.Add(24 * time.Hour)
		take(150, false, 150, true)
		ups, err := s.WarmUps(ctx)
		if err != nil || len(ups) != 1 || ups[0].Step != 2 || ups[0].Used != 150 {
			t.Errorf("warm-ups %+v, %v", ups, err)
		}
	})
}

// TestPaceNotesAreThoseOfTheLiving: who has gone says nothing more.
func TestPaceNotesAreThoseOfTheLiving(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		for _, w := range []string{"a", "b"} {
			must(t, s.Register(ctx, w, "worker", 1))
			must(t, s.NotePace(ctx, w, []store.PaceNote{{Name: "relay:one", State: "closed", Cut: 1, Open: 1, Most: 3}, {Name: "group:google", Rate: 5, Ceiling: 10, Cut: 0.5}}))
		}
		must(t, s.NotePace(ctx, "b", []store.PaceNote{{Name: "relay:one", State: "open", Cut: 1, Open: 2, Most: 3}}))
		all, err := s.Pace(ctx)
		if err != nil || len(all) != 2 || all[0].Name != "group:google" || all[0].Workers != 1 || all[1].State != "open" || all[1].Workers != 2 || all[1].Open != 3 || all[1].Most != 3 {
			t.Errorf("pace %+v, %v", all, err)
		}
		must(t, s.Unregister(ctx, "b"))
		if all, err = s.Pace(ctx); err != nil || all[1].State != "closed" || all[1].Workers != 1 {
			t.Errorf("after one has gone: %+v, %v", all, err)
		}
	})
}
