package worker

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// bucket is one limit as it is now. What it lets through in any time T is at
// most rate×T and one burst: half a second's worth, or one message.
type bucket struct {
	name string
	rate float64 // messages a second
}

// gap is the time between two messages, in microseconds.
func (b bucket) gap() float64 { return 1e6 / b.rate }

// burst is how much may go at once, in microseconds of the rate.
func (b bucket) burst() float64 { return max(b.gap(), 5e5) }

// ask is what part of a batch wants: n messages, each of which needs every
// bucket. Of those that are owed it takes without waiting for them: they make
// others wait.
type ask struct {
	n     int
	needs []bucket
	owes  []bucket
}

// grant answers an ask.
type grant struct {
	n    int
	wait time.Duration // until there is one more, where not all were granted
	by   string        // the bucket that holds back the rest

	day   bool  // until tomorrow, by a warm-up
	lease lease // of a conversation with a group that has few
}

// takeScript does what own.take does, for all workers: generic cells whose time
// of arrival moves on by one gap a message. A bucket that was forgotten lets one
// message through and no burst. Clocks that jump back lock nothing for long.
var takeScript = redis.NewScript(`
local t = redis.call("TIME")
local now = t[1] * 1000000 + t[2]
local at, tat, gap, burst = 2, {}, {}, {}
for i, key in ipairs(KEYS) do
  gap[i], burst[i] = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local v = tonumber(redis.call("GET", key) or "") or (now + burst[i] - gap[i])
  if ARGV[at + 2] == "1" then v = math.max(v, now + burst[i]) end
  tat[i] = math.min(math.max(v, now), now + burst[i] + math.max(gap[i], 60000000))
  at = at + 3
end
local out = {}
for a = 1, tonumber(ARGV[1]) do
  local n, needs = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local all = tonumber(ARGV[at + 2])
  at = at + 3
  local give = n
  for b = 0, needs - 1 do
    local i = tonumber(ARGV[at + b])
    give = math.min(give, math.max(0, math.floor((now + burst[i] - tat[i]) / gap[i] + 0.000001)))
  end
  for b = 0, all - 1 do
    local i = tonumber(ARGV[at + b])
    tat[i] = tat[i] + give * gap[i]
  end
  local wait, by = 0, 0
  for b = 0, needs - 1 do
    local i = tonumber(ARGV[at + b])
    local w = math.max(1, math.ceil(tat[i] + gap[i] - burst[i] - now))
    if give < n and w > wait then wait, by = w, i end
  end
  out[#out + 1], out[#out + 2], out[#out + 3] = give, wait, by
  at = at + all
end
for i, key in ipairs(KEYS) do
  redis.call("SET", key, string.format("%.0f", tat[i]), "PX", string.format("%.0f", math.ceil((tat[i] - now) / 1000) + 60000))
end
return out
`)

// tokens hands out turns. They lie in Redis, so that all workers of all machines
// share them; while Redis is away each worker keeps to its part by itself.
type tokens struct {
	redis redis.UniversalClient

	mu      sync.Mutex
	own     map[string]float64 // time of arrival of a bucket, in microseconds
	away    time.Time          // Redis is not asked again before
	since   time.Time          // of the first failure in a row; zero: Redis answers
	dry     map[string]bool    // buckets that begin without a burst, after Redis was away
	workers int                // that live
	began   time.Time
}

func newTokens(client redis.UniversalClient) *tokens {
	return &tokens{redis: client, own: map[string]float64{}, dry: map[string]bool{}, workers: 1, began: time.Now()}
}

// take asks for turns: one round trip, however many messages and limits.
func (p *tokens) take(ctx context.Context, asks []ask) []grant {
	names, index := indexed(asks)
	if len(names) == 0 {
		return free(asks)
	}
	if p.isAway(false) {
		return p.takeOwn(asks)
	}
	keys, args := p.request(asks, names, index)
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	found, err := takeScript.Run(short, p.redis, keys, args...).Int64Slice()
	if err != nil || len(found) != 3*len(asks) {
		p.isAway(true)
		return p.takeOwn(asks)
	}
	p.answered(names)
	out := make([]grant, len(asks))
	for i := range asks {
		out[i] = grant{n: int(found[3*i]), wait: time.Duration(found[3*i+1]) * time.Microsecond}
		if by := int(found[3*i+2]); by > 0 {
			out[i].by = names[by-1].name
		}
	}
	return out
}

