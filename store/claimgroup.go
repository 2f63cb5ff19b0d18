package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"heed/consent"
)

// claimGroup records results and decides claims in one transaction.
//
// The order matters. A statement of its own locks the address keys; only later
// statements read what the decision needs, because a statement that locks and
// reads at once sees the state from before the lock (PostgreSQL, READ
// COMMITTED). An opt-out locks the same row: either it is committed first and
// is read here, or this claim is committed first and the opt-out's
// acknowledgement waits for it.
func (s *Store) claimGroup(ctx context.Context, worker string, asks []pending, results []Result) ([]Verdict, error) {
	var verdicts []Verdict
	err := s.inTx(ctx, "claiming", func(t *tx) error {
		verdicts = make([]Verdict, len(asks))
		if err := t.finish(ctx, results); err != nil {
			return err
		}
		if len(asks) == 0 {
			return nil
		}
		locked, err := t.lockForClaims(ctx, asks)
		if err != nil {
			return err
		}
		return t.decideClaims(ctx, worker, asks, locked, verdicts)
	})
	return verdicts, err
}

// lockForClaims holds off whoever pauses a campaign, and locks the address
// keys that nobody else has; the others are tried again later.
func (t *tx) lockForClaims(ctx context.Context, asks []pending) (map[consent.Key]bool, error) {
	locked := make(map[consent.Key]bool, len(asks))
	if t.s.d.sqlite() { // one writer: this transaction is alone
		for _, one := range asks {
			locked[one.Address] = true
		}
		return locked, nil
	}
	var campaigns []int64
	for _, one := range asks {
		campaigns = append(campaigns, one.Campaign)
	}
	slices.Sort(campaigns)
	for _, id := range slices.Compact(campaigns) {
		if _, err := t.exec(ctx, t.s.d.shareCampaign, id); err != nil {
			return nil, fmt.Errorf("sharing a campaign: %w", err)
		}
	}
	found, err := t.QueryContext(ctx, `SELECT key FROM address WHERE key IN (`+list(len(asks), 1)+`) ORDER BY key`+t.s.d.skipLocked, askArgs(asks)...)
	if err != nil {
		return nil, fmt.Errorf("locking address keys: %w", err)
	}
	defer found.Close()
	for found.Next() {
		var text string
		if err := found.Scan(&text); err != nil {
			return nil, err
		}
		key, err := consent.ParseKey(text)
		if err != nil {
			return nil, err
		}
		locked[key] = true
	}
	return locked, found.Err()
}

func askArgs(asks []pending) []any {
	args := make([]any, len(asks))
	for i, one := range asks {
		args[i] = one.Address.String()
	}
	return args
}

// candidate is what the decision needs of one delivery.
type candidate struct {
	state, campaignState, class string
	topic, service, received    int
	claimed, holds, known       bool
	person                      consent.State
}

func (t *tx) decideClaims(ctx context.Context, worker string, asks []pending, locked map[consent.Key]bool, verdicts []Verdict) error {
	candidates, err := t.candidates(ctx, asks)
	if err != nil {
		return err
	}
	var claims, skips []any
	for i, one := range asks {
		c, found := candidates[one.Ask]
		switch {
		case !found:
			verdicts[i].Later = "gone"
		case !locked[one.Address]:
			verdicts[i].Later = "locked"
		default:
			verdicts[i] = t.verdict(c)
		}
		switch v := verdicts[i]; {
		case v.Granted:
			claims = append(claims, one.Campaign, one.Address.String(), v.Token, worker, t.now.UnixMicro())
			c.claimed = true
			candidates[one.Ask] = c
		case v.Skipped != "":
			skips = append(skips, one.Campaign, one.Address.String(), string(v.Skipped))
		}
	}
	return t.writeVerdicts(ctx, claims, skips)
}

