package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"heed/store/storetest"
)

// faults are what goes wrong in the course of one seed, and how often. Each
// seed has only some of them, so that each is also met alone.
type faults struct {
	crashWorker, crashOffice, freezeWorker, freezeOffice float64 // a step
	slowDisk, badDisk, clockJump, relayAway, flush       float64
	lost, twice                                          float64 // a task
	tick                                                 float64 // time passes although somebody could go on
	sticky                                               float64 // whoever went goes on
	doubt                                                bool    // answers to the end come late, and people ask for another copy
}

func newFaults(r *rand.Rand) faults {
	some := func(rates ...float64) float64 {
		if r.IntN(5) < 3 {
			return 0
		}
		return rates[r.IntN(len(rates))]
	}
	f := faults{
		crashWorker: some(0.002, 0.01), crashOffice: some(0.002, 0.005), freezeWorker: some(0.005, 0.02), freezeOffice: some(0.002, 0.005),
		slowDisk: some(0.05, 0.3), badDisk: some(0.002, 0.01), clockJump: some(0.005), relayAway: some(0.003), flush: some(0.005),
		lost: some(0.2), twice: some(0.3),
		doubt: r.IntN(2) == 0,
		tick:  []float64{0.01, 0.1, 0.3}[r.IntN(3)], sticky: []float64{0, 0, 0.7, 0.95}[r.IntN(4)],
	}
	if f.doubt {
		f.crashOffice, f.freezeOffice = 0, 0 // it is who asks
	}
	return f
}

func (w *world) chance(p float64) bool { return p > 0 && !w.calm && w.rand.Float64() < p }

// strike lets happen what is to happen before the next step, and tells whether
// anything did.
func (w *world) strike() bool {
	before := w.struck
	f := w.faults
	w.hit(f.crashWorker, func() { w.crash(w.crew[w.rand.IntN(len(w.crew))]) })
	w.hit(f.crashOffice, func() { w.crash(w.office) })
	w.hit(f.freezeWorker, func() { w.freeze(w.crew[w.rand.IntN(len(w.crew))]) })
	w.hit(f.freezeOffice, func() { w.freeze(w.office) })
	w.hit(f.clockJump, w.jump)
	w.hit(f.relayAway, func() { w.relay.away = time.Now().Add(time.Duration(w.rand.Int64N(3e9))) })
	w.hit(f.flush, w.flush)
	return w.struck > before
}

func (w *world) hit(p float64, how func()) {
	if w.chance(p) {
		w.struck++
		how()
	}
}

func (w *world) flush() {
	w.gate.note("Redis forgets")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queues = map[string][]string{}
}

// freeze stops a process, as SIGSTOP does: for a moment, for longer than it may
// be silent, or for an hour.
func (w *world) freeze(p *process) {
	d := []time.Duration{500 * time.Millisecond, 2500 * time.Millisecond, 9 * time.Second, 12 * time.Second, time.Hour}[w.rand.IntN(5)]
	w.gate.note("%s is stopped for %v", p.name, d)
	p.frozen = time.Now().Add(d + w.relay.latency())
}

// jump sets a wall clock wrong, by a moment or by far more than a worker may be
// silent.
func (w *world) jump() {
	all := append(slices.Clone(w.crew), w.office)
	p := all[w.rand.IntN(len(all))]
	p.ahead = []time.Duration{0, time.Second, -time.Second, 20 * time.Second, -20 * time.Second}[w.rand.IntN(5)]
	w.Jumped = true
	w.gate.note("the clock of %s is %v ahead", p.name, p.ahead)
}

// enqueue hands a task to Redis, which may lose it or hand it out twice.
func (f faults) enqueue(w *world, queue, id string) {
	if w.chance(f.lost) {
		w.gate.note("Redis loses %s", id)
		return
	}
	w.push(queue, id)
	if w.chance(f.twice) {
		w.push(queue, id)
	}
}

// awaitsClaims begins what is asked again and again by whoever waits for messages in
// flight, of whom there may be several in one process at the same moment.
const awaitsClaims = "SELECT count(*) FROM claim "

// sqlStep waits for the turn of one statement or commit.
func (w *world) sqlStep(ctx context.Context, p *process, s storetest.Step) error {
	v := &visitor{at: p, ctx: ctx, what: strings.TrimSpace(s.What + " " + brief(s)), lock: s.Lock, keep: s.Keep, holder: s.Holder}
	if s.What == "query" && s.Reader && (p.worker != nil || strings.HasPrefix(s.Query, awaitsClaims)) {
		v.name = w.gate.who()
	}
	if strings.HasPrefix(s.Query, "INSERT INTO claim") {
		p.claiming = true
	}
	if s.What == "done" && p.claiming {
		defer func() { w.claimed, p.claiming = w.gate.steps, false }()
	}
	if s.Lock { // SQLite's busy_timeout
		by := time.Now().Add(15 * time.Second)
		v.until = func() time.Time { return by }
	}
	return w.gate.wait(v)
}

// brief is the beginning of a statement, in one line, with the numbers that it
// is about: not those of random things and of times.
func brief(s storetest.Step) string {
	text := s.Query
	if len(text) > 60 {
		text = strings.Join(strings.Fields(text[:60]), " ")
	}
	for _, arg := range s.Args {
		if n, is := arg.Value.(int64); is && n >= 0 && n < 1e6 {
			text += " " + strconv.FormatInt(n, 10)
		}
	}
	return text
}

var errDisk = errors.New("disk I/O error")

// delay lets a commit take its time, once.
func (w *world) delay(v *visitor) bool {
	if v.slowed || v.what != "commit" || !w.chance(w.faults.slowDisk) {
		return false
	}
	v.slowed = true
	d := time.Duration(2e8 + w.rand.Int64N(5e9))
	w.gate.note("the disk needs %v", d)
	v.from = time.Now().Add(d)
	return true
}

// fails tells whether SQLite fails at a step.
func (w *world) fails(v *visitor) error {
	if v.holder == nil || v.what == "done" || !w.chance(w.faults.badDisk) {
		return nil
	}
	return errDisk
}
