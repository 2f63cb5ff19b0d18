package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"
)

// turnstile lets one goroutine of a simulation through at a time, which it
// picks by its seed. Goroutines come to it before each statement, each commit and
// each word of SMTP; what they do in between nobody else sees. So a seed
// always gives the same course of events.
type turnstile struct {
	rand *rand.Rand
	came chan struct{} // somebody may have come since the last look

	mu     sync.Mutex
	parked []*visitor
	names  map[string]string // of goroutines, by their numbers
	writer any               // who holds SQLite's writing lock
	open   atomic.Bool       // everybody goes through at once: the simulation is being set up or is over

	steps int
	round int    // looks at who waits
	busy  int    // steps at which something was done, not only looked for
	sum   uint64 // of the course of events so far
	tell  func(format string, args ...any)
}

// visitor is a goroutine that waits for its turn.
type visitor struct {
	at    *process
	ctx   context.Context // ends the waiting; nil: nothing does
	round int             // in which it came
	name  string          // of its goroutine, where others may ask for the same
	what  string
	pass  chan error
	ready func() bool // nil: always

	from       time.Time        // not before
	until      func() time.Time // from then on even if not ready; nil: never
	lock, keep bool             // needs the writing lock, and keeps it
	holder     any
	idle       bool // it only looks whether there is something to do
	slowed     bool // its disk was slow already
}

func newTurnstile(seed uint64) *turnstile {
	return &turnstile{rand: rand.New(rand.NewPCG(seed, 0x68656564)), came: make(chan struct{}, 1), names: map[string]string{}, sum: 14695981039346656037}
}

// wait waits for the turn of v.
func (g *turnstile) wait(v *visitor) error {
	g.mu.Lock()
	if g.open.Load() || v.at.dead {
		g.mu.Unlock()
		return v.at.fate()
	}
	v.pass, v.round = make(chan error, 1), g.round
	g.parked = append(g.parked, v)
	g.mu.Unlock()
	g.knock()
	if v.ctx == nil {
		return <-v.pass
	}
	select {
	case err := <-v.pass:
		return err
	case <-v.ctx.Done():
		g.leave(v)
		return v.ctx.Err()
	}
}

// leave takes somebody away who waits no longer.
func (g *turnstile) leave(v *visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parked = slices.DeleteFunc(g.parked, func(one *visitor) bool { return one == v })
}

func (g *turnstile) knock() {
	select {
	case g.came <- struct{}{}:
	default:
	}
}

// call names the goroutine that calls it.
func (g *turnstile) call(name string) {
	id, _ := goroutine()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.names[id] = name
}

// who tells who asks. Numbers of goroutines differ from run to run; one without
// a name has that of its parent, and where it was begun.
func (g *turnstile) who() string {
	id, _ := goroutine()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.names[id] == "" {
		_, begun := goroutine(16 << 10)
		what, rest, _ := strings.Cut(begun, " in goroutine ")
		parent, _, _ := strings.Cut(rest, "\n")
		g.names[id] = g.names[parent] + " " + what
	}
	return g.names[id]
}

// goroutine gives the number of this goroutine and, with room for it, where it was
// begun.
func goroutine(room ...int) (id, begun string) {
	text := make([]byte, append(room, 64)[0])
	text = text[:runtime.Stack(text, false)]
	_, begun, _ = strings.Cut(string(text), "created by ")
	return strings.Fields(string(text[:min(len(text), 64)]))[1], begun
}

// pause lets a time pass. With idle nobody is kept from ending by it.
func (g *turnstile) pause(at *process, what string, d time.Duration, idle bool) error {
	return g.wait(&visitor{at: at, what: what, from: time.Now().Add(d), idle: idle})
}

// errBusy is what SQLite says to whoever waited too long for its lock.
var errBusy = errors.New("database is locked")

// freed is told that the writing lock was given back.
func (g *turnstile) freed(holder any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.writer == holder {
		g.writer = nil
	}
}

// waiting lists those who may go now, in an order that each replay has.
func (g *turnstile) waiting(now time.Time) (can []*visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, v := range g.parked {
		if g.may(v, now) {
			can = append(can, v)
		}
	}
	slices.SortStableFunc(can, func(a, b *visitor) int {
		return cmp.Or(cmp.Compare(a.round, b.round), cmp.Compare(a.at.name, b.at.name), cmp.Compare(a.name, b.name), cmp.Compare(a.what, b.what))
	})
	return can
}

func (g *turnstile) may(v *visitor, now time.Time) bool {
	if now.Before(v.from) || now.Before(v.at.frozen) {
		return false
	}
	late := !v.deadline().IsZero() && !now.Before(v.deadline())
	if v.lock && g.writer != nil {
		return late
	}
	return v.ready == nil || v.ready() || late
}

func (v *visitor) deadline() time.Time {
	if v.until == nil {
		return time.Time{}
	}
	return v.until()
}

// let lets one through; err is what it hears.
func (g *turnstile) let(v *visitor, err error) {
	g.mu.Lock()
	g.parked = slices.DeleteFunc(g.parked, func(one *visitor) bool { return one == v })
	if v.lock && g.writer != nil {
		err = errBusy
	}
	if v.keep && err == nil {
		g.writer = v.holder
	}
	g.mu.Unlock()
	g.steps++
	if v.holder == nil && v.what != "look" && v.what != "beat" {
		g.busy++
	}
	g.note("%s: %s %v", v.at.name, v.what, err)
	v.pass <- err
}

// note adds an event to the course of events.
func (g *turnstile) note(format string, args ...any) {
	line := fmt.Sprintf("%d %d ", g.steps, time.Now().UnixMicro()) + fmt.Sprintf(format, args...)
	h := fnv.New64a()
	h.Write([]byte(line))
	g.sum = g.sum*1099511628211 ^ h.Sum64()
	if g.tell != nil {
		g.tell("%s", line)
	}
}

// sweepOut sends away all who wait for a process that is dead.
func (g *turnstile) sweepOut(dead *process) {
	g.mu.Lock()
	var out []*visitor
	g.parked = slices.DeleteFunc(g.parked, func(v *visitor) bool {
		if v.at == dead {
			out = append(out, v)
		}
		return v.at == dead
	})
	g.mu.Unlock()
	for _, v := range out {
		v.pass <- dead.fate()
	}
}

// throwOpen ends the simulation: everybody goes through from now on.
func (g *turnstile) throwOpen() {
	g.mu.Lock()
	g.open.Store(true)
	out := g.parked
	g.parked = nil
	g.mu.Unlock()
	for _, v := range out {
		v.pass <- v.at.fate()
	}
}

// settle waits until everybody stands at the turnstile or waits for time.
func (g *turnstile) settle() {
	synctest.Wait()
	g.round++
	select {
	case <-g.came:
	default:
	}
}

// next is the first moment at which somebody else may go, looking only at those
// who are not idle if there are any.
func (g *turnstile) next(now time.Time) (at time.Time, idle bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var busy, calm time.Time
	for _, v := range g.parked {
		for _, t := range []time.Time{v.from, v.deadline(), v.at.frozen} {
			first := &busy
			if v.idle {
				first = &calm
			}
			if t.After(now) && (first.IsZero() || t.Before(*first)) {
				*first = t
			}
		}
	}
	if busy.IsZero() || !calm.IsZero() && calm.Before(busy) {
		return calm, true
	}
	return busy, false
}
