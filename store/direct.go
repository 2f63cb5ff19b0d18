package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// direct is the way of claims and results to SQLite, past database/sql: that starts a
// goroutine to watch over each transaction and over each query within it, and to wake them
// costs as much as much of the work. Whoever uses it is the one writer of the process.
type direct struct {
	conn  driver.Conn // of the statements
	ready map[string]driver.Stmt
}

// directTx is a transaction on it.
type directTx struct {
	tx *tx // its time and its store; it asks nothing by itself
	on *direct
}

// directly runs a step in a transaction of the writer's connection.
func (s *Store) directly(ctx context.Context, step func(directTx) error) error {
	if err := s.writers.enter(ctx); err != nil {
		return err
	}
	defer s.writers.leave()
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(raw any) error {
		if d := &s.direct; d.conn != raw {
			d.conn, d.ready = raw.(driver.Conn), map[string]driver.Stmt{}
		}
		return s.onceDirectly(ctx, step)
	})
}

// A transaction's first and last statements, compiled once as all others are.
const (
	beginNow   = "BEGIN IMMEDIATE"
	commitNow  = "COMMIT"
	forgetThis = "ROLLBACK"
)

func (s *Store) onceDirectly(ctx context.Context, step func(directTx) error) error {
	t := directTx{&tx{s: s}, &s.direct}
	if err := t.begin(ctx); err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended {
			_, _ = t.exec(ctx, forgetThis, nil) // why is told already
		}
	}()
	t.tx.tick()
	if err := step(t); err != nil {
		return err
	}
	_, err := t.exec(ctx, commitNow, nil)
	ended = err == nil
	return err
}

func (t directTx) begin(ctx context.Context) error {
	if turn := t.tx.s.turn; turn.file != nil && turn.take(ctx) {
		defer turn.pass()
	}
	_, err := t.exec(ctx, beginNow, nil)
	return err
}

// closeDirect lets the statements go: a connection that has some is not closed, and keeps
// its file. Where somebody writes still, it is the end of the process that does.
func (s *Store) closeDirect() {
	ctx, cancel := context.WithTimeout(context.Background(), courtesy)
	defer cancel()
	if s.writers.enter(ctx) != nil {
		return
	}
	defer s.writers.leave()
	for _, one := range s.direct.ready {
		_ = one.Close() // there is nobody to tell
	}
	s.direct = direct{}
}

// exec runs a statement and tells how many rows it touched.
func (t directTx) exec(ctx context.Context, text string, args []any) (int64, error) {
	one, values, done, err := t.statement(text, args)
	if err != nil {
		return 0, err
	}
	defer done()
	result, err := one.(driver.StmtExecContext).ExecContext(ctx, values)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// rows reads a query whole.
func (t directTx) rows(ctx context.Context, text string, args []any, read func(scanned) error) error {
	one, values, done, err := t.statement(text, args)
	if err != nil {
		return err
	}
	defer done()
	found, err := one.(driver.StmtQueryContext).QueryContext(ctx, values)
	if err != nil {
		return err
	}
	defer found.Close()
	return read(&directRows{raw: found, row: make([]driver.Value, len(found.Columns()))})
}

// statement gives what is to be run, compiled, and its values; call done when it was.
func (t directTx) statement(text string, args []any) (one driver.Stmt, values []driver.NamedValue, done func(), err error) {
	if values, err = named(args); err != nil {
		return nil, nil, nil, err
	}
	done = func() {}
	if one = t.on.ready[text]; one != nil {
		return one, values, done, nil
	}
	if one, err = t.on.conn.Prepare(t.tx.s.d.text(text)); err != nil {
		return nil, nil, nil, err
	}
	if len(t.on.ready) < mostPrepared {
		t.on.ready[text] = one
	} else {
		done = func() { _ = one.Close() } // what it did is told already
	}
	return one, values, done, nil
}

func named(args []any) ([]driver.NamedValue, error) {
	all := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		value, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			return nil, fmt.Errorf("value %d of a statement: %w", i+1, err)
		}
		all[i] = driver.NamedValue{Ordinal: i + 1, Value: value}
	}
	return all, nil
}

// directRows are the rows of a query as the driver gives them.
type directRows struct {
	raw driver.Rows
	row []driver.Value
	err error
}

func (r *directRows) Next() bool {
	if r.err == nil {
		r.err = r.raw.Next(r.row)
	}
	return r.err == nil
}

func (r *directRows) Err() error {
	if errors.Is(r.err, io.EOF) {
		return nil
	}
	return r.err
}

// Scan knows what claims and results are made of.
func (r *directRows) Scan(to ...any) error {
	for i, value := range r.row {
		if !scan(to[i], value) {
			return fmt.Errorf("column %d of a row is %T, which cannot be read as %T", i+1, value, to[i])
		}
	}
	return nil
}

func scan(to any, value driver.Value) (ok bool) {
	n, number := value.(int64)
	switch to := to.(type) {
	case *int64:
		*to, ok = n, number
	case *int:
		*to, ok = int(n), number
	case *bool: // SQLite has none of its own
		*to, ok = n != 0, number
	case *string:
		*to, ok = value.(string)
	}
	return ok
}
