package store_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"heed/consent"
	"heed/store"
)

// TestRestoredDatabaseForgetsNoOptOut puts back a copy of the database from
// before an opt-out: opening it replays the journal.
func TestRestoredDatabaseForgetsNoOptOut(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	options := store.Options{URL: "sqlite:" + filepath.Join(dir, "heed.db"), Keys: filepath.Join(dir, "keys"), Journal: filepath.Join(dir, "journal")}
	s, err := store.Open(ctx, options)
	must(t, err)
	must(t, s.SyncTopics(ctx, []store.Named{{ID: "product", Name: "Product"}}, nil))
	_, err = s.Import(ctx, []store.Contact{{Row: 2, Email: "a@example.com"}, {Row: 3, Email: "b@example.com"}}, "", false)
	must(t, err)
	must(t, s.Close())
	old, err := os.ReadFile(filepath.Join(dir, "heed.db"))
	must(t, err)

	s, err = store.Open(ctx, options)
	must(t, err)
	_, err = s.OptOut(ctx, store.OptOut{Key: keyOf(t, s, "a@example.com"), Scope: consent.ScopeMarketing, Via: consent.ViaPage})
	must(t, err)
	must(t, s.Close())

	must(t, os.WriteFile(filepath.Join(dir, "heed.db"), old, 0o600))
	os.Remove(filepath.Join(dir, "heed.db-wal"))
	os.Remove(filepath.Join(dir, "heed.db-shm"))
	for round := range 2 {
		s, err = store.Open(ctx, options)
		must(t, err)
		if s.Replayed() != 1-round {
			t.Errorf("opening %d replayed %d", round, s.Replayed())
		}
		e, err := s.Explain(ctx, "a@example.com")
		must(t, err)
		if e.State.Marketing != "out" {
			t.Errorf("the opt-out was forgotten: %+v", e.State)
		}
		clean(t, s)
		must(t, s.Close())
	}
}
