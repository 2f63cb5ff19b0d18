package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// leaseTime is how long a conversation counts that nobody has ended: its worker
// renews it every second as long as both live.
const (
	leaseTime = 10 * time.Second
	leaseWait = 100 * time.Millisecond // until it is looked again
)

// lease is the right to one conversation with a group.
type lease struct{ group, member string }

// leases count conversations with groups, over all workers. While Redis is away
// each worker keeps to its part.
type leases struct {
	redis  redis.UniversalClient
	worker string
	tokens *tokens

	mu   sync.Mutex
	last int
	held map[lease]bool
}

var leaseScript = redis.NewScript(`
local t = redis.call("TIME")
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
if redis.call("ZCARD", KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call("ZADD", KEYS[1], now + tonumber(ARGV[3]), ARGV[2])
redis.call("PEXPIRE", KEYS[1], tonumber(ARGV[3]) * 2)
return 1
`)

func leaseKey(group string) string { return "heed:{pace}:open:" + group }

// take gives a lease, unless most of them are given already.
func (s *leases) take(ctx context.Context, group string, most int) (lease, bool) {
	s.mu.Lock()
	s.last++
	l := lease{group, fmt.Sprintf("%s.%d", s.worker, s.last)}
	own := 0
	for one := range s.held {
		if one.group == group {
			own++
		}
	}
	s.mu.Unlock()
	if own >= most || !s.shared(ctx, l, most, own) {
		return lease{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[l] = true
	return l, true
}

func (s *leases) shared(ctx context.Context, l lease, most, own int) bool {
	if !s.tokens.isAway(false) {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		got, err := leaseScript.Run(short, s.redis, []string{leaseKey(l.group)}, most, l.member, leaseTime.Milliseconds()).Int()
		if err == nil {
			return got == 1
		}
		s.tokens.isAway(true)
	}
	return own < max(1, most/s.tokens.living())
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
	_ = s.redis.ZRem(ctx, leaseKey(l.group), l.member).Err() // it ends by itself
}

var renewScript = redis.NewScript(`
local t = redis.call("TIME")
redis.call("ZADD", KEYS[1], t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(ARGV[2]), ARGV[1])
redis.call("PEXPIRE", KEYS[1], tonumber(ARGV[2]) * 2)
`)

// renew keeps the leases of this worker, and puts them back where Redis has
// forgotten them.
func (s *leases) renew(ctx context.Context) {
	s.mu.Lock()
	held := slices.Collect(maps.Keys(s.held))
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, l := range held {
		if s.tokens.isAway(false) {
			return
		}
		if err := renewScript.Run(ctx, s.redis, []string{leaseKey(l.group)}, l.member, leaseTime.Milliseconds()).Err(); err != nil && !errors.Is(err, redis.Nil) {
			s.tokens.isAway(true)
		}
	}
}
