package store_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"heed/store"
	"heed/store/storetest"
)

// watchman is the clock of a sweeper, which goes on when it is told to.
type watchman struct{ at time.Duration }

func (w *watchman) options(o *store.Options) { o.Clock = func() time.Duration { return w.at } }

// sweeps looks every half second for as long as it is told, and adds up what it finds.
func (w *watchman) sweeps(t *testing.T, s *store.Store, long time.Duration) (all store.Swept) {
	t.Helper()
	for until := w.at + long; w.at < until; {
		w.at += 500 * time.Millisecond
		one, err := s.Sweep(context.Background())
		must(t, err)
		all.Workers, all.Jobs, all.Uncertain = append(all.Workers, one.Workers...), all.Jobs+one.Jobs, all.Uncertain+one.Uncertain
	}
	return all
}

// twoMachines gives a store whose clock is the sweeper's, and one on the same
// database whose wall clock is wrong.
func twoMachines(t *testing.T, url string, wrong time.Duration, w *watchman) (here, there *store.Store) {
	t.Helper()
	keys := t.TempDir()
	o := store.Options{URL: url, Keys: keys}
	w.options(&o)
	here = opened(t, o)
	there = opened(t, store.Options{URL: url, Keys: keys, Now: func() time.Time { return time.Now().Add(wrong) }})
	return here, there
}

// TestClocksOfMachinesNeedNotAgree: a worker on a machine whose clock is wrong, by
// seconds or by an hour, counts as living as long as its heartbeat changes, its
// claims are its own, and once it is silent it is taken for dead after five seconds
// and no later.
func TestClocksOfMachinesNeedNotAgree(t *testing.T) {
	for name, url := range map[string]func() string{"sqlite": func() string { return "sqlite:" + filepath.Join(t.TempDir(), "heed.db") },
		"postgres": func() string { return storetest.QuickPostgres(t) }} {
		for _, wrong := range []time.Duration{-time.Hour, -4 * time.Second, 4 * time.Second, time.Hour} {
			t.Run(name+" "+wrong.String(), func(t *testing.T) { clocksDiffer(t, url(), wrong) })
		}
	}
}

func clocksDiffer(t *testing.T, url string, wrong time.Duration) {
	ctx := context.Background()
	w := &watchman{}
	here, there := twoMachines(t, url, wrong, w)
	people(t, here, 2)
	id := campaign(t, here)
	must(t, there.Register(ctx, "far", "worker", 3))
	d := there.NewDesk("far", func(err error) { t.Error(err) })
	defer d.Close()
	if v, err := d.Claim(ctx, store.Ask{Campaign: id, Address: keyOf(t, here, "p0@example.com")}); err != nil || !v.Granted {
		t.Fatalf("the claim is %+v, %v", v, err)
	}
	for range 20 {
		if swept := w.sweeps(t, here, time.Second); len(swept.Workers) > 0 || swept.Uncertain > 0 {
			t.Fatalf("a worker that lives is swept up after: %+v", swept)
		}
		must(t, there.Register(ctx, "far", "worker", 3))
		if n, err := here.Capacity(ctx, "worker"); err != nil || n != 3 {
			t.Fatalf("a worker that lives counts for %d, %v", n, err)
		}
	}
	if swept := w.sweeps(t, here, 4500*time.Millisecond); len(swept.Workers) > 0 {
		t.Error("a worker is dead before it was silent for five seconds")
	}
	young, err := d.Claim(ctx, store.Ask{Campaign: id, Address: keyOf(t, here, "p1@example.com")})
	if err != nil || !young.Granted {
		t.Fatalf("the second claim is %+v, %v", young, err)
	}
	if swept := w.sweeps(t, here, time.Second); len(swept.Workers) != 0 || swept.Uncertain != 1 {
		t.Errorf("after more than five seconds of silence: %+v; the old claim is lost, the end of the new one's message may still be written", swept)
	}
	if swept := w.sweeps(t, here, 4*time.Second); swept.Uncertain != 1 || len(swept.Workers) != 1 {
		t.Errorf("of the second claim of a dead worker became %+v", swept)
	}
}

