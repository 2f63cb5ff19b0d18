package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// leftovers finds, for each item of the inventory that an erasure ($1) says is
// done, what it should have let go of. What is younger than the erasure belongs
// to somebody who came back by their own act.
var leftovers = map[string]string{
	"deliveries": `SELECT count(*) FROM delivery d WHERE d.address = $1 AND d.changed < $2 AND (d.person IS NOT NULL OR d.state IN ('waiting', 'deferred'))`,
	"evidence":   `SELECT count(*) FROM annex x JOIN ledger l ON l.seq = x.seq WHERE l.address = $1 AND x.seq <= $3`,
	"letters":    `SELECT count(*) FROM correspondence WHERE address = $1 AND created <= $2`,
	"mails":      `SELECT count(*) FROM mail_text m JOIN inbound i ON i.id = m.inbound WHERE (i.address = $1 OR m.holder = $1) AND i.recorded <= $2`,
	"cases": `SELECT (SELECT count(*) FROM privacy_case WHERE address = $1 AND ` + openedBy(2) + ` AND (email <> '' OR outcome NOT IN ('', 'erased')))
		+ (SELECT count(*) FROM case_event v JOIN privacy_case c ON c.id = v.caseno WHERE c.address = $1 AND v.at <= $2 AND v.sealed <> '')`,
	"external_ids": `SELECT count(*) FROM external_id x JOIN person p ON p.id = x.person WHERE p.address = $1 AND p.created <= $2`,
	"services":     `SELECT count(*) FROM holding h JOIN person p ON p.id = h.person WHERE p.address = $1 AND p.created <= $2`,
	"person":       `SELECT count(*) FROM person WHERE address = $1 AND created <= $2`,
	"mailboxes":    `SELECT count(*) FROM mail_removal WHERE caseno = $4 AND state = 'due'`,
	"links":        `SELECT count(*) FROM inbound WHERE address = $1 AND recorded <= $2`,
	certificate: `SELECT (SELECT count(*) FROM erasure WHERE caseno = $4 AND sealed <> '')
		+ (SELECT count(*) FROM correspondence WHERE caseno = $4 AND kind = 'erased' AND sealed <> '')`,
}

// verifyErased: what an erasure says is done is done, and one that has ended
// left nothing undone.
func (t *tx) verifyErased(ctx context.Context, v *Invariant) error {
	found, err := t.QueryContext(ctx, `SELECT caseno FROM erasure ORDER BY caseno`)
	if err != nil {
		return err
	}
	cases, err := gather(found, single[int64])
	if err != nil {
		return err
	}
	for _, id := range cases {
		v.Checked++
		if err := t.verifyErasure(ctx, v, id); err != nil {
			return err
		}
	}
	return t.verifyOldErasures(ctx, v)
}

func (t *tx) verifyErasure(ctx context.Context, v *Invariant, id int64) error {
	e, err := t.readErasure(ctx, id)
	if err != nil {
		return err
	}
	done, err := t.texts(ctx, `SELECT item FROM erasure_item WHERE caseno = $1 AND state = 'done'`, id)
	if err != nil {
		return err
	}
	broken := func(item string) { v.Broken = append(v.Broken, fmt.Sprintf("case %d: %s", id, item)) }
	for _, item := range done {
		n, err := t.left(ctx, e, item)
		if err != nil {
			return fmt.Errorf("%s: %w", item, err)
		}
		if n > 0 {
			broken(item)
		}
	}
	undone, err := t.texts(ctx, `SELECT item FROM erasure_item WHERE caseno = $1 AND state IN ('open', 'waiting') AND item <> $2`, id, certificate)
	for _, item := range undone {
		if e.ended.Valid {
			broken(item + " is undone")
		}
	}
	return err
}

// left counts what an item that is done has left.
func (t *tx) left(ctx context.Context, e *erasure, item string) (left int, err error) {
	if item == "keys" {
		return t.keysLeft(ctx, e)
	}
	query, known := leftovers[item]
	if !known {
		return 0, nil
	}
	for _, key := range e.keys {
		query, args := numbered(query, key, e.begun, e.seq, e.caseNo)
		var n int
		if err := t.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
			return 0, err
		}
		left += n
	}
	return left, nil
}

// numbered leaves out the values that a query does not name, which PostgreSQL
// would refuse.
func numbered(query string, values ...any) (string, []any) {
	var named []any
	for i, value := range values {
		if mark := "$" + strconv.Itoa(i+1); strings.Contains(query, mark) {
			named = append(named, value)
			query = strings.ReplaceAll(query, mark, "$"+strconv.Itoa(len(named)))
		}
	}
	return query, named
}

// keysLeft looks for keys of the person. The address's own may be there again:
// it seals what came after the erasure.
func (t *tx) keysLeft(ctx context.Context, e *erasure) (left int, err error) {
	own := map[string]bool{}
	for _, key := range e.keys {
		own[key] = true
	}
	var came string
	for _, holder := range e.holders {
		if own[holder] {
			continue
		}
		err := t.QueryRowContext(ctx, `SELECT subject FROM person WHERE subject = $1`, holder).Scan(&came)
		if err == nil {
			continue // stored since
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return 0, err
		}
		_, found, err := t.s.keys.personKey(ctx, holder)
		if err != nil {
			return 0, err
		}
		if found {
			left++
		}
	}
	return left, nil
}

// verifyOldErasures looks at those of an older heed, which kept no list.
func (t *tx) verifyOldErasures(ctx context.Context, v *Invariant) error {
	var counted Invariant
	const old = ` FROM privacy_case a WHERE a.kind = 'erasure' AND a.outcome = 'erased' AND a.state = 'done'
		AND NOT EXISTS (SELECT 1 FROM erasure e WHERE e.caseno = a.id)`
	err := t.verifyBy(ctx, &counted, `SELECT count(*)`+old, `SELECT a.address`+old+` AND (a.email <> ''
		OR EXISTS (SELECT 1 FROM person p WHERE p.address = a.address AND p.created < a.ended)
		OR EXISTS (SELECT 1 FROM delivery d WHERE d.address = a.address AND d.person IS NOT NULL AND d.changed < a.ended))`)
	v.Checked += counted.Checked
	v.Broken = append(v.Broken, counted.Broken...)
	return err
}
