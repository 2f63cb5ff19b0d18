package store

import (
	"context"
	"fmt"
	"slices"

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
