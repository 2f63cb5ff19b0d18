package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"heed/consent"
)

// claimLines are PostgreSQL connections for nothing but claims. A group of
// claims makes two round trips on one: statements that need no answer of one
// another go together, and the server does them one after the other, each with
// a look of its own at what is committed.
type claimLines struct {
	config *pgx.ConnConfig
	free   chan *pgx.Conn
	looks  *sql.DB // planned alike, for those who look again and again
}

// lookers is how many of those ask at once: above all lanes for their next batch.
const lookers = 4

// byIndex fixes how the statements of a claim are carried out: planned once, in the
// order in which they name their tables, row by row along the indexes. PostgreSQL
// would choose by the size that a table had when a statement was first prepared, and
// read a campaign that was empty then whole ever after; there are no statistics about
// people that could tell it better.
const byIndex = `SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off;
	SET join_collapse_limit = 1; SET jit = off; SET plan_cache_mode = force_generic_plan`

func openLines(url string) (*claimLines, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errPostgresURL
	}
	looks := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(plannedOnce))
	looks.SetMaxOpenConns(lookers)
	looks.SetMaxIdleConns(lookers)
	return &claimLines{config: config, free: make(chan *pgx.Conn, 4), looks: looks}, nil
}

func plannedOnce(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, byIndex+`; `+letGo, pgx.QueryExecModeSimpleProtocol)
	return err
}

// take gives a connection; whoever took it gives it back.
func (l *claimLines) take(ctx context.Context) (*pgx.Conn, error) {
	select {
	case conn := <-l.free:
		return conn, nil
	default:
	}
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return nil, err
	}
	if err := plannedOnce(ctx, conn); err != nil {
		conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// give keeps a connection for the next group. One on which something failed is
// closed, which also takes back its transaction.
func (l *claimLines) give(conn *pgx.Conn, good bool) {
	if good {
		select {
		case l.free <- conn:
			return
		default:
		}
	}
	conn.Close(context.Background())
}

// lanesOfDesk is for how many lanes a second desk pays: while PostgreSQL, one process
// for each desk, works at the claims of some, the messages of the others go out. Of
// fewer the groups would be so small that it costs more than it brings.
const lanesOfDesk = 20

// Desks is how many desks a worker with so many lanes should open. SQLite has one
// writer.
func (s *Store) Desks(lanes int) int {
	if s.lines == nil {
		return 1
	}
	return min(max(1, lanes/lanesOfDesk), cap(s.lines.free))
}

func (l *claimLines) close() {
	l.looks.Close()
	for {
		select {
		case conn := <-l.free:
			conn.Close(context.Background())
		default:
			return
		}
	}
}

// claimPiped is one group on PostgreSQL. First come the locks, in statements of
// their own, and behind them what reads; then what was decided, and the commit.
func (s *Store) claimPiped(ctx context.Context, g *group) error {
	conn, err := s.lines.take(ctx)
	if err != nil {
		return err
	}
	t := &tx{s: s}
	t.tick()
	if err = g.ask(ctx, t, conn); err == nil {
		g.learn(s)
		g.decide(t)
		err = g.write(ctx, t, conn)
	}
	s.lines.give(conn, err == nil)
	return err
}

// ask closes the claims that have a result, locks, and reads.
func (g *group) ask(ctx context.Context, t *tx, conn *pgx.Conn) error {
	pipe := &pgx.Batch{}
	pipe.Queue("BEGIN")
	if len(g.results) > 0 {
		text, args := g.closing(t)
		pipe.Queue(text, args...).Query(func(rows pgx.Rows) error { return g.readClosed(rows) })
	}
	if len(g.asks) > 0 {
		keys := g.keys()
		pipe.Queue(t.s.d.shareCampaigns, g.campaigns())
		pipe.Queue(`SELECT key FROM address WHERE key = ANY($1) ORDER BY key`+t.s.d.skipLocked, keys).
			Query(func(rows pgx.Rows) error { return g.readLocked(rows) })
		campaigns, ids := g.askingCampaigns(t)
		pipe.Queue(campaigns, ids...).Query(func(rows pgx.Rows) error { return g.readCampaigns(rows) })
		text, args := g.asking(t)
		pipe.Queue(text, args...).Query(func(rows pgx.Rows) error { return g.readCandidates(rows) })
	}
	if err := conn.SendBatch(ctx, pipe).Close(); err != nil {
		return fmt.Errorf("locking and reading: %w", err)
	}
	return nil
}

// write records what was decided and commits.
func (g *group) write(ctx context.Context, t *tx, conn *pgx.Conn) error {
	pipe := &pgx.Batch{}
	for _, one := range g.writing(t) {
		pipe.Queue(one.text, one.args...)
	}
	for _, one := range g.chores {
		pipe.Queue(one.text, one.args(t)...).Query(func(rows pgx.Rows) error { return one.read(rows) })
		if one.tells != "" {
			pipe.Queue("NOTIFY " + one.tells)
		}
	}
	pipe.Queue("COMMIT")
	if err := conn.SendBatch(ctx, pipe).Close(); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return nil
}

// keys are the address keys of a group, as the database has them.
func (g *group) keys() []string {
	keys := make([]string, len(g.asks))
	for i, one := range g.asks {
		keys[i] = one.Address.String()
	}
	return keys
}

func (g *group) readLocked(rows pgx.Rows) error {
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		key, err := consent.ParseKey(text)
		if err != nil {
			return err
		}
		g.locked[key] = true
	}
	return rows.Err()
}
