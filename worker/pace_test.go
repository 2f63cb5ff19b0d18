package worker_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/store/storetest"
	"heed/worker"
)

// mixed starts a campaign to people of several domains, one after the other.
func (b *bench) mixed(counts map[string]int, rate float64) int64 {
	b.t.Helper()
	ctx := context.Background()
	var all []store.Contact
	for domain, n := range counts {
		for i := range n {
			all = append(all, store.Contact{Row: len(all), Email: fmt.Sprintf("p%d@%s", i, domain), Topics: []string{"product"},
				ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"})
		}
	}
	if _, err := b.store.Import(ctx, all, "", false); err != nil {
		b.t.Fatal(err)
	}
	id, _, err := b.store.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: newsletter, Audience: "all", Rate: rate})
	if err == nil {
		err = b.store.Start(ctx, id)
	}
	for done := false; err == nil && !done; {
		done, err = b.store.FanOut(ctx, id)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// neverAbove fails where more messages to a domain ended by any moment since
// the start than the rate allows, with a burst of half a second and some more.
func neverAbove(t *testing.T, all []mailertest.Record, domain string, start time.Time, rate float64, more int) {
	t.Helper()
	n := 0
	for _, r := range all {
		if domain != "" && !strings.HasSuffix(r.To, "@"+domain) {
			continue
		}
		n++
		if most := rate*r.EndAt.Sub(start).Seconds() + max(1, rate/2) + float64(more); float64(n) > most {
			t.Errorf("%d messages to %q within %s, at most %.1f may", n, domain, r.EndAt.Sub(start), most)
			return
		}
	}
	if n == 0 {
		t.Errorf("nobody at %q got anything", domain)
	}
}

// TestOtherDomainsGoOn: of a campaign that is nearly all to one limited
// provider the rest arrives while that waits, and so does a later campaign.
func TestOtherDomainsGoOn(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	start := time.Now()
	id := b.mixed(map[string]int{"gmail.com": 270, "example.net": 30}, 0)
	stop := b.start(func(o *worker.Options) { o.Limits = []worker.Limit{{Group: "google", Rate: 1.0 / 60}} })
	defer stop()
	others := func() (n int) {
		for _, r := range b.sink.Records() {
			if strings.HasSuffix(r.To, "@example.net") {
				n++
			}
		}
		return n
	}
	b.until(id, func(store.Account) bool { return others() == 30 })
	next := b.again()
	a := b.until(next, func(store.Account) bool { return others() == 60 })
	neverAbove(t, b.sink.Records(), "gmail.com", start, 1.0/60, 0)
	if a.Waiting+a.InFlight+a.Accepted != 300 {
		t.Errorf("the account says %+v", a)
	}
}

// TestTwoWorkersShareALimit holds it over both, through an emptied Redis and one
// that restarts; and what waits for it is told.
func TestTwoWorkersShareALimit(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	server := storetest.OwnRedis(t)
	b.useRedis(server.URL())
	start := time.Now()
	id := b.mixed(map[string]int{"gmail.com": 120, "icloud.com": 20}, 0)
	limits := func(o *worker.Options) {
		o.Limits = []worker.Limit{{Group: "google", Rate: 30}, {Group: "apple", Rate: 20}}
	}
	stop, stop2 := b.start(limits), b.start(limits)
	told := false
	b.until(id, func(a store.Account) bool {
		held, err := b.store.HeldBy(context.Background(), id)
		told = told || err == nil && held["group:google"] > 0
		return a.Accepted > 40
	})
	if err := server.Command("+OK", "FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	b.lost()
	b.until(id, func(a store.Account) bool { return a.Accepted > 70 })
	if err := server.Stop(); err != nil { // what is under way goes on without it, by halves
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	b.lost()
	b.until(id, func(a store.Account) bool { return a.Accepted == 140 })
	stop()
	stop2()
	neverAbove(t, b.sink.Records(), "gmail.com", start, 30, 2)
	neverAbove(t, b.sink.Records(), "icloud.com", start, 20, 2)
	if b.sink.Count() != 140 || !told {
		t.Errorf("%d messages arrived, want 140; told who waits: %v", b.sink.Count(), told)
	}
}

// useRedis puts a real Redis in the place of the one in this process.
func (b *bench) useRedis(url string) {
	options, err := redis.ParseURL(url)
	if err != nil {
		b.t.Fatal(err)
	}
	client := redis.NewClient(options)
	b.t.Cleanup(func() { client.Close() })
	b.onRedis(client)
}

// lost makes jobs ready again that an emptied Redis has forgotten, as the
// scheduler does.
func (b *bench) lost() {
	b.t.Helper()
	jobs, err := b.store.Carried(context.Background(), -time.Second)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, j := range jobs {
		if err := b.store.Recarry(context.Background(), j); err != nil {
			b.t.Fatal(err)
		}
	}
}

// TestLimitsOfCampaignRelayAndAll hold each by itself.
func TestLimitsOfCampaignRelayAndAll(t *testing.T) {
	for name, set := range map[string]func(o *worker.Options, r *worker.Relay){
		"all":      func(o *worker.Options, _ *worker.Relay) { o.Rate = 20 },
		"relay":    func(_ *worker.Options, r *worker.Relay) { r.Rate = 20 },
		"campaign": nil,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, mailertest.Options{})
			start, rate := time.Now(), 0.0
			if set == nil {
				rate = 20
			}
			id := b.mixed(map[string]int{"example.net": 50}, rate)
			stop := b.start(func(o *worker.Options) {
				only := way(t, "only", b.sink)
				if set != nil {
					set(o, &only)
				}
				o.Relays = []worker.Relay{only}
			})
			b.until(id, func(a store.Account) bool { return a.Accepted == 50 })
			stop()
			neverAbove(t, b.sink.Records(), "", start, 20, 0)
		})
	}
}

// TestWarmUpHoldsUntilTomorrow: what today allows goes, the rest waits for the
// next day, whatever Redis remembers; an alert goes and counts.
func TestWarmUpHoldsUntilTomorrow(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	var mu sync.Mutex
	now := time.Now()
	b.store = storetest.OpenWith(t, func(o *store.Options) {
		o.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	go func() { // time passes
		for t.Context().Err() == nil {
			mu.Lock()
			now = now.Add(10 * time.Millisecond)
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
		}
	}()
	id := b.mixed(map[string]int{"example.net": 60}, 0)
	stop := b.start(func(o *worker.Options) {
		o.Now = clock
		young := way(t, "young", b.sink)
		young.WarmUp = []int{20, 30}
		o.Relays = []worker.Relay{young}
	})
	defer stop()
	b.until(id, func(a store.Account) bool { return a.Accepted == 20 })
	if err := b.redis.FlushAll(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	alert := b.alert("p0@example.net")
	b.until(alert, func(a store.Account) bool { return a.Accepted == 1 })
	a := b.until(id, func(a store.Account) bool {
		held, err := b.store.HeldBy(context.Background(), id)
		return err == nil && held["relay:young"] == 40
	})
	if a.Accepted != 20 {
		t.Errorf("the first day %d went, 20 may", a.Accepted)
	}
	mu.Lock()
	now = now.Add(24 * time.Hour)
	mu.Unlock()
	b.until(id, func(a store.Account) bool { return a.Accepted == 50 })
	mu.Lock()
	now = now.Add(24 * time.Hour)
	mu.Unlock()
	b.until(id, func(a store.Account) bool { return a.Accepted == 60 })
}

// TestDeferralsCutAndSuccessesGrow: a provider that defers by rate is sent less
// by itself, others are not, and everybody gets the mail in the end.
func TestDeferralsCutAndSuccessesGrow(t *testing.T) {
	var mu sync.Mutex
	slow := true
	b := newBench(t, mailertest.Options{OnRcpt: func(_, to string) mailertest.Reply {
		mu.Lock()
		defer mu.Unlock()
		if slow && strings.HasSuffix(to, "@gmail.com") {
			return mailertest.Reply{Code: 451, Enhanced: "4.7.28", Text: "unusual rate of mail"}
		}
		return mailertest.Reply{}
	}})
	id := b.mixed(map[string]int{"gmail.com": 40, "example.net": 60}, 0)
	stop := b.start(nil)
	defer stop()
	ctx := context.Background()
	cutTo := func(name string) float64 {
		all, err := b.store.Pace(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if one.Name == name && one.Workers > 0 {
				return one.Cut
			}
		}
		return 1
	}
	b.until(id, func(a store.Account) bool { return cutTo("group:google") <= 0.5 })
	if got := cutTo("group:yahoo"); got != 1 {
		t.Errorf("another provider was cut to %g", got)
	}
	mu.Lock()
	slow = false
	mu.Unlock()
	b.until(id, func(a store.Account) bool { return a.Accepted == 100 })
	if err := b.store.ClearPace(ctx, "group:google"); err != nil {
		t.Fatal(err)
	}
	b.until(id, func(store.Account) bool { return cutTo("group:google") == 1 })
}

// TestGroupConnections: no more conversations with a provider at once than are
// allowed, over two workers.
func TestGroupConnections(t *testing.T) {
	var mu sync.Mutex
	open, most := 0, 0
	b := newBench(t, mailertest.Options{EndDelay: 2 * time.Millisecond, OnEnd: func(r mailertest.Record) mailertest.Reply {
		if strings.HasSuffix(r.To, "@gmail.com") {
			mu.Lock()
			open++
			most = max(most, open)
			mu.Unlock()
			time.Sleep(3 * time.Millisecond) // as a conversation takes time
			mu.Lock()
			open--
			mu.Unlock()
		}
		return mailertest.Reply{}
	}})
	id := b.mixed(map[string]int{"gmail.com": 200}, 0)
	two := func(o *worker.Options) { o.Limits = []worker.Limit{{Group: "google", Connections: 2}} }
	stop, stop2 := b.start(two), b.start(two)
	b.until(id, func(a store.Account) bool { return a.Accepted == 200 })
	stop()
	stop2()
	if most > 2 {
		t.Errorf("%d messages to one provider were under way at once, 2 may", most)
	}
}

// TestGroupsByMX: a domain whose mail a known provider takes counts with it, as
// soon as that is known; nobody waits for the DNS.
func TestGroupsByMX(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	asked := make(chan string, 10)
	find := func(_ context.Context, domain string) ([]*net.MX, error) {
		asked <- domain
		if domain == "company.example" {
			return []*net.MX{{Host: "ASPMX.L.Google.com.", Pref: 1}}, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: domain, IsNotFound: true}
	}
	id := b.mixed(map[string]int{"company.example": 1, "other.example": 1}, 0)
	stop := b.start(func(o *worker.Options) {
		o.ByMX, o.FindMX = true, find
		o.Limits = []worker.Limit{{Group: "google", Rate: 10}}
	})
	b.until(id, func(a store.Account) bool { return a.Accepted == 2 })
	for range 2 {
		<-asked
	}
	start := time.Now()
	b.mixed(map[string]int{"company.example": 30}, 0)
	b.until(id+1, func(a store.Account) bool { return a.Accepted == 31 }) // other.example is still on the list
	stop()
	neverAbove(t, b.sink.Records()[2:], "company.example", start, 10, 0)
}

// counter counts the commands that have to do with the pace.
type counter struct{ n atomic.Int64 }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if text := fmt.Sprint(cmd.Args()...); strings.Contains(text, "{pace}") && cmd.Name() != "hgetall" { // that is once a second
			c.n.Add(1)
		}
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// TestNoLimitCostsNothing: a campaign without limits never asks for its pace; one
// with limits asks once for many messages.
func TestNoLimitCostsNothing(t *testing.T) {
	for name, rate := range map[string]float64{"none": 0, "plenty": 1e5} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, mailertest.Options{})
			var asked counter
			b.redis.AddHook(&asked)
			id := b.mixed(map[string]int{"gmail.com": 150, "example.net": 150}, 0)
			stop := b.start(func(o *worker.Options) { o.Rate = rate })
			b.until(id, func(a store.Account) bool { return a.Accepted == 300 })
			stop()
			if n := asked.n.Load(); (n > 0) != (rate > 0) || n > 60 {
				t.Errorf("Redis was asked %d times for 300 messages", n)
			}
		})
	}
}
