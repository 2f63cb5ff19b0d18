package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"heed/consent"
)

// Ask asks to hand over one message: the last thing before the bytes that
// complete it.
type Ask struct {
	Campaign int64
	Address  consent.Key
}

// Verdict answers an Ask. Exactly one of Granted, Skipped and Later is set.
type Verdict struct {
	Granted bool
	Token   int64          // of a granted claim; its result must carry it
	Skipped consent.Reason // recorded: this message is never sent
	Later   string         // nothing recorded: "locked", "paused", "gone"
}

// Outcome is what became of a claimed message.
type Outcome string

// The outcomes of a claim.
const (
	Accepted  Outcome = "accepted"
	Refused   Outcome = "rejected"
	Deferred  Outcome = "deferred"
	GivenBack Outcome = "given_back"
	Uncertain Outcome = "uncertain"
	Expired   Outcome = "expired" // temporary failures for longer than it is tried
)

// Result is the outcome of one claim. Only the token of the open claim writes.
type Result struct {
	Ask
	Token   int64 // of the claim; 0 where it was refused before one was needed
	Outcome Outcome
	Code    int       // of the SMTP reply, 0 none
	Status  string    // enhanced code, such as 5.1.1
	EndAt   time.Time // when the end of the message was written; zero: never
	Due     time.Time // of a deferred message: when to try again
}

// ErrClosed means that the desk takes no more claims.
var ErrClosed = errors.New("no more claims are taken: the worker stops")

// Desk hands out claims for one worker. Claims that arrive together share one
// commit, together with the results of the messages before them: that is what
// makes a durable claim for every message cheap. There is one group at a time,
// so that a connection never has both an unrecorded result and a new claim.
type Desk struct {
	s      *Store
	worker string

	mu       sync.Mutex
	asks     []pending
	results  []Result
	chores   []*chore
	filed    []chan struct{} // closed when the results so far are recorded
	closed   bool
	stubborn int // failed groups since closing

	lingering bool // results wait for a claim
	company   company
	wake      chan struct{}
	done      chan struct{}

	onError func(error)
}

type pending struct {
	Ask
	token  int64
	answer chan<- answer
}

type answer struct {
	Verdict
	err error
}

// groupSize bounds a group: an opt-out that arrives meanwhile waits for one.
const groupSize = 64

// NewDesk opens the desk of a registered worker. failed is told of results that
// could not be recorded yet; they are kept and tried again.
func (s *Store) NewDesk(worker string, failed func(error)) *Desk {
	d := &Desk{s: s, worker: worker, wake: make(chan struct{}, 1), done: make(chan struct{}), onError: failed, company: newCompany()}
	go d.run()
	return d
}

// Claim asks for one message and waits for the verdict, which is durable when
// it comes back.
func (d *Desk) Claim(ctx context.Context, ask Ask) (Verdict, error) {
	reply := make(chan answer, 1)
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return Verdict{}, ErrClosed
	}
	d.asks = append(d.asks, pending{ask, newToken(), reply})
	d.company.asks()
	d.mu.Unlock()
	d.nudge()
	// Not cut short by ctx: the claim may be written at any moment, and then
	// somebody must know its token.
	a := <-reply
	return a.Verdict, a.err
}

// linger is how long a result waits for a claim to share its commit with. The
// next claim of its connection mostly follows at once.
const linger = 2 * time.Millisecond

// Finish records a result with the next group, or alone where none comes; it
// never blocks on the database.
func (d *Desk) Finish(r Result) {
	d.mu.Lock()
	d.results = append(d.results, r)
	d.company.returns(r.Token)
	first := !d.lingering
	d.lingering = true
	d.mu.Unlock()
	if first {
		time.AfterFunc(linger, d.nudge)
	}
}

