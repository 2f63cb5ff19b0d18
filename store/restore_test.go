package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"heed/store"
)

// TestARestoreLeavesADatabaseAtEveryMoment also where the one that it replaces was
// killed with its log; what stays beside it has what the log held.
func TestARestoreLeavesADatabaseAtEveryMoment(t *testing.T) {
	ctx, o, backup, path := replaced(t)
	over := make(chan struct{})
	var looking sync.WaitGroup
	missed := 0
	looking.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
					missed++
				}
			}
		}
	})
	r, err := store.Restore(ctx, o, backup)
	close(over)
	looking.Wait()
	must(t, err)
	if missed > 0 {
		t.Errorf("there was no database in %d looks", missed)
	}
	for url, want := range map[string]int64{o.URL: 2, "sqlite:" + r.Old: 3} {
		o.URL = url
		s := opened(t, o)
		if n, err := s.Count(ctx, "person"); err != nil || int64(n) != want {
			t.Errorf("%s has %d people, want %d; %v", filepath.Base(url), n, want, err)
		}
		must(t, s.Close())
	}
}

// TestARestoreOverWhatIsNoDatabase: what cannot be read is put aside as it is.
func TestARestoreOverWhatIsNoDatabase(t *testing.T) {
	ctx, o, backup, path := replaced(t)
	must(t, os.WriteFile(path, []byte(strings.Repeat("no database ", 500)), 0o600))
	must(t, os.WriteFile(path+"-wal", []byte("no log"), 0o600))
	r, err := store.Restore(ctx, o, backup)
	must(t, err)
	if text, err := os.ReadFile(r.Old + "-wal"); string(text) != "no log" {
		t.Errorf("beside what was put aside lies %q, %v", text, err)
	}
	s := opened(t, o)
	if n, err := s.Count(ctx, "person"); err != nil || n != 2 {
		t.Errorf("%d people, %v", n, err)
	}
}

// replaced is a SQLite database of three people, as a kill leaves it, and a backup
// of its first two.
func replaced(t *testing.T) (ctx context.Context, o store.Options, backup, path string) {
	t.Helper()
	ctx, dir := context.Background(), t.TempDir()
	living, path := filepath.Join(dir, "living.db"), filepath.Join(dir, "heed.db")
	o = store.Options{URL: "sqlite:" + living, Keys: filepath.Join(dir, "keys")}
	s := opened(t, o)
	if info, err := os.Stat(living); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the database: %v, %v", info.Mode(), err)
	}
	people(t, s, 2)
	backup = filepath.Join(dir, "backup")
	_, err := s.Backup(ctx, backup)
	must(t, err)
	_, err = s.Import(ctx, []store.Contact{{Row: 2, Email: "later@example.com"}}, "later", false)
	must(t, err)
	for _, part := range []string{"", "-wal"} {
		text, err := os.ReadFile(living + part)
		must(t, err)
		must(t, os.WriteFile(path+part, text, 0o600))
	}
	must(t, s.Close())
	o.URL = "sqlite:" + path
	return ctx, o, backup, path
}
