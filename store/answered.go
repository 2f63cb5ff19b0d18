package store

import (
	"context"
	"fmt"

	"heed/consent"
)

// StopOf tells again what OptOut told: that by this row of the ledger a scope of an
// address is stopped, and how many messages were in flight. ErrNotFound where it is
// not so, or is not so any more.
func (s *Store) StopOf(ctx context.Context, key consent.Key, seq int64, scope consent.Scope) (stopped Stopped, inFlight int, err error) {
	rows, inFlight, err := s.writtenWith(ctx, key, seq)
	if err != nil {
		return stopped, 0, err
	}
	state, err := s.State(ctx, key)
	if err != nil {
		return stopped, 0, err
	}
	row := rows[0]
	if _, out := stoppedAt(state, scope); !out || row.Choice != consent.Out || row.Scope != scope && row.Scope != consent.ScopeMarketing {
		return stopped, 0, ErrNotFound
	}
	stopped = Stopped{Scope: scope, Effective: row.Recorded, Reference: seq}
	if topic, ok := scope.Topic(); ok {
		stopped.Topic, err = s.topicName(ctx, topic)
	}
	return stopped, inFlight, err
}

// ChosenOf tells again what RecordWishes told.
func (s *Store) ChosenOf(ctx context.Context, key consent.Key, seq int64) (done Chosen, inFlight int, err error) {
	rows, inFlight, err := s.writtenWith(ctx, key, seq)
	if err != nil {
		return done, 0, err
	}
	if rows[0].Source != choicesPage {
		return done, 0, ErrNotFound
	}
	done = Chosen{Effective: rows[0].Recorded, Reference: seq}
	for _, one := range rows {
		done.Changed = append(done.Changed, Wish{Scope: one.Scope, Choice: one.Choice})
	}
	return done, inFlight, nil
}

// writtenWith gives the rows of an address that one transaction wrote, from its first
// on, and how many messages to it were in flight when they were acknowledged.
func (s *Store) writtenWith(ctx context.Context, key consent.Key, first int64) (rows []consent.Entry, inFlight int, err error) {
	entries, err := s.Ledger(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	for _, one := range entries {
		if one.Seq == first || len(rows) > 0 && one.Recorded.Equal(rows[0].Recorded) {
			rows = append(rows, one)
		}
	}
	if len(rows) == 0 {
		return nil, 0, ErrNotFound
	}
	err = s.read.QueryRowContext(ctx, `SELECT COALESCE(max(in_flight), 0) FROM barrier WHERE seq BETWEEN $1 AND $2`, first, rows[len(rows)-1].Seq).Scan(&inFlight)
	if err != nil {
		return nil, 0, fmt.Errorf("looking for what was in flight: %w", err)
	}
	return rows, inFlight, nil
}
