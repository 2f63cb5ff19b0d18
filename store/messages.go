package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// AlertByKey finds the alert that has a key.
func (s *Store) AlertByKey(ctx context.Context, key string) (Campaign, error) {
	c, err := scanCampaign(s.asker(ctx).QueryRowContext(ctx, `SELECT `+campaignColumns+` FROM campaign WHERE alert_key = $1`, key))
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("no alert has this key: %w", ErrNotFound)
	}
	return c, err
}

// Message is what became of one message, for a program.
type Message struct {
	Address     consent.Key
	Subject     string // random id of the person; empty where nobody is stored any more
	ExternalIDs []string
	Outcome     string // waiting | in_flight | deferred | accepted | returned | rejected | skipped | uncertain
	Reason      consent.Reason
	Code        string
	Attempts    int
	At          time.Time
}

// Messages lists those of a campaign in the order of their address keys, from
// the one after `after` on.
func (s *Store) Messages(ctx context.Context, campaign int64, after string, limit int) ([]Message, error) {
	found, err := s.read.QueryContext(ctx, `SELECT d.address, COALESCE(p.subject, ''), COALESCE(p.id, 0), CASE WHEN k.token IS NOT NULL THEN 'in_flight' ELSE d.state END,
		d.reason, d.code, d.status, d.attempts, d.changed, d.returned IS NOT NULL FROM delivery d LEFT JOIN person p ON p.address = d.address
		LEFT JOIN claim k ON k.campaign = d.campaign AND k.address = d.address WHERE d.campaign = $1 AND d.address > $2 ORDER BY d.address LIMIT $3`, campaign, after, limit)
	if err != nil {
		return nil, fmt.Errorf("reading messages: %w", err)
	}
	people := map[int]int64{}
	all, err := gather(found, func(row scanner) (m Message, err error) {
		var key, status string
		var person, changed int64
		var code int
		var returned bool
		if err = row.Scan(&key, &m.Subject, &person, &m.Outcome, &m.Reason, &code, &status, &m.Attempts, &changed, &returned); err != nil {
			return m, err
		}
		people[len(people)] = person
		m.At, m.Code, m.ExternalIDs = time.UnixMicro(changed).UTC(), replyCode(code, status), []string{}
		if returned {
			m.Outcome = "returned"
		}
		m.Address, err = consent.ParseKey(key)
		return m, err
	})
	if err != nil {
		return nil, err
	}
	return all, s.nameMessages(ctx, all, people)
}

// nameMessages adds the ids that the product knows people by.
func (s *Store) nameMessages(ctx context.Context, all []Message, people map[int]int64) error {
	places, ids := map[int64]int{}, []any{}
	for i, person := range people {
		if person != 0 {
			places[person], ids = i, append(ids, person)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := s.read.QueryContext(ctx, `SELECT person, id FROM external_id WHERE person IN (`+list(len(ids), 1)+`) ORDER BY id`, ids...)
	if err != nil {
		return fmt.Errorf("reading external ids: %w", err)
	}
	defer found.Close()
	for found.Next() {
		var person int64
		var id string
		if err := found.Scan(&person, &id); err != nil {
			return err
		}
		m := &all[places[person]]
		m.ExternalIDs = append(m.ExternalIDs, id)
	}
	return found.Err()
}
