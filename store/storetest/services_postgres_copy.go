package storetest

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// CopyPostgres copies a database as an operator does, with pg_dump and
// pg_restore, and gives the URL of the copy.
func CopyPostgres(t testing.TB, url string) string {
	t.Helper()
	to := QuickPostgres(t)
	dump := filepath.Join(t.TempDir(), "dump")
	for _, command := range [][]string{{"pg_dump", "--format=custom", "--file=" + dump, url}, {"pg_restore", "--no-owner", "--exit-on-error", "--dbname=" + to, dump}} {
		path, err := find(command[0])
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		out, err := exec.CommandContext(ctx, path, command[1:]...).CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("%s: %v: %s", command[0], err, bytes.TrimSpace(out))
		}
	}
	return to
}

// Files is the folder in which the cluster keeps everything; its log of changes
// lies in pg_wal below it.
func (s *PostgresServer) Files() string { return s.shop.path("cluster") }

// Checkpoint writes everything that was changed to the cluster's files.
func (s *PostgresServer) Checkpoint(ctx context.Context) error { return s.admin(ctx, "checkpoint") }
