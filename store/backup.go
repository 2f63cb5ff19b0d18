package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// Archive tells of a backup: one SQLite file, whatever the engine that it came
// from, with the schema of this heed.
type Archive struct {
	File   string    `json:"file"`
	Bytes  int64     `json:"bytes"`
	At     time.Time `json:"at"`
	Schema int64     `json:"schema"`
	Ledger int64     `json:"ledger"` // rows
	People int64     `json:"people"`
}

// archived is the counter that an archive has and a database that is in use has
// not.
const archived = "archived"

// Backup writes a consistent copy of the database into a file while everything
// goes on, reads it back and verifies its chain. Keys and journal are not in it:
// they have to outlive it elsewhere.
func (s *Store) Backup(ctx context.Context, path string) (Archive, error) {
	if _, err := os.Stat(path); err == nil {
		return Archive{}, fmt.Errorf("%s exists; name another file", path)
	}
	work, err := os.MkdirTemp(filepath.Dir(path), ".backup")
	if err != nil {
		return Archive{}, fmt.Errorf("making room for the backup: %w", err)
	}
	defer os.RemoveAll(work)
	file := filepath.Join(work, "archive")
	if s.d.sqlite() {
		_, err = s.read.ExecContext(ctx, "VACUUM INTO $1", file)
	} else {
		err = s.export(ctx, file)
	}
	if err != nil {
		return Archive{}, fmt.Errorf("copying the database: %w", err)
	}
	if err := seal(ctx, file, s.now()); err != nil {
		return Archive{}, fmt.Errorf("finishing the backup: %w", err)
	}
	a, err := ReadArchive(ctx, file)
	if err != nil {
		return Archive{}, fmt.Errorf("reading the backup back: %w", err)
	}
	a.File = path
	return a, putInPlace(file, path)
}

// seal marks a copy as an archive, in one file without a log beside it.
func seal(ctx context.Context, file string, at time.Time) error {
	db, err := openFile(file)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `INSERT INTO counter (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
		archived, at.UnixMicro()); err != nil {
		return err
	}
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode); err != nil {
		return err
	}
	return db.Close()
}

// putInPlace puts a finished file in its place, durably.
func putInPlace(from, to string) error {
	f, err := os.OpenFile(from, os.O_RDWR, 0)
	if err == nil {
		err = errors.Join(f.Chmod(0o600), f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(from, to)
	}
	if err != nil {
		return fmt.Errorf("putting the backup in its place: %w", err)
	}
	folder, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// openFile opens a SQLite file with one connection, and without a log.
func openFile(file string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+escaped(file)+"?_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// ReadArchive opens a backup, and checks that it is whole: every page, and the
// chain of its ledger.
func ReadArchive(ctx context.Context, file string) (a Archive, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return a, err
	}
	db, err := openFile(file)
	if err != nil {
		return a, err
	}
	defer db.Close()
	a.File, a.Bytes = file, info.Size()
	var at int64
	if err := db.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = $1`, archived).Scan(&at); err != nil {
		return a, fmt.Errorf("%s is no backup of heed", file)
	}
	a.At = time.UnixMicro(at).UTC()
	var whole string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&whole); err != nil {
		return a, fmt.Errorf("%s is damaged: %w", file, err)
	}
	if whole != "ok" {
		return a, fmt.Errorf("%s is damaged: %s", file, whole)
	}
	if err := db.QueryRowContext(ctx, `SELECT (SELECT max(version_id) FROM goose_db_version), (SELECT seq FROM chain), (SELECT count(*) FROM person)`).
		Scan(&a.Schema, &a.Ledger, &a.People); err != nil {
		return a, fmt.Errorf("%s is damaged: %w", file, err)
	}
	return a, verifyCopy(ctx, db)
}

func verifyCopy(ctx context.Context, db *sql.DB) error {
	copied := &Store{write: db, read: db, d: sqliteDialect, now: time.Now}
	v := Invariant{}
	err := copied.inSnapshot(ctx, func(t *tx) error { return t.verifyChain(ctx, &v) })
	if err == nil && len(v.Broken) > 0 {
		err = fmt.Errorf("the chain of its ledger does not hold: %s", strings.Join(v.Broken, ", "))
	}
	return err
}

// export copies PostgreSQL's tables, as one snapshot sees them, into a SQLite
// file with the same schema.
func (s *Store) export(ctx context.Context, file string) error {
	db, err := openFile(file)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := migrateFile(ctx, db); err != nil {
		return err
	}
	tables, err := tablesOf(ctx, db)
	if err != nil {
		return err
	}
	from, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer from.Rollback()
	to, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer to.Rollback()
	for _, one := range tables {
		if err := one.copyRows(ctx, from, to); err != nil {
			return fmt.Errorf("copying %s: %w", one.name, err)
		}
	}
	return to.Commit()
}

// migrateFile brings a SQLite file to the schema of this heed.
func migrateFile(ctx context.Context, db *sql.DB) error {
	provider, err := (&Store{write: db, d: sqliteDialect}).provider()
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// table is what a copy needs to know of one.
type table struct {
	name    string
	columns []string
}

// tablesOf lists the tables of a SQLite file, those first that others refer to.
func tablesOf(ctx context.Context, db *sql.DB) ([]table, error) {
	names, err := column(ctx, db, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> '`+goose.DefaultTablename+`' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	var sorted []table
	placed := map[string]bool{}
	for len(sorted) < len(names) {
		before := len(sorted)
		for _, name := range names {
			parents, err := column(ctx, db, `SELECT "table" FROM pragma_foreign_key_list('`+name+`')`)
			if err != nil {
				return nil, err
			}
			free := !placed[name]
			for _, parent := range parents {
				free = free && (placed[parent] || parent == name)
			}
			if !free {
				continue
			}
			columns, err := column(ctx, db, `SELECT name FROM pragma_table_info('`+name+`') ORDER BY cid`)
			if err != nil {
				return nil, err
			}
			placed[name] = true
			sorted = append(sorted, table{name, columns})
		}
		if len(sorted) == before {
			return nil, errors.New("the tables refer to each other in a circle")
		}
	}
	return sorted, nil
}

func column(ctx context.Context, db *sql.DB, query string) (all []string, err error) {
	found, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return gather(found, single[string])
}

// copyRows empties the table of a SQLite file and fills it.
func (t table) copyRows(ctx context.Context, from, to *sql.Tx) error {
	if _, err := to.ExecContext(ctx, "DELETE FROM "+t.name); err != nil {
		return err
	}
	into, err := to.PrepareContext(ctx, `INSERT INTO `+t.name+` (`+strings.Join(t.columns, ", ")+`) VALUES (`+strings.Repeat("?, ", len(t.columns)-1)+`?)`)
	if err != nil {
		return err
	}
	defer into.Close()
	found, err := from.QueryContext(ctx, `SELECT `+strings.Join(t.columns, ", ")+` FROM `+t.name)
	if err != nil {
		return err
	}
	defer found.Close()
	row := newRow(len(t.columns))
	for found.Next() {
		if err := found.Scan(row.places...); err != nil {
			return err
		}
		if _, err := into.ExecContext(ctx, row.values...); err != nil {
			return err
		}
	}
	return found.Err()
}

// row takes whatever a database gives.
type row struct{ values, places []any }

func newRow(n int) row {
	r := row{make([]any, n), make([]any, n)}
	for i := range r.values {
		r.places[i] = &r.values[i]
	}
	return r
}