// TestASweeperThatCouldNotLook knows nothing of the time that it missed: who is
// silent when it comes back has five seconds. So has whoever it meets first.
func TestASweeperThatCouldNotLook(t *testing.T) {
	ctx := context.Background()
	w := &watchman{}
	s := storetest.OpenWith(t, w.options)
	must(t, s.Register(ctx, "w1", "worker", 1))
	w.sweeps(t, s, time.Second)
	w.at += time.Hour // stopped, or without a database
	if swept := w.sweeps(t, s, 3*time.Second); len(swept.Workers) > 0 {
		t.Error("a worker is dead because the sweeper slept")
	}
	if swept := w.sweeps(t, s, 3*time.Second); len(swept.Workers) != 1 {
		t.Error("a worker that was silent for more than five seconds counts as living")
	}
	must(t, s.Register(ctx, "w2", "worker", 1))
	must(t, s.Do(ctx, `UPDATE worker SET beat = 1`)) // long dead, as a new sweeper finds it
	if swept := w.sweeps(t, s, 6*time.Second); len(swept.Workers) != 1 {
		t.Error("a new sweeper does not find the dead within six seconds")
	}
}

// TestVerifyNamesNothingOfTheDead: a worker dies, or stops, with claims and a job that are
// old by then. heed verify has nothing to say at any moment until all is taken back, and
// finds what nobody holds at once.
func TestVerifyNamesNothingOfTheDead(t *testing.T) {
	for name, die := range map[string]func(context.Context, *store.Store) error{
		"falls silent": func(context.Context, *store.Store) error { return nil },
		"stops":        func(ctx context.Context, s *store.Store) error { return s.Unregister(ctx, "w1") },
	} {
		t.Run(name, func(t *testing.T) {
			w := &watchman{}
			storetest.EnginesWith(t, w.options, func(t *testing.T, s *store.Store) {
				ctx := context.Background()
				people(t, s, 2)
				id := campaign(t, s)
				d := desk(t, s, "w1")
				jobs, err := s.Carry(ctx, "newsletter", 10)
				must(t, err)
				_, _, err = s.Begin(ctx, jobs[0].ID, jobs[0].Generation, "w1")
				must(t, err)
				for _, email := range []string{"p0@example.com", "p1@example.com"} {
					v, err := d.Claim(ctx, store.Ask{Campaign: id, Address: keyOf(t, s, email)})
					must(t, err)
					if !v.Granted {
						t.Fatalf("the claim for %s is %+v", email, v)
					}
				}
				must(t, s.Do(ctx, `UPDATE claim SET at = at - 60000000`))
				must(t, s.Do(ctx, `UPDATE job SET changed = changed - 60000000`))
				must(t, s.Do(ctx, `UPDATE worker SET started = started - 120000000`))
				must(t, die(ctx, s))
				for range 24 { // twelve seconds
					report, err := s.Verify(ctx)
					must(t, err)
					if broken := report["I10"].Broken; len(broken) > 0 {
						t.Fatalf("heed verify names %v", broken)
					}
					w.sweeps(t, s, 250*time.Millisecond)
				}
				if a, err := s.Account(ctx, id); err != nil || a.Uncertain != 2 {
					t.Errorf("the account says %+v, %v", a, err)
				}
				must(t, s.Do(ctx, `INSERT INTO claim (campaign, address, token, worker, at) SELECT 1, address, 98, 'gone', 1 FROM person WHERE id = 1`))
				if report, err := s.Verify(ctx); err != nil || len(report["I10"].Broken) != 1 {
					t.Errorf("a claim of nobody: %v, %v", report["I10"], err)
				}
			})
		})
	}
}
