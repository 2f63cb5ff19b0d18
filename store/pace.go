package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Parked is a part of a batch that waits for a limit.
type Parked struct {
	Limit string    // by which name it waits
	Due   time.Time // when it is carried if nobody has released it before
	Asks  []Ask
}

// Park moves messages of a running job into jobs of their own, so that what may
// go now is not held up by what may not. A job that is no longer ours moves
// nothing.
func (s *Store) Park(ctx context.Context, j Job, parts []Parked) error {
	return s.inTx(ctx, "parking what has to wait", func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE job SET changed = $3 WHERE id = $1 AND generation = $2 AND state = 'running'`, j.ID, j.Generation, t.now.UnixMicro())
		if err != nil || n == 0 {
			return err
		}
		for _, part := range parts {
			if err := t.park(ctx, j, part); err != nil {
				return err
			}
		}
		return nil
	})
}

// Rest puts a job down of which all that is left waits for one limit; an empty one
// is none. That it was begun is no try: what counts tries is there to find letters
// that no relay takes.
func (s *Store) Rest(ctx context.Context, j Job, limit string, due time.Time) error {
	err := s.inTx(ctx, "resting a job", func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE job SET state = 'ready', generation = generation + 1, pace = $3, due = $4, attempts = 0, worker = '', failures = 0, failing = NULL, changed = $5
			WHERE id = $1 AND generation = $2 AND state = 'running'`, j.ID, j.Generation, limit, due.UnixMicro(), t.now.UnixMicro())
		return err
	})
	if !due.After(s.now()) {
		s.pokeAll()
	}
	return err
}

func (t *tx) park(ctx context.Context, j Job, part Parked) error {
	id, err := t.addJobs(ctx, 1, Job{Queue: j.Queue, Kind: j.Kind, Campaign: j.Campaign, Due: part.Due, Pace: part.Limit})
	if err != nil {
		return err
	}
	args := []any{id, j.Campaign, j.ID}
	for _, one := range part.Asks {
		args = append(args, one.Address.String())
	}
	_, err = t.exec(ctx, `UPDATE delivery SET job = $1 WHERE campaign = $2 AND job = $3 AND state = 'waiting' AND address IN (`+
		list(len(part.Asks), 4)+`)`, args...)
	if err != nil {
		return fmt.Errorf("moving messages to a job that waits: %w", err)
	}
	return nil
}

// ParkedLimits lists the limits for which jobs wait. It goes from one name to
// the next in the index, however many jobs there are.
func (s *Store) ParkedLimits(ctx context.Context) ([]string, error) {
	found, err := s.read.QueryContext(ctx, `WITH RECURSIVE names (pace) AS (
		SELECT min(pace) FROM job WHERE state = 'ready' AND pace <> ''
		UNION ALL SELECT (SELECT min(pace) FROM job WHERE state = 'ready' AND pace <> '' AND pace > names.pace) FROM names WHERE names.pace IS NOT NULL)
		SELECT pace FROM names WHERE pace IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("listing the limits that jobs wait for: %w", err)
	}
	return gather(found, single[string])
}

// Release makes jobs due that wait for a limit, the oldest of each campaign
// first, so that about target of them are carried or at work at a time. Several
// workers that release at once do not add up. It tells whose jobs wait.
func (s *Store) Release(ctx context.Context, limit string, target int) (campaigns []int64, err error) {
	campaigns, err = s.parkedCampaigns(ctx, limit)
	if err != nil || len(campaigns) == 0 {
		return nil, err
	}
	released, each := 0, max(1, target/len(campaigns))
	for _, campaign := range campaigns {
		n, err := s.release(ctx, limit, campaign, each)
		if released += n; err != nil {
			return nil, err
		}
	}
	if released > 0 {
		s.pokeAll()
	}
	return campaigns, nil
}

// Released lists the campaigns whose jobs were let out, by limit, and have not ended
// since.
func (s *Store) Released(ctx context.Context) (map[string][]int64, error) {
	found, err := s.read.QueryContext(ctx, `SELECT DISTINCT pace, campaign FROM job WHERE state IN ('carried', 'running') AND pace <> '' AND campaign IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("looking whose jobs use up a limit: %w", err)
	}
	defer found.Close()
	all := map[string][]int64{}
	for found.Next() {
		var limit string
		var campaign int64
		if err := found.Scan(&limit, &campaign); err != nil {
			return nil, err
		}
		all[limit] = append(all[limit], campaign)
	}
	return all, found.Err()
}

