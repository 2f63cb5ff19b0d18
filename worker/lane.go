package worker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"heed/mailer"
	"heed/store"
)

// lane is the right to use one connection, with what a batch needs to make its
// messages. Which relay it leads to is chosen batch by batch; connections are
// kept from batch to batch.
type lane struct {
	w      *Worker
	queue  string
	number int    // among those of its queue
	relay  *relay // of the batch; nil: none is chosen
	bound  bool   // to that relay, whose limits the batch has passed
	conn   *mailer.Conn
	rooms  []*room   // in which no message is being made
	since  time.Time // the batch has it
}

// madeAhead is how many messages of a lane are made before it is their turn: one
// goes with the end of the one before, one is ready behind it.
const madeAhead = 2

func newLane(w *Worker, queue string, number int) *lane {
	l := &lane{w: w, queue: queue, number: number}
	for range madeAhead {
		l.rooms = append(l.rooms, &room{})
	}
	return l
}

// lane waits for a lane of the batch's queue.
func (w *Worker) lane(b batch) *lane {
	var l *lane
	select {
	case l = <-w.lanes[b.j.Queue]:
	default:
		w.crowd.count(b, 1)
		l = <-w.lanes[b.j.Queue]
		w.crowd.count(b, -1)
	}
	l.since = w.Now()
	return l
}

// laneTime is how long a batch keeps a lane for which another campaign waits: a
// relay that takes a message a second does not make one campaign wait for a whole
// batch of another.
const laneTime = 2 * time.Second

// givesWay tells whether a batch makes room now: for another campaign, or for another
// worker that has too few of a relay's connections.
func (w *Worker) givesWay(b batch) bool {
	*b.gave = w.Now().Sub(b.lane.since) > laneTime && (w.crowd.others(b) || w.pace.owes(b.lane.relay, b.j.Queue))
	return *b.gave
}

// crowd is who waits for a lane.
type crowd struct {
	mu   sync.Mutex
	all  map[string]map[int64]int // batches by queue and campaign
	kept map[string][]int64       // campaigns for whose batches there is no room in the queue
}

// look asks for whom there is no room.
func (c *crowd) look(ctx context.Context, s *store.Store) error {
	kept := map[string][]int64{}
	for queue := range rooms {
		var err error
		if kept[queue], err = s.KeptOut(ctx, queue); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = kept
	return nil
}

func (c *crowd) count(b batch, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := c.all[b.j.Queue]
	if line == nil {
		line = map[int64]int{}
		c.all[b.j.Queue] = line
	}
	if line[b.c.ID] += by; line[b.c.ID] == 0 {
		delete(line, b.c.ID)
	}
}

// others tells whether somebody of another campaign waits.
func (c *crowd) others(b batch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := c.all[b.j.Queue]
	return len(line) > 1 || len(line) == 1 && line[b.c.ID] == 0 ||
		slices.ContainsFunc(c.kept[b.j.Queue], func(campaign int64) bool { return campaign != b.c.ID })
}

// enter takes a room, of which there must be one.
func (l *lane) enter() *room {
	n := len(l.rooms) - 1
	one := l.rooms[n]
	l.rooms = l.rooms[:n]
	return one
}

// recycle is how many messages a connection carries before it is made anew:
// some relays close long conversations without a word.
const recycle = 5000

// errNoRelay means that all relays are away, or have all the connections that
// they may.
var errNoRelay = errors.New("no relay can be used now")

// ready gives a living connection. A relay that cannot be reached is left for
// the next one.
func (l *lane) ready(ctx context.Context) (*mailer.Conn, error) {
	if l.conn != nil && l.conn.Alive() && l.conn.Sent() < recycle {
		return l.conn, nil
	}
	if l.conn != nil && !l.conn.Alive() {
		l.relay.forget(l.queue) // what rested beside it fares no better
	}
	l.close()
	var last error
	var tried []*relay
	for range l.w.relays.all {
		if l.relay == nil && (l.bound && tried != nil || !l.take(ctx, func(r *relay) bool { return !slices.Contains(tried, r) })) {
			break
		}
		if l.conn = l.relay.kept(l.queue); l.conn != nil {
			return l.conn, nil
		}
		if l.conn, last = l.relay.dial(ctx); last == nil {
			return l.conn, nil
		}
		l.conn = nil
		l.w.Log.Warn("relay_unreachable", "relay", l.relay.Name, "error", last)
		l.w.relayFailed(l.relay)
		tried = append(tried, l.relay)
		l.leave()
	}
	if last == nil {
		last = errNoRelay
	}
	return nil, last
}

// take chooses the relay for a batch.
func (l *lane) take(ctx context.Context, usable func(*relay) bool) bool {
	l.relay = l.w.choose(ctx, l.queue, usable)
	return l.relay != nil
}

// leave gives up the relay; its connection is kept for another batch.
func (l *lane) leave() {
	if l.relay == nil {
		return
	}
	if l.conn != nil && l.conn.Alive() && l.conn.Sent() < recycle {
		l.relay.keep(l.queue, l.conn)
		l.conn = nil
	}
	l.close()
	l.relay.count(l.queue, -1)
	l.relay.breaker.left()
	l.w.pace.left(l.relay, l.queue)
	l.relay = nil
}

func (l *lane) close() {
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}

// heard notes what a result says of the relay.
func (l *lane) heard(r mailer.Result) {
	switch failed, answered := trouble(r); {
	case l.relay == nil:
	case failed:
		l.w.relayFailed(l.relay)
	case answered && l.relay.breaker.worked(l.w.Now()):
		l.w.Log.Info("relay_back", "relay", l.relay.Name)
	}
}

func (w *Worker) relayFailed(r *relay) {
	if r.breaker.failed(w.Now()) {
		w.Log.Warn("relay_spared", "relay", r.Name, "for", OpenFor.String())
	}
}
