package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver that the conformance suite uses too
)

// PostgresOptions says how a cluster is run.
type PostgresOptions struct {
	// NoSync gives up durability for speed. Not for tests that kill things.
	NoSync bool
}

// PostgresServer is a PostgreSQL cluster on a loopback port.
type PostgresServer struct {
	shop    *workshop
	as      account
	program string
	port    int
	options PostgresOptions
	process *process
	mu      sync.Mutex
	made    int // databases made so far, for their names
}

// Each test binary starts at most one cluster of each kind, when a test first
// asks; the warden stops it when the binary is gone.
var (
	durable = sync.OnceValues(func() (*PostgresServer, error) {
		return shared(PostgresOptions{})
	})
	quick = sync.OnceValues(func() (*PostgresServer, error) {
		return shared(PostgresOptions{NoSync: true})
	})
)

func shared(options PostgresOptions) (*PostgresServer, error) {
	server, _, err := StartPostgres(options)
	return server, err
}

// Postgres returns the URL of a new, empty database in the test binary's
// cluster, which syncs every commit to disk. It is dropped after the test.
func Postgres(t testing.TB) string {
	t.Helper()
	return database(t, durable)
}

// QuickPostgres is Postgres on a cluster that does not wait for the disk.
func QuickPostgres(t testing.TB) string {
	t.Helper()
	return database(t, quick)
}

func database(t testing.TB, cluster func() (*PostgresServer, error)) string {
	t.Helper()
	server, err := cluster()
	if err != nil {
		return started(t, "", nil, err)
	}
	url, drop, err := server.NewDatabase(context.Background())
	return started(t, url, drop, err)
}

// OwnPostgres starts a cluster for one test, to be stopped and started by it.
func OwnPostgres(t testing.TB, options PostgresOptions) *PostgresServer {
	t.Helper()
	server, stop, err := StartPostgres(options)
	return started(t, server, stop, err)
}

// StartPostgres makes a cluster in a temporary folder and starts it, as the
// system user postgres where we are root. The function it returns stops the
// cluster and removes all of its files.
func StartPostgres(options PostgresOptions) (*PostgresServer, func() error, error) {
	server, err := twice(func() (*PostgresServer, error) { return newPostgres(options) })
	if err != nil {
		return nil, nil, err
	}
	return server, server.remove, nil
}

func newPostgres(options PostgresOptions) (*PostgresServer, error) {
	program, err := find("postgres")
	if err != nil {
		return nil, err
	}
	as, err := runAs("postgres") // initdb and postgres refuse to be root
	if err != nil {
		return nil, err
	}
	shop, err := newWorkshop("postgres")
	if err != nil {
		return nil, err
	}
	s := &PostgresServer{shop: shop, as: as, program: program, options: options}
	if err := s.build(); err != nil {
		return nil, errors.Join(err, shop.close())
	}
	return s, nil
}

// build makes the cluster's files and starts it for the first time.
func (s *PostgresServer) build() (err error) {
	if s.port, err = freePort(); err != nil {
		return err
	}
	if err := s.as.own(s.shop.path("cluster"), s.shop.path("socket")); err != nil {
		return err
	}
	if err := s.initdb(); err != nil {
		return err
	}
	return s.Start()
}

func (s *PostgresServer) initdb() error {
	initdb, err := find("initdb")
	if err != nil {
		return err
	}
	cmd := exec.Command(initdb, "-D", s.shop.path("cluster"), "--username=heed", "--auth=trust",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
	cmd.Dir = s.shop.path("cluster")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as.credential()}
	cmd.Env = append(os.Environ(), "TZ=UTC")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making a PostgreSQL cluster: %w: %s", err, out)
	}
	return nil
}

// Start starts the cluster on the port it always had.
func (s *PostgresServer) Start() (err error) {
	sync := "on"
	if s.options.NoSync {
		sync = "off"
	}
	s.process, err = s.shop.run("postgres", s.as, syscall.SIGINT, s.program, "-D", s.shop.path("cluster"),
		"-p", strconv.Itoa(s.port), "-k", s.shop.path("socket"), "-h", "127.0.0.1",
		"-c", "fsync="+sync, "-c", "full_page_writes="+sync, "-c", "synchronous_commit="+sync,
		"-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "logging_collector=off",
		"-c", "timezone=UTC", "-c", "log_timezone=UTC", "-c", "jit=off")
	if err != nil {
		return err
	}
	return s.process.until(func() error { return s.admin(context.Background(), "select 1") })
}

// Stop ends the cluster in an orderly way; open connections are cut.
func (s *PostgresServer) Stop() error { return s.process.stop() }

// Kill ends the cluster as a power cut of the server would.
func (s *PostgresServer) Kill() { s.process.kill() }

// remove stops the cluster, where it runs, and removes its files.
func (s *PostgresServer) remove() error {
	return errors.Join(s.process.stop(), s.shop.close())
}

// URL is the address of one database of the cluster.
func (s *PostgresServer) URL(name string) string {
	return fmt.Sprintf("postgres://heed@%s/%s?sslmode=disable", loopback(s.port), name)
}

// Log is the path of the file with what the server logged.
func (s *PostgresServer) Log() string { return filepath.Clean(s.process.log) }

// NewDatabase makes an empty database and returns its URL and the function that
// drops it, even while connections to it are open.
func (s *PostgresServer) NewDatabase(ctx context.Context) (string, func() error, error) {
	s.mu.Lock()
	s.made++
	name := fmt.Sprintf("heed_%d", s.made)
	s.mu.Unlock()
	quoted := pgx.Identifier{name}.Sanitize()
	if err := s.admin(ctx, "create database "+quoted); err != nil {
		return "", nil, fmt.Errorf("making a test database: %w", err)
	}
	drop := func() error { return s.admin(context.Background(), "drop database "+quoted+" with (force)") }
	return s.URL(name), drop, nil
}

// admin runs one statement in the maintenance database.
func (s *PostgresServer) admin(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	db, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}
