package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Batch is a flood of opt-outs by mail that proved nothing about their writers.
type Batch struct {
	ID       int64      `json:"batch"`
	OptOuts  int        `json:"opt_outs"`
	People   int        `json:"people"`
	First    time.Time  `json:"first"`
	Last     time.Time  `json:"last"`
	TookBack int        `json:"took_back"` // people who undid it themselves
	Forged   *time.Time `json:"forged"`    // when staff said so; null: not
}

// Batches lists them, the newest last.
func (s *Store) Batches(ctx context.Context) ([]Batch, error) {
	found, err := s.read.QueryContext(ctx, `SELECT batch, count(*), count(DISTINCT address), min(recorded), max(recorded),
		count(DISTINCT CASE WHEN undone IS NOT NULL THEN address END), max(forged) FROM mail_optout WHERE batch IS NOT NULL GROUP BY batch ORDER BY batch`)
	if err != nil {
		return nil, fmt.Errorf("listing batches: %w", err)
	}
	defer found.Close()
	var all []Batch
	for found.Next() {
		var b Batch
		var first, last int64
		var forged sql.NullInt64
		if err := found.Scan(&b.ID, &b.OptOuts, &b.People, &first, &last, &b.TookBack, &forged); err != nil {
			return nil, err
		}
		b.First, b.Last = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC()
		if at := fromMicro(forged); !at.IsZero() {
			b.Forged = &at
		}
		all = append(all, b)
	}
	return all, found.Err()
}

// MarkGenuine says of a batch that nobody forged it: the alarm ends, and nothing
// else changes.
func (s *Store) MarkGenuine(ctx context.Context, batch int64) error {
	all, err := s.Batches(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if one.ID == batch {
			return s.ClearAlarm(ctx, AlarmBrake, batchKey(batch))
		}
	}
	return fmt.Errorf("batch %d: %w", batch, ErrNotFound)
}
