package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"heed/store"
	"heed/store/storetest"
)

// step is asked before each statement and each commit.
func (m *simMachine) step(ctx context.Context, s storetest.Step) error {
	if err := m.pass(); err != nil {
		return err
	}
	if s.What == "commit" {
		m.w.wait(m.w.slowDisk())
	}
	if s.What != "done" && s.Holder != nil && m.w.badDisk() {
		m.w.note("%s: the disk fails at %s", m.name, s.What)
		return errBadDisk
	}
	if s.Lock {
		if err := m.w.lock(ctx, s); err != nil {
			return err
		}
	}
	m.watch(s)
	err := m.pass()
	if s.Lock && (err != nil || !s.Keep) { // SQLite itself keeps it for a single statement
		m.w.freed(s.Holder)
	}
	return err
}

var errBadDisk = errors.New("disk I/O error")

// watch sees claims: between the commit of one and what follows somebody may leave,
// or the machine be stopped.
func (m *simMachine) watch(s storetest.Step) {
	m.mu.Lock()
	var claimed []string
	switch {
	case strings.HasPrefix(s.Query, "INSERT INTO claim"):
		for _, arg := range s.Args {
			text, _ := arg.Value.(string)
			if _, known := m.w.People[text]; known {
				m.claims = append(m.claims, text)
			}
		}
	case s.What == "done":
		claimed, m.claims = m.claims, nil
	}
	m.mu.Unlock()
	for _, key := range claimed {
		m.w.duel(m, key)
	}
}

// lock waits for SQLite's one writing lock, as long as SQLite does.
func (w *simWorld) lock(ctx context.Context, s storetest.Step) error {
	timer := time.NewTimer(15 * time.Second)
	defer timer.Stop()
	for {
		freed := w.takes(s.Holder)
		if freed == nil {
			return nil
		}
		select {
		case <-freed:
		case <-timer.C:
			return errors.New("database is locked")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// takes takes the lock, or gives what to wait for.
func (w *simWorld) takes(holder any) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writer != nil {
		return w.freeing
	}
	w.writer = holder
	return nil
}

// freed gives the lock back, where holder has it.
func (w *simWorld) freed(holder any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writer == holder {
		w.writer = nil
		close(w.freeing)
		w.freeing = make(chan struct{})
	}
}

// slowDisk draws how long a commit takes.
func (w *simWorld) slowDisk() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calm || !w.dice.chance(w.plan.slowDisk) {
		return 0
	}
	d := w.dice.between(100*time.Millisecond, 5*time.Second)
	w.noteLocked("the disk needs %v", d)
	return d
}

func (w *simWorld) badDisk() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.calm && w.dice.chance(w.plan.badDisk)
}

func (w *simWorld) wait(d time.Duration) {
	if d > 0 {
		time.Sleep(d)
	}
}

// duel lets somebody leave, or a machine be stopped, right when a message was claimed.
func (w *simWorld) duel(m *simMachine, key string) {
	w.mu.Lock()
	who := w.People[key]
	if w.calm || w.duels == 0 || !w.dice.chance(w.plan.inFlight) {
		w.mu.Unlock()
		return
	}
	w.duels--
	stop, after, from := w.dice.duel(), time.Duration(0), w.dice.IntN(2)
	if stop > store.Silence {
		after = 6500 * time.Millisecond // it is taken for dead by then
	}
	w.mu.Unlock()
	if stop > 0 {
		m.freeze(stop)
	}
	w.acting.Go(func() {
		w.wait(after)
		if other := w.somebody(from); other != nil {
			w.unsubscribe(other, who, 0)
		}
	})
}

// duel draws how long a machine is stopped: not at all, for less than an opt-out waits,
// for more, or for so long that it is taken for dead.
func (r simRand) duel() time.Duration {
	switch r.IntN(5) {
	case 0:
		return 0
	case 1:
		return r.between(300*time.Millisecond, 1800*time.Millisecond)
	case 2:
		return r.between(2*time.Second, 3*time.Second)
	}
	return r.between(9*time.Second, 15*time.Second)
}
