// Package scheduler does what is due: it begins campaigns, fans them out,
// carries the numbers of jobs to the queues, and takes back what dead workers
// held.
//
// It is the only producer of asynq tasks, and it keeps nothing: whatever Redis
// forgets it finds again in the store. Any number of schedulers may run at
// once, because every step is a transaction that finds its work undone or does
// nothing.
package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"heed/store"
)

// Options are what a scheduler needs.
type Options struct {
	Store    *store.Store
	Redis    redis.UniversalClient
	Log      *slog.Logger
	Registry prometheus.Registerer // nil: no metrics
	Now      func() time.Time      // nil: time.Now

	Mailboxes []store.MailboxName // that some process is to read
}

// Scheduler carries work from the store to the queues.
type Scheduler struct {
	Options
	client    *asynq.Client
	inspector *asynq.Inspector
	began     time.Time
	rest      map[int64]time.Time  // until when a fan-out that is far ahead rests; of fanLoop
	taken     map[string]time.Time // since when tasks are with somebody who has not begun them; of sweepLoop
}

// Queues lists the queues in the order in which they are served.
func Queues() []string { return []string{"preference", "alert", "privacy", "newsletter"} }

// New makes a scheduler.
func New(o Options) *Scheduler {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Scheduler{Options: o, client: asynq.NewClientFromRedisClient(o.Redis), inspector: asynq.NewInspectorFromRedisClient(o.Redis), began: o.Now(), rest: map[int64]time.Time{}}
	if o.Registry != nil {
		o.Registry.MustRegister(&queueFigures{s}, &deskFigures{s})
	}
	return s
}

const (
	look      = 200 * time.Millisecond // how often it looks when nobody pokes it
	sweepTime = 500 * time.Millisecond
	lostAfter = 2 * time.Second // a job carried for longer is looked for in Redis

	journalTime = 2 * time.Second // how often the journal is told of what happened
)

// Run works until ctx ends.
func (s *Scheduler) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{}, 9)
	for _, loop := range []func(context.Context){s.carryLoop, s.fanLoop, s.alertLoop, s.sweepLoop, s.finishLoop, s.listenLoop, s.clockLoop, s.journalLoop, s.beatLoop} {
		go func() {
			loop(ctx)
			done <- struct{}{}
		}()
	}
	for range cap(done) {
		<-done
	}
	return nil
}

// bell gives a channel that is closed when it rings.
type bell func() <-chan struct{}

func never() <-chan struct{} { return nil }

// every calls step at once, then whenever the store is poked or the pause is
// over. Errors are told, and the step is tried again.
func (s *Scheduler) every(ctx context.Context, pause time.Duration, what string, step func(context.Context) error) {
	s.whenever(ctx, pause, what, s.Store.Poked, never, step)
}

// whenever is every, with two bells of one's own.
func (s *Scheduler) whenever(ctx context.Context, pause time.Duration, what string, one, other bell, step func(context.Context) error) {
	for ctx.Err() == nil {
		poked, rung := one(), other()
		wait := pause
		if err := step(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("scheduler_step_failed", "step", what, "error", err)
			wait = max(pause, time.Second)
		}
		select {
		case <-ctx.Done():
		case <-poked:
		case <-rung:
		case <-time.After(wait):
		}
	}
}

func (s *Scheduler) carryLoop(ctx context.Context) {
	s.whenever(ctx, look, "carry", s.Store.Poked, s.Store.Room, func(ctx context.Context) error {
		return s.carry(ctx, func(queue string) bool { return !urgent(queue) })
	})
}

func (s *Scheduler) alertLoop(ctx context.Context) { s.every(ctx, look, "alerts", s.alerts) }

func urgent(queue string) bool { return queue == "alert" }

func (s *Scheduler) fanLoop(ctx context.Context) { s.every(ctx, look, "fan_out", s.fanOut) }

// listenLoop hears of work that other processes commit; while it cannot, the
// looks find it.
func (s *Scheduler) listenLoop(ctx context.Context) {
	s.every(ctx, time.Second, "listen", s.Store.Listen)
}

// journalLoop keeps database and journal together; the last time when it stops,
// so that a copy made before is known as old.
func (s *Scheduler) journalLoop(ctx context.Context) {
	tick := time.NewTicker(journalTime)
	defer tick.Stop()
	tend := func(ctx context.Context) {
		if err := s.Store.TendJournal(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("scheduler_step_failed", "step", "journal", "error", err)
		}
	}
	for {
		select {
		case <-tick.C:
			tend(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalTime)
			defer cancel()
			tend(last)
			return
		}
	}
}

// sweepLoop hears no bell: what it looks for becomes true with time. Each look goes
// through all open claims, and in PostgreSQL through those that ended since it was
// last tidied.
func (s *Scheduler) sweepLoop(ctx context.Context) {
	s.whenever(ctx, sweepTime, "sweep", never, never, func(ctx context.Context) error {
		return errors.Join(s.sweep(ctx), s.findLost(ctx), s.Store.DropRetries(ctx))
	})
}

func (s *Scheduler) finishLoop(ctx context.Context) {
	s.whenever(ctx, sweepTime, "finish", s.Store.Poked, s.Store.Room, s.finish)
}

// carry hands the numbers of ready jobs to their queues. A queue never holds
// more than two batches for each worker that lives, so that an opt-out is not
// overtaken by what was rendered long ago, and Redis stays small.
func (s *Scheduler) carry(ctx context.Context, which func(queue string) bool) error {
	capacity, err := s.Store.Capacity(ctx, "worker")
	if err != nil || capacity == 0 {
		return err
	}
	for _, queue := range Queues() {
		if !which(queue) {
			continue
		}
		if err := s.carryQueue(ctx, queue, 2*capacity); err != nil {
			return err
		}
	}
	return nil
}

func (s *Scheduler) carryQueue(ctx context.Context, queue string, window int) error {
	jobs, err := s.Store.Carry(ctx, queue, window)
	if err != nil {
		return err
	}
	for i, j := range jobs {
		if err := s.enqueue(ctx, j); err != nil {
			s.Log.Warn("queue_unreachable", "queue", queue, "error", err)
			return s.putBack(ctx, jobs[i:])
		}
	}
	return nil
}

// enqueue carries a job's number and generation, and nothing else. A task of
// the same generation that is already there is as good.
func (s *Scheduler) enqueue(ctx context.Context, j store.Job) error {
	_, err := s.client.EnqueueContext(ctx, asynq.NewTask(j.Kind, []byte(j.TaskID())), asynq.Queue(j.Queue), asynq.TaskID(j.TaskID()),
		asynq.MaxRetry(5), asynq.Timeout(24*time.Hour))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// putBack makes jobs ready again that could not be handed over.
func (s *Scheduler) putBack(ctx context.Context, jobs []store.Job) error {
	for _, j := range jobs {
		if err := s.Store.Recarry(ctx, j); err != nil {
			return err
		}
	}
	time.Sleep(look)
	return nil
}
