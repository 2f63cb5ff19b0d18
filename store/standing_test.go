package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"heed/store"
	"heed/store/storetest"
)

// TestWhatKeepsACampaign: whoever looks at a campaign that sends nothing is told what is
// missing: whoever hands out work, whoever sends, Redis, the relays, its time.
func TestWhatKeepsACampaign(t *testing.T) {
	at := time.Now()
	storetest.EnginesWith(t, func(o *store.Options) { o.Now = func() time.Time { return at } }, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 2)
		id := campaign(t, s)
		why := func() string {
			t.Helper()
			c, err := s.Campaign(ctx, id)
			must(t, err)
			a, err := s.Account(ctx, id)
			must(t, err)
			engine, err := s.Engine(ctx)
			must(t, err)
			causes, err := s.Standing(ctx, c, &a, engine)
			must(t, err)
			var all []string
			for _, one := range causes {
				all = append(all, strings.Join(append([]string{one.Why}, one.Relays...), " "))
			}
			return strings.Join(all, ", ")
		}
		step := func(want string, do func() error) {
			t.Helper()
			must(t, do())
			if got := why(); got != want {
				t.Errorf("it stands because of %q, want %q", got, want)
			}
		}
		notes := func(states ...string) func() error {
			var all []store.PaceNote
			for i, state := range states {
				all = append(all, store.PaceNote{Name: []string{"relay:a", "relay:b"}[i], State: state, Cut: 1})
			}
			return func() error { return s.NotePace(ctx, "w", all) }
		}
		step("no_scheduler, no_worker", func() error { return nil })
		step("no_worker", func() error { return s.NoteScheduler(ctx, true) })
		step("no_relay", func() error { return s.Register(ctx, "t", "teller", 0) })
		step("", func() error { return s.Register(ctx, "w", "worker", 5) })
		step("", notes("closed", "closed"))
		step("relay_spared relay:b", notes("closed", "open"))
		step("relay_away relay:a relay:b", notes("half_open", "open"))
		step("queue_away", func() error { return s.NoteScheduler(ctx, false) })
		step("", func() error { return firstOf(notes("closed")(), s.NoteScheduler(ctx, true)) })
		step("no_scheduler", func() error { return s.LeaveScheduler(ctx) })
		step("no_scheduler, no_worker", func() error { at = at.Add(2 * time.Minute); return nil })
		step("paused", func() error { _, err := s.Pause(ctx, id, ""); return err })
		step("held", func() error { return s.Do(ctx, `UPDATE campaign SET held = 'sending'`) })
		step("no_scheduler, no_worker", func() error { return s.Resume(ctx, id) })
		step("deferred, no_scheduler, no_worker", func() error {
			return firstOf(s.Do(ctx, `UPDATE delivery SET state = 'deferred'`), s.Do(ctx, `INSERT INTO retry (campaign, address, due) SELECT campaign, address, 7 FROM delivery`))
		})
		step("", func() error { _, err := s.Cancel(ctx, id); return err })
	})
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
