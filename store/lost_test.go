package store_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// TestLostAnswerToACommit: the line to PostgreSQL is cut when it says that the
// claim is written, and stays away until the worker gives the message back. The
// claim is known all the same: it is taken back, and somebody else may send.
func TestLostAnswerToACommit(t *testing.T) {
	for name, stays := range map[string]bool{"back at once": false, "away": true} {
		t.Run(name, func(t *testing.T) { lostAnswer(t, stays) })
	}
}

func lostAnswer(t *testing.T, stays bool) {
	ctx := context.Background()
	url := storetest.QuickPostgres(t)
	line, near := storetest.LineTo(t, url)
	keys := t.TempDir()
	s := opened(t, store.Options{URL: url, Keys: keys})
	people(t, s, 1)
	id := campaign(t, s)
	far := opened(t, store.Options{URL: near, Keys: keys})
	must(t, s.Register(ctx, "w1", "worker", 1))
	d := far.NewDesk("w1", func(error) {
		if !stays {
			line.Mend()
		}
	})
	defer d.Close()
	line.CutAt(func(answer []byte) bool { return bytes.Contains(answer, []byte("COMMIT\x00")) })
	ask := store.Ask{Campaign: id, Address: keyOf(t, s, "p0@example.com")}
	v, err := d.Claim(ctx, ask)
	if a, failed := s.Account(ctx, id); failed != nil || a.InFlight != 1 {
		t.Fatalf("the claim was not written: %+v, %v", a, failed)
	}
	if !stays {
		must(t, err)
		if !v.Granted {
			t.Fatalf("the claim is %+v", v)
		}
		return
	}
	if err == nil {
		t.Fatalf("without a database the claim is %+v", v)
	}
	line.Mend()
	must(t, d.Flush(ctx))
	other := desk(t, s, "w2")
	for deadline := time.Now().Add(20 * time.Second); !v.Granted && time.Now().Before(deadline); {
		v, err = other.Claim(ctx, ask)
		must(t, err)
	}
	if !v.Granted {
		t.Errorf("the forgotten claim stands in the way: %+v", v)
	}
	clean(t, s)
}

// TestSweepForgetsNoClaim: a worker that was taken for dead goes on claiming
// while it is swept up after. Each message that it may send it sends alone, and
// its result counts.
func TestSweepForgetsNoClaim(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		const n, hands = 600, 6
		all := people(t, s, n)
		id := campaign(t, s)
		must(t, s.Register(ctx, "asleep", "worker", 1))
		d := s.NewDesk("asleep", func(err error) { t.Error(err) })
		defer d.Close()
		must(t, s.Unregister(ctx, "asleep")) // what the sweep does with it
		ended := make(chan struct{})
		var sweeping, sending sync.WaitGroup
		for range 2 {
			sweeping.Go(func() {
				for {
					select {
					case <-ended:
						return
					default:
						if _, err := s.Sweep(ctx); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		var mu sync.Mutex
		granted := map[store.Ask]int{}
		for hand := range hands {
			sending.Go(func() {
				for i := hand; i < 2*n; i += hands { // everybody twice
					ask := store.Ask{Campaign: id, Address: keyOf(t, s, all[i%n].Email)}
					v, err := d.Claim(ctx, ask)
					if err != nil {
						t.Error(err)
						return
					}
					if v.Granted {
						mu.Lock()
						granted[ask]++
						mu.Unlock()
						d.Finish(store.Result{Ask: ask, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: time.Now()})
					}
				}
			})
		}
		sending.Wait()
		must(t, d.Flush(ctx))
		close(ended)
		sweeping.Wait()
		for ask, times := range granted {
			if times > 1 {
				t.Errorf("%s was granted %d times", ask.Address, times)
			}
		}
		if a, err := s.Account(ctx, id); err != nil || a.Accepted != n || len(granted) != n {
			t.Errorf("%d were sent to, the account says %+v, %v", len(granted), a, err)
		}
		clean(t, s)
	})
}

// TestAWorkerCutOffHoldsNobodyUp: a worker loses its network, or is stopped, while
// its transaction holds an address. PostgreSQL ends that transaction by itself:
// whoever has that address can opt out, and others send.
func TestAWorkerCutOffHoldsNobodyUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	url := storetest.QuickPostgres(t)
	line, near := storetest.LineTo(t, url)
	keys := t.TempDir()
	s := opened(t, store.Options{URL: url, Keys: keys})
	people(t, s, 2)
	id := campaign(t, s)
	far := opened(t, store.Options{URL: near, Keys: keys})
	must(t, s.Register(ctx, "away", "worker", 1))
	d := far.NewDesk("away", func(error) {})
	defer d.Close()
	defer line.Mend()
	blocked := make(chan struct{})
	line.BlockAt(func(answer []byte) bool {
		mid := bytes.Contains(answer, []byte("BEGIN\x00"))
		if mid {
			close(blocked)
		}
		return mid
	})
	away := make(chan store.Verdict, 1)
	go func() {
		v, _ := d.Claim(ctx, store.Ask{Campaign: id, Address: keyOf(t, s, "p0@example.com")}) // an error gives nothing
		away <- v
	}()
	<-blocked
	must(t, s.Unregister(ctx, "away")) // its heartbeat is gone
	other := desk(t, s, "w2")
	if v, err := other.Claim(ctx, store.Ask{Campaign: id, Address: keyOf(t, s, "p1@example.com")}); err != nil || !v.Granted {
		t.Errorf("somebody else's message waits for one who is away: %+v, %v", v, err)
	}
	if _, err := s.OptOut(ctx, store.OptOut{Key: keyOf(t, s, "p0@example.com"), Topic: 1, Via: consent.ViaOneClick}); err != nil {
		t.Fatalf("opting out: %v", err)
	}
	select {
	case v := <-away:
		t.Errorf("the opt-out waited until the one who is away gave up: %+v", v)
	default:
	}
	line.Mend()
	if v := <-away; v.Granted {
		t.Error("who was away may send to somebody who opted out meanwhile")
	}
	clean(t, s)
}

// TestSweepOfASkippedMessage: somebody was erased while a message to them was
// about to end, and its worker died. What may have left is uncertain, whatever
// was noted meanwhile, and the sweep goes on with the others.
func TestSweepOfASkippedMessage(t *testing.T) {
	w := &watchman{}
	storetest.EnginesWith(t, w.options, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 2)
		id := campaign(t, s)
		d := desk(t, s, "w1")
		for _, email := range []string{"p0@example.com", "p1@example.com"} {
			v, err := d.Claim(ctx, store.Ask{Campaign: id, Address: keyOf(t, s, email)})
			must(t, err)
			if !v.Granted {
				t.Fatalf("the claim for %s is %+v", email, v)
			}
		}
		must(t, s.Do(ctx, `UPDATE delivery SET state = 'skipped', reason = 'erased' WHERE address = '`+keyOf(t, s, "p0@example.com").String()+`'`))
		must(t, s.Unregister(ctx, "w1"))
		swept := w.sweeps(t, s, 5*time.Second) // until no end can be written any more
		if a, err := s.Account(ctx, id); err != nil || swept.Uncertain != 2 || a.Uncertain != 2 || a.InFlight != 0 {
			t.Errorf("swept %+v, the account says %+v, %v", swept, a, err)
		}
	})
}

