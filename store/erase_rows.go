package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"heed/consent"
)

func (t *tx) readErasure(ctx context.Context, id int64) (*erasure, error) {
	e := &erasure{caseNo: id}
	var address, backups string
	err := t.QueryRowContext(ctx, `SELECT e.seq, e.begun, e.ended, e.backups, e.silent, e.sealed, c.address FROM erasure e
		JOIN privacy_case c ON c.id = e.caseno WHERE e.caseno = $1`, id).Scan(&e.seq, &e.begun, &e.ended, &backups, &e.silent, &e.sealed, &address)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(backups), &e.backups); err != nil {
		return nil, fmt.Errorf("reading the declared backups: %w", err)
	}
	key, err := consent.ParseKey(address)
	if err != nil {
		return nil, err
	}
	keys, err := t.linked(ctx, key)
	if err != nil {
		return nil, err
	}
	for _, one := range keys {
		e.keys = append(e.keys, one.String())
		subjects, err := t.texts(ctx, `SELECT DISTINCT subject FROM ledger WHERE address = $1 AND subject <> '' AND seq <= $2`, one.String(), e.seq)
		if err != nil {
			return nil, err
		}
		cases, err := t.texts(ctx, `SELECT id FROM privacy_case WHERE address = $1 AND id <> $2 AND `+openedBy(3), one.String(), id, e.begun)
		if err != nil {
			return nil, err
		}
		e.holders = append(append(e.holders, one.String()), subjects...)
		for _, other := range cases {
			e.holders = append(e.holders, "case "+other)
		}
	}
	return e, nil
}

// texts reads a column.
func (t *tx) texts(ctx context.Context, query string, args ...any) (all []string, err error) {
	found, err := t.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return gather(found, single[string])
}

func (t *tx) addItem(ctx context.Context, caseNo int64, place int, item, state string) error {
	_, err := t.exec(ctx, `INSERT INTO erasure_item (caseno, place, item, state, changed) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		caseNo, place, item, state, t.now.UnixMicro())
	if err != nil {
		return fmt.Errorf("listing what is to be erased: %w", err)
	}
	return nil
}

func (t *tx) setItem(ctx context.Context, caseNo int64, item, state, note string) error {
	_, err := t.exec(ctx, `UPDATE erasure_item SET state = $3, note = $4, changed = $5 WHERE caseno = $1 AND item = $2`,
		caseNo, item, state, note, t.now.UnixMicro())
	if err != nil {
		return fmt.Errorf("noting that %s is %s: %w", item, state, err)
	}
	return nil
}

func longest(all []Backup) (d time.Duration) {
	for _, one := range all {
		d = max(d, one.Cycle)
	}
	return d
}

// awaitAnswers waits for the relay's answer to every message to the person that
// is in flight, however long it takes.
func awaitAnswers(ctx context.Context, s *Store, e *erasure) error {
	for _, key := range e.keys {
		for {
			n, err := s.await(ctx, `SELECT count(*) FROM claim WHERE address = $1`, key)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
		}
	}
	return nil
}

// settleDeliveries gives what waited for the person its outcome, writes the
// rows that a running fan-out will no longer find, and lets all rows forget
// who it was.
func (t *tx) settleDeliveries(ctx context.Context, key string) error {
	now := t.now.UnixMicro()
	if _, err := t.exec(ctx, `UPDATE delivery SET state = 'skipped', reason = 'erased', changed = $2
		WHERE campaign IN (SELECT id FROM campaign) AND address = $1 AND state IN ('waiting', 'deferred')`, key, now); err != nil {
		return fmt.Errorf("ending what waited: %w", err)
	}
	if _, err := t.exec(ctx, `INSERT INTO delivery (campaign, address, state, reason, changed) SELECT c.id, p.address, 'skipped', 'erased', $2
		FROM campaign c JOIN person p ON p.address = $1 WHERE c.state IN ('sending', 'paused') AND c.fanned = 0 AND c.audience = 'all'
		AND c.service IS NULL AND c.only_to = '' AND p.id > c.fan_cursor AND p.id <= c.bound ON CONFLICT DO NOTHING`, key, now); err != nil {
		return fmt.Errorf("writing what a fan-out would miss: %w", err)
	}
	if _, err := t.exec(ctx, `UPDATE delivery SET person = NULL WHERE campaign IN (SELECT id FROM campaign) AND address = $1`, key); err != nil {
		return fmt.Errorf("forgetting who it was: %w", err)
	}
	_, err := t.exec(ctx, `DELETE FROM retry WHERE address = $1`, key)
	return err
}
