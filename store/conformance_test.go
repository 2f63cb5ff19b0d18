package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// people imports n people who said yes to product news.
func people(t *testing.T, s *store.Store, n int) []store.Contact {
	t.Helper()
	var all []store.Contact
	for i := range n {
		all = append(all, store.Contact{Row: i + 2, Email: fmt.Sprintf("p%d@example.com", i), FirstName: "P", Topics: []string{"product"},
			Services: []string{"files"}, ConsentAt: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), ConsentSource: "form", ConsentText: "yes please"})
	}
	result, err := s.Import(context.Background(), all, "test", false)
	if err != nil {
		t.Fatal(err)
	}
	if result.Added != n || len(result.Rejected) != 0 {
		t.Fatalf("imported %+v, want %d added", result, n)
	}
	return all
}

// campaign starts a newsletter and writes its deliveries.
func campaign(t *testing.T, s *store.Store) int64 {
	t.Helper()
	ctx := context.Background()
	id, _, err := s.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: "x", Audience: "all"})
	must(t, err)
	must(t, s.Start(ctx, id))
	for done := false; !done; {
		done, err = s.FanOut(ctx, id)
		must(t, err)
	}
	return id
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func keyOf(t *testing.T, s *store.Store, email string) consent.Key {
	t.Helper()
	key, _, err := s.Key(email)
	must(t, err)
	return key
}

// desk registers a worker and opens its desk.
func desk(t *testing.T, s *store.Store, worker string) *store.Desk {
	t.Helper()
	must(t, s.Register(context.Background(), worker, "newsletter", 1))
	d := s.NewDesk(worker, func(err error) { t.Error(err) })
	t.Cleanup(d.Close)
	return d
}

// clean fails unless every invariant holds.
func clean(t *testing.T, s *store.Store) {
	t.Helper()
	report, err := s.Verify(context.Background())
	must(t, err)
	for name, one := range report {
		if len(one.Broken) > 0 {
			t.Errorf("%s is broken: %v", name, one.Broken)
		}
	}
}

func TestImportKeepsANo(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		all := people(t, s, 10)
		_, err := s.OptOut(ctx, store.OptOut{Key: keyOf(t, s, "p3@example.com"), Topic: 1, Via: consent.ViaOneClick})
		must(t, err)
		again, err := s.Import(ctx, all, "again", false)
		must(t, err)
		if again.KeptOut != 1 || again.Unchanged != 9 {
			t.Errorf("the second import gave %+v", again)
		}
		e, err := s.Explain(ctx, "P3@Example.COM")
		must(t, err)
		if e.State.Topics["product"] != "out" || !e.Known {
			t.Errorf("the no was lost: %+v", e.State)
		}
		clean(t, s)
	})
}

func TestImportDryRunChangesNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		result, err := s.Import(context.Background(), []store.Contact{{Row: 2, Email: "a@example.com"}, {Row: 3, Email: "no address"}}, "", true)
		must(t, err)
		if result.Added != 1 || len(result.Rejected) != 1 || result.Rejected[0].Row != 3 {
			t.Errorf("dry run gave %+v", result)
		}
		if e, _ := s.Explain(context.Background(), "a@example.com"); e.Known {
			t.Error("a dry run stored somebody")
		}
	})
}

func TestOptOutStopsTheClaim(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 5)
		id := campaign(t, s)
		d := desk(t, s, "w1")
		key := keyOf(t, s, "p2@example.com")
		_, err := s.OptOut(ctx, store.OptOut{Key: key, Scope: consent.ScopeMarketing, Via: consent.ViaPage})
		must(t, err)
		v, err := d.Claim(ctx, store.Ask{Campaign: id, Address: key})
		must(t, err)
		if v.Skipped != consent.OptedOut {
			t.Errorf("the claim after an opt-out gave %+v", v)
		}
		account, err := s.Account(ctx, id)
		must(t, err)
		if account.Audience != 5 || account.Skipped[consent.OptedOut] != 1 || account.Waiting != 4 {
			t.Errorf("account %+v", account)
		}
		clean(t, s)
	})
}

