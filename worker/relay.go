package worker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"heed/mailer"
)

// Relay is one way out.
type Relay struct {
	mailer.Relay
	Name        string   // as status, metrics and the log know it; empty: its address
	Weight      int      // its share of the batches, beside the others; 0: 1
	Queues      []string // that it serves: newsletter, alert, privacy; none: all
	Connections int      // for newsletters at once, over all workers; 0: no limit of its own
	Rate        float64  // messages a second over all workers; 0: no limit
	WarmUp      []int    // messages a day, day after day; then no more limit
}

func (r Relay) serves(queue string) bool {
	return len(r.Queues) == 0 || slices.Contains(r.Queues, queue)
}

// relay is a Relay with what this worker knows of it.
type relay struct {
	Relay
	breaker breaker
	tally   *tally

	mu     sync.Mutex // of all below; those that choose hold relays.mu first
	idle   map[string][]*mailer.Conn
	busy   map[string]int
	credit map[string]int // of the weighted rotation, by queue

	seats   []lease   // where Connections are bounded
	asked   int       // seats that are being asked for
	peak    int       // of busy, since it was looked last
	refused time.Time // the last seat
}

// relays are all ways out.
type relays struct {
	all []*relay
	now func() time.Time

	mu    sync.Mutex
	freed chan struct{} // a batch has left a relay whose seats are bounded
}

func newRelays(all []Relay, now func() time.Time) *relays {
	set := &relays{now: now, freed: make(chan struct{}, 1)}
	for _, one := range all {
		one.Weight = max(1, one.Weight)
		if one.Name == "" {
			one.Name = one.Addr()
		}
		set.all = append(set.all, &relay{Relay: one, idle: map[string][]*mailer.Conn{}, busy: map[string]int{}, credit: map[string]int{}})
	}
	return set
}

// lanes is how many batches of newsletters go at once: as many as the worker
// may, or as the relays allow together where each has a limit of its own; part is what
// one worker has of it.
func (s *relays) lanes(worker int, part func(most int) int) int {
	sum := 0
	for _, one := range s.all {
		if !one.serves("newsletter") {
			continue
		}
		if one.Connections == 0 {
			return worker
		}
		sum += part(one.Connections)
	}
	return max(sum, 1)
}

// choose takes the next relay for a batch of a queue, by weight among those
// that can be used now and pass what the caller asks. nil: none can.
func (s *relays) choose(queue string, usable func(*relay) bool) *relay {
	s.mu.Lock()
	defer s.mu.Unlock()
	var best *relay
	total := 0
	for _, one := range s.all {
		if !one.serves(queue) || !one.room(queue) || usable != nil && !usable(one) || !one.breaker.ready(s.now()) {
			continue
		}
		total += one.Weight
		one.credit[queue] += one.Weight
		if best == nil || one.credit[queue] > best.credit[queue] {
			best = one
		}
	}
	if best == nil {
		return nil
	}
	best.credit[queue] -= total
	best.breaker.begin(s.now())
	best.count(queue, 1)
	return best
}

// drop gives a relay back that was chosen and not used.
func (s *relays) drop(r *relay, queue string) {
	if r != nil {
		r.count(queue, -1)
		r.breaker.left()
	}
}

// rest is how long a batch that found no relay should wait. Each relay that is
// away is tried again soon enough.
func (s *relays) rest(queue string) time.Duration {
	rest := OpenFor
	for _, one := range s.all {
		if one.serves(queue) {
			rest = min(rest, one.breaker.wait(s.now()))
		}
	}
	return max(rest, 50*time.Millisecond)
}

// room tells whether one more connection of a queue is allowed, whatever other
// workers have (seats.go). Only newsletters are bounded: alerts and answers have few
// lanes of their own.
func (r *relay) room(queue string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return queue != "newsletter" || r.Connections == 0 || r.busy[queue] < r.Connections
}

func (r *relay) count(queue string, by int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy[queue] += by
}

// kept gives a connection that an earlier batch of the queue has left open.
func (r *relay) kept(queue string) *mailer.Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.idle[queue])
	if n == 0 {
		return nil
	}
	conn := r.idle[queue][n-1]
	r.idle[queue] = r.idle[queue][:n-1]
	return conn
}

func (r *relay) keep(queue string, conn *mailer.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle[queue] = append(r.idle[queue], conn)
}

// dial opens a connection, and remembers whether that could be done.
func (r *relay) dial(ctx context.Context) (*mailer.Conn, error) {
	conn, err := mailer.Dial(ctx, r.Relay.Relay)
	if err != nil {
		return nil, fmt.Errorf("reaching the relay %s: %w", r.Name, err)
	}
	return conn, nil
}

// forget closes what lies idle.
func (r *relay) forget(queue string) {
	for conn := r.kept(queue); conn != nil; conn = r.kept(queue) {
		conn.Close()
	}
}

// hangUp closes what lies idle anywhere.
func (s *relays) hangUp(queues map[string]int) {
	for _, one := range s.all {
		for queue := range queues {
			one.forget(queue)
		}
	}
}
