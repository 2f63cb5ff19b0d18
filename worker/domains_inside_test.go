package worker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"heed/mailer"
)

// TestDomainsInTroubleOnly: of a hundred thousand domains only those that defer again
// and again are known, never more than a bound, and none for ever.
func TestDomainsInTroubleOnly(t *testing.T) {
	onRedis(t, func(t *testing.T, client *redis.Client, _ func()) {
		ctx, now := context.Background(), time.Now()
		none := func(string) float64 { return 0 }
		a, b := newAdapter(client), newAdapter(client)
		look := func(passed time.Duration) {
			now = now.Add(passed)
			a.look(ctx, none, 2, passed, now)
			b.look(ctx, none, 2, passed, now)
		}
		later, took := mailer.Result{Code: 451}, mailer.Result{Code: 250}
		for i := range 100000 {
			a.watch(domainOf+fmt.Sprint(i), false, took)
		}
		a.watch("domain:once", true, later)
		look(time.Second)
		if n := len(a.tallies); n != 1 || a.cut("domain:once").active() {
			t.Errorf("%d domains are known, and one deferral cut one: %+v", n, a.cuts)
		}
		for range 3 {
			a.watch("domain:often", true, later)
		}
		look(time.Second)
		if c := b.cut("domain:often"); c.share != 0.5 {
			t.Errorf("the other worker knows %+v of a domain that was cut", c)
		}
		look(2 * time.Minute)
		if a.cuts["domain:often"].share != 0.5 || a.tallies["domain:once"] != nil {
			t.Errorf("after two minutes %+v, %v", a.cuts, a.tallies)
		}
		for range 12 { // the other worker finds that it takes mail again
			b.watch("domain:often", false, took)
			look(growEvery)
		}
		if a.cut("domain:often").active() || b.cut("domain:often").active() {
			t.Errorf("it takes mail and is cut: %+v, %+v", a.cuts, b.cuts)
		}
		for range 3 {
			look(2 * sweepDomain)
		}
		if n := client.HLen(ctx, cutsKey).Val(); n != 0 || len(a.cuts)+len(b.cuts)+len(a.tallies)+len(b.tallies) != 0 {
			t.Errorf("a domain that is whole stays known: %d in Redis, %+v, %+v", n, a.cuts, b.cuts)
		}
		for i := range 5 * mostDomains {
			for range 3 {
				a.watch(domainOf+fmt.Sprint(i), true, later)
			}
		}
		look(time.Second)
		if _, n := a.cutDomains(0); n != mostDomains {
			t.Errorf("%d domains are cut, the bound is %d", n, mostDomains)
		}
		look(domainRest + time.Second) // nobody writes to them any more
		for range 3 {
			look(2 * sweepDomain)
		}
		if n := client.HLen(ctx, cutsKey).Val(); n != 0 || len(a.cuts)+len(b.cuts) != 0 {
			t.Errorf("domains to which nobody writes stay cut: %d in Redis, %d, %d", n, len(a.cuts), len(b.cuts))
		}
	})
}

// TestCutsAndClocksThatDiffer: a worker whose clock is an hour behind, or ahead,
// hears of cuts, cuts and grows like any other.
func TestCutsAndClocksThatDiffer(t *testing.T) {
	onRedis(t, func(t *testing.T, client *redis.Client, flush func()) {
		for _, wrong := range []time.Duration{-time.Hour, time.Hour} {
			flush()
			ctx, now := context.Background(), time.Now()
			none := func(string) float64 { return 0 }
			a, b := newAdapter(client), newAdapter(client)
			a.of("group:x").count(true, mailer.Result{Code: 451})
			a.look(ctx, none, 2, time.Second, now)
			b.look(ctx, none, 2, time.Second, now.Add(wrong))
			if c := b.cut("group:x"); c.share != 0.5 {
				t.Fatalf("%v: the other knows %+v", wrong, c)
			}
			b.of("group:x").count(true, mailer.Result{Code: 451})
			b.look(ctx, none, 2, time.Second, now.Add(wrong+cutEvery))
			a.look(ctx, none, 2, time.Second, now.Add(cutEvery))
			if c := a.cut("group:x"); c.share != 0.25 {
				t.Errorf("%v: cut again by the other it is %+v", wrong, c)
			}
			a.of("group:x").count(false, mailer.Result{Code: 250})
			a.look(ctx, none, 2, time.Second, now.Add(cutEvery+growEvery))
			b.look(ctx, none, 2, time.Second, now.Add(wrong+cutEvery+growEvery))
			if c := b.cut("group:x"); c.share <= 0.25 {
				t.Errorf("%v: the other does not hear that it grows: %+v", wrong, c)
			}
		}
	})
}
