package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// PaceNote is what a worker has to say of a limit or a relay.
type PaceNote struct {
	Name    string  // all | relay:NAME | group:NAME | campaign:NUMBER
	State   string  // of a relay's breaker; empty for anything else
	Rate    float64 // messages a second, as it is now; 0: none
	Ceiling float64 // as it is configured; 0: none
	Cut     float64 // the share of its full rate that it is cut to by deferrals; 1: all of it
	Open    int     // conversations with a relay; where there are Most at once over all workers
	Most    int     // 0: no limit
}

// openOf begins the name of a row that tells of conversations: they add up over the
// workers.
const openOf = "open:"

// NotePace keeps what a worker says, in place of what it said before.
func (s *Store) NotePace(ctx context.Context, worker string, notes []PaceNote) error {
	return s.inTx(ctx, "noting the pace", func(t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM pace_note WHERE worker = $1 OR worker NOT IN (SELECT id FROM worker)`, worker); err != nil {
			return err
		}
		for _, n := range notes {
			err := t.notePace(ctx, worker, n)
			if err == nil && n.Most > 0 {
				err = t.notePace(ctx, worker, PaceNote{Name: openOf + n.Name, Rate: float64(n.Open), Ceiling: float64(n.Most), Cut: 1})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) notePace(ctx context.Context, worker string, n PaceNote) error {
	_, err := t.exec(ctx, `INSERT INTO pace_note (worker, name, state, rate, ceiling, cut, at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		worker, n.Name, n.State, n.Rate, n.Ceiling, n.Cut, t.now.UnixMicro())
	return err
}

// PaceView is a limit or a relay as all living workers see it together.
type PaceView struct {
	PaceNote
	Workers int       // that say so
	Since   time.Time // of the newest word
	Batches int       // that wait for it
}

// alive is how old a heartbeat may be for somebody who looks but once. Schedulers
// strike off the dead within seconds; this leaves room for clocks that differ.
const alive = time.Minute

// Pace lists limits and relays, the worst state where workers differ, and what
// waits for each.
func (s *Store) Pace(ctx context.Context) ([]PaceView, error) {
	found, err := s.read.QueryContext(ctx, `SELECT n.name, max(n.state), CASE WHEN n.name LIKE 'open:%' THEN sum(n.rate) ELSE min(n.rate) END, max(n.ceiling), min(n.cut), count(*), max(n.at)
		FROM pace_note n JOIN worker w ON w.id = n.worker AND w.beat > $1 GROUP BY n.name ORDER BY n.name`, s.now().Add(-alive).UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("reading the pace: %w", err)
	}
	all, err := gather(found, func(row scanner) (v PaceView, err error) {
		var at int64
		err = row.Scan(&v.Name, &v.State, &v.Rate, &v.Ceiling, &v.Cut, &v.Workers, &at)
		v.Since = time.UnixMicro(at).UTC()
		return v, err
	})
	if err != nil {
		return nil, err
	}
	return s.addParked(ctx, foldOpen(all))
}

// foldOpen tells of conversations where it is told of their relay.
func foldOpen(all []PaceView) (folded []PaceView) {
	open := map[string]PaceView{}
	for _, one := range all {
		if name, found := strings.CutPrefix(one.Name, openOf); found {
			open[name] = one
			continue
		}
		folded = append(folded, one)
	}
	for i, one := range folded {
		folded[i].Open, folded[i].Most = int(open[one.Name].Rate), int(open[one.Name].Ceiling)
	}
	return folded
}

// addParked counts what waits; a limit that nobody has any more may be among it.
func (s *Store) addParked(ctx context.Context, all []PaceView) ([]PaceView, error) {
	found, err := s.read.QueryContext(ctx, `SELECT pace, count(*) FROM job WHERE state = 'ready' AND pace <> '' GROUP BY pace ORDER BY pace`)
	if err != nil {
		return nil, fmt.Errorf("counting what waits for a limit: %w", err)
	}
	defer found.Close()
next:
	for found.Next() {
		var v PaceView
		if err := found.Scan(&v.Name, &v.Batches); err != nil {
			return nil, err
		}
		for i := range all {
			if all[i].Name == v.Name {
				all[i].Batches = v.Batches
				continue next
			}
		}
		all = append(all, v)
	}
	return all, found.Err()
}

// HeldBy counts the messages of a campaign that wait for each limit, and, as
// job:failed, those in batches that were given up.
func (s *Store) HeldBy(ctx context.Context, campaign int64) (map[string]int, error) {
	found, err := s.read.QueryContext(ctx, `SELECT CASE WHEN j.state = 'failed' THEN 'job:failed' ELSE j.pace END, count(*) FROM job j JOIN delivery d ON d.job = j.id AND d.state = 'waiting'
		WHERE j.campaign = $1 AND (j.state = 'ready' AND j.pace <> '' OR j.state = 'failed') GROUP BY 1`, campaign)
	if err != nil {
		return nil, fmt.Errorf("counting what waits for a limit: %w", err)
	}
	defer found.Close()
	held := map[string]int{}
	for found.Next() {
		var name string
		var n int
		if err := found.Scan(&name, &n); err != nil {
			return nil, err
		}
		held[name] = n
	}
	return held, found.Err()
}

// ClearPace asks all workers to forget that a limit was cut.
func (s *Store) ClearPace(ctx context.Context, name string) error {
	return s.inTx(ctx, "clearing the pace", func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO pace_clear (name, at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET at = excluded.at`, name, t.now.UnixMicro())
		return err
	})
}

// Cleared lists what was asked to be forgotten after a moment.
func (s *Store) Cleared(ctx context.Context, after time.Time) ([]string, error) {
	found, err := s.read.QueryContext(ctx, `SELECT name FROM pace_clear WHERE at > $1`, after.UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("reading what was cleared: %w", err)
	}
	return gather(found, single[string])
}

// DomainNames finds the domains that limits are about, by somebody who waits for
// them or was put off: a limit names its domain by a hash alone. One for whom nobody
// waits any more stays unknown.
func (s *Store) DomainNames(ctx context.Context, limits []string) (map[string]string, error) {
	known := map[string]string{}
	learn := func(query string, args ...any) error {
		found, err := s.read.QueryContext(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("looking which domains are cut: %w", err)
		}
		emails, err := gather(found, single[string])
		for _, email := range emails {
			domain := email[strings.LastIndexByte(email, '@')+1:]
			known["domain:"+s.DomainKey(domain)] = domain
		}
		return err
	}
	for _, limit := range limits {
		if known[limit] != "" {
			continue
		}
		if err := learn(`SELECT p.email FROM job j JOIN delivery d ON d.job = j.id JOIN person p ON p.address = d.address WHERE j.pace = $1 AND j.state <> 'done' LIMIT 1`, limit); err != nil {
			return nil, err
		}
	}
	for _, limit := range limits {
		if known[limit] == "" {
			return known, learn(`SELECT p.email FROM retry r JOIN person p ON p.address = r.address ORDER BY r.due LIMIT 5000`)
		}
	}
	return known, nil
}
