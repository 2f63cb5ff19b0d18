package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"heed/store"
)

// TestABackupWhileEverythingGoesOn: a backup that is made while people opt out
// holds each of them whole or not at all, and names nobody's key.
func TestABackupWhileEverythingGoesOn(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		s := opened(t, o)
		people(t, s, 50)
		var leaving sync.WaitGroup
		leaving.Go(func() {
			for i := range 50 {
				leave(t, s, fmt.Sprintf("p%d@example.com", i))
			}
		})
		var last store.Archive
		for i := range 3 {
			a, err := s.Backup(ctx, filepath.Join(t.TempDir(), fmt.Sprint(i)))
			must(t, err)
			last = a
		}
		leaving.Wait()
		if last.People != 50 || last.Ledger < 50 || last.Bytes == 0 {
			t.Errorf("the backup says %+v", last)
		}
		if info, err := os.Stat(last.File); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("others may read it: %v, %v", info.Mode(), err)
		}
		left, err := os.ReadDir(filepath.Dir(last.File))
		must(t, err)
		if len(left) != 1 {
			t.Errorf("it leaves %v", left)
		}
	})
}

// TestARestoreThatDoesNotFit is refused, and changes nothing: beside a process
// that serves, from a newer heed, with other keys, damaged, or not ours.
func TestARestoreThatDoesNotFit(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		s := opened(t, o)
		people(t, s, 3)
		file := filepath.Join(t.TempDir(), "backup")
		_, err := s.Backup(ctx, file)
		must(t, err)
		must(t, s.Serving())
		if _, err := store.Restore(ctx, o, file); !errors.Is(err, store.ErrRunning) {
			t.Errorf("beside a process that serves: %v", err)
		}
		must(t, s.Close())
		text, err := os.ReadFile(file)
		must(t, err)
		damaged := filepath.Join(t.TempDir(), "damaged")
		must(t, os.WriteFile(damaged, append(text[:len(text)/2:len(text)/2], make([]byte, len(text)/2)...), 0o600))
		foreign := filepath.Join(t.TempDir(), "foreign")
		must(t, os.WriteFile(foreign, []byte("SQLite format 3, or so"), 0o600))
		newer := filepath.Join(t.TempDir(), "newer")
		must(t, os.WriteFile(newer, text, 0o600))
		must(t, store.Alter(newer, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`))
		forged := filepath.Join(t.TempDir(), "forged")
		must(t, os.WriteFile(forged, text, 0o600))
		must(t, store.Alter(forged, `UPDATE ledger SET choice = 'out' WHERE seq = 1`))
		for path, says := range map[string]string{damaged: "", foreign: "no backup", newer: "newer heed", forged: "chain"} {
			if _, err := store.Restore(ctx, o, path); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v", filepath.Base(path), err)
			}
		}
		other := o
		other.Keys = t.TempDir()
		must(t, os.WriteFile(filepath.Join(other.Keys, "pepper"), []byte(strings.Repeat("0123456789abcdef", 4)), 0o600))
		if _, err := store.Restore(ctx, other, file); err == nil || !strings.Contains(err.Error(), "pepper") {
			t.Errorf("with another pepper: %v", err)
		}
		s = opened(t, o)
		if c, err := s.Count(ctx, "person"); err != nil || c != 3 {
			t.Errorf("after refusals there are %d people, %v", c, err)
		}
	})
}
