package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"heed/consent"
)

// crate holds a bundle while it is read and then taken over: as large as the
// bundle, and on disk. SQLite makes a database without a name where TMPDIR says,
// else in /var/tmp, and takes the name of its file away at once, so that nothing
// is left of it whatever becomes of this process.
type crate struct {
	db                          *sql.DB
	fill                        *sql.Tx
	addRow, addPerson, addLimit *sql.Stmt
	people, limits              int
}

var crateTables = []string{`PRAGMA journal_mode = OFF`, `PRAGMA synchronous = OFF`, `PRAGMA cache_size = -16384`,
	`CREATE TABLE entry (key TEXT NOT NULL, seq INTEGER NOT NULL, raw BLOB NOT NULL)`,
	`CREATE TABLE person (n INTEGER PRIMARY KEY, key TEXT NOT NULL, raw BLOB NOT NULL)`,
	`CREATE TABLE bar (key TEXT PRIMARY KEY) WITHOUT ROWID`}

func newCrate(ctx context.Context) (s *crate, err error) {
	s = &crate{}
	if s.db, err = sql.Open("sqlite", ""); err != nil {
		return nil, err
	}
	s.db.SetMaxOpenConns(1) // each connection would have a database of its own
	defer func() {
		if err != nil {
			err = fmt.Errorf("making room for a bundle on disk (TMPDIR says where): %w", errors.Join(err, s.close()))
		}
	}()
	for _, one := range crateTables {
		if _, err := s.db.ExecContext(ctx, one); err != nil {
			return nil, err
		}
	}
	if s.fill, err = s.db.BeginTx(ctx, nil); err != nil {
		return nil, err
	}
	for text, into := range map[string]**sql.Stmt{`INSERT INTO entry VALUES ($1, $2, $3)`: &s.addRow,
		`INSERT INTO person (key, raw) VALUES ($1, $2)`: &s.addPerson, `INSERT OR IGNORE INTO bar VALUES ($1)`: &s.addLimit} {
		if *into, err = s.fill.PrepareContext(ctx, text); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *crate) close() error { return s.db.Close() }

func (s *crate) row(ctx context.Context, key string, seq int64, raw []byte) error {
	_, err := s.addRow.ExecContext(ctx, key, seq, raw)
	return full(err)
}

func (s *crate) person(ctx context.Context, key string, raw []byte) error {
	s.people++
	_, err := s.addPerson.ExecContext(ctx, key, raw)
	return full(err)
}

func (s *crate) limit(ctx context.Context, key string) error {
	s.limits++
	_, err := s.addLimit.ExecContext(ctx, key)
	return full(err)
}

// full says what to do where there is no room left.
func full(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("laying a bundle down on disk, which needs as much room as it has (TMPDIR says where): %w", err)
}

// filled makes what was laid down findable.
func (s *crate) filled(ctx context.Context) error {
	if err := s.fill.Commit(); err != nil {
		return full(err)
	}
	for _, one := range []string{`CREATE INDEX entry_key ON entry (key, seq)`, `CREATE INDEX person_key ON person (key)`} {
		if _, err := s.db.ExecContext(ctx, one); err != nil {
			return full(err)
		}
	}
	return nil
}

// history is what somebody decided: the fold of their rows, and the last word
// about each scope.
type history struct {
	state consent.State
	rows  map[consent.Scope]transferRow
}

func (h *history) add(raw []byte) error {
	var r transferRow
	if err := json.Unmarshal(raw, &r); err != nil {
		return err
	}
	h.state = h.state.With(r.Entry)
	if h.rows == nil {
		h.rows = map[consent.Scope]transferRow{}
	}
	h.rows[r.Scope] = r
	return nil
}

// historyOf reads what the ledger of the bundle says of one key.
func (s *crate) historyOf(ctx context.Context, key string) (h history, err error) {
	found, err := s.db.QueryContext(ctx, `SELECT raw FROM entry WHERE key = $1 ORDER BY seq`, key)
	if err != nil {
		return h, err
	}
	defer found.Close()
	for found.Next() {
		var raw []byte
		if err := found.Scan(&raw); err != nil {
			return h, err
		}
		if err := h.add(raw); err != nil {
			return h, err
		}
	}
	return h, found.Err()
}

// peopleAfter reads the next n people behind a number.
func (s *crate) peopleAfter(ctx context.Context, after, n int) (all []transferPerson, last int, err error) {
	found, err := s.db.QueryContext(ctx, `SELECT n, raw FROM person WHERE n > $1 ORDER BY n LIMIT $2`, after, n)
	if err != nil {
		return nil, 0, err
	}
	defer found.Close()
	for found.Next() {
		var raw []byte
		var one transferPerson
		if err := found.Scan(&last, &raw); err != nil {
			return nil, 0, err
		}
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, 0, err
		}
		all = append(all, one)
	}
	return all, last, found.Err()
}

// limitsAfter reads the next n keys behind a key.
func (s *crate) limitsAfter(ctx context.Context, after string, n int) ([]string, error) {
	found, err := s.db.QueryContext(ctx, `SELECT key FROM bar WHERE key > $1 ORDER BY key LIMIT $2`, after, n)
	if err != nil {
		return nil, err
	}
	return gather(found, single[string])
}

// unlimited gives a key against which the ledger has something, and which is
// neither that of a person of the bundle nor among its limits; empty: there is none.
func (s *crate) unlimited(ctx context.Context) (string, error) {
	found, err := s.db.QueryContext(ctx, `SELECT key, raw FROM entry e WHERE NOT EXISTS (SELECT 1 FROM person p WHERE p.key = e.key)
		AND NOT EXISTS (SELECT 1 FROM bar b WHERE b.key = e.key) ORDER BY key, seq`)
	if err != nil {
		return "", err
	}
	defer found.Close()
	var of string
	var h history
	for found.Next() {
		var key string
		var raw []byte
		if err := found.Scan(&key, &raw); err != nil {
			return "", err
		}
		if key != of && limited(h.state) {
			return of, nil
		}
		if key != of {
			of, h = key, history{}
		}
		if err := h.add(raw); err != nil {
			return "", err
		}
	}
	if limited(h.state) {
		return of, found.Err()
	}
	return "", found.Err()
}
