package store_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// TestUpgradeKeepsWorkInFlight opens a database that an older heed left with a
// question still to be mailed: the question becomes a letter, and goes out.
func TestUpgradeKeepsWorkInFlight(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heed.db")
	t.Run("sqlite", func(t *testing.T) { upgrade(t, "sqlite", goose.DialectSQLite3, path, "sqlite:"+path) })
	t.Run("postgres", func(t *testing.T) {
		url := storetest.QuickPostgres(t)
		upgrade(t, "pgx", goose.DialectPostgres, url, url)
	})
}

func upgrade(t *testing.T, driver string, dialect goose.Dialect, name, url string) {
	ctx := context.Background()
	old, err := sql.Open(driver, name)
	must(t, err)
	provider, err := goose.NewProvider(dialect, old, os.DirFS("migrations"))
	must(t, err)
	_, err = provider.UpTo(ctx, 1)
	must(t, err)
	key := consent.Key{7}.String()
	for _, query := range []string{
		`INSERT INTO address (key) VALUES ('` + key + `')`,
		`INSERT INTO privacy_case (id, kind, state, identity, address, email, mailbox, received, due) VALUES (5, 'erasure', 'waiting', 'claimed', '` + key + `', '', 'm', 1, 2)`,
		`INSERT INTO job (id, queue, kind, state, due, subject, changed) VALUES (9, 'privacy', 'confirm', 'ready', 1, 5, 1)`,
		`INSERT INTO job (id, queue, kind, state, due, subject, changed) VALUES (10, 'privacy', 'confirm', 'done', 1, 5, 1)`,
	} {
		_, err := old.ExecContext(ctx, query)
		must(t, err)
	}
	must(t, old.Close())
	s, err := store.Open(ctx, store.Options{URL: url, Keys: filepath.Join(t.TempDir(), "keys")})
	must(t, err)
	defer s.Close()
	jobs, err := s.Carry(ctx, "privacy", 10)
	must(t, err)
	if len(jobs) != 1 || jobs[0].ID != 9 || jobs[0].Kind != "write" {
		t.Fatalf("the upgraded jobs are %+v", jobs)
	}
	c, err := s.Correspondence(ctx, jobs[0].Subject)
	must(t, err)
	if c.Kind != store.WriteConfirm || c.Case != 5 || c.Key != key || c.State != "waiting" {
		t.Errorf("the upgraded letter is %+v", c)
	}
}
