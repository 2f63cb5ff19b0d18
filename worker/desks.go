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

// settle has the results of a lane recorded before a lane of another desk may take its
// connection: a connection never has both an unrecorded result and a new claim.
func (l *lane) settle(ctx context.Context) {
	if len(l.w.desks) > 1 {
		_ = l.desk().Flush(ctx) // cut short only by a stop, after which nothing is claimed
	}
}

// deskOf is where a batch ends. Of several, all have its results recorded by then; a
// single one ends it in the commit of the last.
func (w *Worker) deskOf(j store.Job) *store.Desk { return w.desks[j.ID%int64(len(w.desks))] }
