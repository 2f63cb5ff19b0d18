package storetest

import (
	"context"
	"path/filepath"
	"testing"

	"heed/consent"
	"heed/store"
)

// Topics and services that Open makes known, in this order.
var (
	topics   = []store.Named{{ID: "product", Name: "Product news"}, {ID: "events", Name: "Events"}}
	services = []store.Named{{ID: "files", Name: "Files"}}
)

// Open gives a fresh store on SQLite, with two topics and a service.
func Open(t testing.TB) *store.Store {
	t.Helper()
	return open(t, "sqlite:"+filepath.Join(t.TempDir(), "heed.db"))
}

// OpenPostgres gives a fresh store on PostgreSQL.
func OpenPostgres(t testing.TB) *store.Store {
	t.Helper()
	return open(t, QuickPostgres(t))
}

func open(t testing.TB, url string) *store.Store {
	s, err := store.Open(context.Background(), store.Options{URL: url, Keys: filepath.Join(t.TempDir(), "keys"),
		Journal: filepath.Join(t.TempDir(), "journal"),
		Policy:  consent.NewPolicyVersion("2026-01", []byte("the policy")), Limits: consent.Policy{AlertCap: 4}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.SyncTopics(context.Background(), topics, services); err != nil {
		t.Fatal(err)
	}
	return s
}

// Engines runs a test on a fresh store of every engine.
func Engines(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Run("sqlite", func(t *testing.T) { test(t, Open(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, OpenPostgres(t)) })
}
