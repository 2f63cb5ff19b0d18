package worker

import (
	"sync"
	"time"

	"heed/mailer"
)

// OpenFor is how long a relay that does not work is spared before one lane tries
// whether it is back: often enough that it is used again within seconds.
const OpenFor = 3 * time.Second

const (
	opensAfter = 3           // failures in a row
	probeTime  = time.Minute // after which one who tries is taken to be lost
)

// Breaker states, as metrics and status tell them.
const (
	Closed   = "closed"    // in use
	HalfOpen = "half_open" // one batch tries it
	Open     = "open"      // spared
)

// breaker remembers how a relay has behaved of late.
type breaker struct {
	mu       sync.Mutex
	failures int       // in a row
	until    time.Time // open until then; zero: closed
	probing  time.Time // since when somebody tries; zero: nobody
	answered time.Time // last
}

// state names what it is at.
func (b *breaker) state(now time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.until.IsZero():
		return Closed
	case !b.probing.IsZero():
		return HalfOpen
	}
	return Open
}

// ready tells whether a batch may use the relay.
func (b *breaker) ready(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.until.IsZero() || !now.Before(b.until) && (b.probing.IsZero() || now.Sub(b.probing) > probeTime)
}

// begin notes that a batch uses it; where it was open, that batch is the probe.
func (b *breaker) begin(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.until.IsZero() {
		b.probing = now
	}
}

// wait is how long until it can be tried.
func (b *breaker) wait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() || now.After(b.until) && b.probing.IsZero() {
		return 0
	}
	return min(max(b.until.Sub(now), 250*time.Millisecond), OpenFor)
}

// failed counts a failure; opened tells that this one opened it.
func (b *breaker) failed(now time.Time) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	if b.failures < opensAfter && b.until.IsZero() {
		return false
	}
	opened = b.until.IsZero()
	b.until, b.probing = now.Add(OpenFor), time.Time{}
	return opened
}

// worked ends a row of failures; closed tells that it was open.
func (b *breaker) worked(now time.Time) (closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	closed = !b.until.IsZero()
	b.failures, b.until, b.probing, b.answered = 0, time.Time{}, time.Time{}, now
	return closed
}

// hearsay is how long ago the relay must have answered for the word of another
// worker to count: one whose own line is broken must not stop those that get through.
const hearsay = 10 * time.Second

// told opens it because another worker found that the relay is away; opened tells
// that it was not open.
func (b *breaker) told(now time.Time) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.until.IsZero() || now.Sub(b.answered) < hearsay {
		return false
	}
	b.failures, b.until = opensAfter, now.Add(OpenFor)
	return true
}

// left ends a try that found out nothing.
func (b *breaker) left() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = time.Time{}
}

// trouble tells whether a result speaks against the relay: it broke off, or
// said that it closes (421, RFC 5321 §3.8). What it says of one recipient or of
// a message is an answer, and proves that it is there.
func trouble(r mailer.Result) (failed, answered bool) {
	switch {
	case r.Code == 421, r.Code == 0 && (r.Outcome == mailer.Deferred || r.Outcome == mailer.Uncertain):
		return true, false
	}
	return false, r.Code != 0
}