func TestOptOutWaitsForTheOpenClaim(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 1)
		id := campaign(t, s)
		d := desk(t, s, "w1")
		ask := store.Ask{Campaign: id, Address: keyOf(t, s, "p0@example.com")}
		v, err := d.Claim(ctx, ask)
		must(t, err)
		if !v.Granted {
			t.Fatalf("claim: %+v", v)
		}
		_, err = s.OptOut(ctx, store.OptOut{Key: ask.Address, Topic: 1, Via: consent.ViaOneClick})
		must(t, err)
		began := time.Now()
		time.AfterFunc(300*time.Millisecond, func() {
			d.Finish(store.Result{Ask: ask, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: time.Now()})
		})
		n, err := s.AwaitClaims(ctx, []consent.Key{ask.Address})
		must(t, err)
		if n != 0 || time.Since(began) < 250*time.Millisecond {
			t.Errorf("%d in flight after %v", n, time.Since(began))
		}
		clean(t, s)
	})
}

func TestOnlyItsTokenWritesAResult(t *testing.T) {
	w := &watchman{}
	storetest.EnginesWith(t, w.options, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 1)
		id := campaign(t, s)
		d := desk(t, s, "w1")
		ask := store.Ask{Campaign: id, Address: keyOf(t, s, "p0@example.com")}
		v, err := d.Claim(ctx, ask)
		must(t, err)
		second, err := d.Claim(ctx, ask)
		must(t, err)
		if second.Granted {
			t.Fatal("two claims on one message")
		}
		d.Finish(store.Result{Ask: ask, Token: v.Token + 2, Outcome: store.Accepted, EndAt: time.Now()})
		must(t, d.Flush(ctx))
		if a, _ := s.Account(ctx, id); a.InFlight != 1 || a.Accepted != 0 {
			t.Errorf("a wrong token changed the account: %+v", a)
		}
		must(t, s.Unregister(ctx, "w1"))
		swept := w.sweeps(t, s, 5*time.Second) // until its end can be written no more
		if swept.Uncertain != 1 {
			t.Errorf("swept %+v", swept)
		}
		d.Finish(store.Result{Ask: ask, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: time.Now()})
		must(t, d.Flush(ctx))
		if a, _ := s.Account(ctx, id); a.Accepted != 1 || a.Uncertain != 0 {
			t.Errorf("a late result with the right token did not resolve: %+v", a)
		}
		clean(t, s)
	})
}

func TestPauseWaitsAndStops(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 3)
		id := campaign(t, s)
		d := desk(t, s, "w1")
		ask := store.Ask{Campaign: id, Address: keyOf(t, s, "p0@example.com")}
		v, err := d.Claim(ctx, ask)
		must(t, err)
		time.AfterFunc(100*time.Millisecond, func() {
			d.Finish(store.Result{Ask: ask, Token: v.Token, Outcome: store.Refused, Code: 550, Status: "5.1.1", EndAt: time.Now()})
		})
		n, err := s.Pause(ctx, id, "")
		must(t, err)
		if n != 0 {
			t.Errorf("%d in flight after a pause", n)
		}
		next, err := d.Claim(ctx, store.Ask{Campaign: id, Address: keyOf(t, s, "p1@example.com")})
		must(t, err)
		if next.Later != "paused" {
			t.Errorf("a claim in a paused campaign gave %+v", next)
		}
		must(t, s.Resume(ctx, id))
		_, err = s.Cancel(ctx, id)
		must(t, err)
		a, err := s.Account(ctx, id)
		must(t, err)
		if a.Rejected != 1 || a.Skipped[consent.Cancelled] != 2 || a.Waiting != 0 {
			t.Errorf("account after cancelling: %+v", a)
		}
		clean(t, s)
	})
}

