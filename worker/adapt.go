package worker

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"heed/mailer"
)

// How a limit gives way by itself. A provider or relay that defers our mail
// (4yz, 421) gets half as much at once, and then a twentieth of its full rate
// more every few seconds in which it takes mail without deferring any.
const (
	cutTo     = 0.5
	cutLowest = 1.0 / 64
	cutEvery  = 3 * time.Second // answers to what was sent before a cut say nothing of it
	growBy    = 1.0 / 20
	growEvery = 5 * time.Second
	slowShare = 20 // one deferral in so many answers is a wish to get less
)

// Where no limit is configured the full rate is a guess, and a poor one when a campaign
// has only begun: it is never taken to be less than guessLeast for a relay or a group,
// nor are they cut below leastRate. Both are messages a second.
const (
	guessLeast = 20.0
	leastRate  = 1.0
)

// full is what is known of the full rate of a limit.
type full struct {
	ceiling  float64 // as configured; 0: none
	measured float64 // of late
	one      bool    // a single domain, which may be a very small server
}

// base is the full rate, as far as it is known.
func (f full) base() float64 {
	switch {
	case f.ceiling > 0:
		return f.ceiling
	case f.one:
		return max(1, f.measured)
	}
	return max(guessLeast, f.measured)
}

// lowest is the share of a full rate that is left in any case.
func (f full) lowest(base float64) float64 {
	if f.ceiling > 0 || f.one {
		return cutLowest
	}
	return min(cutTo, max(cutLowest, leastRate/base))
}

// cut is how far a limit has given way.
type cut struct {
	share float64   // of its full rate; 1: all
	base  float64   // messages a second that were full for it where no limit is configured
	at    time.Time // of the last change, by the clock of who made it
	noted time.Time // when this worker made it or heard of it, by its own
}

// step is the rule: halve where deferrals say so, grow where there are none.
func (c cut) step(ok, slow int64, f full, now time.Time) cut {
	if c.share == 0 {
		c = cut{share: 1}
	}
	switch since := now.Sub(c.noted); {
	case slow > 0 && slow*slowShare >= ok+slow:
		if c.share < 1 && since < cutEvery {
			return c
		}
		if c.share == 1 {
			c.base = f.base()
		}
		c.share, c.at, c.noted = max(c.share*cutTo, f.lowest(c.base)), now, now
	case ok > 0 && c.share < 1 && since >= growEvery:
		c.share, c.at, c.noted = math.Min(1, c.share+growBy), now, now
	}
	return c
}

// active tells whether it limits anything.
func (c cut) active() bool { return c.share > 0 && c.share < 1 }

func (c cut) text() string { return fmt.Sprintf("%g %g %d", c.share, c.base, c.at.UnixMilli()) }

func parseCut(text string) (c cut, ok bool) {
	var at int64
	if _, err := fmt.Sscan(text, &c.share, &c.base, &at); err != nil || !(c.share > 0 && c.share <= 1) || c.base < 0 {
		return cut{}, false
	}
	c.at = time.UnixMilli(at)
	return c, true
}

// tally counts the answers about one group or relay since the last look.
type tally struct {
	ok, slow atomic.Int64
	speed    float64 // answers a second at most, of late
	total    [3]atomic.Int64
	idle     time.Duration // since the last answer
}

// What an answer says: a place in tally.total.
const (
	tookIt = iota
	laterOn
	refusedIt
)

var answerNames = [3]string{"accepted", "deferred", "rejected"}

func (t *tally) count(slow bool, said mailer.Result) {
	switch said.Code / 100 {
	case 2:
		t.total[tookIt].Add(1)
	case 4:
		t.total[laterOn].Add(1)
	case 5:
		t.total[refusedIt].Add(1)
	}
	if slow {
		t.slow.Add(1)
		return
	}
	t.ok.Add(1)
}

// measure keeps the best speed of the last half minute or so. A campaign that has
// just begun, or a worker that had little to do, would make too low a speed the full
// one, which takes a minute to be mended; too high a one is cut again in seconds.
func (t *tally) measure(now float64) { t.speed = max(now, t.speed*0.95) }

// adapter keeps the cuts. All workers share them in Redis; each remembers them,
// and puts them back where Redis has forgotten.
type adapter struct {
	redis redis.UniversalClient
	any   atomic.Bool // whether any cut is active

	mu      sync.Mutex
	tallies map[string]*tally
	cuts    map[string]cut
	said    map[string]string // what Redis said of each last

	domains atomic.Int64 // single domains that are watched or cut
}

func newAdapter(client redis.UniversalClient) *adapter {
	return &adapter{redis: client, tallies: map[string]*tally{}, cuts: map[string]cut{}, said: map[string]string{}}
}

// of gives the tally of a name.
func (a *adapter) of(name string) *tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tallies[name] == nil {
		a.tallies[name] = &tally{}
	}
	return a.tallies[name]
}

