package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// FailJob puts a job down that failed, to be tried again at a time, or, where it
// failed too often, not before a person says so. Nothing that it was to do is lost. A
// limit that it waited for before releases it no sooner.
func (s *Store) FailJob(ctx context.Context, j Job, again time.Time, final bool) error {
	return s.inTx(ctx, "putting a job down that failed", func(t *tx) error {
		state := "ready"
		if final {
			state = "failed"
		}
		_, err := t.exec(ctx, `UPDATE job SET state = $3, generation = generation + 1, due = $4, pace = '', worker = '', failures = failures + 1,
			failing = COALESCE(failing, $5), changed = $5 WHERE id = $1 AND generation = $2 AND state = 'running'`,
			j.ID, j.Generation, state, again.UnixMicro(), t.now.UnixMicro())
		return err
	})
}

// Halve moves half of the messages of a running job that fails into another one, so
// that in the end the message that makes it fail is alone and keeps no other waiting.
// done is false where there is but one.
func (s *Store) Halve(ctx context.Context, j Job, due time.Time) (done bool, err error) {
	err = s.inTx(ctx, "parting a job that fails", func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE job SET changed = $3 WHERE id = $1 AND generation = $2 AND state = 'running'`, j.ID, j.Generation, t.now.UnixMicro())
		if err != nil || n == 0 {
			return err
		}
		if err := t.QueryRowContext(ctx, `SELECT count(*) FROM delivery WHERE job = $1 AND state = 'waiting'`, j.ID).Scan(&n); err != nil {
			return err
		}
		if done = n > 1; !done {
			return nil
		}
		other, err := t.addJobs(ctx, 1, Job{Queue: j.Queue, Kind: j.Kind, Campaign: j.Campaign, Due: due})
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE job SET failures = $2, failing = $3 WHERE id = $1`, other, j.Failures, t.now.UnixMicro()); err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE delivery SET job = $1 WHERE campaign = $2 AND address IN (
			SELECT address FROM delivery WHERE job = $3 AND state = 'waiting' ORDER BY person, address LIMIT $4)`, other, j.Campaign, j.ID, n/2)
		return err
	})
	return done, err
}

// Alarming is how often in a row a job fails before a person is told.
const Alarming = 8

// FailingJob is a job that fails again and again.
type FailingJob struct {
	ID       int64
	Kind     string
	Queue    string
	Campaign int64 // of a send
	Subject  int64 // of any other
	Failures int
	Since    time.Time
	Again    time.Time // zero: not before a person says so
}

const failingJobs = ` FROM job j LEFT JOIN campaign c ON c.id = j.campaign WHERE j.failures > 0 AND j.state <> 'done'
	AND (c.id IS NULL OR c.state IN ('sending', 'paused'))`

// FailingJobs lists the jobs that have failed and not worked since.
func (s *Store) FailingJobs(ctx context.Context) ([]FailingJob, error) {
	found, err := s.read.QueryContext(ctx, `SELECT j.id, j.kind, j.queue, COALESCE(j.campaign, 0), COALESCE(j.subject, 0), j.failures, j.failing,
		CASE WHEN j.state = 'failed' THEN 0 ELSE j.due END`+failingJobs+` ORDER BY j.id`)
	if err != nil {
		return nil, fmt.Errorf("listing jobs that fail: %w", err)
	}
	return gather(found, func(row scanner) (f FailingJob, err error) {
		var since, again sql.NullInt64
		err = row.Scan(&f.ID, &f.Kind, &f.Queue, &f.Campaign, &f.Subject, &f.Failures, &since, &again)
		f.Since, f.Again = fromMicro(since), fromMicro(again)
		return f, err
	})
}

// FailingKinds counts jobs by kind that failed so often that a person is told.
func (s *Store) FailingKinds(ctx context.Context) (map[string]int, error) {
	return s.counts(ctx, `SELECT j.kind, count(*)`+failingJobs+fmt.Sprintf(` AND (j.state = 'failed' OR j.failures >= %d) GROUP BY j.kind`, Alarming))
}

// RetryJob has a job that failed tried again at once, as if it were new.
func (s *Store) RetryJob(ctx context.Context, id int64) error {
	err := s.inTx(ctx, "having a job tried again", func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE job SET state = 'ready', generation = generation + 1, due = $2, attempts = 0, failures = 0, failing = NULL, changed = $2
			WHERE id = $1 AND failures > 0 AND state IN ('ready', 'failed')`, id, t.now.UnixMicro())
		if err == nil && n == 0 {
			err = fmt.Errorf("job %d: %w", id, ErrNotFound)
		}
		return err
	})
	s.pokeAll()
	return err
}

// ErrMustBeDone means that a job is somebody's right, and not to be dropped.
var ErrMustBeDone = errors.New("only a letter can be dropped")

// DropJob lets go of a letter that was given up. Whatever else a job is to do must be
// done.
func (s *Store) DropJob(ctx context.Context, id int64) error {
	return s.inTx(ctx, "dropping a letter", func(t *tx) error {
		var kind string
		var c Correspondence
		err := t.QueryRowContext(ctx, `SELECT j.kind, COALESCE(x.id, 0), COALESCE(x.kind, ''), COALESCE(x.caseno, 0), COALESCE(x.address, '') FROM job j
			LEFT JOIN correspondence x ON x.id = j.subject AND j.kind = 'write' WHERE j.id = $1 AND j.state = 'failed'`, id).
			Scan(&kind, &c.ID, &c.Kind, &c.Case, &c.Key)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("job %d: %w", id, ErrNotFound)
		case err != nil:
			return err
		case kind != "write":
			return fmt.Errorf("job %d (%s): %w", id, kind, ErrMustBeDone)
		}
		if _, err := t.exec(ctx, `UPDATE job SET state = 'done', generation = generation + 1, changed = $2 WHERE id = $1 AND state = 'failed'`, id, t.now.UnixMicro()); err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE correspondence SET state = 'dropped', ended = $2 WHERE id = $1 AND state = 'waiting'`, c.ID, t.now.UnixMicro())
		if err != nil || n == 0 {
			return err
		}
		return t.letterDropped(ctx, c)
	})
}

// letterDropped moves on what waited for a letter.
func (t *tx) letterDropped(ctx context.Context, c Correspondence) error {
	switch c.Kind {
	case WriteErased:
		return t.certificateEnded(ctx, c.Case, "dropped")
	case WriteLifting:
		return t.liftingEnded(ctx, c, "dropped")
	}
	return nil
}
