package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"
)

// pace makes messages wait for their turn. The limits lie in Redis, so that
// all workers of all machines share them; while Redis is away each worker
// keeps to the limit by itself.
type pace struct {
	shared  *redis_rate.Limiter
	overall float64 // messages a second over all campaigns; 0 none

	mu   sync.Mutex
	own  map[string]*rate.Limiter
	away time.Time // Redis is not asked again before
}

func newPace(client redis.UniversalClient, overall float64) *pace {
	return &pace{shared: redis_rate.NewLimiter(client), overall: overall, own: map[string]*rate.Limiter{}}
}

// longest is how long a lane waits for one message before it gives its batch
// back, so that others can use the lane.
const longest = 3 * time.Second

// wait returns when a message of the campaign may be sent. later is how long
// the batch should rest where that would take too long.
func (p *pace) wait(ctx context.Context, campaign int64, limit float64, stop <-chan struct{}) (later time.Duration) {
	began := time.Now()
	for _, one := range []struct {
		name  string
		limit float64
	}{{"pace:all", p.overall}, {fmt.Sprintf("pace:campaign:%d", campaign), limit}} {
		for one.limit > 0 {
			pause := p.ask(ctx, one.name, one.limit)
			if pause == 0 {
				break
			}
			if time.Since(began)+pause > longest {
				return pause
			}
			select {
			case <-ctx.Done():
				return pause
			case <-stop:
				return pause
			case <-time.After(pause):
			}
		}
	}
	return 0
}

// ask takes a turn, or tells how long to wait before asking again.
func (p *pace) ask(ctx context.Context, name string, limit float64) time.Duration {
	burst := max(1, int(limit/20))
	if p.isAway(false) {
		return p.askOwn(name, limit, burst)
	}
	answer, err := p.shared.Allow(ctx, name, redis_rate.Limit{Rate: 1, Burst: burst, Period: time.Duration(float64(time.Second) / limit)})
	if err != nil {
		p.isAway(true)
		return p.askOwn(name, limit, burst)
	}
	if answer.Allowed > 0 {
		return 0
	}
	return max(answer.RetryAfter, time.Millisecond)
}

// isAway tells whether Redis failed a moment ago; every message that asked it
// would wait for the same time-out.
func (p *pace) isAway(failed bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if failed {
		p.away = time.Now().Add(2 * time.Second)
	}
	return time.Now().Before(p.away)
}

func (p *pace) askOwn(name string, limit float64, burst int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.own[name]
	if own == nil {
		own = rate.NewLimiter(rate.Limit(limit), burst)
		p.own[name] = own
	}
	own.SetLimit(rate.Limit(limit))
	if own.Allow() {
		return 0
	}
	return max(time.Duration(float64(time.Second)/limit), time.Millisecond)
}
