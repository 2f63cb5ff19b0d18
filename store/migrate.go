package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date. Several processes may start at once:
// on PostgreSQL a session lock, on one machine a file lock lets one of them
// work while the others wait.
func (s *Store) migrate(ctx context.Context, folder string) error {
	release, err := lockFolder(folder)
	if err != nil {
		return err
	}
	defer release()
	provider, err := s.provider()
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	have, want, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("reading the schema's version: %w", err)
	}
	if have > want {
		return fmt.Errorf("the database has schema %d, this heed knows %d: it was made by a newer heed, install that one", have, want)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bringing the schema up to date: %w", err)
	}
	return nil
}

func (s *Store) provider() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{goose.WithGoMigrations(
		goose.NewGoMigration(13, &goose.GoFunc{RunTx: s.keepClaimsInIndex(" WITHOUT ROWID")}, &goose.GoFunc{RunTx: s.keepClaimsInIndex("")}),
		goose.NewGoMigration(14, &goose.GoFunc{RunTx: s.spellOutChecks}, nil),
		goose.NewGoMigration(16, &goose.GoFunc{RunTx: s.trustCampaigns}, nil))}
	if !s.d.sqlite() {
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(goose.Dialect(s.d.name), s.write, files, options...)
}

// keepClaimsInIndex has SQLite keep open claims in the index by which they are asked
// for, and nowhere else: each message writes one and takes it away. PostgreSQL has no
// such tables.
func (s *Store) keepClaimsInIndex(how string) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		if !s.d.sqlite() {
			return nil
		}
		_, err := tx.ExecContext(ctx, `CREATE TABLE open_claim (
			address  TEXT NOT NULL,
			campaign BIGINT NOT NULL,
			token    BIGINT NOT NULL,
			worker   TEXT NOT NULL,
			at       BIGINT NOT NULL,
			PRIMARY KEY (address, campaign)
		)`+how+`;
		INSERT INTO open_claim (address, campaign, token, worker, at) SELECT address, campaign, token, worker, at FROM claim;
		DROP TABLE claim;
		ALTER TABLE open_claim RENAME TO claim`)
		return err
	}
}

// listCheck is a check that a column has one of a list of values.
var listCheck = regexp.MustCompile(`CHECK \((\w+) IN \(([^()]*)\)\)`)

// spellOutChecks has SQLite compare the states and reasons of a delivery one by one.
// For a check against a list it makes a table of the list, anew for each row that is
// written: a tenth of the CPU of a claim with its result, and a quarter of a fan-out.
// The same rows are allowed as before, so that only the text of the schema changes, by
// the way that SQLite describes for it (lang_altertable.html, section 7), and not the
// millions of rows.
func (s *Store) spellOutChecks(ctx context.Context, tx *sql.Tx) error {
	if !s.d.sqlite() {
		return nil
	}
	var text string
	var version int
	if err := tx.QueryRowContext(ctx, `SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'delivery'`).Scan(&text); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, `PRAGMA schema_version`).Scan(&version); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `PRAGMA writable_schema = 1;
		UPDATE sqlite_schema SET sql = $1 WHERE type = 'table' AND name = 'delivery';
		PRAGMA writable_schema = 0`, spelledOut(text))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA schema_version = %d; SELECT 1 FROM delivery LIMIT 1`, version+1)) // reads the schema anew
	return err
}

// spelledOut writes x IN (a, b) as x = a OR x = b.
func spelledOut(text string) string {
	return listCheck.ReplaceAllStringFunc(text, func(check string) string {
		parts := listCheck.FindStringSubmatch(check)
		var all []string
		for _, value := range strings.Split(parts[2], ",") {
			all = append(all, parts[1]+" = "+strings.TrimSpace(value))
		}
		return "CHECK (" + strings.Join(all, " OR ") + ")"
	})
}

// trustCampaigns has PostgreSQL no more look for the campaign of each delivery that is
// written, a third of a fan-out: whoever writes one has read the campaign in the same
// transaction, and none is ever deleted. Verify looks for deliveries of none.
func (s *Store) trustCampaigns(ctx context.Context, tx *sql.Tx) error {
	if s.d.sqlite() {
		return nil
	}
	_, err := tx.ExecContext(ctx, `ALTER TABLE delivery DROP CONSTRAINT delivery_campaign_fkey`)
	return err
}

func lockFolder(folder string) (release func(), err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the keys: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(folder, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock beside the keys: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking the folder of the keys: %w", err)
	}
	return func() { f.Close() }, nil
}