// parkedCampaigns lists who waits; a campaign that is paused keeps its place.
func (s *Store) parkedCampaigns(ctx context.Context, limit string) ([]int64, error) {
	found, err := s.read.QueryContext(ctx, `SELECT c.id FROM campaign c WHERE c.state <> 'paused' AND EXISTS (
		SELECT 1 FROM job j WHERE j.pace = $1 AND j.pace <> '' AND j.campaign = c.id AND j.state = 'ready' AND j.due > $2) ORDER BY c.id`, limit, s.now().UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("looking who waits for %s: %w", limit, err)
	}
	return gather(found, single[int64])
}

func (s *Store) release(ctx context.Context, limit string, campaign int64, target int) (int, error) {
	var active int
	now := s.now().UnixMicro()
	err := s.read.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM job WHERE state IN ('carried', 'running') AND pace = $1 AND campaign = $2)
		+ (SELECT count(*) FROM job WHERE state = 'ready' AND pace = $1 AND pace <> '' AND campaign = $2 AND due <= $3)`, limit, campaign, now).Scan(&active)
	if err != nil || active >= target {
		return 0, err
	}
	var n int64
	err = s.inTx(ctx, "releasing what waited", func(t *tx) error {
		n, err = t.exec(ctx, `UPDATE job SET due = $1 WHERE state = 'ready' AND id IN (SELECT id FROM job WHERE state = 'ready'
			AND pace = $2 AND pace <> '' AND campaign = $3 AND due > $4 ORDER BY due, id LIMIT $5)`, now, limit, campaign, now, target-active)
		return err
	})
	return int(n), err
}

// day numbers the days since 1970, by UTC.
func day(at time.Time) int64 { return at.UTC().Unix() / 86400 }

// TakeDay takes up to n messages out of what a warm-up plan allows today. Each
// day on which something was sent is one step of the plan; behind its last step
// there is no limit, and whole tells so. forced takes n in any case.
func (s *Store) TakeDay(ctx context.Context, name string, plan []int, n int, forced bool) (got int, whole bool, err error) {
	err = s.inTx(ctx, "taking from what today allows", func(t *tx) error {
		step, used, err := t.warmUpDay(ctx, name)
		if err != nil {
			return err
		}
		got = n
		if whole = step >= len(plan); !whole && !forced {
			got = max(0, min(n, plan[step]-used))
		}
		if got == 0 {
			return nil
		}
		_, err = t.exec(ctx, `UPDATE warm_up SET used = used + $3 WHERE name = $1 AND day = $2`, name, day(t.now), got)
		return err
	})
	return got, whole, err
}

// warmUpDay gives the row of today, which is made when first needed.
func (t *tx) warmUpDay(ctx context.Context, name string) (step, used int, err error) {
	const today = `SELECT step, used FROM warm_up WHERE name = $1 AND day = $2`
	err = t.QueryRowContext(ctx, today+t.s.d.forUpdate, name, day(t.now)).Scan(&step, &used)
	if !errors.Is(err, sql.ErrNoRows) {
		return step, used, err
	}
	if _, err := t.exec(ctx, `INSERT INTO warm_up (name, day, step, used) SELECT $1, $2, count(*), 0 FROM warm_up
		WHERE name = $1 AND day < $2 AND used > 0 ON CONFLICT DO NOTHING`, name, day(t.now)); err != nil {
		return 0, 0, fmt.Errorf("beginning a day: %w", err)
	}
	err = t.QueryRowContext(ctx, today+t.s.d.forUpdate, name, day(t.now)).Scan(&step, &used)
	return step, used, err
}

// ReturnDay gives back what was taken on a day and not used.
func (s *Store) ReturnDay(ctx context.Context, name string, taken time.Time, n int) error {
	return s.inTx(ctx, "giving back of what today allows", func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE warm_up SET used = used - $3 WHERE name = $1 AND day = $2 AND used >= $3`, name, day(taken), n)
		return err
	})
}

// WarmUp is how far a warm-up plan has come.
type WarmUp struct {
	Name string
	Step int // of the plan, from 0
	Used int // today
}

// WarmUps tells how far each plan has come.
func (s *Store) WarmUps(ctx context.Context) ([]WarmUp, error) {
	today := day(s.now())
	found, err := s.read.QueryContext(ctx, `SELECT name, sum(CASE WHEN day < $1 AND used > 0 THEN 1 ELSE 0 END), sum(CASE WHEN day = $1 THEN used ELSE 0 END)
		FROM warm_up GROUP BY name ORDER BY name`, today)
	if err != nil {
		return nil, fmt.Errorf("reading the warm-ups: %w", err)
	}
	return gather(found, func(row scanner) (w WarmUp, err error) {
		err = row.Scan(&w.Name, &w.Step, &w.Used)
		return w, err
	})
}
