package worker

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heed/store"
	"heed/store/storetest"
)

// TestSimulation lets the real store, consent, send and opt-out code run through
// the courses of events of many seeds. HEED_SIM_SEED=n shows one of them;
// HEED_SIM_SEEDS=n is how many are run, from HEED_SIM_FROM on.
func TestSimulation(t *testing.T) {
	place := newPlace(t)
	if seed, one := simNumber("HEED_SIM_SEED", 0); one {
		o := simulate(t, place, seed, true)
		t.Logf("seed %d: %d steps, %v of time, %d messages, course %x", seed, o.steps, o.took, o.messages, o.sum)
		o.judge(t, seed)
		return
	}
	n, _ := simNumber("HEED_SIM_SEEDS", 300)
	from, _ := simNumber("HEED_SIM_FROM", 0)
	var steps, messages int
	began := time.Now()
	for seed := from; seed < from+n && !tooMany(t); seed++ {
		o := simulate(t, place, seed, false)
		o.judge(t, seed)
		steps, messages = steps+o.steps, messages+o.messages
	}
	took := time.Since(began)
	t.Logf("%d seeds, %d steps, %d messages in %v: %.0f seeds a second", n, steps, messages, took.Round(time.Second), float64(n)/took.Seconds())
}

// tooMany ends a run that has shown enough.
func tooMany(t *testing.T) bool { return t.Failed() && os.Getenv("HEED_SIM_ALL") == "" }

func simNumber(name string, usual uint64) (n uint64, given bool) {
	n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
	if err != nil {
		return usual, false
	}
	return n, true
}

// TestSimulationKept runs the seeds that have found something, by what they
// found. The course of a seed changes with the code: what they found has a test
// of its own too.
func TestSimulationKept(t *testing.T) {
	place := newPlace(t)
	for name, seed := range map[string]uint64{
		"alert paused while its fate was unknown": 1255,
		"change of address during an erasure":     1148,
		"verify and an erased reader of an alert": 161,
	} {
		t.Run(name, func(t *testing.T) { simulate(t, place, seed, false).judge(t, seed) })
	}
}

// TestSimulationReplays: a seed is one course of events, whenever it is run.
func TestSimulationReplays(t *testing.T) {
	place := newPlace(t)
	for seed := range uint64(100) {
		first, second := simulate(t, place, seed, false), simulate(t, place, seed, false)
		if first.sum != second.sum {
			t.Errorf("seed %d went another way: %d steps and %d, courses %x and %x", seed, first.steps, second.steps, first.sum, second.sum)
		}
	}
}

// outcome is what came of a seed.
type outcome struct {
	wrong    []string
	steps    int
	messages int
	took     time.Duration
	sum      uint64
}

func (o outcome) judge(t *testing.T, seed uint64) {
	t.Helper()
	for _, one := range o.wrong {
		t.Errorf("seed %d: %s\n\treplay it with: HEED_SIM_SEED=%d go test ./worker -run '^TestSimulation$' -v", seed, one, seed)
	}
}

func simulate(t *testing.T, place *storetest.Place, seed uint64, loud bool) (o outcome) {
	t.Helper()
	defer alone(seed)()
	place.SetBack(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, place, seed)
		if loud {
			w.gate.tell = t.Logf
		}
		w.run()
		o = outcome{wrong: w.wrong, steps: w.gate.steps, messages: w.relay.handed, took: time.Since(w.began), sum: w.gate.sum}
	})
	return o
}

// alone has goroutines that were woken together go on one after the other, in the
// order in which they were woken: between two turns too a seed is to have one
// course. The collector would mix that order.
func alone(seed uint64) (end func()) {
	procs, percent := runtime.GOMAXPROCS(1), debug.SetGCPercent(-1)
	return func() {
		runtime.GOMAXPROCS(procs)
		debug.SetGCPercent(percent)
		if seed%32 == 0 {
			runtime.GC()
		}
	}
}

func newWorld(t *testing.T, place *storetest.Place, seed uint64) *world {
	time.Sleep(time.Hour) // after all that the template was made with
	gate := newTurnstile(seed)
	w := &world{t: t, seed: seed, rand: gate.rand, gate: gate, place: place, began: time.Now(), queues: map[string][]string{},
		faults: newFaults(gate.rand)}
	w.Alert, w.Peek, w.Violated = alertID, place.Peek, w.violated
	trouble, kinds := troubles(w.rand)
	if w.faults.doubt {
		trouble["END"], kinds = 0.6, []string{"451 4.3.0 later", "554 5.6.0 no", "452 4.2.2 full"}
	}
	w.relay = &simRelay{w: w, chunking: w.rand.IntN(2) == 0, pipelining: w.rand.IntN(4) > 0, trouble: trouble, kinds: kinds}
	w.office = w.begin("office", false)
	for i := range 2 {
		if i > 0 && !w.faults.doubt && w.rand.IntN(2) == 0 {
			break
		}
		w.crew = append(w.crew, w.begin("worker", true))
	}
	w.Know(t, w.office.store, crowdSize, func(i int) []string { return []string{address(i), "new-" + address(i)} })
	go w.schedule(w.office)
	return w
}

