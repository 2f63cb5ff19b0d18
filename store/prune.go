package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A campaign that ended long ago is kept as its sums: how many were accepted,
// came back, were skipped and why. Its account still balances, and nothing says
// any more who got it.

// PruneAfter is how long at least each delivery is kept after the end of its
// campaign: mails that come back are matched for 14 days, and alerts count
// against their cap for 30.
const PruneAfter = AlertWindow

// ErrTooSoon means that the single deliveries of a campaign are still needed.
var ErrTooSoon = errors.New("its deliveries are still needed, for mails that come back and for the cap on alerts")

// ErrPruned means that only the sums of a campaign are kept.
var ErrPruned = errors.New("only its sums are kept")

// Prune replaces the deliveries of a campaign that has ended by their sums, in
// small steps, so that nothing that is urgent waits. With early it need not have
// ended long ago, unless it is an alert, whose deliveries still count.
func (s *Store) Prune(ctx context.Context, id int64, early bool) (rows int, err error) {
	c, err := s.Campaign(ctx, id)
	if err != nil {
		return 0, err
	}
	if c.Ended.IsZero() {
		return 0, fmt.Errorf("campaign %d is %s, it has not ended: %w", id, c.State, ErrState)
	}
	if s.now().Before(c.Ended.Add(PruneAfter)) && (!early || !c.Class.Marketing()) {
		return 0, fmt.Errorf("campaign %d ended on %s: %w", id, c.Ended.Format(time.DateOnly), ErrTooSoon)
	}
	for ctx.Err() == nil {
		n, err := s.pruneSome(ctx, id)
		if rows += n; err != nil || n == 0 {
			return rows, err
		}
	}
	return rows, ctx.Err()
}

// pruneSome is one step. The campaign is looked at again in each: somebody may
// have it sent again meanwhile.
func (s *Store) pruneSome(ctx context.Context, id int64) (n int, err error) {
	err = s.inTx(ctx, fmt.Sprintf("pruning campaign %d", id), func(t *tx) error {
		marked, err := t.exec(ctx, `UPDATE campaign SET pruned = 1 WHERE id = $1 AND ended IS NOT NULL`, id)
		if err != nil || marked == 0 {
			return errors.Join(err, fmt.Errorf("it is sent again: %w", ErrState))
		}
		found, err := t.QueryContext(ctx, fmt.Sprintf(`DELETE FROM delivery WHERE campaign = $1 AND address IN (
			SELECT address FROM delivery WHERE campaign = $1 AND state NOT IN ('waiting', 'deferred') LIMIT %d)
			RETURNING state, reason, returned IS NOT NULL`, portion), id)
		if err != nil {
			return err
		}
		gone, err := gather(found, scanFate)
		if n = len(gone); err != nil {
			return err
		}
		if n == 0 {
			_, err = t.exec(ctx, `DELETE FROM job WHERE campaign = $1 AND state IN ('done', 'failed')`, id)
			return err
		}
		return t.addSums(ctx, id, gone)
	})
	return n, err
}

// fate is what became of a delivery.
type fate struct {
	state, reason string
	returned      bool
}

func scanFate(row scanner) (f fate, err error) {
	err = row.Scan(&f.state, &f.reason, &f.returned)
	return f, err
}

func (t *tx) addSums(ctx context.Context, id int64, gone []fate) error {
	type sum struct{ people, returned int }
	sums := map[fate]sum{}
	for _, f := range gone {
		kind := fate{state: f.state, reason: f.reason}
		one := sums[kind]
		one.people++
		if f.returned {
			one.returned++
		}
		sums[kind] = one
	}
	for f, one := range sums {
		if _, err := t.exec(ctx, `INSERT INTO delivery_sum (campaign, state, reason, people, returned) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (campaign, state, reason) DO UPDATE SET people = delivery_sum.people + excluded.people, returned = delivery_sum.returned + excluded.returned`,
			id, f.state, f.reason, one.people, one.returned); err != nil {
			return fmt.Errorf("summing up deliveries: %w", err)
		}
	}
	return nil
}

// pruneOld prunes the campaigns that ended long enough ago.
func (s *Store) pruneOld(ctx context.Context, into *Dropped, dryRun bool) error {
	found, err := s.read.QueryContext(ctx, `SELECT c.id, (SELECT count(*) FROM delivery d WHERE d.campaign = c.id AND d.state NOT IN ('waiting', 'deferred'))
		FROM campaign c WHERE c.ended < $1 AND EXISTS (SELECT 1 FROM delivery d WHERE d.campaign = c.id) ORDER BY c.id`, into.Before.UnixMicro())
	if err != nil {
		return fmt.Errorf("looking for campaigns to prune: %w", err)
	}
	type old struct {
		id   int64
		rows int
	}
	all, err := gather(found, func(row scanner) (o old, err error) {
		err = row.Scan(&o.id, &o.rows)
		return o, err
	})
	for _, one := range all {
		if !dryRun && err == nil {
			one.rows, err = s.Prune(ctx, one.id, false)
		}
		into.Rows += one.rows
	}
	return err
}
