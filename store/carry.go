package store

import (
	"context"
	"fmt"
	"sync"
)

// Carry takes jobs of a queue that are ready and due, so that at most window of
// them are on their way or at work. Each campaign has a line of its own, and the one
// goes first that has the least on its way: a small campaign does not wait behind a
// large one. Whoever calls enqueues the jobs afterwards; if that fails, or Redis
// forgets them, Recarry finds them.
func (s *Store) Carry(ctx context.Context, queue string, window int) (jobs []Job, err error) {
	now := s.now().UnixMicro()
	var ready, moving int
	err = s.lookRow(ctx, `SELECT (SELECT count(*) FROM (SELECT 1 FROM job WHERE state = 'ready' AND queue = $1 AND due <= $2 LIMIT 1) x),
		(SELECT count(*) FROM job WHERE state IN ('carried', 'running') AND queue = $1)`, queue, now).Scan(&ready, &moving)
	if err != nil {
		return nil, fmt.Errorf("looking for jobs: %w", err)
	}
	if ready == 0 || moving >= window {
		return nil, nil
	}
	all, err := s.jobLines(ctx, queue, window-moving, now)
	if err != nil {
		return nil, err
	}
	all = s.turns.share(queue, all, window-moving)
	if len(all) == 0 {
		return nil, nil
	}
	err = s.inTx(ctx, "taking jobs to be carried", func(t *tx) error {
		jobs = nil
		for _, one := range all {
			some, err := t.carry(ctx, queue, one)
			if err != nil {
				return err
			}
			jobs = append(jobs, some...)
		}
		return nil
	})
	return jobs, err
}

// carry takes the oldest jobs of a line. The subquery is a statement's own choice
// of rows: two schedulers may pick the same, the second then finds them no longer
// ready.
func (t *tx) carry(ctx context.Context, queue string, one jobLine) ([]Job, error) {
	found, err := t.QueryContext(ctx, `UPDATE job SET state = 'carried', changed = $1 WHERE state = 'ready' AND id IN (
		SELECT id FROM job WHERE state = 'ready' AND queue = $2 AND COALESCE(campaign, 0) = $3 AND due <= $1`+t.s.beforeReplay()+`
		ORDER BY due, id LIMIT $4) RETURNING `+jobColumns, t.now.UnixMicro(), queue, one.campaign, one.take)
	if err != nil {
		return nil, err
	}
	return gather(found, scanJob)
}

// jobLine is what one campaign has in a queue; campaign 0 is all that belongs to
// none.
type jobLine struct {
	campaign      int64
	ready, moving int
	take          int // how many of the ready ones are carried now
}

// jobLines lists the campaigns that have jobs to be carried. It goes from one to
// the next in the index, however many jobs each has.
func (s *Store) jobLines(ctx context.Context, queue string, room int, now int64) ([]jobLine, error) {
	const line = ` FROM job WHERE state = 'ready' AND queue = $1`
	found, err := s.look(ctx, `WITH RECURSIVE who (campaign) AS (SELECT min(COALESCE(campaign, 0))`+line+`
		UNION ALL SELECT (SELECT min(COALESCE(campaign, 0))`+line+` AND COALESCE(campaign, 0) > who.campaign) FROM who WHERE who.campaign IS NOT NULL)
		SELECT who.campaign, (SELECT count(*) FROM (SELECT 1`+line+` AND COALESCE(campaign, 0) = who.campaign AND due <= $2 LIMIT $3) x),
		(SELECT count(*) FROM job j WHERE j.state IN ('carried', 'running') AND j.queue = $1 AND COALESCE(j.campaign, 0) = who.campaign)
		FROM who LEFT JOIN campaign c ON c.id = who.campaign WHERE who.campaign IS NOT NULL AND COALESCE(c.state, '') <> 'paused' ORDER BY who.campaign`, queue, now, room)
	if err != nil {
		return nil, fmt.Errorf("looking whose jobs are ready: %w", err)
	}
	return gather(found, func(row scanner) (l jobLine, err error) {
		err = row.Scan(&l.campaign, &l.ready, &l.moving)
		return l, err
	})
}

// KeptOut lists the campaigns that have jobs to be carried in a queue and none on
// the way: there is no room for them.
func (s *Store) KeptOut(ctx context.Context, queue string) (campaigns []int64, err error) {
	all, err := s.jobLines(ctx, queue, 1, s.now().UnixMicro())
	for _, one := range all {
		if one.campaign != 0 && one.ready > 0 && one.moving == 0 {
			campaigns = append(campaigns, one.campaign)
		}
	}
	return campaigns, err
}

// lineTurns remembers which line was served last, so that where there are more
// lines than room each has its turn.
type lineTurns struct {
	mu   sync.Mutex
	last map[string]int64 // by queue
}

// share deals room out among lines, one job after the other: each to the line that
// has the least on its way, and among equals to the next one after the last.
func (l *lineTurns) share(queue string, lines []jobLine, room int) (served []jobLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		l.last = map[string]int64{}
	}
	for ; room > 0; room-- {
		best := -1
		for i, one := range lines {
			if one.take < one.ready && (best < 0 || before(one, lines[best], l.last[queue])) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		lines[best].take++
		l.last[queue] = lines[best].campaign
	}
	for _, one := range lines {
		if one.take > 0 {
			served = append(served, one)
		}
	}
	return served
}

// before tells whether a line is served before another, after last was.
func before(a, b jobLine, last int64) bool {
	if a.moving+a.take != b.moving+b.take {
		return a.moving+a.take < b.moving+b.take
	}
	if (a.campaign > last) != (b.campaign > last) {
		return a.campaign > last
	}
	return a.campaign < b.campaign
}

// CarryAlarms takes the alarms that are due for whoever tells them without a
// queue.
func (s *Store) CarryAlarms(ctx context.Context) ([]Job, error) {
	const due = `kind = 'alarm' AND queue = 'alert' AND state = 'ready' AND due <= $1`
	var n int
	now := s.now().UnixMicro()
	if err := s.lookRow(ctx, `SELECT count(*) FROM job WHERE `+due, now).Scan(&n); err != nil || n == 0 {
		return nil, err
	}
	var jobs []Job
	err := s.inTx(ctx, "taking alarms", func(t *tx) error {
		found, err := t.QueryContext(ctx, `UPDATE job SET state = 'carried', changed = $1 WHERE `+due+` RETURNING `+jobColumns, now)
		if err != nil {
			return err
		}
		jobs, err = gather(found, scanJob)
		return err
	})
	return jobs, err
}

// beforeReplay lets only alarms out while the journal could not be read since
// the start: the database may be an older copy.
func (s *Store) beforeReplay() string {
	if s.journal == nil || !s.journal.unread.Load() {
		return ""
	}
	return ` AND kind = 'alarm'`
}