// indexed lists the buckets of all asks, each once.
func indexed(asks []ask) (all []bucket, index map[string]int) {
	index = map[string]int{}
	for _, a := range asks {
		for _, list := range [][]bucket{a.needs, a.owes} {
			for _, b := range list {
				if _, found := index[b.name]; !found {
					all = append(all, b)
					index[b.name] = len(all)
				}
			}
		}
	}
	return all, index
}

func free(asks []ask) []grant {
	out := make([]grant, len(asks))
	for i, a := range asks {
		out[i].n = a.n
	}
	return out
}

// request writes asks as takeScript reads them. All keys have one hash tag:
// a cluster keeps them on one node, as one script needs.
func (p *tokens) request(asks []ask, all []bucket, index map[string]int) (keys []string, args []any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	args = append(args, len(asks))
	for _, b := range all {
		dry := 0
		if p.dry[b.name] || !p.since.IsZero() {
			dry = 1
		}
		keys = append(keys, "heed:{pace}:"+b.name)
		args = append(args, b.gap(), b.burst(), dry)
	}
	for _, a := range asks {
		args = append(args, a.n, len(a.needs), len(a.needs)+len(a.owes))
		for _, list := range [][]bucket{a.needs, a.owes} {
			for _, b := range list {
				args = append(args, index[b.name])
			}
		}
	}
	return keys, args
}

// isAway tells whether Redis failed a moment ago; every batch that asked it
// would wait for the same time-out.
func (p *tokens) isAway(failed bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if failed {
		p.away = now.Add(2 * time.Second)
		if p.since.IsZero() {
			p.since = now
		}
	}
	return now.Before(p.away)
}

// answered notes that Redis is there. What was sent without it is not counted
// in it, so that each bucket begins empty after that.
func (p *tokens) answered(used []bucket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.since.IsZero() {
		p.since = time.Time{}
		for name := range p.own {
			p.dry[name] = true
		}
		clear(p.own)
	}
	for _, b := range used {
		delete(p.dry, b.name)
	}
}

// takeOwn keeps to this worker's part of each limit, beginning empty.
func (p *tokens) takeOwn(asks []ask) []grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := float64(time.Since(p.began).Microseconds())
	out := make([]grant, len(asks))
	for i, a := range asks {
		out[i] = p.ownGrant(a, now)
	}
	return out
}

func (p *tokens) ownGrant(a ask, now float64) grant {
	g := grant{n: a.n}
	for _, b := range a.needs {
		b = p.part(b)
		tat, known := p.own[b.name]
		if !known {
			tat = now + b.burst()
		}
		p.own[b.name] = max(tat, now)
		g.n = min(g.n, max(0, int(math.Floor((now+b.burst()-p.own[b.name])/b.gap()+1e-6))))
	}
	for _, list := range [][]bucket{a.needs, a.owes} {
		for _, b := range list {
			p.own[b.name] = max(p.own[b.name], now) + float64(g.n)*p.part(b).gap()
		}
	}
	for _, b := range a.needs {
		b = p.part(b)
		wait := time.Duration(max(1, math.Ceil(p.own[b.name]+b.gap()-b.burst()-now))) * time.Microsecond
		if g.n < a.n && wait > g.wait {
			g.wait, g.by = wait, b.name
		}
	}
	return g
}

// part is what one of several workers may without the others. A campaign's
// limit is divided too: which workers are at it nobody knows without Redis.
func (p *tokens) part(b bucket) bucket {
	b.rate /= float64(max(1, p.workers))
	return b
}

// setWorkers tells how many live.
func (p *tokens) setWorkers(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.workers = max(1, n)
}

func (p *tokens) living() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.workers
}