// verdict asks the one function that decides, after the campaign itself.
func (t *tx) verdict(c candidate) Verdict {
	switch {
	case c.claimed, c.state != "waiting":
		return Verdict{Later: "gone"}
	case c.campaignState == "cancelled":
		return Verdict{Skipped: consent.Cancelled}
	case c.campaignState == "failed":
		return Verdict{Skipped: consent.Unrenderable}
	case c.campaignState != "sending":
		return Verdict{Later: "paused"}
	case !c.known:
		return Verdict{Skipped: consent.Erased}
	}
	who := consent.Person{State: c.person, Holds: c.holds, Received: c.received}
	what := consent.Message{Class: consent.Class(c.class), Topic: c.topic, Service: c.service}
	if reason := consent.Decide(who, what, t.s.limits); reason != "" {
		return Verdict{Skipped: reason}
	}
	return Verdict{Granted: true, Token: newToken()}
}

func (t *tx) candidates(ctx context.Context, asks []pending) (map[Ask]candidate, error) {
	args := make([]any, 0, 2*len(asks)+1)
	args = append(args, t.now.Add(-AlertWindow).UnixMicro())
	for _, one := range asks {
		args = append(args, one.Campaign, one.Address.String())
	}
	found, err := t.QueryContext(ctx, `SELECT d.campaign, d.address, d.state, c.state, c.class, COALESCE(c.topic, 0), COALESCE(c.service, 0),
		k.token IS NOT NULL, p.id IS NOT NULL, a.state,
		CASE WHEN c.service IS NULL THEN 1 ELSE (SELECT count(*) FROM holding h WHERE h.service = c.service AND h.person = p.id) END,
		CASE WHEN c.class <> 'alert' THEN 0 ELSE (SELECT count(*) FROM delivery e JOIN campaign f ON f.id = e.campaign WHERE f.class = 'alert'
			AND f.id <> c.id AND e.address = d.address AND e.state IN ('accepted', 'uncertain') AND e.changed > $1) END
		FROM (VALUES `+rows(len(asks), 2, 2, "BIGINT", "TEXT")+`) AS v
		JOIN delivery d ON d.campaign = v.column1 AND d.address = v.column2
		JOIN campaign c ON c.id = d.campaign JOIN address a ON a.key = d.address
		LEFT JOIN person p ON p.address = d.address
		LEFT JOIN claim k ON k.campaign = d.campaign AND k.address = d.address`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading what the decision needs: %w", err)
	}
	defer found.Close()
	all := make(map[Ask]candidate, len(asks))
	for found.Next() {
		var ask Ask
		var c candidate
		var key, state string
		var holds int
		if err := found.Scan(&ask.Campaign, &key, &c.state, &c.campaignState, &c.class, &c.topic, &c.service,
			&c.claimed, &c.known, &state, &holds, &c.received); err != nil {
			return nil, err
		}
		if ask.Address, err = consent.ParseKey(key); err != nil {
			return nil, err
		}
		if c.person, err = consent.DecodeState(state); err != nil {
			return nil, err
		}
		c.holds = holds > 0
		all[ask] = c
	}
	return all, found.Err()
}

func (t *tx) writeVerdicts(ctx context.Context, claims, skips []any) error {
	if len(claims) > 0 {
		if _, err := t.exec(ctx, `INSERT INTO claim (campaign, address, token, worker, at) VALUES `+rows(len(claims)/5, 5, 1), claims...); err != nil {
			return fmt.Errorf("writing claims: %w", err)
		}
	}
	if len(skips) == 0 {
		return nil
	}
	n := len(skips) / 3
	_, err := t.exec(ctx, `UPDATE delivery SET state = 'skipped', reason = v.column3, changed = $1 FROM (VALUES `+
		rows(n, 3, 2, "BIGINT", "TEXT", "TEXT")+`) AS v WHERE delivery.campaign = v.column1 AND delivery.address = v.column2 AND delivery.state = 'waiting'`,
		append([]any{t.now.UnixMicro()}, skips...)...)
	if err != nil {
		return fmt.Errorf("writing who is skipped: %w", err)
	}
	return nil
}

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
