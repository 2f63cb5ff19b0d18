package store

import (
	"context"
	"database/sql"
	"sync"
)

// prepared keeps SQLite's compiled statements: for the short statements of a send,
// compiling costs more than running. Those of claims and results are kept by direct. pgx
// does the same by itself.
type prepared struct {
	mu     sync.Mutex
	ready  map[string]*sql.Stmt
	wanted []string
	looks  map[string]*sql.Stmt // of the readers
}

// mostPrepared bounds the memory; statements about n rows differ for every n.
const mostPrepared = 600

// statement gives a compiled statement for this transaction, or nil. One that
// is missing is compiled when the transaction is over: there is one writer, and
// its connection is busy until then.
func (t *tx) statement(ctx context.Context, query string) *sql.Stmt {
	p := t.s.prepared
	if p == nil || t.reads {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if st := p.ready[query]; st != nil {
		return t.StmtContext(ctx, st)
	}
	if len(p.ready)+len(p.wanted) < mostPrepared {
		p.wanted = append(p.wanted, query)
	}
	return nil
}

// prepareWanted compiles what the last transactions asked for.
func (s *Store) prepareWanted(ctx context.Context) {
	if s.prepared == nil {
		return
	}
	p := s.prepared
	p.mu.Lock()
	wanted := p.wanted
	p.wanted = nil
	p.mu.Unlock()
	if len(wanted) == 0 || s.writers.enter(ctx) != nil {
		return
	}
	defer s.writers.leave()
	for _, query := range wanted {
		st, err := s.write.PrepareContext(ctx, s.d.text(query))
		if err != nil {
			return // it will be wanted again
		}
		p.mu.Lock()
		if p.ready[query] != nil {
			st.Close()
		} else {
			p.ready[query] = st
		}
		p.mu.Unlock()
	}
}

func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	var result sql.Result
	var err error
	if st := t.statement(ctx, query); st != nil {
		result, err = st.ExecContext(ctx, args...)
	} else {
		result, err = t.ExecContext(ctx, t.s.d.text(query), args...)
	}
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// QueryContext runs a query in the engine's own notation.
func (t *tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if st := t.statement(ctx, query); st != nil {
		return st.QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, t.s.d.text(query), args...)
}

// QueryRowContext runs a query for one row in the engine's own notation.
func (t *tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if st := t.statement(ctx, query); st != nil {
		return st.QueryRowContext(ctx, args...)
	}
	return t.Tx.QueryRowContext(ctx, t.s.d.text(query), args...)
}

// look runs a query of those who look again and again, on a pool of readers. Its
// text must be one of a few: each stays compiled, or planned. It must name its tables
// in the order in which they are to be read, and find each by an index.
func (s *Store) look(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if s.prepared == nil {
		return s.lines.looks.QueryContext(ctx, query, args...)
	}
	st, err := s.looking(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// lookRow is look for one row.
func (s *Store) lookRow(ctx context.Context, query string, args ...any) scanner {
	if s.prepared == nil {
		return s.lines.looks.QueryRowContext(ctx, query, args...)
	}
	st, err := s.looking(ctx, query)
	if err != nil {
		return failedRow{err}
	}
	return st.QueryRowContext(ctx, args...)
}

// failedRow is the answer to a query that could not be asked.
type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

func (s *Store) looking(ctx context.Context, query string) (*sql.Stmt, error) {
	p := s.prepared
	p.mu.Lock()
	st := p.looks[query]
	p.mu.Unlock()
	if st != nil {
		return st, nil
	}
	st, err := s.read.PrepareContext(ctx, s.d.text(query))
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.looks[query]; other != nil {
		st.Close()
		return other, nil
	}
	p.looks[query] = st
	return st, nil
}
