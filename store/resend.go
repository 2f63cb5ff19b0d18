package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Resent says whom a person asks to try again.
type Resent string

// Those who can be tried again: the deferred and those who ran out of time, or
// those of whose message nobody knows whether the relay took it.
const (
	ResendMissing   Resent = "missing"
	ResendUncertain Resent = "uncertain"

	resendHeld Resent = "held" // who had as many alerts as the cap allows, see ApproveAlert
)

// resendChunk bounds a transaction.
const resendChunk = 2000

// Resend gives people of a campaign one more try, because a person asked for
// it: those whose message is uncertain may then get it twice. A campaign that
// was done sends again until they have their outcome. It gives how many are
// tried; a campaign that is not sending or done is an ErrState.
func (s *Store) Resend(ctx context.Context, id int64, who Resent) (n int, err error) {
	for {
		var moved int64
		err := s.inTx(ctx, fmt.Sprintf("resending campaign %d", id), func(t *tx) error {
			moved, err = t.resend(ctx, id, who)
			return err
		})
		if err != nil {
			return n, err
		}
		n += int(moved)
		if moved < resendChunk {
			s.pokeAll()
			return n, nil
		}
	}
}

func (t *tx) resend(ctx context.Context, id int64, who Resent) (int64, error) {
	c, err := scanCampaign(t.QueryRowContext(ctx, `SELECT `+campaignColumns+` FROM campaign WHERE id = $1`+t.s.d.forUpdate, id))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrNotFound
	}
	if err != nil {
		return 0, err
	}
	if c.State != "sending" && c.State != "done" {
		return 0, fmt.Errorf("it is %s: %w", c.State, ErrState)
	}
	if c.Pruned {
		return 0, fmt.Errorf("campaign %d: %w", id, ErrPruned)
	}
	n, err := t.retryNow(ctx, id, who)
	if err != nil || n == 0 || c.State == "sending" {
		return n, err
	}
	_, err = t.exec(ctx, `UPDATE campaign SET state = 'sending', ended = NULL WHERE id = $1`, id)
	return n, err
}

// retryNow gives each of them a place among the retries that are due.
func (t *tx) retryNow(ctx context.Context, id int64, who Resent) (int64, error) {
	which, skipped := `d.state = 'uncertain'`, ""
	switch who {
	case ResendMissing:
		which, skipped = `(d.state = 'deferred' OR (d.state = 'skipped' AND d.reason = 'expired'))`, "expired"
	case resendHeld:
		which, skipped = `d.state = 'skipped' AND d.reason = 'capped'`, "capped"
	}
	n, err := t.exec(ctx, `INSERT INTO retry (campaign, address, due) SELECT d.campaign, d.address, CAST($2 AS BIGINT) FROM delivery d
		LEFT JOIN retry r ON r.campaign = d.campaign AND r.address = d.address
		WHERE d.campaign = $1 AND `+which+` AND (r.due IS NULL OR r.due > $2) ORDER BY d.address LIMIT $3
		ON CONFLICT (campaign, address) DO UPDATE SET due = excluded.due`, id, t.now.UnixMicro(), resendChunk)
	if err != nil || skipped == "" {
		return n, err
	}
	_, err = t.exec(ctx, `UPDATE delivery SET state = 'deferred', reason = '', changed = $2 WHERE campaign = $1 AND state = 'skipped'
		AND reason = $3 AND address IN (SELECT address FROM retry WHERE campaign = $1)`, id, t.now.UnixMicro(), skipped)
	return n, err
}