// cut tells how far a name has given way.
func (a *adapter) cut(name string) cut {
	if !a.any.Load() {
		return cut{share: 1}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.cuts[name]; c.share > 0 {
		return c
	}
	return cut{share: 1}
}

const cutsKey = "heed:{pace}:cuts"

// swap writes a cut unless another worker was faster: its next look tells this
// one. An empty one is forgotten.
var swap = redis.NewScript(`
if (redis.call("HGET", KEYS[1], ARGV[1]) or "") ~= ARGV[2] then return 0 end
if ARGV[3] == "" then redis.call("HDEL", KEYS[1], ARGV[1]) else redis.call("HSET", KEYS[1], ARGV[1], ARGV[3]) end
return 1
`)

// look takes in what other workers have found, and steps on where this one has
// answers. ceiling gives the configured rate of a name. changed lists what has
// another cut than before.
func (a *adapter) look(ctx context.Context, ceiling func(string) float64, workers int, elapsed time.Duration, now time.Time) (changed []string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second) // nobody waits longer for a Redis that hangs
	defer cancel()
	shared, err := a.redis.HGetAll(ctx, cutsKey).Result()
	changed, news := a.step(shared, err == nil, ceiling, workers, elapsed, now)
	for _, n := range news { // without the lock: whoever sends asks for cuts, and must not wait for Redis
		_ = swap.Run(ctx, a.redis, []string{cutsKey}, n.name, n.before, n.after).Err() // Redis that fails here is asked again at the next look
	}
	return changed
}

// news is a cut that Redis does not know yet.
type news struct{ name, before, after string }

// step takes in what Redis told, steps on, and gives what to tell it.
func (a *adapter) step(shared map[string]string, there bool, ceiling func(string) float64, workers int, elapsed time.Duration, now time.Time) (changed []string, tell []news) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := map[string]float64{}
	for name, c := range a.cuts {
		before[name] = c.share
	}
	a.hear(shared, there, now)
	for name, t := range a.tallies {
		if t.idle += elapsed; isDomain(name) && a.tooFew(name, t) {
			continue
		}
		ok, slow := t.ok.Swap(0), t.slow.Swap(0)
		t.measure(float64(ok+slow) / elapsed.Seconds())
		if ok+slow > 0 && !spared(name, ok) {
			t.idle = 0
			a.cuts[name] = a.cuts[name].step(ok, slow, full{ceiling(name), t.speed * float64(max(1, workers)), isDomain(name)}, now)
		}
	}
	tell = a.forgetDomains(now)
	active := false
	for name, c := range a.cuts {
		active = active || c.active()
		if text := c.text(); there && shared[name] != text && (c.active() || shared[name] != "") {
			tell = append(tell, news{name, shared[name], text})
		}
		if before[name] != c.share && (before[name] != 0 || c.share != 1) {
			changed = append(changed, name)
		}
	}
	a.any.Store(active)
	return changed, tell
}

// hear takes in what others have changed. Whether it is news is told by what Redis
// said before, and by no clock: those of machines differ.
func (a *adapter) hear(shared map[string]string, there bool, now time.Time) {
	if !there {
		return
	}
	for name, text := range shared {
		if c, ok := parseCut(text); ok && text != a.said[name] && text != a.cuts[name].text() {
			c.noted = now
			a.cuts[name] = c
		}
	}
	a.said = shared
}

// spared tells what is never cut: all other domains together, for what one small
// server says is no reason to hold back the rest; and a relay that takes nothing
// at all, which is away rather than too busy.
func spared(name string, ok int64) bool {
	return name == groupOf+Other || ok == 0 && strings.HasPrefix(name, relayOf)
}

// forget drops a cut that somebody has cleared.
func (a *adapter) forget(ctx context.Context, name string, now time.Time) {
	c := cut{share: 1, at: now, noted: now}
	a.mu.Lock()
	a.cuts[name] = c
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = a.redis.HSet(ctx, cutsKey, name, c.text()).Err() // where Redis is away the others have read the same word in SQL
}

// slows tells whether an answer asks for less: by its code, where it has one of
// its own, and never for what lies with one mailbox (X.1.*, X.2.*) or one message
// (X.6.*; RFC 3463 §3). relay tells that it is the relay itself that asks: it
// answers to MAIL, or closes.
func slows(r mailer.Result) (slow, relay bool) {
	if r.Outcome != mailer.Deferred || r.Code/100 != 4 {
		return false, false
	}
	if r.Code == 421 || r.Stage == mailer.StageMail {
		return true, true
	}
	if len(r.Enhanced) > 3 {
		switch r.Enhanced[:4] {
		case "4.1.", "4.2.", "4.6.":
			return false, false
		}
	}
	return true, false
}
