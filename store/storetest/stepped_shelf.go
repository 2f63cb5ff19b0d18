package storetest

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Shelf keeps connections to SQLite from one process to the next, with the
// statements that they have compiled: to open one costs more than a whole course
// of events of a simulation. It is for one goroutine at a time.
type Shelf struct {
	mu   sync.Mutex
	kept map[string][]*rawConn // by DSN
}

// take gives a connection that nobody has.
func (s *Shelf) take(dsn string) (*rawConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if all := s.kept[dsn]; len(all) > 0 {
		s.kept[dsn] = all[:len(all)-1]
		return all[len(all)-1], nil
	}
	plain, err := plainSQLite()
	if err != nil {
		return nil, err
	}
	conn, err := plain.Open(dsn)
	if err != nil {
		return nil, fmt.Errorf("opening SQLite: %w", err)
	}
	return &rawConn{Conn: conn, dsn: dsn, rows: map[driver.Rows]bool{}, stmts: map[string]*keptStmt{}}, nil
}

func (s *Shelf) put(c *rawConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[string][]*rawConn{}
	}
	s.kept[c.dsn] = append(s.kept[c.dsn], c)
}

// Close closes all that nobody has.
func (s *Shelf) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for _, all := range s.kept {
		for _, c := range all {
			for _, stmt := range c.stmts {
				err = errors.Join(err, stmt.Close())
			}
			err = errors.Join(err, c.Conn.Close())
		}
	}
	s.kept = nil
	return err
}

// rawConn is a connection as the driver gives it, with its compiled statements.
type rawConn struct {
	driver.Conn
	dsn   string
	rows  map[driver.Rows]bool // that are being read
	stmts map[string]*keptStmt
}

// keptStmt is a compiled statement. One whose rows are read is not asked again.
type keptStmt struct {
	driver.Stmt
	query string
	busy  bool
}

// stmt gives a statement, compiled now or before.
func (c *rawConn) stmt(query string) (*keptStmt, error) {
	if kept := c.stmts[query]; kept != nil && !kept.busy {
		return kept, nil
	}
	raw, err := c.Conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	kept := &keptStmt{Stmt: raw, query: query}
	if c.stmts[query] == nil {
		c.stmts[query] = kept
	}
	return kept, nil
}

func (c *rawConn) exec(query string, args []driver.NamedValue) (driver.Result, error) {
	stmt, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	return stmt.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), args)
}

func (c *rawConn) query(query string, args []driver.NamedValue) (*steppedRows, error) {
	stmt, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), args)
	if err != nil {
		return nil, err
	}
	stmt.busy = true
	c.rows[rows] = true
	return &steppedRows{Rows: rows, raw: c, of: stmt}, nil
}

// quiet ends what is being read.
func (c *rawConn) quiet() {
	for rows := range c.rows {
		_ = rows.Close() // they are never asked again
	}
	clear(c.rows)
	for query, stmt := range c.stmts {
		if stmt.busy {
			delete(c.stmts, query)
			_ = stmt.Close() // as above
		}
	}
}

// steppedRows are the rows of a query, until the process is cut off.
type steppedRows struct {
	driver.Rows
	raw *rawConn
	of  *keptStmt
	s   *Stepped // nil: nobody cuts it off
}

// Next implements driver.Rows.
func (r *steppedRows) Next(into []driver.Value) error {
	if r.s != nil && r.s.isCut() {
		return ErrCut
	}
	return r.Rows.Next(into)
}

// Close implements driver.Rows.
func (r *steppedRows) Close() error {
	if r.s != nil && r.s.isCut() {
		return nil
	}
	delete(r.raw.rows, r.Rows)
	r.of.busy = false
	err := r.Rows.Close()
	if r.raw.stmts[r.of.query] != r.of {
		err = errors.Join(err, r.of.Close())
	}
	return err
}

// Peek looks at a SQLite file from outside of every process.
type Peek struct{ raw *rawConn }

// Peek opens a file to look at it, and to set it back.
func (s *Shelf) Peek(path string) (*Peek, error) {
	raw, err := s.take("file:" + path + "?_pragma=busy_timeout(1000)&_pragma=synchronous(OFF)")
	return &Peek{raw}, err
}

// Close ends looking.
func (p *Peek) Close() error { return p.raw.Conn.Close() }

// Rows gives what a query finds, as text.
func (p *Peek) Rows(query string) (all [][]string, err error) {
	found, err := p.raw.query(query, nil)
	if err != nil {
		return nil, fmt.Errorf("looking at the database: %w", err)
	}
	defer found.Close()
	values := make([]driver.Value, len(found.Columns()))
	for {
		if err := found.Next(values); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return all, fmt.Errorf("looking at the database: %w", err)
		}
		row := make([]string, len(values))
		for i, v := range values {
			if v != nil {
				row[i] = fmt.Sprint(v)
			}
		}
		all = append(all, row)
	}
}

// Exec changes the file from outside.
func (p *Peek) Exec(query string) error {
	if _, err := p.raw.exec(query, nil); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return nil
}

// SetBack makes all tables what they are in a template, another file with the
// same schema.
func (p *Peek) SetBack(template string) error {
	tables, err := p.Rows(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name`)
	if err != nil {
		return err
	}
	if attached, err := p.Rows(`SELECT name FROM pragma_database_list WHERE name = 'template'`); err != nil || len(attached) == 0 {
		if err := errors.Join(err, p.Exec(`ATTACH '`+template+`' AS template`)); err != nil {
			return err
		}
	}
	if err := p.Exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	for _, table := range tables {
		err = errors.Join(err, p.Exec(`DELETE FROM main.`+table[0]), p.Exec(`INSERT INTO main.`+table[0]+` SELECT * FROM template.`+table[0]))
	}
	return errors.Join(err, p.Exec(`COMMIT`))
}