// TestStorm lets many connections claim while many people opt out, and looks
// for a single claim granted after an acknowledgement.
func TestStorm(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		const n = 400
		people(t, s, n)
		id := campaign(t, s)
		d := desk(t, s, "w1")
		var mu sync.Mutex
		acked, granted := map[consent.Key]time.Time{}, map[consent.Key]time.Time{}
		var wait sync.WaitGroup
		for lane := range 8 {
			wait.Go(func() {
				for i := lane; i < n; i += 8 {
					ask := store.Ask{Campaign: id, Address: keyOf(t, s, fmt.Sprintf("p%d@example.com", i))}
					v, err := d.Claim(ctx, ask)
					for err == nil && v.Later == "locked" {
						v, err = d.Claim(ctx, ask)
					}
					if err != nil {
						t.Error(err)
						return
					}
					if v.Granted {
						mu.Lock()
						granted[ask.Address] = time.Now()
						mu.Unlock()
						d.Finish(store.Result{Ask: ask, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: time.Now()})
					}
				}
			})
			wait.Go(func() {
				for i := n - 1 - lane; i >= 0; i -= 16 {
					key := keyOf(t, s, fmt.Sprintf("p%d@example.com", i))
					if _, err := s.OptOut(ctx, store.OptOut{Key: key, Topic: 1, Via: consent.ViaOneClick}); err != nil {
						t.Error(err)
						return
					}
					if left, err := s.AwaitClaims(ctx, []consent.Key{key}); err != nil || left != 0 {
						t.Errorf("%d in flight, %v", left, err)
					}
					mu.Lock()
					acked[key] = time.Now()
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		must(t, d.Flush(ctx))
		for key, at := range acked {
			if sent, was := granted[key]; was && sent.After(at) {
				t.Errorf("%s was claimed %v after its acknowledgement", key, sent.Sub(at))
			}
		}
		a, err := s.Account(ctx, id)
		must(t, err)
		if a.Accepted != len(granted) || a.Accepted+a.Skipped[consent.OptedOut] != n {
			t.Errorf("account %+v, granted %d", a, len(granted))
		}
		clean(t, s)
	})
}

func TestSuppress(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 2)
		n, rejected, err := s.Suppress(ctx, []store.Suppression{{Row: 2, Email: "p0@example.com", Scope: "all"},
			{Row: 3, Email: "p1@example.com", Scope: "topic:product"}, {Row: 4, Email: "p1@example.com", Scope: "topic:none"}})
		must(t, err)
		if n != 2 || len(rejected) != 1 {
			t.Errorf("suppressed %d, rejected %+v", n, rejected)
		}
		a, err := s.Account(ctx, campaign(t, s))
		must(t, err)
		if a.Skipped[consent.Suppressed] != 1 || a.Skipped[consent.OptedOut] != 1 {
			t.Errorf("account %+v", a)
		}
		clean(t, s)
	})
}

func TestVerifyFindsPlantedDamage(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 2)
		id := campaign(t, s)
		d := desk(t, s, "w1")
		ask := store.Ask{Campaign: id, Address: keyOf(t, s, "p0@example.com")}
		v, err := d.Claim(ctx, ask)
		must(t, err)
		d.Finish(store.Result{Ask: ask, Token: v.Token, Outcome: store.Accepted, EndAt: time.Now().Add(time.Minute)})
		must(t, d.Flush(ctx))
		_, err = s.OptOut(ctx, store.OptOut{Key: ask.Address, Topic: 1, Via: consent.ViaOneClick})
		must(t, err)
		n, err := s.SentAfterOptOut(ctx)
		must(t, err)
		report, err := s.Verify(ctx)
		must(t, err)
		if n != 1 || len(report["I1"].Broken) != 1 {
			t.Errorf("a message that ended after the acknowledgement was not found: %d, %v", n, report["I1"])
		}
	})
}
