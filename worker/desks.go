package worker

import (
	"context"

	"heed/store"
)

// openDesks opens as many as the store makes use of for so many lanes.
func (w *Worker) openDesks() {
	for range w.Store.Desks(w.lanesOf()) {
		w.desks = append(w.desks, w.Store.NewDesk(w.id, func(err error) { w.Log.Error("claims_failed", "error", err) }))
	}
}

func (w *Worker) closeDesks() {
	for _, one := range w.desks {
		one.Close()
	}
}

// desk is always the same for a lane: its next claim is never recorded before the
// result of the message before.
func (l *lane) desk() *store.Desk { return l.w.desks[l.number%len(l.w.desks)] }

// course is what is known of a batch on its way.
type course struct {
	gave bool        // it made room for another campaign's
	desk *store.Desk // that has its last results; nil: none
}

// takes notes which desk will have the next results of the batch, and has the one
// before record what it has: the end of a batch asks one desk.
func (c *course) takes(ctx context.Context, next *store.Desk) error {
	last := c.desk
	c.desk = next
	if last == nil || last == next {
		return nil
	}
	return last.Flush(ctx)
}

// flush waits until all results of the batch are recorded.
func (c *course) flush(ctx context.Context) error {
	if c.desk == nil {
		return nil
	}
	return c.desk.Flush(ctx)
}

// end ends the job where nobody of it waits any more.
func (c *course) end(j store.Job) (done bool, err error) {
	if c.desk == nil {
		return false, nil
	}
	return c.desk.End(j)
}
