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
)

// Archive tells of a backup: one SQLite file, whatever the engine that it came
// from, with the schema of this heed; encrypted to keys, or not.
type Archive struct {
	File   string    `json:"file"`
	Bytes  int64     `json:"bytes"`
	At     time.Time `json:"at"`
	Schema int64     `json:"schema"`
	Ledger int64     `json:"ledger"` // rows
	People int64     `json:"people"`

	Encrypted bool   `json:"encrypted"`
	SHA256    string `json:"sha256,omitempty"` // of an encrypted file as it was written
}

// archived is the counter that an archive has and a database that is in use has
// not.
const archived = "archived"

// Backup writes a consistent copy of the database into a file while everything
// goes on, reads it back and verifies its chain. Keys and journal are not in it:
// they have to outlive it elsewhere. With keys given, only their holders can read
// it, which this machine is not.
func (s *Store) Backup(ctx context.Context, path string, to ...BackupKey) (Archive, error) {
	if _, err := os.Stat(path); err == nil {
		return Archive{}, fmt.Errorf("%s exists; name another file", path)
	}
	room := filepath.Dir(path)
	if len(to) > 0 {
		room = s.home() // what is readable never lies where the backup goes
	}
	work, err := newScratch(room)
	if err != nil {
		return Archive{}, err
	}
	defer work.close()
	file := work.path("archive")
	a, err := s.copyInto(ctx, file)
	if err != nil {
		return a, err
	}
	if a.File = path; len(to) > 0 {
		return encryptArchive(a, file, to)
	}
	return a, putInPlace(file, path)
}

// home is the folder in which readable copies may lie for a moment: that of the
// database or, where it lies elsewhere, that of the keys.
func (s *Store) home() string {
	if s.d.sqlite() {
		return filepath.Dir(s.file)
	}
	return filepath.Dir(s.keys.folder)
}

// copyInto makes the copy and verifies it.
func (s *Store) copyInto(ctx context.Context, file string) (a Archive, err error) {
	if s.d.sqlite() {
		_, err = s.read.ExecContext(ctx, "VACUUM INTO $1", file)
	} else {
		err = s.export(ctx, file)
	}
	if err != nil {
		return a, fmt.Errorf("copying the database: %w", err)
	}
	if err := seal(ctx, file, s.now()); err != nil {
		return a, fmt.Errorf("finishing the backup: %w", err)
	}
	if a, err = readArchive(ctx, file, "the copy"); err != nil {
		return a, fmt.Errorf("reading the backup back: %w", err)
	}
	return a, nil
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

// readArchive opens a backup, and checks that it is whole: every page, and the
// chain of its ledger. Errors call it by a name that its owner knows.
func readArchive(ctx context.Context, file, name string) (a Archive, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return a, err
	}
	db, err := openFile(file)
	if err != nil {
		return a, err
	}
	defer db.Close()
	a.File, a.Bytes = name, info.Size()
	var at int64
	if err := db.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = $1`, archived).Scan(&at); err != nil {
		return a, fmt.Errorf("%s is no backup of heed", name)
	}
	a.At = time.UnixMicro(at).UTC()
	var whole string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&whole); err != nil {
		return a, fmt.Errorf("%s is damaged: %w", name, err)
	}
	if whole != "ok" {
		return a, fmt.Errorf("%s is damaged: %s", name, whole)
	}
	if err := db.QueryRowContext(ctx, `SELECT (SELECT max(version_id) FROM goose_db_version), (SELECT seq FROM chain), (SELECT count(*) FROM person)`).
		Scan(&a.Schema, &a.Ledger, &a.People); err != nil {
		return a, fmt.Errorf("%s is damaged: %w", name, err)
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
