package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is everything in which the two engines truly differ. All other SQL
// is one text for both.
type dialect struct {
	name       string // as goose calls it
	forUpdate  string
	skipLocked string
	// barrier statements: on PostgreSQL a claim holds a shared advisory lock on
	// its campaign, and whoever stops the campaign takes it exclusively once,
	// so that no claim that read the old state is still uncommitted. Waiters on
	// advisory locks queue fairly. A step of a fan-out holds the one of no campaign,
	// for whoever changes a key. SQLite has one writer and needs none of them.
	shareCampaigns string
	awaitCampaign  string
	shareFanOuts   string
	awaitFanOuts   string
}

var (
	postgres = dialect{
		name: "postgres", forUpdate: " FOR UPDATE", skipLocked: " FOR UPDATE SKIP LOCKED",
		shareCampaigns: "SELECT pg_advisory_xact_lock_shared(one) FROM unnest($1::bigint[]) AS one",
		awaitCampaign:  "SELECT pg_advisory_xact_lock($1)",
		shareFanOuts:   "SELECT pg_advisory_xact_lock_shared(0)",
		awaitFanOuts:   "SELECT pg_advisory_xact_lock(0)",
	}
	sqliteDialect = dialect{name: "sqlite3"}
)

var errPostgresURL = errors.New("DATABASE_URL cannot be read as postgres://user@host/name")

// writers lets those who write to SQLite go one after the other, in the order in
// which they came. Of those that wait for the one connection of a pool
// database/sql picks any, and the engine's own busy handler lets them starve.
type writers chan struct{}

func (w writers) enter(ctx context.Context) error {
	if w == nil {
		return nil
	}
	select {
	case w <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w writers) leave() {
	if w != nil {
		<-w
	}
}

// open gives a pool for writers and one for readers; on PostgreSQL they are the
// same. SQLite takes one writer, whose pool has one connection.
func open(rawURL string, connect func(dsn string) (*sql.DB, error)) (write, read *sql.DB, d dialect, err error) {
	switch {
	case strings.HasPrefix(rawURL, "postgres://"), strings.HasPrefix(rawURL, "postgresql://"):
		config, err := pgx.ParseConfig(rawURL)
		if err != nil {
			return nil, nil, d, errPostgresURL
		}
		db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(settings))
		db.SetMaxOpenConns(24)
		db.SetMaxIdleConns(24)
		return db, db, postgres, nil
	case strings.HasPrefix(rawURL, "sqlite:"):
		write, read, err = openSQLite(strings.TrimPrefix(rawURL, "sqlite:"), connect)
		return write, read, sqliteDialect, err
	}
	return nil, nil, d, fmt.Errorf("DATABASE_URL must begin with postgres:// or sqlite:, not %q", scheme(rawURL))
}

// planAnew has PostgreSQL plan each statement for the sizes that its tables have by
// then. A plan that is kept was made while they were empty, and reads them whole.
const planAnew = `SET plan_cache_mode = force_custom_plan; SET random_page_cost = 1.1`

// letGo has PostgreSQL end the transaction of a process that is stopped or has
// lost its network: it would hold its addresses for as long, and whoever has one
// of them could not opt out.
const letGo = `SET idle_in_transaction_session_timeout = '5s'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5;
	SET tcp_keepalives_count = 2; SET tcp_user_timeout = 10000`

// settings are those of every connection. They are no part of the start of a
// session, which a pool in between may refuse.
func settings(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, planAnew+`; `+letGo, pgx.QueryExecModeSimpleProtocol)
	return err
}

