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
	return open(t, "sqlite:"+filepath.Join(t.TempDir(), "heed.db"), nil)
}

// OpenWith is Open for a store with options of its own, such as a clock.
func OpenWith(t testing.TB, change func(*store.Options)) *store.Store {
	t.Helper()
	return open(t, "sqlite:"+filepath.Join(t.TempDir(), "heed.db"), change)
}

// OpenPostgres gives a fresh store on PostgreSQL.
func OpenPostgres(t testing.TB) *store.Store {
	t.Helper()
	return open(t, QuickPostgres(t), nil)
}

func open(t testing.TB, url string, change func(*store.Options)) *store.Store {
	o := store.Options{URL: url, Keys: filepath.Join(t.TempDir(), "keys"), Journal: filepath.Join(t.TempDir(), "journal"),
		Policy: consent.NewPolicyVersion("2026-01", []byte("the policy")), Limits: consent.Policy{AlertCap: 4}}
	if change != nil {
		change(&o)
	}
	s, err := store.Open(context.Background(), o)
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
	EnginesWith(t, nil, test)
}

// EnginesWith is Engines for a store with options of its own, such as a clock.
func EnginesWith(t *testing.T, change func(*store.Options), test func(t *testing.T, s *store.Store)) {
	t.Run("sqlite", func(t *testing.T) { test(t, open(t, "sqlite:"+filepath.Join(t.TempDir(), "heed.db"), change)) })
	t.Run("postgres", func(t *testing.T) { test(t, open(t, QuickPostgres(t), change)) })
}
