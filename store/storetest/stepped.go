package storetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// Step is one thing that a store is about to do to its database.
type Step struct {
	What  string // begin | commit | exec | query | done
	Query string
	Args  []driver.NamedValue
	// Lock tells that the step needs SQLite's one writing lock, and Keep that it
	// keeps it afterwards, until a step of the same holder that Frees it.
	Lock, Keep, Frees bool
	Reader            bool // of one that only reads, of which there are several
	Holder            any  // the connection
}

// Stepped is SQLite as one process sees it, each step of which waits for its
// turn. The process can be cut off from it at any moment.
type Stepped struct {
	Shelf *Shelf
	Turn  func(context.Context, Step) error // waits; an error is what the step gives
	Freed func(holder any)                  // told when a holder has given the lock back

	mu    sync.Mutex
	conns map[*steppedConn]bool
	cut   bool
}

// ErrCut is what a process hears that no longer exists.
var ErrCut = errors.New("this process has no database any more")

// Connect is for store.Options.
func (s *Stepped) Connect(dsn string) (*sql.DB, error) {
	return sql.OpenDB(&steppedConnector{s, strings.Replace(dsn, "synchronous%28FULL%29", "synchronous%28OFF%29", 1)}), nil
}

// Cut takes every connection away, as the death of the process would: what was
// not committed is rolled back. No step may be under way.
func (s *Stepped) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	for c := range s.conns {
		c.end()
	}
	s.conns = nil
}

func (s *Stepped) turn(ctx context.Context, step Step) error {
	if s.isCut() {
		return ErrCut
	}
	if err := s.Turn(ctx, step); err != nil {
		return err
	}
	if s.isCut() {
		return ErrCut
	}
	return ctx.Err()
}

func (s *Stepped) isCut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut
}

type steppedConnector struct {
	s   *Stepped
	dsn string
}

var plainSQLite = sync.OnceValues(func() (driver.Driver, error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, fmt.Errorf("opening the driver of SQLite: %w", err)
	}
	defer db.Close()
	return db.Driver(), nil
})

func (c *steppedConnector) Connect(context.Context) (driver.Conn, error) {
	if c.s.isCut() {
		return nil, ErrCut
	}
	raw, err := c.s.Shelf.take(c.dsn)
	if err != nil {
		return nil, err
	}
	conn := &steppedConn{s: c.s, raw: raw, writes: strings.Contains(c.dsn, "_txlock=immediate")}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.conns == nil {
		c.s.conns = map[*steppedConn]bool{}
	}
	c.s.conns[conn] = true
	return conn, nil
}

func (c *steppedConnector) Driver() driver.Driver { panic("nobody asks a connector's driver") }

// steppedConn is a connection. What it asks of SQLite takes no context: no time
// passes while SQLite works.
type steppedConn struct {
	s      *Stepped
	raw    *rawConn
	writes bool      // it is the writer's: its transactions take the lock at once
	tx     driver.Tx // under way, or nil
}

// end gives the connection back. A transaction that is under way is rolled
// back.
func (c *steppedConn) end() {
	c.raw.quiet()
	if c.tx != nil {
		_ = c.tx.Rollback() // there is nobody to tell
		c.free()
	}
	c.s.Shelf.put(c.raw)
}

func (c *steppedConn) free() {
	c.tx = nil
	if c.writes {
		c.s.Freed(c)
	}
}

// Close implements driver.Conn.
func (c *steppedConn) Close() error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if !c.s.cut {
		delete(c.s.conns, c)
		c.end()
	}
	return nil
}

// Begin implements driver.Conn.
func (c *steppedConn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// BeginTx implements driver.ConnBeginTx.
func (c *steppedConn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	if err := c.s.turn(ctx, Step{What: "begin", Lock: c.writes, Keep: c.writes, Holder: c}); err != nil {
		if c.writes {
			c.s.Freed(c) // it may have had its turn
		}
		return nil, err
	}
	tx, err := c.raw.Conn.(driver.ConnBeginTx).BeginTx(context.Background(), driver.TxOptions{})
	if err != nil {
		if c.writes {
			c.s.Freed(c)
		}
		return nil, err
	}
	c.tx = tx
	return steppedTx{c, tx}, nil
}

type steppedTx struct {
	c  *steppedConn
	tx driver.Tx
}

// Commit implements driver.Tx. A process can die right before and right after.
func (t steppedTx) Commit() error {
	if !t.c.writes {
		return t.Rollback()
	}
	if err := t.c.s.turn(context.Background(), Step{What: "commit", Holder: t.c}); err != nil {
		_ = t.Rollback() // nothing was committed
		return err
	}
	err := t.tx.Commit()
	if err != nil {
		_ = t.tx.Rollback() // it may be open still
	}
	t.c.free()
	if err != nil {
		return err
	}
	return t.c.s.turn(context.Background(), Step{What: "done", Holder: t.c})
}

// Rollback implements driver.Tx.
func (t steppedTx) Rollback() error {
	if t.c.s.isCut() {
		return ErrCut
	}
	defer t.c.free()
	return t.tx.Rollback()
}

// ExecContext implements driver.ExecerContext.
func (c *steppedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if ends, err := c.bounds(ctx, query); ends {
		return driver.RowsAffected(0), err
	}
	if err := c.s.turn(ctx, c.step("exec", query, args)); err != nil {
		return nil, err
	}
	return c.raw.exec(query, args)
}

// bounds begins and ends transactions of those who say so in SQL.
func (c *steppedConn) bounds(ctx context.Context, query string) (ends bool, err error) {
	switch {
	case query == "BEGIN IMMEDIATE":
		_, err = c.BeginTx(ctx, driver.TxOptions{})
	case query == "COMMIT":
		err = steppedTx{c, c.tx}.Commit()
	case query == "ROLLBACK" && c.tx != nil:
		err = steppedTx{c, c.tx}.Rollback()
	default:
		return query == "ROLLBACK", nil // a commit that failed has done it
	}
	return true, err
}

func (c *steppedConn) step(what, query string, args []driver.NamedValue) Step {
	return Step{What: what, Query: query, Args: args, Lock: c.writes && c.tx == nil, Reader: !c.writes, Holder: c}
}

// QueryContext implements driver.QueryerContext.
func (c *steppedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.s.turn(ctx, c.step("query", query, args)); err != nil {
		return nil, err
	}
	rows, err := c.raw.query(query, args)
	if err != nil {
		return nil, err
	}
	rows.s = c.s
	return rows, nil
}

// Prepare implements driver.Conn.
func (c *steppedConn) Prepare(query string) (driver.Stmt, error) { return &steppedStmt{c, query}, nil }

// steppedStmt is a prepared statement. All are compiled once, prepared or not.
type steppedStmt struct {
	c     *steppedConn
	query string
}

// Close implements driver.Stmt.
func (s *steppedStmt) Close() error { return nil }

// NumInput implements driver.Stmt: SQLite looks itself.
func (s *steppedStmt) NumInput() int { return -1 }

// Exec implements driver.Stmt; it is not used.
func (s *steppedStmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }

// Query implements driver.Stmt; it is not used.
func (s *steppedStmt) Query([]driver.Value) (driver.Rows, error) { return nil, driver.ErrSkip }

// ExecContext implements driver.StmtExecContext.
func (s *steppedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.c.ExecContext(ctx, s.query, args)
}

// QueryContext implements driver.StmtQueryContext.
func (s *steppedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.c.QueryContext(ctx, s.query, args)
}
