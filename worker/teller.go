package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"heed/store"
)

// Teller tells alarms where there is no worker, because mail to people cannot
// be sent: of all that needs neither a relay nor a queue.
type Teller struct{ w *Worker }

// NewTeller makes one from the store, the alarms, the log and the clock of o.
func NewTeller(o Options) *Teller {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Teller{&Worker{Options: o, id: rand.Text(), stopping: make(chan struct{})}}
}

// Run looks for alarms until ctx ends.
func (t *Teller) Run(ctx context.Context) error {
	defer close(t.w.stopping)
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for {
		if err := t.tell(ctx); err != nil && ctx.Err() == nil {
			t.w.Log.Error("job_failed", "kind", "alarm", "error", err)
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return t.w.Store.Unregister(last, t.w.id)
		case <-tick.C:
		}
	}
}

// tell takes the alarms that are due. It counts as living, so that nobody else
// takes them meanwhile, but not as a worker that could send.
func (t *Teller) tell(ctx context.Context) error {
	if err := t.w.Store.Register(ctx, t.w.id, "teller", 0); err != nil {
		return err
	}
	jobs, err := t.w.Store.CarryAlarms(ctx)
	for _, j := range jobs {
		j, mine, beginErr := t.w.Store.Begin(ctx, j.ID, j.Generation, t.w.id)
		if err = errors.Join(err, beginErr); beginErr != nil || !mine {
			continue
		}
		err = errors.Join(err, t.one(ctx, j))
	}
	return err
}

// one is alive for as long as it takes, however slow a way is.
func (t *Teller) one(ctx context.Context, j store.Job) error {
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	done := make(chan error, 1)
	go func() { done <- t.w.alarm(ctx, j) }()
	for {
		select {
		case err := <-done:
			if err != nil {
				err = errors.Join(err, t.w.Store.EndJob(context.WithoutCancel(ctx), j, t.w.Now().Add(backOff(j.Attempts))))
			}
			return err
		case <-tick.C:
			if err := t.w.Store.Register(ctx, t.w.id, "teller", 0); err != nil && ctx.Err() == nil {
				t.w.Log.Error("heartbeat_failed", "error", err)
			}
		}
	}
}
