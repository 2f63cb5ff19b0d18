package worker

import (
	"context"
	"errors"
	"slices"

	"heed/mailer"
)

// lane is the right to use one connection, with what a batch needs to make its
// messages. Which relay it leads to is chosen batch by batch; connections are
// kept from batch to batch.
type lane struct {
	w     *Worker
	queue string
	relay *relay // of the batch; nil: none is chosen
	bound bool   // to that relay, whose limits the batch has passed
	conn  *mailer.Conn
	rooms []*room // in which no message is being made
}

// madeAhead is how many messages of a lane are made before it is their turn: one
// goes with the end of the one before, one is ready behind it.
const madeAhead = 2

func newLane(w *Worker, queue string) *lane {
	l := &lane{w: w, queue: queue}
	for range madeAhead {
		l.rooms = append(l.rooms, &room{})
	}
	return l
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
		if l.relay == nil && (l.bound && tried != nil || !l.take(func(r *relay) bool { return !slices.Contains(tried, r) })) {
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
func (l *lane) take(usable func(*relay) bool) bool {
	l.relay = l.w.relays.choose(l.queue, usable)
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
	case answered && l.relay.breaker.worked():
		l.w.Log.Info("relay_back", "relay", l.relay.Name)
	}
}

func (w *Worker) relayFailed(r *relay) {
	if r.breaker.failed(w.Now()) {
		w.Log.Warn("relay_spared", "relay", r.Name, "for", OpenFor.String())
	}
}
