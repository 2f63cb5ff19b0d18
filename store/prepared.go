package store

import (
	"context"
	"database/sql"
	"sync"
)

// prepared keeps SQLite's compiled statements: for the short statements of a
// send, compiling costs more than running. pgx does the same by itself.
type prepared struct {
	mu     sync.Mutex
	ready  map[string]*sql.Stmt
	wanted []string
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
		st, err := s.write.PrepareContext(ctx, query)
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
	query = t.s.d.text(query)
	var result sql.Result
	var err error
	if st := t.statement(ctx, query); st != nil {
		result, err = st.ExecContext(ctx, args...)
	} else {
		result, err = t.ExecContext(ctx, query, args...)
	}
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// QueryContext runs a query in the engine's own notation.
func (t *tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	query = t.s.d.text(query)
	if st := t.statement(ctx, query); st != nil {
		return st.QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, query, args...)
}

// QueryRowContext runs a query for one row in the engine's own notation.
func (t *tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	query = t.s.d.text(query)
	if st := t.statement(ctx, query); st != nil {
		return st.QueryRowContext(ctx, args...)
	}
	return t.Tx.QueryRowContext(ctx, query, args...)
}
