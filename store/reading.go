package store

import (
	"context"
	"database/sql"
)

// inSnapshot runs a step whose reads all see the same moment.
func (s *Store) inSnapshot(ctx context.Context, step func(*tx) error) error {
	options := &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
	if s.d.sqlite() {
		options = nil // a reading transaction is a snapshot there
	}
	raw, err := s.read.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	defer raw.Rollback()
	if !s.d.sqlite() { // it holds nobody up, and may think for long
		if _, err := raw.ExecContext(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
			return err
		}
	}
	return step(&tx{Tx: raw, s: s, now: s.now().UTC(), reads: true})
}

// inRead runs a step that only reads, on the pool of readers.
func (s *Store) inRead(ctx context.Context, step func(*tx) error) error {
	raw, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer raw.Rollback()
	return step(&tx{Tx: raw, s: s, now: s.now().UTC(), reads: true})
}
