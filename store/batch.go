package store

import (
	"context"
	"fmt"
	"time"

	"heed/consent"
)

// Letter is one message of a batch, with all that rendering needs.
type Letter struct {
	Ask
	Person
	Attempts int // made so far
}

// Batch reads the messages of a job that still wait. It only spares work: the
// claim asks again.
func (s *Store) Batch(ctx context.Context, j Job) ([]Letter, error) {
	found, err := s.look(ctx, `SELECT d.campaign, d.attempts, d.address, a.state, COALESCE(p.id, 0), COALESCE(p.subject, ''),
		COALESCE(p.email, ''), COALESCE(p.first_name, ''), COALESCE(p.last_name, ''), COALESCE(p.company, ''), COALESCE(p.language, ''),
		COALESCE(p.time_zone, ''), COALESCE(p.attrs, '{}') FROM delivery d JOIN address a ON a.key = d.address
		LEFT JOIN person p ON p.address = d.address WHERE d.job = $1 AND d.state = 'waiting' ORDER BY d.person`, j.ID)
	if err != nil {
		return nil, fmt.Errorf("reading a batch: %w", err)
	}
	defer found.Close()
	letters := make([]Letter, 0, mostBatch)
	for found.Next() {
		var l Letter
		var key, state, attrs string
		if err := found.Scan(&l.Campaign, &l.Attempts, &key, &state, &l.ID, &l.Subject, &l.Email, &l.FirstName, &l.LastName,
			&l.Company, &l.Language, &l.TimeZone, &attrs); err != nil {
			return nil, err
		}
		if l.Address, err = consent.ParseKey(key); err != nil {
			return nil, err
		}
		if l.State, err = consent.DecodeState(state); err != nil {
			return nil, err
		}
		if err := l.readAttrs(attrs); err != nil {
			return nil, err
		}
		l.Key = l.Address
		letters = append(letters, l)
	}
	return letters, found.Err()
}

// Waiting counts the messages of a job that still wait.
func (s *Store) Waiting(ctx context.Context, j Job) (n int, err error) {
	err = s.lookRow(ctx, `SELECT count(*) FROM delivery WHERE job = $1 AND state = 'waiting'`, j.ID).Scan(&n)
	return n, err
}

// Skip ends a message that cannot be made, without a claim. One that somebody else
// has claimed is theirs: what became of it is told by them or by the sweep.
func (s *Store) Skip(ctx context.Context, ask Ask, reason consent.Reason) error {
	return s.inTx(ctx, "skipping a message", func(t *tx) error {
		if _, err := t.lockKeys(ctx, []consent.Key{ask.Address}); err != nil {
			return err
		}
		skip := skipping(t, []any{ask.Campaign, ask.Address.String(), string(reason)})
		_, err := t.exec(ctx, skip.text, skip.args...)
		return err
	})
}

// Strike notes that the mailbox of an address does not exist according to the
// relay; the second time, a day or more later, the address counts as dead.
func (s *Store) Strike(ctx context.Context, key consent.Key) error {
	return s.inTx(ctx, "noting a missing mailbox", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{key})
		if err != nil {
			return err
		}
		state := held[key].state
		if state.Dead != 0 || state.Strike != 0 && t.now.Sub(time.UnixMicro(state.Strike)) < consent.StrikeGap {
			return nil
		}
		_, err = t.record(ctx, held, []act{{key: key, scope: consent.ScopeStrike, choice: consent.Set, via: consent.ViaBounce}})
		return err
	})
}

// Account is where everybody in a campaign's audience stands. Its figures
// always add up to Audience.
type Account struct {
	Audience  int                    `json:"audience"`
	Accepted  int                    `json:"accepted"`
	Returned  int                    `json:"returned"` // of the accepted ones
	Rejected  int                    `json:"rejected"`
	Skipped   map[consent.Reason]int `json:"skipped"`
	Deferred  int                    `json:"deferred"`
	Uncertain int                    `json:"uncertain"`
	InFlight  int                    `json:"in_flight"`
	Waiting   int                    `json:"waiting"`
}

// Account counts one campaign, in one snapshot.
func (s *Store) Account(ctx context.Context, id int64) (Account, error) {
	a := Account{Skipped: map[consent.Reason]int{}}
	err := s.inSnapshot(ctx, func(t *tx) error { return t.account(ctx, id, &a) })
	if err != nil {
		return a, fmt.Errorf("counting campaign %d: %w", id, err)
	}
	return a, nil
}

