package main

import (
	"fmt"
	"testing/synctest"
	"time"
)

// run plays the course to its end.
func (w *simWorld) run() {
	for _, e := range w.plan.events {
		w.passUntil(e.at)
		if len(w.broken()) > 0 {
			break
		}
		w.happens(e)
	}
	w.passUntil(w.plan.calm)
	w.calmDown()
	w.settle()
	w.end()
}

// passUntil lets time pass, and looks now and then how things stand.
func (w *simWorld) passUntil(at time.Duration) {
	for len(w.broken()) == 0 {
		left := at - (time.Since(w.began) - w.skipped)
		if left <= 0 {
			return
		}
		time.Sleep(min(left, simLook))
		w.audit()
	}
}

// simLook is how often all is checked.
const simLook = 500 * time.Millisecond

// audit holds the database to the invariants. After all machines were stopped they
// need a moment to find what is too old by then.
func (w *simWorld) audit() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.stopped) > 10*time.Second {
		w.Verify(w.auditor)
	}
}

// calmDown ends all trouble: whatever happened, everything must now come to its end.
func (w *simWorld) calmDown() {
	w.note("calm")
	w.mu.Lock()
	w.calm = true
	close(w.thawed)
	w.thawed = make(chan struct{})
	w.mu.Unlock()
	for _, m := range w.all() {
		m.mu.Lock()
		m.frozen, m.ahead = time.Time{}, 0
		m.mu.Unlock()
	}
	w.acting.Wait()
}

// Everything must end within patience of the last sign of progress. Only what waits
// for a time of its own, such as another attempt, may take longer: nobody does
// anything until then.
const simPatience = 40 * time.Second

// settle waits until nobody has anything to do any more.
func (w *simWorld) settle() {
	moved, last := time.Now(), ""
	for len(w.broken()) == 0 {
		line, done := w.stand()
		if done {
			return
		}
		if line != last {
			last, moved = line, time.Now()
		}
		if time.Since(moved) > simPatience {
			w.mu.Lock()
			w.violated("I3: nothing moves for " + simPatience.String() + ": " + line)
			w.mu.Unlock()
			return
		}
		w.resumeAll()
		if w.leap() {
			moved = time.Now()
		}
		time.Sleep(simLook)
		w.audit()
	}
}

// stand tells where everything stands.
func (w *simWorld) stand() (line string, done bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line, done = w.Stands()
	for _, row := range w.look(`SELECT campaign, state, count(*) FROM delivery GROUP BY 1, 2 ORDER BY 1, 2`) {
		line += fmt.Sprint("; ", row)
	}
	return line, done
}

func (w *simWorld) look(query string) [][]string {
	rows, err := w.place.Peek.Rows(query)
	if err != nil {
		w.violated(err.Error())
	}
	return rows
}

// leap stops all machines until the next attempt is due, or the next day of a relay that
// warms up, where all that is left waits for one: nobody has to look on while nothing
// happens.
func (w *simWorld) leap() bool {
	w.mu.Lock()
	rows := w.look(fmt.Sprintf(`SELECT min(due) FROM (SELECT due FROM retry UNION ALL SELECT due FROM job WHERE state = 'ready')
		WHERE NOT EXISTS (SELECT 1 FROM job WHERE state <> 'done' AND NOT (state = 'ready' AND due > %d)) AND NOT EXISTS (SELECT 1 FROM claim)`,
		time.Now().Add(simPatience/2).UnixMicro()))
	w.mu.Unlock()
	var due int64
	if len(rows) == 0 || rows[0][0] == "" {
		return false
	}
	fmt.Sscan(rows[0][0], &due)
	left := time.Until(time.UnixMicro(due)) - 100*time.Millisecond
	if left < 2*time.Second {
		return false
	}
	w.stopAll(left)
	return true
}

// end lets everybody go home: a machine that stops leaves nothing open.
func (w *simWorld) end() {
	if len(w.broken()) == 0 {
		w.mu.Lock()
		w.Balance(w.auditor)
		w.mu.Unlock()
	}
	for _, m := range w.all() {
		m.kill()
	}
	for _, m := range w.all() {
		w.leaves(m)
	}
	w.running.Wait()
	time.Sleep(time.Minute) // go-redis may be dialling still
	w.relay.cut()
	w.relay.sink.Close()
	if w.redis != nil {
		w.redis.close()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, mistake := range w.relay.sink.Violations() {
		w.violated("in the conversation with the relay: " + mistake)
	}
	w.auditor.Close()
}

// leaves waits until a machine that was asked to has ended.
func (w *simWorld) leaves(m *simMachine) {
	select {
	case <-m.ended:
	case <-time.After(lastWord):
		w.mu.Lock()
		w.violated(m.name + " does not stop within " + lastWord.String())
		w.mu.Unlock()
		if !m.isDead() {
			m.crash()
		}
	}
}

// settled waits until nobody is in the middle of anything.
func settled() { synctest.Wait() }
