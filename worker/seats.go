package worker

import (
	"context"
	"slices"
	"time"

	"heed/mailer"
)

// A relay may bound how many conversations of newsletters it has at once, with all
// workers together. Each is a seat: a lease that a worker holds for as long as the
// connection is open, also while it rests between two batches.

const newsletters = "newsletter"

// bounded tells whether a queue needs seats at a relay.
func (r *relay) bounded(queue string) bool { return queue == newsletters && r.Connections > 0 }

// choose takes the next relay for a batch. Where all that is wanting is a seat, it
// waits for one that this worker will have again soon.
func (w *Worker) choose(ctx context.Context, queue string, usable func(*relay) bool) *relay {
	var full []*relay
	for began := w.Now(); ; {
		r := w.relays.choose(queue, func(r *relay) bool { return !slices.Contains(full, r) && (usable == nil || usable(r)) })
		switch {
		case r == nil && (!w.relays.seated(full) || w.Now().Sub(began) > spell || !w.seatSoon(ctx)):
			return nil
		case r == nil:
			full = nil
		case w.pace.seat(ctx, r, queue):
			return r
		default:
			w.relays.drop(r, queue)
			full = append(full, r)
		}
	}
}

// seated tells whether this worker holds a seat at any of some relays.
func (s *relays) seated(all []*relay) bool {
	return slices.ContainsFunc(all, func(r *relay) bool { return r.seatsHeld() > 0 })
}

func (r *relay) seatsHeld() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seats)
}

// seatSoon waits until a seat may be free.
func (w *Worker) seatSoon(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-w.stopping:
		return false
	case <-w.relays.freed:
	case <-time.After(leaseWait):
	}
	return true
}

// full tells that a batch found no relay because seats are wanting, which says nothing
// about its letters.
func (s *relays) full(queue string) bool {
	now := s.now()
	return slices.ContainsFunc(s.all, func(r *relay) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.bounded(queue) && now.Sub(r.refused) < 3*leaseWait
	})
}

// relayRest is how long a batch rests that found no relay. One that only lacked a seat
// was not tried.
func (w *Worker) relayRest(b batch) time.Duration {
	if *b.gave = w.relays.full(b.j.Queue); *b.gave {
		return OpenFor / 10
	}
	return max(backOff(b.j.Attempts), w.relays.rest(b.j.Queue))
}

// seat sees to it that whoever was given the relay has a seat there.
func (p *pace) seat(ctx context.Context, r *relay, queue string) bool {
	if !r.bounded(queue) {
		return true
	}
	ask, ok := r.lacks(p.w.Now())
	if !ask {
		return ok
	}
	l, ok := p.leases.take(ctx, relayOf+r.Name)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked--; ok {
		r.seats = append(r.seats, l)
	} else {
		r.refused = p.w.Now()
	}
	return ok
}

// lacks tells whether a seat must be asked for; where it need not be, whether there is
// one. Redis is not asked again at once after it gave none.
func (r *relay) lacks(now time.Time) (ask, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peak = max(r.peak, r.busy[newsletters])
	switch {
	case r.busy[newsletters] <= len(r.seats)+r.asked:
		return false, true
	case now.Sub(r.refused) < leaseWait:
		return false, false
	}
	r.asked++
	return true, false
}

// giveUp takes a seat away that no batch needs, with the connection that rests on it.
func (r *relay) giveUp() (l lease, conn *mailer.Conn, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, idle := len(r.seats), r.idle[newsletters]
	if n <= r.busy[newsletters] {
		return lease{}, nil, false
	}
	if n <= r.busy[newsletters]+len(idle) {
		conn, r.idle[newsletters] = idle[0], idle[1:]
	}
	l, r.seats = r.seats[n-1], r.seats[:n-1]
	return l, conn, true
}

// vacate gives one seat up: its connection is closed first, and then it is another's.
func (p *pace) vacate(r *relay) bool {
	l, conn, ok := r.giveUp()
	if conn != nil {
		conn.Close()
	}
	p.leases.drop(l)
	return ok
}

// owes tells whether another worker has a better right to one of the seats.
func (p *pace) owes(r *relay, queue string) bool {
	return r != nil && r.bounded(queue) && p.leases.tooMany(relayOf+r.Name)
}

// giveBack gives a relay back that was chosen and not used.
func (p *pace) giveBack(r *relay, queue string) {
	if r != nil {
		p.w.relays.drop(r, queue)
		p.left(r, queue)
	}
}

// left is called when a batch has left a relay.
func (p *pace) left(r *relay, queue string) {
	if !r.bounded(queue) {
		return
	}
	if p.leases.tooMany(relayOf + r.Name) {
		p.vacate(r)
	}
	select {
	case p.w.relays.freed <- struct{}{}:
	default:
	}
}

// offer gives up the seats that were not used since it was looked last, where others
// want some.
func (p *pace) offer() {
	for _, r := range p.w.relays.all {
		if !r.bounded(newsletters) {
			continue
		}
		r.mu.Lock()
		spare := len(r.seats) - r.peak
		r.peak = r.busy[newsletters]
		r.mu.Unlock()
		for ; spare > 0 && p.leases.wanted(relayOf+r.Name) && p.vacate(r); spare-- {
		}
	}
}