// TestSkipLeavesAClaimAlone: somebody moved to another address while a message to
// the old one was in flight, and its batch came to another worker, which finds nobody
// there. What is in flight is not skipped.
func TestSkipLeavesAClaimAlone(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 2)
		id := campaign(t, s)
		d := desk(t, s, "w1")
		claimed, other := store.Ask{Campaign: id, Address: keyOf(t, s, "p0@example.com")}, store.Ask{Campaign: id, Address: keyOf(t, s, "p1@example.com")}
		v, err := d.Claim(ctx, claimed)
		must(t, err)
		must(t, s.Skip(ctx, claimed, consent.Erased))
		must(t, s.Skip(ctx, other, consent.Erased))
		clean(t, s)
		if a, err := s.Account(ctx, id); err != nil || a.InFlight != 1 || a.Waiting != 0 || a.Skipped[consent.Erased] != 1 {
			t.Errorf("the account says %+v, %v", a, err)
		}
		d.Finish(store.Result{Ask: claimed, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: time.Now()})
		must(t, d.Flush(ctx))
		if a, err := s.Account(ctx, id); err != nil || a.Accepted != 1 || a.InFlight != 0 {
			t.Errorf("then the account says %+v, %v", a, err)
		}
	})
}

// TestOneMessageHasOneResult: two lanes had the same message. One of them was
// refused by its relay before it claimed, the other one's was taken; both say so
// at the same moment, in either order. It was sent.
func TestOneMessageHasOneResult(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 40)
		id := campaign(t, s)
		d := desk(t, s, "w1")
		for i := range 40 {
			ask := store.Ask{Campaign: id, Address: keyOf(t, s, fmt.Sprintf("p%d@example.com", i))}
			v, err := d.Claim(ctx, ask)
			must(t, err)
			both := []store.Result{{Ask: ask, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: time.Now()}, {Ask: ask, Outcome: store.Refused, Code: 550}}
			for n := range both {
				d.Finish(both[(n+i)%2])
			}
			must(t, d.Flush(ctx))
		}
		if a, err := s.Account(ctx, id); err != nil || a.Accepted != 40 {
			t.Errorf("of 40 messages that were sent the account says %+v, %v", a, err)
		}
	})
}
