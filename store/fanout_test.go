package store_test

import (
	"context"
	"reflect"
	"testing"

	"heed/consent"
	"heed/store"
)

// TestFanOutOfPeopleWhoChange: between the reading and the writing of a stretch
// somebody moves, somebody is erased, the campaign is paused, or another scheduler
// writes the stretch. Everybody has one outcome all the same.
func TestFanOutOfPeopleWhoChange(t *testing.T) {
	for name, one := range map[string]struct {
		between func(context.Context, *testing.T, *store.Store, int64)
		waiting int
		skipped map[consent.Reason]int
	}{
		"nothing":           {func(context.Context, *testing.T, *store.Store, int64) {}, 5, map[consent.Reason]int{}},
		"another scheduler": {fansOut, 5, map[consent.Reason]int{}},
		"a pause":           {pausesFanOut, 5, map[consent.Reason]int{}},
		"a move":            {movesAway, 5, map[consent.Reason]int{}},
		"an erasure":        {erasesOne, 4, map[consent.Reason]int{consent.Erased: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			datedEngines(t, func(t *testing.T, s *dated) {
				ctx := context.Background()
				people(t, s.Store, 5)
				id, _, err := s.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: "x", Audience: "all"})
				must(t, err)
				must(t, s.Start(ctx, id))
				done, err := s.FanOutAround(ctx, id, func() { one.between(ctx, t, s.Store, id) })
				must(t, err)
				if name == "a pause" {
					must(t, s.Resume(ctx, id))
					_, err = s.FanOut(ctx, id)
					must(t, err)
				}
				a, err := s.Account(ctx, id)
				must(t, err)
				if !done || a.Audience != 5 || a.Waiting != one.waiting || !reflect.DeepEqual(a.Skipped, one.skipped) {
					t.Errorf("done %v with %+v, want %d waiting, skipped %v", done, a, one.waiting, one.skipped)
				}
				last := "p4@example.com"
				if name == "a move" {
					last = "moved@example.com"
				}
				if v, err := desk(t, s.Store, "w").Claim(ctx, store.Ask{Campaign: id, Address: keyOf(t, s.Store, last)}); err != nil || !v.Granted {
					t.Errorf("a message to %s: %+v, %v", last, v, err)
				}
				clean(t, s.Store)
			})
		})
	}
}

func fansOut(ctx context.Context, t *testing.T, s *store.Store, id int64) {
	_, err := s.FanOut(ctx, id)
	must(t, err)
}

func pausesFanOut(ctx context.Context, t *testing.T, s *store.Store, id int64) {
	_, err := s.Pause(ctx, id, "test")
	must(t, err)
}

func movesAway(ctx context.Context, t *testing.T, s *store.Store, id int64) {
	moved(t, s, "p1@example.com", "moved@example.com")
}

func erasesOne(ctx context.Context, t *testing.T, s *store.Store, id int64) {
	_, err := s.RecordMail(ctx, asks(consent.KindErasure, "p3@example.com", "gone"))
	must(t, err)
	c := click(t, s, theCase(t, s, keyOf(t, s, "p3@example.com")))
	for more := true; more; {
		more, err = s.EraseOne(ctx, c.ID)
		must(t, err)
	}
}
