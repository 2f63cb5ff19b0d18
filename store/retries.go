package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"heed/consent"
)

// Requeue makes batches of the deferred messages whose time has come. It gives
// how many were taken.
func (s *Store) Requeue(ctx context.Context) (int, error) {
	var due int
	if err := s.lookRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM retry WHERE due <= $1 LIMIT 1) x`, s.now().UnixMicro()).Scan(&due); err != nil || due == 0 {
		return 0, err
	}
	taken := 0
	err := s.inTx(ctx, "making batches of deferred messages", func(t *tx) error {
		var campaign int64
		err := t.QueryRowContext(ctx, `SELECT r.campaign FROM retry r JOIN campaign c ON c.id = r.campaign
			WHERE r.due <= $1 AND c.state = 'sending' ORDER BY r.due LIMIT 1`, t.now.UnixMicro()).Scan(&campaign)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		taken, err = t.requeue(ctx, campaign)
		return err
	})
	return taken, err
}

func (t *tx) requeue(ctx context.Context, campaign int64) (int, error) {
	c, err := scanCampaign(t.QueryRowContext(ctx, `SELECT `+campaignColumns+` FROM campaign WHERE id = $1`, campaign))
	if err != nil {
		return 0, err
	}
	due, err := t.takeDue(ctx, campaign)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	job, err := t.addJobs(ctx, 1, Job{Queue: c.queue(), Kind: "send", Campaign: campaign})
	if err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, `UPDATE delivery SET state = 'waiting', job = $1, changed = $2 WHERE campaign = $3 AND address IN (`+
		list(len(due), 4)+`) AND state IN ('deferred', 'uncertain')`, append([]any{job, t.now.UnixMicro(), campaign}, due...)...)
	return len(due), err
}

// takeDue takes the plans whose time has come off the list.
func (t *tx) takeDue(ctx context.Context, campaign int64) (addresses []any, err error) {
	found, err := t.QueryContext(ctx, `DELETE FROM retry WHERE campaign = $1 AND address IN (SELECT address FROM retry
		WHERE campaign = $1 AND due <= $2 ORDER BY due LIMIT $3) RETURNING address`, campaign, t.now.UnixMicro(), mostBatch)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var address string
		if err := found.Scan(&address); err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	return addresses, found.Err()
}

// DropRetries ends what was deferred in campaigns that were cancelled or failed
// while a result was on its way.
func (s *Store) DropRetries(ctx context.Context) error {
	found, err := s.look(ctx, `SELECT DISTINCT c.id FROM retry r JOIN campaign c ON c.id = r.campaign WHERE c.state IN ('cancelled', 'failed')`)
	if err != nil {
		return fmt.Errorf("looking for plans of ended campaigns: %w", err)
	}
	ids, err := gather(found, single[int64])
	for _, id := range ids {
		err = errors.Join(err, s.skipWaiting(ctx, id, consent.Cancelled))
	}
	return err
}
