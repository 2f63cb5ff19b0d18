package worker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// script is what people do in the course of one seed.
type script struct {
	w    *world
	open atomic.Int64 // acts that are not over
}

// intime begins the names of acts that wait for a moment: they go first.
const intime = "in time "

// play begins the campaigns and lets people act at moments of the seed.
func (w *world) play() {
	w.script = &script{w: w}
	for i := range 1 + w.rand.IntN(3) {
		w.act(fmt.Sprint("start ", i), w.rand.IntN(10), func(ctx context.Context, s *store.Store) {
			if s.Start(ctx, int64(i+1)) == nil && w.turn("began") {
				w.Started[int64(i+1)] = true
			}
		})
	}
	for i := range w.rand.IntN(5) {
		name, do := w.wish(w.rand)
		w.act(fmt.Sprint(name, " ", i), 20+w.rand.IntN(300), do)
	}
	for i := range w.rand.IntN(3) {
		w.actAt(fmt.Sprint(intime, i), w.inFlight(20+w.rand.IntN(200)), w.leaveInFlight)
	}
	if w.faults.doubt {
		w.actAt(fmt.Sprint(intime, "again"), w.ended(20+w.rand.IntN(150)), w.resendInDoubt)
	}
}

// act does something in the office after a number of steps.
func (w *world) act(name string, after int, do func(context.Context, *store.Store)) {
	w.actAt(name, func() bool { return w.gate.steps >= after }, do)
}

// inFlight is a moment at which a message has just been claimed, after a number
// of steps.
func (w *world) inFlight(after int) func() bool {
	return func() bool { return w.gate.steps >= after && w.claimed > 0 && w.gate.steps < w.claimed+3 }
}

// leaveInFlight opts out whoever has a message in flight. Its worker goes on, or is
// stopped for a moment, or for so long that it is taken for dead before.
func (w *world) leaveInFlight(ctx context.Context, s *store.Store) {
	who, topic := w.rand.IntN(crowdSize), 1+w.rand.IntN(2)
	for _, row := range w.rows(`SELECT address, campaign FROM claim WHERE campaign < 3 ORDER BY campaign, address`) {
		who, topic = w.People[row[0]], int(row[1][0]-'0')
	}
	switch w.rand.IntN(5) {
	case 0, 1:
		w.stopCrew(time.Duration(3e8 + w.rand.Int64N(15e8)))
	case 2, 3:
		if !w.outlast(w.office) {
			return
		}
	}
	w.leave(ctx, s, who, store.OptOut{Topic: topic, Via: consent.ViaOneClick, Authenticated: true}, topic)
}

// outlast stops the workers for longer than they may be silent, and waits until
// they are taken for dead.
func (w *world) outlast(office *process) bool {
	w.stopCrew(time.Duration(9e9 + w.rand.Int64N(6e9)))
	return w.gate.pause(office, "wait", 6500*time.Millisecond, false) == nil && !w.over()
}

func (w *world) stopCrew(d time.Duration) {
	if w.calm {
		return
	}
	w.gate.note("all workers are stopped for %v", d)
	for _, p := range w.crew {
		p.frozen = time.Now().Add(d)
	}
}

// ended is a moment at which the end of a message was just written.
func (w *world) ended(after int) func() bool {
	return func() bool { return w.gate.steps >= after && w.endedAt > 0 && w.gate.steps < w.endedAt+3 }
}

// resendInDoubt stops a worker that waits for the relay's answer until its message
// counts as uncertain, has that sent again by another, and lets the first go on
// just when another holds a claim: what it has to tell is not of that.
func (w *world) resendInDoubt(ctx context.Context, s *store.Store) {
	if w.calm {
		return
	}
	first := w.ender
	first.frozen, w.doubting = time.Now().Add(time.Minute), true
	defer func() { first.frozen, w.doubting = time.Now(), false }()
	w.gate.note("%s is stopped", first.name)
	if !w.wait(30, func() bool { return len(w.rows(`SELECT '' FROM delivery WHERE state = 'uncertain'`)) > 0 }) {
		return
	}
	for id := range int64(2) {
		w.resend(ctx, s, id+1)
	}
	latest := time.Now().Add(15 * time.Second)
	again := func() bool {
		return len(w.rows(`SELECT '' FROM claim JOIN delivery USING (campaign, address) WHERE attempts > 0`)) > 0
	}
	another := &visitor{at: w.office, what: "another claim", ready: again, until: func() time.Time { return latest }}
	if w.gate.wait(another) != nil {
		return
	}
	for _, p := range w.crew {
		if p != first {
			p.frozen = time.Now().Add(time.Second)
		}
	}
}

// wait looks once in half a second, so many times at most, until something holds.
func (w *world) wait(times int, holds func() bool) bool {
	for range times {
		if w.gate.pause(w.office, "wait", 500*time.Millisecond, false) != nil || w.over() || w.office.dead {
			return false
		}
		if holds() {
			return true
		}
	}
	return false
}

