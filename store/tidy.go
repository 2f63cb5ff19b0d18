package store

import (
	"context"
	"fmt"
	"time"
)

// What is done leaves rows behind that name nobody and are of no use any more.
const (
	keepJobs   = 2 * AlarmEvery // an alarm is told again a day after the job that told it
	keepAlarms = 90 * 24 * time.Hour
)

// tidy deletes jobs that are done and alarms that are over, in small steps.
func (s *Store) tidy(ctx context.Context) (all []Dropped, err error) {
	for _, one := range []struct {
		what string
		keep time.Duration
		old  string
		drop []string
	}{
		{"jobs", keepJobs, `SELECT id FROM job WHERE (state = 'done' OR state = 'failed' AND campaign IN (SELECT id FROM campaign WHERE state NOT IN ('sending', 'paused'))) AND changed < $1`, []string{`DELETE FROM job WHERE id IN `}},
		{"alarms", keepAlarms, `SELECT id FROM alarm WHERE cleared < $1`, []string{`DELETE FROM alarm_told WHERE alarm IN `, `DELETE FROM alarm WHERE id IN `}},
	} {
		d := Dropped{What: one.what, Before: s.now().UTC().Add(-one.keep)}
		err := s.dropOld(ctx, dropping{what: one.what, old: one.old, drop: one.drop}, &d, false)
		if all = append(all, d); err != nil {
			return all, fmt.Errorf("tidying up: %w", err)
		}
	}
	return all, firstOf(s.forgetAnswers(ctx), s.forgetHooks(ctx), s.tidySignUps(ctx))
}
