package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// leaseTime is how long a conversation counts that nobody has ended: its worker
// renews it every second as long as both live.
const (
	leaseTime = 5 * time.Second
	leaseWait = 100 * time.Millisecond // until it is looked again
	wantTime  = 1200 * time.Millisecond
	// markTime is how long Redis may be left alone before it counts as one that has
	// forgotten; then none is given for a while, so that all can say what they hold.
	markTime   = 3 * time.Second
	settleTime = 2500 * time.Millisecond
)

// lease is the right to one conversation: with a group, or a relay.
type lease struct{ name, member string }

// leases count conversations over all workers. While Redis is away each worker
// keeps to its part.
type leases struct {
	redis  redis.UniversalClient
	worker string
	tokens *tokens
	most   map[string]int // by name

	mu      sync.Mutex
	last    int
	held    map[lease]bool
	pressed map[string]bool // others want what this worker may have too much of
	since   time.Time       // of the first failure in a row; zero: Redis answers
	place   int             // of this worker among all that live
}

func newLeases(client redis.UniversalClient, worker string, t *tokens) *leases {
	return &leases{redis: client, worker: worker, tokens: t, most: map[string]int{}, held: map[lease]bool{}, pressed: map[string]bool{}}
}

// Keys: who holds, who wants, and since when Redis has known. What it knows is worth
// nothing at first where there are several workers: it may have forgotten.
func leaseKeys(name string) []string {
	return []string{"heed:{pace}:open:" + name, "heed:{pace}:want:" + name, "heed:{pace}:known"}
}

var leaseScript = redis.NewScript(`
local most, member, worker, several = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4] == "1"
local lasts, wants, marks, settles = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local t = redis.call("TIME")
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local since = redis.call("GET", KEYS[3])
if not since then
  since = string.format("%.0f", now)
  redis.call("SET", KEYS[3], since, "PX", marks)
end
if several and now - tonumber(since) < settles then return 0 end
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
if redis.call("ZCARD", KEYS[1]) >= most then
  redis.call("ZADD", KEYS[2], now + wants, worker)
  redis.call("PEXPIRE", KEYS[2], 2 * wants)
  return 0
end
redis.call("ZADD", KEYS[1], now + lasts, member)
redis.call("PEXPIRE", KEYS[1], 2 * lasts)
return 1
`)

// take gives a lease, unless most of them are given already, or others want what would
// be beyond this worker's part.
func (s *leases) take(ctx context.Context, name string) (lease, bool) {
	s.mu.Lock()
	s.last++
	l := lease{name, fmt.Sprintf("%s.%d", s.worker, s.last)}
	own, most := s.own(name), s.most[name]
	pressed := s.pressed[name] && own > 0
	s.mu.Unlock()
	if own >= most || pressed && own >= s.part(most) || !s.shared(ctx, l, own) {
		return lease{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[l] = true
	return l, true
}

// own counts what this worker holds of a name.
func (s *leases) own(name string) (n int) {
	for one := range s.held {
		if one.name == name {
			n++
		}
	}
	return n
}

func (s *leases) shared(ctx context.Context, l lease, own int) bool {
	if !s.tokens.isAway(false) {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		several := 0
		if s.tokens.living() > 1 {
			several = 1
		}
		got, err := leaseScript.Run(short, s.redis, leaseKeys(l.name), s.most[l.name], l.member, s.worker, several,
			leaseTime.Milliseconds(), wantTime.Milliseconds(), markTime.Milliseconds(), settleTime.Milliseconds()).Int()
		if s.met(err); err == nil {
			return got == 1
		}
	}
	return own < s.alone(s.most[l.name])
}

// met notes whether Redis answered.
func (s *leases) met(err error) {
	if err != nil {
		s.tokens.isAway(true)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.since = time.Time{}
	} else if s.since.IsZero() {
		s.since = time.Now()
	}
}

// alone is how many this worker may hold without Redis: its part, once all others
// have had the time to come down to theirs.
func (s *leases) alone(most int) int {
	s.mu.Lock()
	since := s.since
	s.mu.Unlock()
	if s.tokens.living() > 1 && (since.IsZero() || time.Since(since) < leaseTime) {
		return 0
	}
	return s.part(most)
}

// part is what one of the workers that live may hold: together they hold most, and
// not one more.
func (s *leases) part(most int) int {
	n := s.tokens.living()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.place < most%n {
		return most/n + 1
	}
	return most / n
}

// stand tells which of n living workers this one is.
func (s *leases) stand(place int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.place = max(0, place)
}

// tooMany tells whether this worker holds more than its part of what others want.
func (s *leases) tooMany(name string) bool {
	s.mu.Lock()
	own, pressed := s.own(name), s.pressed[name]
	s.mu.Unlock()
	return pressed && own > s.part(s.most[name])
}

// wanted tells whether others want what this worker holds.
func (s *leases) wanted(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pressed[name]
}

// drop ends a lease; the zero one is none.
func (s *leases) drop(l lease) {
	if l.member == "" {
		return
	}
	s.mu.Lock()
	delete(s.held, l)
	s.mu.Unlock()
	if s.tokens.isAway(false) {
		return // it ends by itself
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.redis.ZRem(ctx, leaseKeys(l.name)[0], l.member).Err() // it ends by itself
}
