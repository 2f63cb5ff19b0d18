package store

import (
	"context"
	"fmt"
	"time"

	"heed/consent"
)

// finish writes results. The claim that carries the token goes first: where it
// is no longer there, the sweep has called the delivery uncertain meanwhile,
// and only the same token may still resolve that.
func (t *tx) finish(ctx context.Context, results []Result) error {
	for len(results) > 0 {
		n := min(len(results), 200)
		if err := t.finishSome(ctx, results[:n]); err != nil {
			return err
		}
		results = results[n:]
	}
	return nil
}

// How a result proves that it may be written.
const (
	unclaimed = 0 // refused before the claim: nobody else may hold one
	claimed   = 1 // its token closed the open claim
	late      = 2 // the sweep was faster; the delivery must still carry its token
)

func (t *tx) finishSome(ctx context.Context, results []Result) error {
	open, err := t.closeClaims(ctx, results)
	if err != nil {
		return err
	}
	var updates, retries []any
	uncertain := false
	for _, r := range results {
		at, mine := open[r.Token]
		proof := late
		if mine {
			proof = claimed
		} else if r.Token == 0 {
			proof = unclaimed
		}
		if r.Outcome == GivenBack {
			if proof != late {
				continue // it waits as before
			}
			r.Outcome, r.Due = Deferred, t.now // never ended after all
		}
		uncertain = uncertain || r.Outcome == Uncertain
		state, reason := string(r.Outcome), ""
		if r.Outcome == Expired {
			state, reason = "skipped", string(consent.Expired)
		}
		updates = append(updates, r.Campaign, r.Address.String(), state, r.Token, r.Code, r.Status, at, endTime(r, at), proof, reason)
		if r.Outcome == Deferred {
			retries = append(retries, r.Campaign, r.Address.String(), r.Due.UnixMicro())
		}
	}
	if err := t.writeResults(ctx, updates, retries); err != nil || !uncertain {
		return err
	}
	return t.retryAlerts(ctx)
}

func endTime(r Result, at int64) int64 {
	if r.EndAt.IsZero() {
		return at
	}
	return r.EndAt.UnixMicro()
}

func (t *tx) closeClaims(ctx context.Context, results []Result) (map[int64]int64, error) {
	args := make([]any, 0, 3*len(results))
	for _, r := range results {
		args = append(args, r.Campaign, r.Address.String(), r.Token)
	}
	found, err := t.QueryContext(ctx, `DELETE FROM claim WHERE (campaign, address, token) IN (VALUES `+
		rows(len(results), 3, 1, "BIGINT", "TEXT", "BIGINT")+`) RETURNING token, at`, args...)
	if err != nil {
		return nil, fmt.Errorf("closing claims: %w", err)
	}
	defer found.Close()
	open := make(map[int64]int64, len(results))
	for found.Next() {
		var token, at int64
		if err := found.Scan(&token, &at); err != nil {
			return nil, err
		}
		open[token] = at
	}
	return open, found.Err()
}

func (t *tx) writeResults(ctx context.Context, updates, retries []any) error {
	if n := len(updates) / 10; n > 0 {
		_, err := t.exec(ctx, `UPDATE delivery SET state = v.column3, reason = v.column10, token = v.column4, attempts = attempts + 1, code = v.column5, status = v.column6,
			claimed = CASE WHEN v.column9 = 1 THEN v.column7 ELSE claimed END, end_at = CASE WHEN v.column9 = 1 THEN v.column8 ELSE end_at END,
			changed = $1 FROM (VALUES `+rows(n, 10, 2, "BIGINT", "TEXT", "TEXT", "BIGINT", "INTEGER", "TEXT", "BIGINT", "BIGINT", "INTEGER", "TEXT")+`) AS v
			WHERE delivery.campaign = v.column1 AND delivery.address = v.column2 AND (v.column9 = 1
			OR (v.column9 = 0 AND delivery.state = 'waiting' AND NOT EXISTS (SELECT 1 FROM claim k WHERE k.campaign = v.column1 AND k.address = v.column2))
			OR (v.column9 = 2 AND delivery.state = 'uncertain' AND delivery.token = v.column4 AND (v.column3 <> 'deferred'
				OR EXISTS (SELECT 1 FROM campaign c WHERE c.id = v.column1 AND c.state IN ('sending', 'paused')))))`, append([]any{t.now.UnixMicro()}, updates...)...)
		if err != nil {
			return fmt.Errorf("writing results: %w", err)
		}
	}
	if n := len(retries) / 3; n > 0 {
		_, err := t.exec(ctx, `INSERT INTO retry (campaign, address, due) SELECT v.column1, v.column2, v.column3 FROM (VALUES `+
			rows(n, 3, 1, "BIGINT", "TEXT", "BIGINT")+`) AS v JOIN delivery d ON d.campaign = v.column1 AND d.address = v.column2 AND d.state = 'deferred'
			WHERE true ON CONFLICT (campaign, address) DO UPDATE SET due = excluded.due`, retries...)
		if err != nil {
			return fmt.Errorf("planning retries: %w", err)
		}
	}
	return nil
}

// AlertRetry is how long after an uncertain alert the same message, with the
// same Message-ID, is sent once more.
const AlertRetry = 15 * time.Minute

// retryAlerts plans the one further copy of an alert whose fate is unknown: an
// alert missed hurts more than one that came twice.
func (t *tx) retryAlerts(ctx context.Context) error {
	_, err := t.exec(ctx, `INSERT INTO retry (campaign, address, due) SELECT d.campaign, d.address, d.changed + $1 FROM delivery d
		JOIN campaign c ON c.id = d.campaign WHERE c.class = 'alert' AND c.state = 'sending' AND d.state = 'uncertain' AND d.attempts = 1
		ON CONFLICT DO NOTHING`, AlertRetry.Microseconds())
	return err
}
