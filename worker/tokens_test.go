package worker

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"heed/mailer"
	"heed/store/storetest"
)

// onRedis runs a test on a real Redis and on the one within the process.
func onRedis(t *testing.T, test func(t *testing.T, client *redis.Client, flush func())) {
	run := func(name string, addr func(*testing.T) string) {
		t.Run(name, func(t *testing.T) {
			client := redis.NewClient(&redis.Options{Addr: addr(t)})
			t.Cleanup(func() { client.Close() })
			test(t, client, func() {
				if err := client.FlushAll(context.Background()).Err(); err != nil {
					t.Error(err)
				}
			})
		})
	}
	run("miniredis", func(t *testing.T) string { return miniredis.RunT(t).Addr() })
	run("redis", func(t *testing.T) string {
		options, err := redis.ParseURL(storetest.Redis(t))
		if err != nil {
			t.Fatal(err)
		}
		return options.Addr
	})
}

// TestTokensHoldTheLimit: several workers that take as fast as they can never
// get more than the limit times the time and one burst; an emptied Redis adds
// one message.
func TestTokensHoldTheLimit(t *testing.T) {
	onRedis(t, func(t *testing.T, client *redis.Client, flush func()) {
		const rate, flushes = 200.0, 3
		narrow, wide := bucket{"group:google", rate}, bucket{"all", 10 * rate}
		began, total := time.Now(), 0
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				p := newTokens(client)
				for time.Since(began) < 1500*time.Millisecond {
					g := p.take(context.Background(), []ask{{n: 1 + rand.IntN(100), needs: []bucket{wide, narrow}}})[0]
					mu.Lock()
					total += g.n
					mu.Unlock()
					time.Sleep(min(g.wait, 20*time.Millisecond))
				}
			})
		}
		for range flushes {
			time.Sleep(300 * time.Millisecond)
			flush()
		}
		all.Wait()
		most := rate*time.Since(began).Seconds() + narrow.burst()/narrow.gap() + flushes
		if float64(total) > most || total < 20 {
			t.Errorf("%d messages were let through in %s, at most %.0f may", total, time.Since(began), most)
		}
	})
}

// TestTokensNameWhatHoldsBack: the narrowest bucket is named, what was not
// granted costs nobody anything, and several asks of a batch are answered at once.
func TestTokensNameWhatHoldsBack(t *testing.T) {
	onRedis(t, func(t *testing.T, client *redis.Client, _ func()) {
		p := newTokens(client)
		ctx := context.Background()
		slow, fast := bucket{"group:apple", 1.0 / 60}, bucket{"all", 1e6}
		got := p.take(ctx, []ask{{n: 5, needs: []bucket{fast, slow}}, {n: 5, needs: []bucket{{"relay:x", 1e6}}}, {n: 7}})
		if got[0].n != 1 || got[0].by != "group:apple" || got[0].wait < 50*time.Second || got[0].wait > time.Minute {
			t.Errorf("the narrow one gave %+v", got[0])
		}
		if got[1].n == 0 || got[2].n != 7 || got[2].by != "" {
			t.Errorf("the others gave %+v", got[1:])
		}
		// an alert passes by itself, and what it used the others lack
		alerts := slow
		alerts.name = alertsBy + slow.name
		got = p.take(ctx, []ask{{n: 1, needs: []bucket{alerts}, owes: []bucket{slow}}, {n: 1, needs: []bucket{slow}}})
		if got[0].n != 1 || got[1].n != 0 || got[1].wait < 110*time.Second {
			t.Errorf("an alert and a newsletter got %+v", got)
		}
	})
}

