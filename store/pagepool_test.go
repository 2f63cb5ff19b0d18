package store

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Other tests may open a file without a store, after which there can be no pool.
func init() { poolPages() }

// TestPagesComeFromThePool: more is read than the pool holds, and SQLite asks for no
// memory for pages beyond it.
func TestPagesComeFromThePool(t *testing.T) {
	ctx := context.Background()
	s := openHere(t)
	if _, err := s.write.ExecContext(ctx, `CREATE TABLE wide (n INTEGER PRIMARY KEY, text TEXT);
		WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM count WHERE n < 3000)
		INSERT INTO wide SELECT n, hex(zeroblob(2000)) FROM count`); err != nil {
		t.Fatal(err)
	}
	for range 20 { // over each of the connections
		var n int
		if err := s.read.QueryRowContext(ctx, `SELECT sum(length(text)) FROM wide`).Scan(&n); err != nil || n != 3000*4000 {
			t.Fatalf("%d, %v", n, err)
		}
	}
	used, beyond := pageStatus(t, sqlite3.SQLITE_STATUS_PAGECACHE_USED), pageStatus(t, sqlite3.SQLITE_STATUS_PAGECACHE_OVERFLOW)
	if used < pooledPages/2 || used > pooledPages || beyond > 1<<20 {
		t.Errorf("of the pool %d pages are used, of %d; %d bytes beyond it", used, pooledPages, beyond)
	}
}

func pageStatus(t *testing.T, which int32) int32 {
	t.Helper()
	tls := libc.NewTLS()
	defer tls.Close()
	space := libc.Xmalloc(tls, 16) // what it is now, and the most that it was
	defer libc.Xfree(tls, space)
	if rc := sqlite3.Xsqlite3_status(tls, which, space, space+8, 0); rc != sqlite3.SQLITE_OK {
		t.Fatalf("status %d: %d", which, rc)
	}
	return libc.AtomicLoadPInt32(space)
}

// TestWritingStatesReadsNoOthers: SQLite finds the addresses by their keys, however
// many states are written at once.
func TestWritingStatesReadsNoOthers(t *testing.T) {
	s := openHere(t)
	for _, n := range []int{1, 100, 500} {
		values := make([]any, 2*n)
		for i := range values {
			values[i] = fmt.Sprint(i)
		}
		found, err := s.write.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+s.d.text(statesText(n)), values...)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := gather(found, func(row scanner) (step string, err error) {
			var id, parent, unused int
			err = row.Scan(&id, &parent, &unused, &step)
			return step, err
		})
		if text := strings.Join(plan, "; "); err != nil || !strings.Contains(text, "SEARCH address") {
			t.Errorf("for %d states: %s, %v", n, text, err)
		}
	}
}

func openHere(t *testing.T) *Store {
	t.Helper()
	folder := t.TempDir()
	s, err := Open(t.Context(), Options{URL: "sqlite:" + filepath.Join(folder, "heed.db"), Keys: filepath.Join(folder, "keys")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
