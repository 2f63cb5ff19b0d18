package worker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// What one worker has found of a relay the others need not find anew: above all one
// that has just begun, or has had nothing to do, does not try a relay that is known
// to be away with every lane at once.

// sparedFor is how long the word of a worker counts that says nothing more.
const sparedFor = 5 * time.Second

func sparedKey(relay string) string { return "heed:{pace}:spared:" + relay }

// shareRelays tells which relays this worker spares, and hears which ones others do.
// Without Redis each worker finds out for itself.
func (p *pace) shareRelays(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	now := p.w.Now()
	heard := map[*relay]*redis.StringCmd{}
	_, _ = p.w.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error { // an error is one of its commands'
		for _, r := range p.w.relays.all {
			if r.breaker.state(now) == Closed {
				heard[r] = pipe.Get(ctx, sparedKey(r.Name))
			} else {
				pipe.Set(ctx, sparedKey(r.Name), p.w.id, sparedFor)
			}
		}
		return nil
	})
	for r, said := range heard {
		if who, err := said.Result(); err == nil && who != p.w.id && r.breaker.told(now) {
			p.w.Log.Warn("relay_spared", "relay", r.Name, "for", OpenFor.String())
		}
	}
}