// TestTokensWithoutRedis: each of three workers keeps to a third of the limit,
// beginning empty, and nobody bursts when Redis is back.
func TestTokensWithoutRedis(t *testing.T) {
	server := storetest.OwnRedis(t)
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries, options.DialTimeout = -1, 200*time.Millisecond
	client := redis.NewClient(options)
	defer client.Close()
	const rate = 90.0
	limit := bucket{"all", rate}
	var all []*tokens
	for range 3 {
		one := newTokens(client)
		one.setWorkers(3)
		all = append(all, one)
	}
	began, total := time.Now(), 0
	drain := func(for_ time.Duration) {
		for until := time.Now().Add(for_); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
			for _, one := range all {
				total += one.take(context.Background(), []ask{{n: 50, needs: []bucket{limit}}})[0].n
			}
		}
	}
	drain(400 * time.Millisecond)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	for before := total; total < before+30; { // without Redis it goes on
		drain(100 * time.Millisecond)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	drain(2500 * time.Millisecond)
	most := rate*time.Since(began).Seconds() + limit.burst()/limit.gap() + 2
	if float64(total) > most {
		t.Errorf("%d messages were let through in %s, at most %.0f may", total, time.Since(began), most)
	}
}

// TestCutStepsDownAndUp is the rule of giving way, without a server.
func TestCutStepsDownAndUp(t *testing.T) {
	now := time.Unix(0, 0)
	var c cut
	if c = c.step(100, 0, full{ceiling: 10, measured: 50}, now); c.active() {
		t.Errorf("cut without a deferral: %+v", c)
	}
	if c = c.step(1000, 3, full{ceiling: 10, measured: 50}, now); c.active() {
		t.Errorf("cut for three odd deferrals in a thousand: %+v", c)
	}
	if c = c.step(10, 5, full{measured: 50}, now); c.share != 0.5 || c.base != 50 {
		t.Errorf("without a configured limit half of what went is left: %+v", c)
	}
	if c = c.step(0, 5, full{measured: 50, one: true}, now.Add(time.Second)); c.share != 0.5 {
		t.Errorf("answers to what was on its way cut again: %+v", c)
	}
	for i := range 20 {
		c = c.step(0, 5, full{measured: 50, one: true}, now.Add(time.Duration(i+1)*time.Minute))
	}
	if c.share != cutLowest {
		t.Errorf("there is a floor: %+v", c)
	}
	last := c.share
	for i := range 40 {
		c = c.step(5, 0, full{measured: 50, one: true}, now.Add(time.Hour+time.Duration(i)*growEvery))
		if c.share < last || c.share > 1 || c.share-last > growBy+1e-9 {
			t.Fatalf("it grows by %g from %g", c.share-last, last)
		}
		last = c.share
	}
	if c.active() {
		t.Errorf("it is whole again after a while: %+v", c)
	}
	if back, ok := parseCut(c.text()); !ok || back.share != c.share || !back.at.Equal(c.at.Truncate(time.Millisecond)) {
		t.Errorf("%q is read as %+v", c.text(), back)
	}
	for _, bad := range []string{"", "x", "2 1 1", "0 1 1", "NaN 1 1", "0.5 -1 1"} {
		if _, ok := parseCut(bad); ok {
			t.Errorf("%q is taken for a cut", bad)
		}
	}
}

// TestASmallCampaignIsNotCutToNothing: a relay without a limit says 421 to most of
// the first messages of a campaign, when nobody knows yet how much it takes. The campaign
// is over soon all the same, and then the relay has its full rate again.
func TestASmallCampaignIsNotCutToNothing(t *testing.T) {
	now := time.Unix(0, 0)
	var c cut
	left, credit, angry := 200.0, 0.0, 24
	seconds := 0
	for ; left > 0 && seconds < 600; seconds++ {
		now = now.Add(time.Second)
		credit += 1e3
		if c.active() {
			if rate := c.base * c.share; rate < leastRate {
				t.Fatalf("cut to %g messages a second", rate)
			} else if credit = min(credit-1e3+rate, max(1, rate)); credit < 1 {
				continue
			}
		}
		n := min(left, float64(int(credit)), 10) // it is slow, too
		credit -= n
		if angry > 0 {
			c, angry = c.step(1, 3, full{measured: 1}, now), angry-3
			continue
		}
		left -= n
		c = c.step(int64(n), 0, full{measured: n}, now)
	}
	if seconds > 90 {
		t.Errorf("200 messages took %d seconds", seconds)
	}
	for ; c.active() && seconds < 600; seconds++ {
		now = now.Add(time.Second)
		c = c.step(1, 0, full{measured: 1}, now)
	}
	if seconds > 200 {
		t.Errorf("the relay has its full rate after %d seconds", seconds)
	}
}

