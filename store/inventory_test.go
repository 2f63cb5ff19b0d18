package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"heed/store"
	"heed/store/storetest"
)

// TestEveryColumnIsClassified holds the inventory against the real schema: a
// column that is new must say whether it names a person, and who lets go of it.
func TestEveryColumnIsClassified(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		classes, twice := store.Classes()
		if len(twice) > 0 {
			t.Errorf("in two classes: %v", twice)
		}
		columns, err := s.Schema(context.Background())
		must(t, err)
		for _, column := range columns {
			if classes[column] == "" {
				t.Errorf("%s is in no class: say in store/inventory.go whether it names a person (then an item of pieces must let go of it), is coded, or is impersonal", column)
			}
			delete(classes, column)
		}
		for column, class := range classes {
			t.Errorf("%s is classified (%s) and does not exist", column, class)
		}
	})
}

// reopened is where a store lies that a test closes and opens again.
func engines(t *testing.T, test func(t *testing.T, o store.Options)) {
	options := func(t *testing.T, url string) store.Options {
		dir := t.TempDir()
		return store.Options{URL: url, Keys: filepath.Join(dir, "keys"), Journal: filepath.Join(dir, "journal")}
	}
	t.Run("sqlite", func(t *testing.T) { test(t, options(t, "sqlite:"+filepath.Join(t.TempDir(), "heed.db"))) })
	t.Run("postgres", func(t *testing.T) { test(t, options(t, storetest.QuickPostgres(t))) })
}

// opened opens a store with the topics and services that people() needs.
func opened(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), o)
	must(t, err)
	t.Cleanup(func() { s.Close() }) // a second time does nothing
	must(t, s.SyncTopics(context.Background(), []store.Named{{ID: "product", Name: "Product news"}}, []store.Named{{ID: "files", Name: "Files"}}))
	return s
}

// TestThePageListsTheInventory holds docs/erasure.md against the code.
func TestThePageListsTheInventory(t *testing.T) {
	page, err := os.ReadFile("../docs/erasure.md")
	must(t, err)
	want := "| item | what goes | where it lies |\n|---|---|---|\n"
	for _, one := range store.Inventory() {
		want += "| " + one.Name + " | " + one.What + " | " + strings.Join(one.Columns, "; ") + " |\n"
	}
	if !strings.Contains(string(page), want) {
		t.Errorf("docs/erasure.md must hold this table:\n%s", want)
	}
}