func openSQLite(path string, connect func(dsn string) (*sql.DB, error)) (write, read *sql.DB, err error) {
	poolPages()
	if connect == nil {
		connect = func(dsn string) (*sql.DB, error) { return sql.Open("sqlite", dsn) }
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, fmt.Errorf("making the folder of the database: %w", err)
	}
	if err := makePrivate(path); err != nil {
		return nil, nil, fmt.Errorf("opening the database: %w", err)
	}
	if write, err = connect(sqliteDSN(path, "immediate", 8000)); err != nil {
		return nil, nil, fmt.Errorf("opening %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	if read, err = connect(sqliteDSN(path, "deferred", 2000)); err != nil {
		return nil, nil, fmt.Errorf("opening %s: %w", path, err)
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(8)
	return write, read, nil
}

// makePrivate makes a database that is not there yet one that only its owner can read;
// its log follows it.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// sqliteDSN: WAL, so that readers never wait; synchronous FULL, because a claim
// must be on the disk before the end of its message is written; secure_delete,
// because what is erased must leave the file. cache is the most of a connection in
// KB; all of them together get what poolPages holds, and what they do not hold the
// system does.
func sqliteDSN(path, lock string, cache int) string {
	q := url.Values{"_txlock": {lock}, "_pragma": {"busy_timeout(15000)", "journal_mode(WAL)", "synchronous(FULL)",
		"foreign_keys(1)", "secure_delete(1)", fmt.Sprintf("cache_size(-%d)", cache)}}
	return "file:" + escaped(path) + "?" + q.Encode()
}

func escaped(path string) string { return (&url.URL{Path: path}).EscapedPath() }

func scheme(rawURL string) string {
	before, _, _ := strings.Cut(rawURL, ":")
	return before + ":…"
}

// passing tells whether the same transaction may succeed when begun anew.
func passing(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40P01" || pg.Code == "40001" // deadlock, serialization
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_BUSY
}

// taken tells whether an error means that there is a row of that key already.
func taken(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505" // unique_violation
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}

// Full tells whether an error means that the disk is full, so that the hint
// can say so.
func Full(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "53100"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_FULL
}

// text gives a query as the engine reads it fastest. SQLite keeps every $1 and
// ?1 in a list that it walks for each parameter, so that a statement about
// hundreds of rows costs the square; where the numbers only count up, a plain ?
// says the same.
func (d dialect) text(query string) string {
	if !d.sqlite() {
		return query
	}
	var plain strings.Builder
	plain.Grow(len(query))
	next := 1
	for rest := query; ; next++ {
		at := strings.IndexByte(rest, '$')
		if at < 0 {
			plain.WriteString(rest)
			return plain.String()
		}
		plain.WriteString(rest[:at])
		rest = rest[at+1:]
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		if rest[:digits] != strconv.Itoa(next) {
			return strings.ReplaceAll(query, "$", "?")
		}
		plain.WriteByte('?')
		rest = rest[digits:]
	}
}

// given writes rows of values as the table v of a query, with the placeholders
// from first on. PostgreSQL takes a column at a time, so that the text is the
// same for any number of rows and is planned once.
func (d dialect) given(values []any, first int, types ...string) (table string, args []any) {
	if d.sqlite() {
		return valuesTable(len(values)/len(types), len(types), first), values
	}
	var arrays, names []string
	for i, kind := range types {
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", first+i, kind))
		names = append(names, fmt.Sprintf("column%d", i+1))
		if kind == "TEXT" {
			args = append(args, every[string](values[i:], len(types)))
		} else {
			args = append(args, every[int64](values[i:], len(types)))
		}
	}
	return `unnest(` + strings.Join(arrays, ", ") + `) AS v(` + strings.Join(names, ", ") + `)`, args
}

// tables are texts that were written before: they are long, and asked for with
// each message.
var tables sync.Map

type tableSize struct{ n, columns, first int }

func valuesTable(n, columns, first int) string {
	size := tableSize{n, columns, first}
	if text, ok := tables.Load(size); ok {
		return text.(string)
	}
	text := `(VALUES ` + rows(n, columns, first) + `) AS v`
	if n <= groupSize || n == fanChunk { // not those of which each is another
		tables.Store(size, text)
	}
	return text
}

// every gives each nth value.
func every[T any](values []any, n int) []T {
	all := make([]T, 0, len(values)/n+1)
	for i := 0; i < len(values); i += n {
		all = append(all, values[i].(T))
	}
	return all
}

func (d dialect) sqlite() bool { return d.name == sqliteDialect.name }

// small is how large a table of PostgreSQL may be to be rewritten at once.
const small = 256 << 20

// settle makes what was deleted leave the files. SQLite has overwritten it
// (secure_delete); its log is written back and cut. PostgreSQL's VACUUM only
// gives the space free and leaves the bytes, so that tables are rewritten; one
// that is too large to be locked for so long is vacuumed, and its free space is
// overwritten as it is used again. Statistics go first: they quote values.
func (s *Store) settle(ctx context.Context, tables ...string) error {
	if s.d.sqlite() {
		return s.cutLog(ctx)
	}
	for _, table := range tables {
		var size int64
		if err := s.write.QueryRowContext(ctx, "SELECT pg_total_relation_size($1::regclass)", table).Scan(&size); err != nil {
			return fmt.Errorf("measuring %s: %w", table, err)
		}
		how := "VACUUM (FULL, ANALYZE) "
		if size > small {
			how = "VACUUM (ANALYZE) "
		}
		if _, err := s.write.ExecContext(ctx, how+table); err != nil {
			return fmt.Errorf("vacuuming %s: %w", table, err)
		}
	}
	return nil
}

// cutLog writes SQLite's log back and cuts it, as soon as no reader needs it.
func (s *Store) cutLog(ctx context.Context) error {
	for {
		var busy, pages, done int
		if err := s.write.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &done); err != nil || busy == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// sampleNobody keeps PostgreSQL from copying what names people into the
// statistics of its planner, which an erasure would not reach.
func (s *Store) sampleNobody(ctx context.Context) error {
	if s.d.sqlite() {
		return nil
	}
	for _, one := range pieces() {
		for _, columns := range one.holds {
			names := strings.Fields(columns)
			for _, column := range names[1:] {
				if err := s.sampleNot(ctx, names[0], column); err != nil {
					return err
				}
			}
		}
	}
	return s.sampleNoDomains(ctx)
}

func (s *Store) sampleNoDomains(ctx context.Context) error {
	var sampled int
	err := s.write.QueryRowContext(ctx, `SELECT count(*) FROM pg_attribute WHERE attrelid = 'person_domain'::regclass AND attnum = 1 AND COALESCE(attstattarget, -1) <> 0`).Scan(&sampled)
	if err == nil && sampled > 0 {
		_, err = s.write.ExecContext(ctx, `ALTER INDEX person_domain ALTER COLUMN 1 SET STATISTICS 0`)
	}
	if err != nil {
		return fmt.Errorf("keeping domains out of the statistics: %w", err)
	}
	return nil
}

func (s *Store) sampleNot(ctx context.Context, table, column string) error {
	var target int
	err := s.write.QueryRowContext(ctx, "SELECT COALESCE(attstattarget, -1) FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2", table, column).Scan(&target)
	if err == nil && target != 0 {
		_, err = s.write.ExecContext(ctx, "ALTER TABLE "+table+" ALTER COLUMN "+column+" SET STATISTICS 0")
	}
	if err != nil {
		return fmt.Errorf("keeping %s.%s out of the statistics: %w", table, column, err)
	}
	return nil
}
