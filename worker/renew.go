package worker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// A worker says every second which conversations it holds, and hears whether others
// want some. What it holds beyond its part it then gives up as its batches end, and at
// once what it has not used since it looked last.

// renewScript keeps leases, puts them back where Redis has forgotten them, and tells
// whether others want some or too many are held.
var renewScript = redis.NewScript(`
local most, worker, lasts, marks = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4]
local t = redis.call("TIME")
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if redis.call("PEXPIRE", KEYS[3], marks) == 0 then
  redis.call("SET", KEYS[3], string.format("%.0f", now), "PX", marks)
end
for i = 5, #ARGV do redis.call("ZADD", KEYS[1], now + lasts, ARGV[i]) end
if #ARGV > 4 then redis.call("PEXPIRE", KEYS[1], 2 * lasts) end
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
if redis.call("ZCARD", KEYS[1]) > most then return 1 end
for _, who in ipairs(redis.call("ZRANGEBYSCORE", KEYS[2], now, "+inf")) do
  if who ~= worker then return 1 end
end
return 0
`)

// run renews until ctx ends, whatever the store is at meanwhile.
func (s *leases) run(ctx context.Context, also func()) {
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for {
		s.renew(ctx)
		also()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// renew does it once, for all names.
func (s *leases) renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for name, most := range s.most {
		pressed := true // while Redis is away everybody comes down to their part
		if !s.tokens.isAway(false) {
			got, err := renewScript.Run(ctx, s.redis, leaseKeys(name), s.renewal(name, most)...).Int()
			s.met(err)
			pressed = err != nil || got == 1
		}
		s.mu.Lock()
		s.pressed[name] = pressed
		s.mu.Unlock()
	}
}

func (s *leases) renewal(name string, most int) []any {
	args := []any{most, s.worker, leaseTime.Milliseconds(), markTime.Milliseconds()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.held {
		if one.name == name {
			args = append(args, one.member)
		}
	}
	return args
}

// end gives everything up.
func (s *leases) end() {
	s.mu.Lock()
	var all []lease
	for one := range s.held {
		all = append(all, one)
	}
	s.mu.Unlock()
	for _, one := range all {
		s.drop(one)
	}
}
