package worker

import (
	"context"
	"time"

	"heed/consent"
	"heed/mailer"
	"heed/store"
)

// draft is a letter as it will leave.
type draft struct {
	letter  store.Letter
	message *mailer.Message
	room    *room
}

// room is memory in which messages are made, one after the other.
type room struct {
	made   mailer.Message
	signed []byte
}

// row is the letters of a batch on their way over one lane. A message is made
// while the answer to an earlier one is awaited, and goes with the end of the one
// before it; two at most are made ahead.
type row struct {
	w      *Worker
	b      batch
	left   []store.Letter
	coming []*draft
	broken bool // a letter that cannot be made could not be ended
}

// walk sends one letter after the other, each of which has its turn. Where it is
// cut short, rest tells how long the batch should rest before it is carried again.
func (w *Worker) walk(ctx context.Context, b batch, letters []store.Letter) (rest time.Duration, whole bool) {
	r := &row{w: w, b: b, left: letters}
	defer r.leave()
	for !w.stopped() {
		r.fill(ctx, 1)
		if r.broken || len(r.coming) == 0 {
			return 0, !r.broken
		}
		if w.givesWay(b) {
			return 0, false
		}
		switch r.step(ctx) {
		case goOn:
		case stopBatch:
			return 0, false
		case relayAway:
			return w.relayRest(b), false
		}
	}
	return 0, false
}

// step sends the letter at the head, with the one behind it.
func (r *row) step(ctx context.Context) step {
	d := r.coming[0]
	r.coming = r.coming[1:]
	var then mailer.Then
	r.fill(ctx, 1)
	then.Meanwhile = func() {
		r.release(d) // its end is written: this message is never written again
		r.fill(ctx, 2)
	}
	if len(r.coming) > 0 {
		then.Next = r.coming[0].message
	}
	defer r.release(d)
	return r.w.one(ctx, r.b, d, then)
}

// fill makes messages until n wait to be sent.
func (r *row) fill(ctx context.Context, n int) {
	for len(r.coming) < n && len(r.left) > 0 && len(r.b.lane.rooms) > 0 && !r.broken {
		letter := r.left[0]
		r.left[0] = store.Letter{} // a batch holds 200 KB, and dozens of them are under way
		r.left = r.left[1:]
		if d := r.draft(ctx, letter); d != nil {
			r.coming = append(r.coming, d)
		}
	}
}

// draft makes one message; nil where there is none to be sent, which is then
// recorded.
func (r *row) draft(ctx context.Context, letter store.Letter) *draft {
	w, c := r.w, r.b.c
	if letter.ID == 0 {
		r.broken = w.skip(ctx, c, letter, consent.Erased) != goOn
		return nil
	}
	d := &draft{letter: letter, room: r.b.lane.enter()}
	message, err := w.message(d.room, c, letter, r.b.lists)
	if err != nil {
		r.release(d)
		r.broken = w.unrenderable(ctx, c, letter, err) != goOn
		return nil
	}
	message.Envelope = w.envelope(letter)
	d.message = &message
	return d
}

// release gives a draft's room to another.
func (r *row) release(d *draft) {
	if d.room != nil {
		r.b.lane.rooms = append(r.b.lane.rooms, d.room)
		d.room = nil
	}
}

// leave takes back what went ahead and is not to be sent now.
func (r *row) leave() {
	for _, d := range r.coming {
		r.release(d)
	}
	if conn := r.b.lane.conn; conn != nil {
		conn.Retract()
	}
}
