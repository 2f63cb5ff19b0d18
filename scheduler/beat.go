package scheduler

import (
	"context"
	"time"
)

const (
	beatTime   = 10 * time.Second // a fraction of how long a silent one counts as living
	answerTime = 2 * time.Second  // in which Redis answers, or counts as away
)

// beatLoop tells whoever looks why a campaign stands still that a scheduler lives, and
// whether Redis answers it.
func (s *Scheduler) beatLoop(ctx context.Context) {
	for ctx.Err() == nil {
		answers := s.redisAnswers(ctx)
		if err := s.Store.NoteScheduler(ctx, answers); err != nil && ctx.Err() == nil {
			s.Log.Error("scheduler_step_failed", "step", "beat", "error", err)
		}
		wait := beatTime
		if !answers {
			wait = answerTime
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	if err := s.Store.LeaveScheduler(last); err != nil {
		s.Log.Error("scheduler_step_failed", "step", "beat", "error", err)
	}
}

func (s *Scheduler) redisAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return s.Redis.Ping(ctx).Err() == nil
}