// Flush waits until all results given so far are recorded.
func (d *Desk) Flush(ctx context.Context) error {
	filed := make(chan struct{})
	d.mu.Lock()
	d.filed = append(d.filed, filed)
	d.mu.Unlock()
	d.nudge()
	select {
	case <-filed:
	case <-d.done:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// Close records what is left and takes no more claims.
func (d *Desk) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.nudge()
	<-d.done
}

func (d *Desk) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *Desk) run() {
	defer close(d.done)
	for range d.wake {
		for d.group() {
		}
		d.mu.Lock()
		finished := d.closed && len(d.asks)+len(d.results)+len(d.chores) == 0
		d.mu.Unlock()
		if finished {
			return
		}
	}
}

// group takes what waits and commits it; more tells that more is waiting.
func (d *Desk) group() (more bool) {
	d.awaitCompany()
	for range 2 { // whoever is about to ask comes along; one time in 61 Go has who yields go on at once
		runtime.Gosched()
	}
	d.mu.Lock()
	n := min(len(d.asks), groupSize)
	asks, results, filed := d.asks[:n:n], d.results, d.filed
	d.asks, d.results, d.filed, d.lingering = d.asks[n:], nil, nil, false
	chores := d.takeChores()
	d.mu.Unlock()
	slices.SortFunc(asks, byAddress)
	if len(asks)+len(results)+len(chores) > 0 {
		d.commit(asks, results, chores)
	}
	for _, one := range filed {
		close(one)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asks)+len(d.results)+len(d.chores)+len(d.filed) > 0
}

// byAddress orders claims: whose came first is chance, and neighbours in an index
// cost less.
func byAddress(a, b pending) int {
	return cmp.Or(bytes.Compare(a.Address[:], b.Address[:]), cmp.Compare(a.Campaign, b.Campaign))
}

// commit tries the group, and where that fails each claim alone, so that one
// bad row costs nobody else. Results that cannot be recorded wait.
func (d *Desk) commit(asks []pending, results []Result, chores []*chore) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	began := time.Now()
	verdicts, err := d.s.claimGroup(ctx, d.worker, asks, results, chores...)
	if err == nil {
		d.mu.Lock()
		d.company.leaves(verdicts, time.Since(began))
		d.mu.Unlock()
		for i, one := range asks {
			one.answer <- answer{Verdict: verdicts[i]}
		}
		for _, one := range chores {
			one.done <- nil
		}
		return
	}
	d.onError(err)
	results = d.recordAlone(ctx, results)
	for _, one := range asks {
		verdicts, err := d.s.claimGroup(ctx, d.worker, []pending{one}, nil)
		if err != nil {
			one.answer <- answer{err: err}
			// It may be written all the same: the answer to a commit can be lost.
			results = append(results, Result{Ask: one.Ask, Token: one.token, Outcome: GivenBack})
			continue
		}
		one.answer <- answer{Verdict: verdicts[0]}
	}
	d.choresAlone(ctx, chores)
	d.keep(results)
}

func (d *Desk) recordAlone(ctx context.Context, results []Result) (left []Result) {
	for _, r := range results {
		if _, err := d.s.claimGroup(ctx, d.worker, nil, []Result{r}); err != nil {
			left = append(left, r)
		}
	}
	return left
}

// keep puts results back, to be tried again after a pause. A desk that is
// closing gives up after a while: the sweep then calls those claims uncertain.
func (d *Desk) keep(results []Result) {
	d.mu.Lock()
	if d.closed {
		d.stubborn++
	}
	giveUp := d.stubborn > 20
	d.mu.Unlock()
	if len(results) == 0 || giveUp {
		return
	}
	d.mu.Lock()
	d.results = append(results, d.results...)
	d.mu.Unlock()
	time.Sleep(200 * time.Millisecond)
	d.nudge()
}

// newToken makes a fencing token: whoever does not know it cannot write the
// result of the claim.
func newToken() int64 {
	var raw [8]byte
	rand.Read(raw[:])
	return int64(binary.BigEndian.Uint64(raw[:])>>1) | 1
}