func (t *tx) account(ctx context.Context, id int64, a *Account) error {
	found, err := t.QueryContext(ctx, `SELECT state, reason, count(*), count(returned) FROM delivery WHERE campaign = $1 GROUP BY state, reason
		UNION ALL SELECT state, reason, people, returned FROM delivery_sum WHERE campaign = $1`, id)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var state, reason string
		var n, returned int
		if err := found.Scan(&state, &reason, &n, &returned); err != nil {
			return err
		}
		a.Audience += n
		a.add(state, consent.Reason(reason), n, returned)
	}
	if err := found.Err(); err != nil {
		return err
	}
	if err := t.QueryRowContext(ctx, `SELECT count(*) FROM claim WHERE campaign = $1`, id).Scan(&a.InFlight); err != nil {
		return err
	}
	a.Waiting -= a.InFlight
	return t.unwritten(ctx, id, a)
}

func (a *Account) add(state string, reason consent.Reason, n, returned int) {
	switch state {
	case "accepted":
		a.Accepted += n
		a.Returned += returned
	case "rejected":
		a.Rejected += n
	case "skipped":
		if n > 0 {
			a.Skipped[reason] += n
		}
	case "deferred":
		a.Deferred += n
	case "uncertain":
		a.Uncertain += n
	case "waiting":
		a.Waiting += n
	}
}

// unwritten adds those whom the fan-out has not reached: they wait, or, where
// the campaign was cancelled, were cancelled.
func (t *tx) unwritten(ctx context.Context, id int64, a *Account) error {
	c, err := scanCampaign(t.QueryRowContext(ctx, `SELECT `+campaignColumns+` FROM campaign WHERE id = $1`, id))
	if err != nil {
		return err
	}
	var cursor, bound int64
	var fanned int
	if err := t.QueryRowContext(ctx, `SELECT fan_cursor, bound, fanned FROM campaign WHERE id = $1`, id).Scan(&cursor, &bound, &fanned); err != nil {
		return err
	}
	if fanned == 1 || c.Started.IsZero() {
		return nil
	}
	n, err := t.countMembers(ctx, c, cursor, bound)
	a.Audience += n
	switch c.State {
	case "cancelled":
		a.add("skipped", consent.Cancelled, n, 0)
	case "failed":
		a.add("skipped", consent.Unrenderable, n, 0)
	default:
		a.Waiting += n
	}
	return err
}

func (t *tx) countMembers(ctx context.Context, c Campaign, cursor, bound int64) (n int, err error) {
	audience, err := consent.ParseAudience(c.Audience)
	if err != nil {
		return 0, err
	}
	if audience.All() && c.Service == 0 && c.OnlyTo == "" {
		err = t.QueryRowContext(ctx, `SELECT count(*) FROM person WHERE id > $1 AND id <= $2`, cursor, bound).Scan(&n)
		return n, err
	}
	for {
		people, err := t.members(ctx, c, cursor, bound, fanChunk, false)
		if err != nil || len(people) == 0 {
			return n, err
		}
		lists, err := t.lists(ctx, audience.NeedsLists(), people)
		if err != nil {
			return n, err
		}
		for _, p := range people {
			if audience.Match(lists.Traits(p)) {
				n++
			}
			cursor = p.ID
		}
	}
}

// ResultLine is what became of one recipient.
type ResultLine struct {
	Email    string      `json:"email"` // empty after an erasure
	Outcome  string      `json:"outcome"`
	Reason   string      `json:"reason"`
	Code     string      `json:"code"`
	Message  string      `json:"message_id"`
	Attempts int         `json:"attempts"`
	At       time.Time   `json:"at"`
	Address  consent.Key `json:"-"`
}

// Results calls each with every recipient that the fan-out has reached.
func (s *Store) Results(ctx context.Context, id int64, each func(ResultLine) error) error {
	found, err := s.read.QueryContext(ctx, `SELECT d.address, COALESCE(p.email, ''), CASE WHEN k.token IS NOT NULL THEN 'in_flight' ELSE d.state END,
		d.reason, d.code, d.status, d.attempts, d.changed, d.returned IS NOT NULL FROM delivery d LEFT JOIN person p ON p.address = d.address
		LEFT JOIN claim k ON k.campaign = d.campaign AND k.address = d.address WHERE d.campaign = $1 ORDER BY d.person, d.address`, id)
	if err != nil {
		return fmt.Errorf("reading results: %w", err)
	}
	defer found.Close()
	for found.Next() {
		var l ResultLine
		var key, status string
		var code int
		var changed int64
		var returned bool
		if err := found.Scan(&key, &l.Email, &l.Outcome, &l.Reason, &code, &status, &l.Attempts, &changed, &returned); err != nil {
			return err
		}
		if l.Address, err = consent.ParseKey(key); err != nil {
			return err
		}
		l.At, l.Code = time.UnixMicro(changed).UTC(), replyCode(code, status)
		if returned {
			l.Outcome = "returned"
		}
		if err := each(l); err != nil {
			return err
		}
	}
	return found.Err()
}

func replyCode(code int, status string) string {
	switch {
	case code == 0:
		return ""
	case status == "":
		return fmt.Sprint(code)
	}
	return fmt.Sprintf("%d %s", code, status)
}
