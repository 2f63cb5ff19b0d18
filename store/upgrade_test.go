package store_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"

	"heed/consent"
	"heed/store"
)

// TestUpgradeKeepsWorkInFlight opens a database that an older heed left with a
// question still to be mailed: the question becomes a letter, and goes out.
func TestUpgradeKeepsWorkInFlight(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "heed.db")
	old, err := sql.Open("sqlite", path)
	must(t, err)
	must(t, goose.SetDialect("sqlite3"))
	must(t, goose.UpToContext(ctx, old, "migrations", 1))
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
	s, err := store.Open(ctx, store.Options{URL: "sqlite:" + path, Keys: filepath.Join(t.TempDir(), "keys")})
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
