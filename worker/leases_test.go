package worker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// TestLeasesEndAndComeBack: a worker that dies leaves nothing taken for long, and
// an emptied Redis gives nobody more than there are.
func TestLeasesEndAndComeBack(t *testing.T) {
	onRedis(t, func(t *testing.T, client *redis.Client, flush func()) {
		ctx := context.Background()
		begin := func(worker string) *leases {
			s := newLeases(client, worker, newTokens(client))
			s.most["google"] = 2
			return s
		}
		a, b := begin("a"), begin("b")
		one, ok1 := a.take(ctx, "google")
		_, ok2 := b.take(ctx, "google")
		if _, ok3 := a.take(ctx, "google"); !ok1 || !ok2 || ok3 {
			t.Errorf("of two leases: %v, %v, a third %v", ok1, ok2, ok3)
		}
		flush()
		a.renew(ctx)
		b.renew(ctx)
		if _, ok := b.take(ctx, "google"); ok {
			t.Error("an emptied Redis gave a third")
		}
		a.drop(one)
		if _, ok := b.take(ctx, "google"); !ok {
			t.Error("what was ended cannot be taken")
		}
	})
}

// TestLeasesOfTheDead are free again after seconds, by the clock of Redis.
func TestLeasesOfTheDead(t *testing.T) {
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	now := time.Unix(1e9, 0)
	ctx := context.Background()
	begin := func(worker string, place int) *leases {
		s := newLeases(client, worker, newTokens(client))
		s.tokens.setWorkers(2)
		s.stand(place)
		s.most["relay:main"] = 3
		return s
	}
	dead, alive := begin("dead", 0), begin("alive", 1)
	pass := func(d time.Duration) {
		now = now.Add(d)
		server.SetTime(now)
		alive.renew(ctx)
	}
	pass(0)
	if _, ok := dead.take(ctx, "relay:main"); ok {
		t.Error("a Redis that knows nothing yet gave one")
	}
	pass(settleTime)
	for range 3 {
		if _, ok := dead.take(ctx, "relay:main"); !ok {
			t.Error("one of three was not given")
		}
	}
	if _, ok := alive.take(ctx, "relay:main"); ok {
		t.Error("a fourth was given")
	}
	dead.renew(ctx)
	if !dead.tooMany("relay:main") || alive.tooMany("relay:main") {
		t.Error("who holds too many is not told of who wants one")
	}
	pass(leaseTime - time.Second)
	if _, ok := alive.take(ctx, "relay:main"); ok {
		t.Error("one was taken away from who may live")
	}
	pass(time.Second)
	if _, ok := alive.take(ctx, "relay:main"); !ok {
		t.Error("what the dead held is not free")
	}
}

// TestLeasesWithoutRedis: nobody takes one before all others have come down to their
// part, and then no more than that; whoever is alone waits for nobody.
func TestLeasesWithoutRedis(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialTimeout: 100 * time.Millisecond})
	defer client.Close()
	begin := func(workers, place int) *leases {
		s := newLeases(client, fmt.Sprint(place), newTokens(client))
		s.tokens.setWorkers(workers)
		s.stand(place)
		s.most["relay:main"] = 3
		return s
	}
	takes := func(s *leases) (n int) {
		for range 5 {
			if _, ok := s.take(context.Background(), "relay:main"); ok {
				n++
			}
		}
		return n
	}
	a, b := begin(2, 0), begin(2, 1)
	if n := takes(a) + takes(b); n > 0 {
		t.Errorf("%d were taken at once", n)
	}
	a.since, b.since = time.Now().Add(-leaseTime), time.Now().Add(-leaseTime)
	if n, m := takes(a), takes(b); n != 2 || m != 1 {
		t.Errorf("of three connections the workers took %d and %d", n, m)
	}
	if n := takes(begin(1, 0)); n != 3 {
		t.Errorf("a worker that is alone took %d of three", n)
	}
}

// TestPartsAddUp: without Redis the parts of all workers are what the relay allows.
func TestPartsAddUp(t *testing.T) {
	for workers := 1; workers < 6; workers++ {
		for most := 1; most < 9; most++ {
			sum := 0
			for place := range workers {
				s := newLeases(nil, "", newTokens(nil))
				s.tokens.setWorkers(workers)
				s.stand(place)
				sum += s.part(most)
			}
			if sum != most {
				t.Errorf("of %d connections %d workers have %d", most, workers, sum)
			}
		}
	}
}
