package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"

	"heed/store"
)

// fanOut begins what is due and writes deliveries, a chunk of each campaign in
// turn, so that a large one holds up neither a small one nor a message that is to
// be tried again.
func (s *Scheduler) fanOut(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.Store.StartDue(ctx); err != nil {
			return err
		}
		began := s.Now()
		more, err := s.fanSome(ctx)
		wrote := s.Now().Sub(began)
		again, failed := s.Store.Requeue(ctx)
		if err = errors.Join(err, failed); err != nil || !more && again == 0 {
			return err
		}
		s.yield(ctx, wrote)
	}
	return ctx.Err()
}

// yield lets others write for as long as the fan-out has: above all the first
// messages of a campaign, which need several steps.
func (s *Scheduler) yield(ctx context.Context, wrote time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(min(wrote, look)):
	}
}

// alerts writes the deliveries of alerts and carries them: in a loop of its own,
// so that they wait for no chunk of a newsletter.
func (s *Scheduler) alerts(ctx context.Context) error {
	for ctx.Err() == nil {
		open, err := s.Store.Unfanned(ctx, true)
		for _, one := range open {
			_, failed := s.Store.FanOut(ctx, one.ID)
			err = errors.Join(err, failed)
		}
		if err = errors.Join(err, s.carry(ctx, urgent)); err != nil || len(open) == 0 {
			return err
		}
	}
	return ctx.Err()
}

// restful is how many times longer than its last step a fan-out that is far ahead
// rests: others write too.
const restful = 4

// fanSome writes a chunk of each campaign that does not rest. more tells that
// there was one.
func (s *Scheduler) fanSome(ctx context.Context) (more bool, err error) {
	open, err := s.Store.Unfanned(ctx, false)
	if err != nil {
		return false, err
	}
	for _, one := range open {
		began := s.Now()
		if one.Ahead && began.Before(s.rest[one.ID]) {
			continue
		}
		more = true
		done, failed := s.Store.FanOut(ctx, one.ID)
		err = errors.Join(err, failed)
		s.rest[one.ID] = s.Now().Add(restful * s.Now().Sub(began))
		if done {
			delete(s.rest, one.ID)
		}
	}
	return more, err
}

// sweep takes back what dead workers held.
func (s *Scheduler) sweep(ctx context.Context) error {
	swept, err := s.Store.Sweep(ctx)
	if err == nil && (len(swept.Workers) > 0 || swept.Jobs > 0 || swept.Uncertain > 0) {
		s.Log.Warn("worker_lost", "workers", len(swept.Workers), "jobs", swept.Jobs, "uncertain", swept.Uncertain)
	}
	return err
}

func (s *Scheduler) finish(ctx context.Context) error {
	finished, err := s.Store.FinishCampaigns(ctx)
	for _, id := range finished {
		s.Log.Info("campaign_done", "campaign", id)
	}
	return err
}

// findLost looks in Redis for jobs that were carried long ago and that nobody
// has begun, and carries again what Redis has forgotten, archived or finished
// without our knowing, or has given to somebody who does not begin it.
func (s *Scheduler) findLost(ctx context.Context) error {
	jobs, err := s.Store.Carried(ctx, lostAfter)
	if err != nil {
		return err
	}
	taken := map[string]time.Time{}
	for _, j := range jobs {
		lost, err := s.lost(ctx, j, taken)
		if err != nil {
			return nil // Redis is away; nothing can be said, and the next look comes soon
		}
		if !lost {
			continue
		}
		s.Log.Info("job_carried_again", "job", j.ID, "queue", j.Queue, "generation", j.Generation+1)
		if err := s.Store.Recarry(ctx, j); err != nil {
			return err
		}
	}
	s.taken = taken
	return nil
}

func (s *Scheduler) lost(ctx context.Context, j store.Job, taken map[string]time.Time) (bool, error) {
	info, err := s.inspector.GetTaskInfo(j.Queue, j.TaskID())
	switch {
	case errors.Is(err, asynq.ErrQueueNotFound):
		// An emptied Redis: a living client never names its queues again, and
		// without the name the Inspector would be blind for ever.
		return true, s.Redis.SAdd(ctx, "asynq:queues", j.Queue).Err()
	case errors.Is(err, asynq.ErrTaskNotFound):
		return true, nil
	case err != nil:
		return false, err
	case info.State == asynq.TaskStateActive:
		return s.unbegun(j, taken), nil
	}
	return info.State == asynq.TaskStateArchived || info.State == asynq.TaskStateCompleted, nil
}

// unbegunAfter is how long a task may be with somebody who has not begun its job,
// which a worker does at once. Whoever was stopped, was killed or lost its line to
// Redis in the middle of taking a task has it and does not know; asynq would hand it
// on after a minute and more.
const unbegunAfter = 3 * time.Second

// unbegun tells whether a task has been with somebody for too long. taken gathers
// since when.
func (s *Scheduler) unbegun(j store.Job, taken map[string]time.Time) bool {
	since, known := s.taken[j.TaskID()]
	if !known {
		since = s.Now()
	}
	taken[j.TaskID()] = since
	return s.Now().Sub(since) >= unbegunAfter
}

// queueFigures tells the lengths of the queues when metrics are asked for.
type queueFigures struct{ s *Scheduler }

var queueSize = prometheus.NewDesc("heed_queue_tasks", "Tasks in a queue by state.", []string{"queue", "state"}, nil)

// Describe implements prometheus.Collector.
func (q *queueFigures) Describe(out chan<- *prometheus.Desc) { out <- queueSize }

// Collect implements prometheus.Collector.
func (q *queueFigures) Collect(out chan<- prometheus.Metric) {
	for _, queue := range Queues() {
		info, err := q.s.inspector.GetQueueInfo(queue)
		if err != nil {
			continue // an empty queue has no entry yet
		}
		for state, n := range map[string]int{"pending": info.Pending, "active": info.Active, "retry": info.Retry, "archived": info.Archived} {
			out <- prometheus.MustNewConstMetric(queueSize, prometheus.GaugeValue, float64(n), queue, state)
		}
	}
}
