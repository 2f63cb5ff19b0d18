package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"heed/store"
	"heed/store/storetest"
)

// TestPrunedCampaignsBalance: what is pruned is told as before, in sums, and is
// never sent again; what is still needed stays.
func TestPrunedCampaignsBalance(t *testing.T) {
	start := newClock()
	c := newClock()
	storetest.EnginesWith(t, func(o *store.Options) { c.options(o); o.Retention = store.Periods{Results: 40 * day} }, func(t *testing.T, s *store.Store) {
		c.at = start.at
		ctx := context.Background()
		people(t, s, 3)
		id := campaign(t, s)
		if _, err := s.Prune(ctx, id, true); !errors.Is(err, store.ErrState) {
			t.Errorf("a campaign that is sending is pruned: %v", err)
		}
		d := s.NewDesk("w", func(err error) { t.Error(err) })
		keys := accept(t, s, d, id, 2, c.at)
		returned(t, s, 1, keys[0], id, c.at.Add(time.Hour), missing)
		d.Close()
		_, err := s.Cancel(ctx, id)
		must(t, err)
		before, err := s.Account(ctx, id)
		must(t, err)
		if _, err := s.Prune(ctx, id, false); !errors.Is(err, store.ErrTooSoon) {
			t.Errorf("a campaign that ended just now is pruned: %v", err)
		}
		for _, step := range []struct{ days, rows int }{{39, 0}, {41, before.Audience}, {50, 0}} {
			c.at = start.at.Add(time.Duration(step.days) * day)
			for _, dry := range []bool{true, false} {
				did, err := s.Retain(ctx, dry)
				must(t, err)
				if got := did[len(did)-1]; got.What != "results" || got.Rows != step.rows {
					t.Errorf("day %d: %+v, want %d rows", step.days, got, step.rows)
				}
			}
			after, err := s.Account(ctx, id)
			must(t, err)
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("day %d: the account changed: %s", step.days, diff)
			}
		}
		if before.Returned != 1 || before.Audience != before.Accepted+before.Rejected+before.Skipped["cancelled"] {
			t.Errorf("the test shows nothing: %+v", before)
		}
		must(t, s.Results(ctx, id, func(l store.ResultLine) error { t.Errorf("still listed: %+v", l); return nil }))
		if _, err := s.Resend(ctx, id, store.ResendMissing); err == nil {
			t.Error("it can be sent again")
		}
		report, err := s.Verify(ctx)
		must(t, err)
		for name, one := range report {
			if len(one.Broken) > 0 {
				t.Errorf("%s: %v", name, one.Broken)
			}
		}
	})
}
