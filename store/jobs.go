package store

import (
	"context"
	"fmt"
	"time"
)

// Job is a piece of work. Redis carries its number and generation and nothing
// else; what is to be done stands here.
type Job struct {
	ID         int64
	Queue      string // preference | alert | privacy | newsletter
	Kind       string // send | write | erase | tell | alarm
	Generation int
	Campaign   int64 // of a send
	Subject    int64 // of any other: the correspondence, the case, the alarm
	Attempts   int
	Due        time.Time
	Pace       string // the limit that it was parked for; empty: none
	Failures   int    // in a row
}

// TaskID names a generation of a job to asynq, so that a finished or archived
// task of an older generation never stands in the way of a new one.
func (j Job) TaskID() string { return fmt.Sprintf("%d.%d", j.ID, j.Generation) }

// addJobs stores n jobs of one kind and gives the first number.
func (t *tx) addJobs(ctx context.Context, n int, j Job) (first int64, err error) {
	if n == 0 {
		return 0, nil
	}
	if first, err = t.take(ctx, "job", n); err != nil {
		return 0, err
	}
	due := t.now
	if !j.Due.IsZero() {
		due = j.Due
	}
	values := make([]any, 0, 8*n)
	for i := range n {
		values = append(values, first+int64(i), j.Queue, j.Kind, due.UnixMicro(), number(int(j.Campaign)), number(int(j.Subject)), t.now.UnixMicro(), j.Pace)
	}
	if _, err := t.exec(ctx, `INSERT INTO job (id, queue, kind, state, due, campaign, subject, changed, pace) VALUES `+jobRows(n), values...); err != nil {
		return 0, fmt.Errorf("storing jobs: %w", err)
	}
	return first, nil
}

func jobRows(n int) string {
	text := ""
	for i := range n {
		b := 8 * i
		text += separator(i, "") + fmt.Sprintf("($%d, $%d, $%d, 'ready', $%d, $%d, $%d, $%d, $%d)", b+1, b+2, b+3, b+4, b+5, b+6, b+7, b+8)
	}
	return text
}

const jobColumns = `id, queue, kind, generation, COALESCE(campaign, 0), COALESCE(subject, 0), attempts, due, pace, failures`

func scanJob(row scanner) (j Job, err error) {
	var due int64
	err = row.Scan(&j.ID, &j.Queue, &j.Kind, &j.Generation, &j.Campaign, &j.Subject, &j.Attempts, &due, &j.Pace, &j.Failures)
	j.Due = time.UnixMicro(due).UTC()
	return j, err
}

// Carried lists jobs that were handed over more than age ago and that nobody
// has begun, so that the scheduler can look whether Redis still knows them.
func (s *Store) Carried(ctx context.Context, age time.Duration) ([]Job, error) {
	found, err := s.look(ctx, `SELECT `+jobColumns+` FROM job WHERE state = 'carried' AND changed < $1`, s.now().Add(-age).UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("listing carried jobs: %w", err)
	}
	return gather(found, scanJob)
}

// Recarry makes a carried job ready again under a new generation.
func (s *Store) Recarry(ctx context.Context, j Job) error {
	return s.inTx(ctx, "carrying a job again", func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE job SET state = 'ready', generation = generation + 1, changed = $3
			WHERE id = $1 AND generation = $2 AND state = 'carried'`, j.ID, j.Generation, t.now.UnixMicro())
		return err
	})
}

// Begin lets a worker take up a job. ok is false where the generation is an old
// one, or somebody else is at it: the task then does nothing.
func (s *Store) Begin(ctx context.Context, id int64, generation int, worker string) (j Job, ok bool, err error) {
	err = s.inTx(ctx, "beginning a job", func(t *tx) error {
		found, err := t.QueryContext(ctx, `UPDATE job SET state = 'running', worker = $3, attempts = attempts + 1, changed = $4
			WHERE id = $1 AND generation = $2 AND state = 'carried'`+s.beforeReplay()+` RETURNING `+jobColumns, id, generation, worker, t.now.UnixMicro())
		if err != nil {
			return err
		}
		jobs, err := gather(found, scanJob)
		if err == nil && len(jobs) == 1 {
			j, ok = jobs[0], true
		}
		return err
	})
	return j, ok, err
}

const ending = `UPDATE job SET state = $3, generation = $4, due = $5, changed = $6, pace = '', worker = '', failures = 0, failing = NULL
	WHERE id = $1 AND generation = $2 AND state = 'running'`

// EndJob finishes a job that its generation still owns. With again set it is
// carried once more at that time, under a new generation; no limit releases it before.
func (s *Store) EndJob(ctx context.Context, j Job, again time.Time) error {
	if again.IsZero() {
		defer s.pokeRoom()
	} else {
		defer s.pokeAll()
	}
	return s.inTx(ctx, "ending a job", func(t *tx) error { return t.endJob(ctx, j, again) })
}

func (t *tx) endJob(ctx context.Context, j Job, again time.Time) error {
	state, generation, due := "done", j.Generation, j.Due
	if !again.IsZero() {
		state, generation, due = "ready", j.Generation+1, again
	} else if err := t.tellRoom(ctx); err != nil {
		return err
	}
	_, err := t.exec(ctx, ending, j.ID, j.Generation, state, generation, due.UnixMicro(), t.now.UnixMicro())
	return err
}
