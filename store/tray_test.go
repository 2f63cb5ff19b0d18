package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

func TestTray(t *testing.T) {
	start := newClock()
	c := newClock()
	storetest.EnginesWith(t, c.options, func(t *testing.T, s *store.Store) {
		c.at = start.at
		ctx := context.Background()
		people(t, s, 2)
		for i := range 4 {
			m := store.Inbound{Received: c.at.AddDate(0, 0, -i), Subject: fmt.Sprint("offer ", i), Text: "buy", Request: request(consent.KindUnrelated, "p1@example.com")}
			if i == 3 {
				m.Request.From = "" // nobody knows who
			}
			if f := wrote(t, s, int64(i+1), m); f.Outcome != "tray" || f.Folder != "Review" {
				t.Errorf("filed %+v", f)
			}
		}
		all, err := s.Tray(ctx)
		must(t, err)
		if len(all) != 4 || all[3].Subject != "offer 0" || all[0].Text != "buy" {
			t.Fatalf("the tray holds %+v", all)
		}
		if cases, _ := s.Cases(ctx, false); len(cases) != 0 {
			t.Errorf("cases %+v", cases)
		}
		if e, _ := s.Explain(ctx, "p1@example.com"); e.State.OnHold {
			t.Error("mail that asks for nothing holds somebody")
		}
		c.at = c.at.AddDate(0, 0, 1)
		made, err := s.CaseFromTray(ctx, all[2].Inbound, consent.CaseComplaint, "ann")
		must(t, err)
		if !made.Received.Equal(all[2].Received) || made.Email != "p1@example.com" || made.Identity != consent.IdentityClaimed || made.Due.Sub(made.Received) < 5*24*time.Hour {
			t.Errorf("the case is %+v", made)
		}
		if e, _ := s.Explain(ctx, "p1@example.com"); !e.State.OnHold {
			t.Error("a case holds nobody")
		}
		f, err := s.CaseFile(ctx, made.ID)
		must(t, err)
		if len(f.Mails) != 1 || f.Mails[0].Subject != "offer 1" {
			t.Errorf("the case has %+v", f.Mails)
		}
		if _, err := s.CaseFromTray(ctx, all[2].Inbound, consent.CaseReview, "ann"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("twice: %v", err)
		}
		n, err := s.ClearTray(ctx, nil, c.at.AddDate(0, 0, -2))
		must(t, err)
		m, err := s.ClearTray(ctx, []int64{all[3].Inbound, all[2].Inbound, 99}, time.Time{})
		must(t, err)
		if left, _ := s.Tray(ctx); n != 2 || m != 1 || len(left) != 0 {
			t.Errorf("%d and %d cleared, %d left", n, m, len(left))
		}
		clean(t, s)
	})
}

// TestTrayIsClearedInBulk clears more than one transaction takes.
func TestTrayIsClearedInBulk(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		for i := range 1100 {
			wrote(t, s, int64(i+1), store.Inbound{Received: time.Now(), Subject: fmt.Sprint(i), Request: request(consent.KindUnrelated, "p@example.com")})
		}
		n, err := s.ClearTray(context.Background(), nil, time.Now().Add(time.Hour))
		must(t, err)
		if f, _ := s.Figures(context.Background()); n != 1100 || f.Tray != 0 {
			t.Errorf("%d cleared, %d left", n, f.Tray)
		}
	})
}
