package storetest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"heed/store/storetest"
)

// open connects to a test database.
func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// one asks a question with a one-line answer.
func one(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	var answer string
	if err := db.QueryRowContext(t.Context(), query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	first := open(t, storetest.Postgres(t))
	second := open(t, storetest.Postgres(t))
	if _, err := first.Exec("create table mark (n int)"); err != nil {
		t.Fatal(err)
	}
	const look = "select count(*)::text from information_schema.tables where table_name = 'mark'"
	if a, b := one(t, first, look), one(t, second, look); a != "1" || b != "0" {
		t.Errorf("tables seen: %s and %s, want 1 and 0", a, b)
	}
}

func TestOnlyTheQuickClusterSkipsTheDisk(t *testing.T) {
	durable := open(t, storetest.Postgres(t))
	quick := open(t, storetest.QuickPostgres(t))
	if got := one(t, durable, "show fsync"); got != "on" {
		t.Errorf("fsync of the usual cluster is %s", got)
	}
	if got := one(t, quick, "show fsync"); got != "off" {
		t.Errorf("fsync of the quick cluster is %s", got)
	}
}

func TestDatabaseIsGoneAfterItsTest(t *testing.T) {
	var url string
	t.Run("inner", func(t *testing.T) { url = storetest.QuickPostgres(t) })
	var ignored int
	err := open(t, url).QueryRow("select 1").Scan(&ignored)
	if err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("the database of a finished test answers with %v", err)
	}
}

func TestPostgresComesBackAfterStopAndKill(t *testing.T) {
	server := storetest.OwnPostgres(t, storetest.PostgresOptions{})
	url, _, err := server.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, url).Exec("create table mark as select 7 as n"); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, url).PingContext(t.Context()); err == nil {
		t.Fatal("a stopped server still answers")
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if got := one(t, open(t, url), "select n::text from mark"); got != "7" {
		t.Errorf("the table holds %s after a restart, want 7", got)
	}
}

func TestRedisAnswersAndForgets(t *testing.T) {
	server := storetest.OwnRedis(t)
	if !strings.HasPrefix(server.URL(), "redis://127.0.0.1:") {
		t.Errorf("URL is %s", server.URL())
	}
	for _, step := range []struct {
		want  string
		words []string
	}{
		{"+PONG", []string{"PING"}},
		{"+OK", []string{"SET", "mark", "7"}},
		{":1", []string{"EXISTS", "mark"}},
		{"*2", []string{"CONFIG", "GET", "maxmemory-policy"}},
	} {
		if err := server.Command(step.want, step.words...); err != nil {
			t.Error(err)
		}
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := server.Command("+PONG", "PING"); err == nil {
		t.Error("a stopped server still answers")
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := server.Command(":0", "EXISTS", "mark"); err != nil {
		t.Error(err)
	}
}

// TestServersDieWithTheirTestBinary runs this binary again, kills it without
// warning while it holds a Redis and a PostgreSQL, and looks for what is left.
func TestServersDieWithTheirTestBinary(t *testing.T) {
	storetest.Need(t, "redis-server", "postgres")
	temp, err := os.MkdirTemp("", "heed-warden-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestHoldServers$")
	child.Env = append(os.Environ(), "HEED_TEST_HOLD=1", "TMPDIR="+temp)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	url, err := firstLine(out)
	if err != nil {
		t.Fatalf("the holding process said nothing: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed, so it reports a failure
	waitFor(t, "all folders to be removed", func() bool {
		left, _ := filepath.Glob(filepath.Join(temp, "*"))
		return len(left) == 0
	})
	if err := open(t, url).PingContext(context.Background()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the PostgreSQL of a killed test binary answers with %v", err)
	}
}

// TestHoldServers is the process that the test above kills.
func TestHoldServers(t *testing.T) {
	if os.Getenv("HEED_TEST_HOLD") != "1" {
		return
	}
	storetest.Redis(t)
	fmt.Println(storetest.OwnPostgres(t, storetest.PostgresOptions{NoSync: true}).URL("postgres"))
	time.Sleep(time.Minute)
}

func firstLine(from io.Reader) (string, error) {
	var line string
	_, err := fmt.Fscanln(from, &line)
	return line, err
}

// waitFor waits until something is so, for at most 20 s.
func waitFor(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20 s for %s", what)
		}
	}
}
