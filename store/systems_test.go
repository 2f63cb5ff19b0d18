package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
)

// TestASilentSystemKeepsTheCaseOpen: after three days the alarm goes off, once;
// an answer ends it and, as the last, the case.
func TestASilentSystemKeepsTheCaseOpen(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		at := &moment{at: time.Now()}
		o.Now, o.Plan.Systems = at.now, []store.System{{ID: "files", Name: "Files"}}
		s := opened(t, o)
		id := haunt(t, s)
		must(t, s.Erase(ctx, id))
		due, err := s.Removals(ctx, ghostBox)
		must(t, err)
		for _, one := range due {
			must(t, s.Removed(ctx, one, false))
		}
		all, err := s.Notices(ctx, id)
		must(t, err)
		n, who, err := s.Notice(ctx, all[0].ID)
		must(t, err)
		if who.Email != ghost+"@example.com" || len(who.ExternalIDs) != 1 || who.ExternalIDs[0] != "gespenst-1" {
			t.Errorf("after our own deletion the system is told %+v", who)
		}
		must(t, s.Unanswered(ctx, n, false))
		at.pass(71 * time.Hour)
		must(t, s.Unanswered(ctx, n, true))
		if rings(t, s, store.AlarmSystem) {
			t.Error("the alarm rings before three days")
		}
		at.pass(2 * time.Hour)
		must(t, s.Unanswered(ctx, n, true))
		must(t, s.Unanswered(ctx, n, false))
		if c, err := s.Case(ctx, id); err != nil || c.State != consent.CaseConfirmed || !rings(t, s, store.AlarmSystem) {
			t.Errorf("the case is %s, %v", c.State, err)
		}
		for _, bad := range []store.Answer{{State: "accepted"}, {State: "kept"}, {State: "deleted", Law: "x"}} {
			if err := s.Answered(ctx, id, "files", bad); !errors.Is(err, store.ErrAnswer) {
				t.Errorf("%+v was taken: %v", bad, err)
			}
		}
		must(t, s.Answered(ctx, id, "files", store.Answer{State: "kept", Law: "§ 147 AO", Until: at.now().AddDate(8, 0, 0)}))
		if err := s.Answered(ctx, id, "files", store.Answer{State: "deleted"}); !errors.Is(err, store.ErrState) {
			t.Errorf("a second answer: %v", err)
		}
		if c, err := s.Case(ctx, id); err != nil || c.State != consent.CaseDone || rings(t, s, store.AlarmSystem) {
			t.Errorf("after the last answer the case is %s, %v", c.State, err)
		}
		answers(t, s, id)
		if _, who, err = s.Notice(ctx, n.ID); err != nil || who.Email != "" {
			t.Errorf("after the certificate the address is known still: %+v, %v", who, err)
		}
		found, err := s.Holding(ctx, ghost)
		must(t, err)
		if len(found) > 0 {
			t.Errorf("%v still name the person", found)
		}
		clean(t, s)
	})
}