// The lengths of a course: how many steps may go wrong, and how many there may
// be in all.
const (
	troubled  = 500
	mostSteps = 20000
)

// run goes through the course of events of a seed.
func (w *world) run() {
	defer w.end()
	w.play()
	w.gate.settle()
	var last *visitor
	for w.gate.steps < mostSteps && len(w.wrong) == 0 {
		w.gate.settle()
		if !w.calm && w.gate.steps > troubled && !w.doubting {
			w.calmDown()
		}
		now := time.Now()
		w.revive(now)
		can := w.gate.waiting(now)
		if len(can) == 0 {
			if w.idle(now) {
				w.gate.throwOpen()
				w.gate.settle()
				w.Balance(w.office.store)
				return
			}
			continue
		}
		// The dice are thrown only where somebody can go on: how often the clock is
		// looked at while nobody can, is not the same each time.
		if w.strike() {
			continue
		}
		if w.chance(w.faults.tick) {
			time.Sleep(time.Duration(w.rand.Int64N(5e6)))
			continue
		}
		v := w.pick(can, last)
		if w.delay(v) {
			continue
		}
		last = v
		w.gate.let(v, w.fails(v))
	}
	if len(w.wrong) == 0 {
		line, _ := w.Stands()
		w.violated(fmt.Sprintf("I3: no end after %d steps: %s", w.gate.steps, line))
	}
}

// pick chooses who goes on. Beats come first once all is calm, because time may
// then pass in leaps.
func (w *world) pick(can []*visitor, last *visitor) *visitor {
	for _, v := range can {
		if w.calm && v.what == "beat" {
			return v
		}
	}
	for _, v := range can {
		if strings.HasPrefix(v.what, intime) && w.rand.IntN(4) > 0 {
			return v
		}
	}
	if last != nil && w.rand.Float64() < w.faults.sticky {
		for _, v := range can {
			if v.at == last.at {
				return v
			}
		}
	}
	return can[w.rand.IntN(len(can))]
}

// calmDown ends all trouble: whatever happened, everything must now come to
// its end.
func (w *world) calmDown() {
	w.gate.note("calm")
	w.calm = true
	w.relay.away = time.Time{}
	for _, p := range append([]*process{w.office}, w.crew...) {
		p.frozen, p.ahead, p.back = time.Time{}, 0, time.Time{}
	}
}

// idle lets time pass until somebody can go on; over tells that nothing is left
// to be done.
func (w *world) idle(now time.Time) (over bool) {
	if !w.calm && w.script.open.Load() == 0 && w.gate.writer == nil {
		if _, done := w.Stands(); done {
			w.calmDown()
		}
	}
	if w.calm && w.rest(now) {
		return true
	}
	at, _ := w.gate.next(now)
	if back := w.back(now); !back.IsZero() && (at.IsZero() || back.Before(at)) {
		at = back
	}
	if w.leap > 0 && at.Before(now.Add(w.leap)) {
		at = now.Add(w.leap)
	}
	if at.IsZero() {
		at = now.Add(time.Minute)
	}
	select {
	case <-w.gate.came:
	case <-time.After(at.Sub(now)):
	}
	return false
}

// rest tells whether all is done. What was paused goes on, and where everybody
// only looks at the clock, time passes in growing leaps.
func (w *world) rest(now time.Time) bool {
	if w.script.open.Load() > 0 {
		return false
	}
	if _, done := w.Stands(); done {
		return !w.office.dead // which is asked at the end
	}
	if !w.office.dead && !now.Before(w.resumed) {
		w.resumeAll(now)
	}
	if _, idle := w.gate.next(now); !idle || w.gate.busy != w.seen {
		w.seen, w.leap = w.gate.busy, 0
		return false
	}
	w.leap = min(max(2*w.leap, 100*time.Millisecond), 5*time.Minute)
	return false
}

// resumeAll lets what was paused go on. Who asked waits a little before asking
// again: a slow disk may not have taken it yet.
func (w *world) resumeAll(now time.Time) {
	for _, row := range w.rows(`SELECT id FROM campaign WHERE state = 'paused'`) {
		w.resumed = now.Add(100 * time.Millisecond)
		id, _ := strconv.ParseInt(row[0], 10, 64)
		w.act("resume", 0, func(ctx context.Context, s *store.Store) { w.resume(ctx, s, id) })
	}
}

// end lets everybody go home.
func (w *world) end() {
	w.gate.note("the end")
	w.gate.throwOpen()
	for _, p := range append([]*process{w.office}, w.crew...) {
		if p.dead {
			continue
		}
		if p.worker != nil {
			close(p.worker.stopping)
		}
		p.kill()
		for _, c := range p.conns {
			c.Close()
		}
		w.bury(p)
	}
	w.graves.Wait()
}
