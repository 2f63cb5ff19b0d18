package store_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
)

// TestAlertOfUnknownFateGoesOutOnceMore lets the relay never answer, twice.
func TestAlertOfUnknownFateGoesOutOnceMore(t *testing.T) {
	ctx, dir, now := context.Background(), t.TempDir(), time.Now()
	s, err := store.Open(ctx, store.Options{URL: "sqlite:" + filepath.Join(dir, "heed.db"), Keys: filepath.Join(dir, "keys"), Now: func() time.Time { return now }})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	must(t, s.SyncTopics(ctx, []store.Named{{ID: "product", Name: "Product"}}, []store.Named{{ID: "files", Name: "Files"}}))
	_, err = s.Import(ctx, []store.Contact{{Row: 2, Email: "a@example.com", Services: []string{"files"}}, {Row: 3, Email: "b@example.com"}}, "", false)
	must(t, err)
	id, fresh, err := s.AddCampaign(ctx, store.Campaign{Name: "a", Class: consent.Alert, Service: 1, Source: "x", Audience: "all", AlertKey: "k"})
	must(t, err)
	if again, twice, _ := s.AddCampaign(ctx, store.Campaign{Name: "a", Class: consent.Alert, Service: 1, Source: "x", Audience: "all", AlertKey: "k"}); !fresh || twice || again != id {
		t.Errorf("the same key made alert %d after %d", again, id)
	}
	must(t, s.Start(ctx, id))
	for done := false; !done; {
		done, err = s.FanOut(ctx, id)
		must(t, err)
	}
	d := desk(t, s, "w1")
	for copy := 1; copy <= 2; copy++ {
		jobs, err := s.Carry(ctx, "alert", 5)
		must(t, err)
		if len(jobs) != 1 {
			t.Fatalf("copy %d: %d jobs", copy, len(jobs))
		}
		j, _, err := s.Begin(ctx, jobs[0].ID, jobs[0].Generation, "w1")
		must(t, err)
		letters, err := s.Batch(ctx, j)
		must(t, err)
		if len(letters) != 1 {
			t.Fatalf("copy %d goes to %d people", copy, len(letters))
		}
		v, err := d.Claim(ctx, letters[0].Ask)
		must(t, err)
		if !v.Granted {
			t.Fatalf("copy %d: %+v", copy, v)
		}
		must(t, s.Do(ctx, `UPDATE campaign SET state = 'paused'`)) // what is planned meanwhile waits until it goes on
		d.Finish(store.Result{Ask: letters[0].Ask, Token: v.Token, Outcome: store.Uncertain, EndAt: now})
		must(t, d.Flush(ctx))
		must(t, s.Resume(ctx, id))
		must(t, s.EndJob(ctx, j, time.Time{}))
		if n, err := s.Requeue(ctx); err != nil || n != 0 {
			t.Fatalf("copy %d comes again at once: %d, %v", copy, n, err)
		}
		now = now.Add(store.AlertRetry + time.Second)
		n, err := s.Requeue(ctx)
		must(t, err)
		if want := 2 - copy; n != want {
			t.Fatalf("after copy %d: %d come again, want %d", copy, n, want)
		}
	}
	done, err := s.FinishCampaigns(ctx)
	must(t, err)
	a, err := s.Account(ctx, id)
	must(t, err)
	if len(done) != 1 || a.Uncertain != 1 || a.Audience != 1 {
		t.Errorf("finished %v, account %+v", done, a)
	}
	clean(t, s)
}

// TestAlertOfUnknownFateToSomebodyErased: an erasure ends the plan for their second
// copy, with its first item and for good.
func TestAlertOfUnknownFateToSomebodyErased(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx := context.Background()
		people(t, s.Store, 2)
		id, _, err := s.AddCampaign(ctx, store.Campaign{Name: "a", Class: consent.Alert, Service: 1, Source: "x", Audience: "all", AlertKey: "k"})
		must(t, err)
		must(t, s.Start(ctx, id))
		fansOut(ctx, t, s.Store, id)
		d := desk(t, s.Store, "w1")
		uncertain := func(email string) {
			ask := store.Ask{Campaign: id, Address: keyOf(t, s.Store, email)}
			v, err := d.Claim(ctx, ask)
			must(t, err)
			d.Finish(store.Result{Ask: ask, Token: v.Token, Outcome: store.Uncertain, EndAt: s.at})
			must(t, d.Flush(ctx))
		}
		uncertain("p0@example.com")
		_, err = s.RecordMail(ctx, asks(consent.KindErasure, "p0@example.com", "gone"))
		must(t, err)
		c := click(t, s.Store, theCase(t, s.Store, keyOf(t, s.Store, "p0@example.com")))
		for more := true; more; {
			more, err = s.EraseOne(ctx, c.ID)
			must(t, err)
			clean(t, s.Store)
		}
		uncertain("p1@example.com")
		s.at = s.at.Add(store.AlertRetry + time.Second)
		if n, err := s.Requeue(ctx); err != nil || n != 1 {
			t.Errorf("%d come again, want the one who was not erased; %v", n, err)
		}
		clean(t, s.Store)
	})
}
