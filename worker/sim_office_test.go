package worker

import (
	"context"
	"errors"
	"time"

	"heed/store"
)

// look is how often the scheduler looks. It is not poked here.
const look = 200 * time.Millisecond

// schedule does what scheduler does, with the queues of the world in the place
// of Redis.
func (w *world) schedule(p *process) {
	for wait := look; w.gate.pause(p, "look", wait, true) == nil && !w.over(); wait = min(wait*2, time.Second) {
		if w.gate.busy != w.lookedAt {
			w.lookedAt, wait = w.gate.busy, look/2
		}
		_ = errors.Join(w.fanOut(p), w.carry(p), w.sweep(p)) // what failed is tried again
	}
}

func (w *world) fanOut(p *process) error {
	ctx := context.Background()
	open, err := p.store.Unfanned(ctx, true)
	others, failed := p.store.Unfanned(ctx, false)
	err = errors.Join(err, failed)
	for _, one := range append(open, others...) {
		_, next := p.store.FanOut(ctx, one.ID)
		err = errors.Join(err, next)
	}
	_, next := p.store.Requeue(ctx)
	return errors.Join(err, next)
}

func (w *world) carry(p *process) error {
	for _, queue := range []string{"alert", "privacy", "newsletter"} {
		jobs, err := p.store.Carry(context.Background(), queue, 4)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			w.faults.enqueue(w, queue, j.TaskID())
		}
	}
	return nil
}

func (w *world) sweep(p *process) error {
	ctx := context.Background()
	_, err := p.store.Sweep(ctx)
	jobs, next := p.store.Carried(ctx, 2*time.Second)
	for _, j := range jobs {
		if !w.knows(j) {
			err = errors.Join(err, p.store.Recarry(ctx, j))
		}
	}
	_, last := p.store.FinishCampaigns(ctx)
	return errors.Join(err, next, p.store.DropRetries(ctx), last)
}

// knows tells whether Redis still has a task.
func (w *world) knows(j store.Job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.queues[j.Queue] {
		if id == j.TaskID() {
			return true
		}
	}
	for _, p := range w.crew {
		if p.actives[j.TaskID()] != "" && !p.dead && !time.Now().Before(p.frozen) {
			return true
		}
	}
	return false
}

func (w *world) over() bool { return w.gate.open.Load() }