func (w *world) actAt(name string, when func() bool, do func(context.Context, *store.Store)) {
	w.script.open.Add(1)
	go func() {
		defer w.script.open.Add(-1)
		w.gate.call(name)
		anywhere := &process{w: w, name: "people"}
		if w.gate.wait(&visitor{at: anywhere, what: name, idle: true, ready: func() bool { return w.calm || when() && !w.office.dead }}) != nil || w.office.dead || w.over() {
			return
		}
		do(context.Background(), w.office.store)
	}()
}

// turn waits for a turn to note something in the world; false where it is over.
func (w *world) turn(what string) bool {
	return w.gate.wait(&visitor{at: &process{w: w, name: "people"}, what: what}) == nil && !w.over()
}

// wish picks what somebody wants.
func (w *world) wish(r *rand.Rand) (string, func(context.Context, *store.Store)) {
	who, topic := r.IntN(crowdSize), 1+r.IntN(2)
	id := int64(1 + r.IntN(3))
	switch r.IntN(10) {
	case 0, 1, 2, 3:
		return fmt.Sprint("one click ", who), func(ctx context.Context, s *store.Store) {
			w.leave(ctx, s, who, store.OptOut{Topic: topic, Via: consent.ViaOneClick, Authenticated: true}, topic)
		}
	case 4:
		return fmt.Sprint("no mail at all ", who), func(ctx context.Context, s *store.Store) {
			w.leave(ctx, s, who, store.OptOut{Scope: consent.ScopeMarketing, Via: consent.ViaPage, Authenticated: true}, 0)
		}
	case 5:
		return fmt.Sprint("pause ", id), func(ctx context.Context, s *store.Store) { w.pause(ctx, s, id) }
	case 6:
		return fmt.Sprint("cancel ", id), func(ctx context.Context, s *store.Store) { w.cancel(ctx, s, id) }
	case 7:
		return fmt.Sprint("erase ", who), func(ctx context.Context, s *store.Store) { w.erase(ctx, s, who) }
	case 8:
		return fmt.Sprint("move ", who), func(ctx context.Context, s *store.Store) { w.move(ctx, s, who) }
	}
	return fmt.Sprint("resend ", id), func(ctx context.Context, s *store.Store) { w.resend(ctx, s, id) }
}

// leave opts out as the page does: the answer comes after the commit and after
// what was in flight.
func (w *world) leave(ctx context.Context, s *store.Store, who int, o store.OptOut, topic int) {
	key, _, err := s.Key(address(who))
	if err != nil {
		w.t.Error(err)
	}
	o.Key = key
	if _, err := s.OptOut(ctx, o); err != nil {
		return // the page says 503
	}
	n, err := s.AwaitClaims(ctx, []consent.Key{key})
	if err == nil {
		w.acknowledged(storetest.Stop{What: fmt.Sprint("opt-out of p", who), Who: who, Topic: topic, InFlight: n})
	}
}

func (w *world) pause(ctx context.Context, s *store.Store, id int64) {
	if n, err := s.Pause(ctx, id, ""); err == nil {
		w.acknowledged(storetest.Stop{What: "pause", Who: storetest.Everybody, Campaign: id, InFlight: n})
	}
	if w.office.dead || w.gate.pause(w.office, "think", time.Duration(w.rand.Int64N(3e9)), false) != nil {
		return
	}
	w.resume(ctx, s, id)
}

// resume lifts the pause before it asks for it: from then on mail may go out.
func (w *world) resume(ctx context.Context, s *store.Store, id int64) {
	if w.turn("resume") {
		w.Lifted(id)
	}
	_ = s.Resume(ctx, id) // it may be over
}

func (w *world) cancel(ctx context.Context, s *store.Store, id int64) {
	if n, err := s.Cancel(ctx, id); err == nil {
		w.acknowledged(storetest.Stop{What: "cancel", Who: storetest.Everybody, Campaign: id, InFlight: n})
	}
}

func (w *world) erase(ctx context.Context, s *store.Store, who int) {
	id, err := s.OpenCase(ctx, store.Report{Kind: "erasure", Email: address(who), Received: w.office.now()})
	if err != nil {
		return
	}
	w.Erased = w.Erased || w.turn("erase")
	c, err := s.Case(ctx, id)
	if err != nil {
		return
	}
	token, err := s.ConfirmLink(c)
	if err != nil {
		return
	}
	if link, err := s.Keys().Links.Open(token); err == nil {
		_, _ = s.Confirm(ctx, link) // a click that fails is a click that was not made
	}
}

// move changes an address, with the clicks of both mailboxes.
func (w *world) move(ctx context.Context, s *store.Store, who int) {
	c, err := s.MoveContact(ctx, address(who), "new-"+address(who), 0, "kim")
	if err != nil {
		return
	}
	w.Moved = w.Moved || w.turn("move")
	for _, key := range []consent.Key{c.Old, c.New} {
		if link, err := s.Keys().Links.Open(s.Half(c, key)); err == nil {
			_, _ = s.ConfirmMove(ctx, link) // as above
		}
	}
}

// resend tries the uncertain once more, because a person wants it.
func (w *world) resend(ctx context.Context, s *store.Store, id int64) {
	if w.turn("repeat") {
		w.MayRepeat(id)
	}
	_, _ = s.Resend(ctx, id, store.ResendUncertain) // it may not be the time
}