// TestCutsAreSharedAndOutliveRedis: what one worker finds the others heed, and
// put back where Redis has forgotten it.
func TestCutsAreSharedAndOutliveRedis(t *testing.T) {
	onRedis(t, func(t *testing.T, client *redis.Client, flush func()) {
		ctx, now := context.Background(), time.Now()
		none := func(string) float64 { return 0 }
		a, b := newAdapter(client), newAdapter(client)
		for range 10 {
			a.of("group:yahoo").count(true, mailer.Result{Code: 421})
		}
		if changed := a.look(ctx, none, 1, time.Second, now); len(changed) != 1 || a.cut("group:yahoo").share != 0.5 {
			t.Errorf("changed %v", changed)
		}
		b.look(ctx, none, 1, time.Second, now)
		if got := b.cut("group:yahoo"); got.share != 0.5 || got.base < 5 {
			t.Errorf("the other worker knows %+v", got)
		}
		flush()
		b.look(ctx, none, 1, time.Second, now)
		c := newAdapter(client)
		c.look(ctx, none, 1, time.Second, now)
		if got := c.cut("group:yahoo"); got.share != 0.5 {
			t.Errorf("after Redis forgot: %+v", got)
		}
		a.forget(ctx, "group:yahoo", now.Add(time.Second))
		c.look(ctx, none, 1, time.Second, now.Add(time.Second))
		if got := c.cut("group:yahoo"); got.active() {
			t.Errorf("after it was cleared: %+v", got)
		}
	})
}

// TestSlows tells which answers ask for less.
func TestSlows(t *testing.T) {
	for _, one := range []struct {
		code        int
		enhanced    string
		stage       mailer.Stage
		slow, relay bool
	}{
		{421, "4.7.0", mailer.StageRcpt, true, true},
		{451, "4.7.1", mailer.StageMail, true, true},
		{451, "4.7.1", mailer.StageRcpt, true, false},
		{450, "", mailer.StageRcpt, true, false},
		{452, "4.2.2", mailer.StageRcpt, false, false},
		{450, "4.1.8", mailer.StageRcpt, false, false},
		{452, "4.3.1", mailer.StageEnd, true, false},
	} {
		slow, relay := slows(mailer.Result{Outcome: mailer.Deferred, Code: one.code, Enhanced: one.enhanced, Stage: one.stage})
		if slow != one.slow || relay != one.relay {
			t.Errorf("%d %s at %s: %v %v", one.code, one.enhanced, one.stage, slow, relay)
		}
	}
}

// TestGroups: the groups that are known, those of one's own, and by servers;
// what only looks like one belongs to none.
func TestGroups(t *testing.T) {
	g := newGroups([]Limit{{Group: "customer", Domains: []string{"example.net"}, MX: []string{"mail.example.net"}}, {Group: "apart", Domains: []string{"googlemail.com"}}})
	for email, want := range map[string]string{"a@gmail.com": "google", "a@GMail.Com": "google", "a@googlemail.com": "apart", "a@hotmail.co.uk": "microsoft",
		"a@example.net": "customer", "a@sub.example.net": Other, "a@notgmail.com": Other, "a@gmail.com.example": Other, "": Other, "a@": Other} {
		if got := g.of(email); got != want {
			t.Errorf("%q is in %s, want %s", email, got, want)
		}
	}
	for host, want := range map[string]string{"aspmx.l.google.com.": "google", "x-com.mail.protection.outlook.com": "microsoft", "mx1.mail.example.net.": "customer",
		"notgoogle.com": Other, "": Other, ".": Other, "com": Other} {
		if got := g.byServer(host); got != want {
			t.Errorf("the server %q is of %s, want %s", host, got, want)
		}
	}
}
