package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Serving tells that this process serves, until the store is closed: a restore
// beside it would be undone by what it writes.
func (s *Store) Serving() error {
	f, err := servingFile(s.keys.folder)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		f.Close()
		return errors.New("the database is being restored; start when that is done")
	}
	s.serving = f
	sweepScratch(s.home())
	return nil
}

func servingFile(folder string) (*os.File, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the keys: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(folder, ".serving"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock beside the keys: %w", err)
	}
	return f, nil
}

// ErrRunning means that a heed serves from the database.
var ErrRunning = errors.New("a heed is running on this database; stop it first")

// Restored tells what a restore did.
type Restored struct {
	Archive
	Old string `json:"old"` // where the database lies that was replaced; empty: there was none
}

// Restore puts an archive back in the place of the database. What was there
// stays beside it. The next start replays the journal and holds every campaign,
// before anything is sent.
func Restore(ctx context.Context, o Options, file string) (r Restored, err error) {
	work, err := scratchFor(o)
	if err != nil {
		return r, err
	}
	defer work.close()
	plain := work.path("archive")
	if r.Archive, err = openBackup(ctx, o, file, plain); err != nil {
		return r, err
	}
	lock, err := servingFile(o.Keys)
	if err != nil {
		return r, err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return r, ErrRunning
	}
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	suffix := ".before-" + now().UTC().Format("20060102T150405")
	if path, is := strings.CutPrefix(o.URL, "sqlite:"); is {
		r.Old, err = restoreFile(ctx, plain, path, suffix)
	} else {
		r.Old, err = restorePostgres(ctx, o, plain, suffix)
	}
	return r, err
}

// CheckBackup opens a backup as a restore does, and changes nothing.
func CheckBackup(ctx context.Context, o Options, file string) (Archive, error) {
	work, err := scratchFor(o)
	if err != nil {
		return Archive{}, err
	}
	defer work.close()
	return openBackup(ctx, o, file, work.path("archive"))
}

// scratchFor makes the private folder where the database is, so that a copy can
// be put in its place.
func scratchFor(o Options) (scratch, error) {
	room := filepath.Dir(o.Keys)
	if path, is := strings.CutPrefix(o.URL, "sqlite:"); is {
		room = filepath.Dir(path)
	}
	if err := os.MkdirAll(room, 0o700); err != nil {
		return scratch{}, fmt.Errorf("making the folder of the database: %w", err)
	}
	return newScratch(room)
}

// openBackup copies a backup, readable, to a private place, and checks that it is
// whole and fits.
func openBackup(ctx context.Context, o Options, file, plain string) (a Archive, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return a, err
	}
	encrypted, err := fetchArchive(file, plain, o.Identity)
	if err != nil {
		return a, err
	}
	if a, err = readArchive(ctx, plain, file); err != nil {
		return a, err
	}
	a.Bytes, a.Encrypted = info.Size(), encrypted
	return a, fits(ctx, o, a, plain)
}

// fits refuses an archive of a newer schema, or of another pepper.
func fits(ctx context.Context, o Options, a Archive, plain string) error {
	db, err := openFile(plain)
	if err != nil {
		return err
	}
	defer db.Close()
	provider, err := (&Store{write: db, d: sqliteDialect}).provider()
	if err != nil {
		return err
	}
	if _, known, err := provider.GetVersions(ctx); err != nil || a.Schema > known {
		return errors.Join(err, fmt.Errorf("the backup has schema %d, this heed knows %d: it was made by a newer heed, install that one", a.Schema, known))
	}
	if _, err := os.Stat(filepath.Join(o.Keys, "pepper")); err != nil {
		return fmt.Errorf("there is no pepper in %s: put the copy of the keys folder back first, without it no address is recognised: %w", o.Keys, err)
	}
	pepper, err := secret(filepath.Join(o.Keys, "pepper"))
	if err != nil {
		return err
	}
	return (&Store{write: db, read: db, keys: Keys{Pepper: pepper}}).matchKeys(ctx)
}

// restorePostgres replaces the rows of all tables in one transaction, after a
// backup of what was there beside the keys.
func restorePostgres(ctx context.Context, o Options, file, suffix string) (old string, err error) {
	write, _, d, err := open(o.URL, o.Connect)
	if err != nil {
		return "", err
	}
	defer write.Close()
	write.SetMaxOpenConns(1)
	s := &Store{write: write, read: write, d: d, now: o.Now, keys: Keys{folder: o.Keys}}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.alone(ctx); err != nil {
		return "", err
	}
	if err := s.migrate(ctx, o.Keys); err != nil {
		return "", err
	}
	var known int64
	if err := write.QueryRowContext(ctx, `SELECT (SELECT seq FROM chain) + (SELECT count(*) FROM person)`).Scan(&known); err != nil {
		return "", err
	}
	if known > 0 {
		old = filepath.Join(filepath.Dir(o.Keys), "database"+suffix)
		if _, err := s.Backup(ctx, old, o.BackupKeys...); err != nil {
			return "", fmt.Errorf("keeping what is there: %w", err)
		}
	}
	return old, s.fill(ctx, file)
}

// alone refuses where anybody else is connected.
func (s *Store) alone(ctx context.Context) error {
	var others int
	err := s.write.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`).Scan(&others)
	if err != nil {
		return fmt.Errorf("reaching the database: %w", err)
	}
	if others > 0 {
		return fmt.Errorf("%d other connections: %w", others, ErrRunning)
	}
	return nil
}

// fill replaces every row by those of an archive that is ours, which is brought to
// the schema of this heed first.
func (s *Store) fill(ctx context.Context, file string) error {
	db, err := openFile(file)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := migrateFile(ctx, db); err != nil {
		return fmt.Errorf("bringing the backup up to date: %w", err)
	}
	tables, err := tablesOf(ctx, db)
	if err != nil {
		return err
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driver any) error { return pour(ctx, driver.(*stdlib.Conn).Conn(), db, tables) })
}

func pour(ctx context.Context, to *pgx.Conn, from *sql.DB, tables []table) error {
	t, err := to.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback(ctx) }() // after a commit it does nothing
	names := ""
	for i, one := range tables {
		names += separator(i, "") + one.name
	}
	if _, err := t.Exec(ctx, "TRUNCATE "+names); err != nil {
		return fmt.Errorf("emptying the tables: %w", err)
	}
	for _, one := range tables {
		found, err := from.QueryContext(ctx, `SELECT `+strings.Join(one.columns, ", ")+` FROM `+one.name)
		if err != nil {
			return fmt.Errorf("reading %s: %w", one.name, err)
		}
		_, err = t.CopyFrom(ctx, pgx.Identifier{one.name}, one.columns, &rowsFrom{Rows: found, row: newRow(len(one.columns))})
		found.Close()
		if err != nil {
			return fmt.Errorf("filling %s: %w", one.name, err)
		}
	}
	return t.Commit(ctx)
}

// rowsFrom gives pgx the rows of another database.
type rowsFrom struct {
	*sql.Rows
	row row
}

// Values implements pgx.CopyFromSource.
func (r *rowsFrom) Values() ([]any, error) {
	if err := r.Scan(r.row.places...); err != nil {
		return nil, err
	}
	return append([]any(nil), r.row.values...), nil
}
