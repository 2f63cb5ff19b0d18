// Package store is the truth, in SQL: one method a business step, one
// transaction each.
//
// SQLite in one file is the embedded default, PostgreSQL is for many machines;
// dialect.go holds all in which they differ. There is no interface in front of
// it and no mock of it: tests use the real engines.
//
// A fact and the work that it causes are committed together: whoever learns
// something calls one method, and the ledger row, the state, the case and the
// job are there together or not at all. Locks are taken in one order: address
// keys ascending, then counters, then the head of the ledger.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"heed/consent"
)

// Options says where the truth lies.
type Options struct {
	URL  string // sqlite:PATH or postgres://…
	Keys string // folder of the pepper, the link keys and the person keys
	// Journal is where the second record of opt-outs and erasures lies, a file, a
	// folder or the URL of another database; empty: none is kept, and a restored
	// database cannot know what it has forgotten.
	Journal string
	// JournalAway is told when the journal cannot be reached; it may be nil.
	JournalAway func(error)
	Policy      consent.PolicyVersion // the first version; see PublishPolicy for those after it
	Limits      consent.Policy
	Plan        Plan           // of erasures
	Law         consent.Law    // by which the clocks of cases run
	Retention   Periods        // how long what is kept of people stays
	Hooks       []Hook         // servers that are told of what happens
	Complaints  ComplaintLimit // at which a campaign stops itself
	// Unauthenticated lets campaigns start although records of SPF, DKIM or DMARC
	// are known to be missing.
	Unauthenticated bool
	// Identity opens an encrypted backup, and BackupKeys are those to which a backup
	// is encrypted of what a restore replaces; nothing else asks for them.
	Identity   BackupIdentity
	BackupKeys []BackupKey
	Now        func() time.Time // nil: time.Now
	// Clock goes on at one pace whatever is done to the wall clock; it says for how
	// long this process has looked. nil: that of the process.
	Clock func() time.Duration
	// Connect opens SQLite's file, nil: with SQLite's own driver. A simulation
	// stands between the store and each of its statements.
	Connect func(dsn string) (*sql.DB, error)
}

// Store is an open database with its keys. It may be used from many
// goroutines.
type Store struct {
	write, read *sql.DB
	d           dialect
	lines       *claimLines // nil on SQLite
	plain       sync.Map    // numbers of campaigns whose claims ask for no counts; of lines
	keys        Keys
	journal     *journal // nil: none is kept
	replayed    int

	journalMoved    atomic.Int64 // what had happened when the journal was marked last
	onTrouble       func(error)  // of the journal
	closed          atomic.Bool
	serving         *os.File  // the lock of a process that serves
	prepared        *prepared // nil on PostgreSQL
	writers         writers   // nil on PostgreSQL
	direct          direct    // of claims and results, on SQLite
	purposes        purposes  // of the versions of the policy
	limits          consent.Policy
	plan            Plan
	law             consent.Law
	retention       Periods
	hooks           []Hook
	complaints      ComplaintLimit
	unauthenticated bool
	now             func() time.Time

	turns lineTurns // of campaigns in the queues
	watch watch     // over workers and claims

	work      bell   // something is to be scheduled
	room      bell   // something has ended
	file      string // of SQLite
	turn      turn
	listening atomic.Bool // for the pokes of other processes, on SQLite
}

// Open opens the database, brings its schema up to date and loads the keys,
// making what is missing.
func Open(ctx context.Context, o Options) (*Store, error) {
	write, read, d, err := open(o.URL, o.Connect)
	if err != nil {
		return nil, err
	}
	s := &Store{write: write, read: read, d: d, limits: o.Limits, plan: o.Plan, onTrouble: o.JournalAway, law: o.Law, retention: o.Retention, hooks: o.Hooks, complaints: o.Complaints, unauthenticated: o.Unauthenticated, now: o.Now}
	if s.now == nil {
		s.now = time.Now
	}
	if s.watch.clock = o.Clock; s.watch.clock == nil {
		began := time.Now().Add(-time.Second)
		s.watch.clock = func() time.Duration { return time.Since(began) }
	}
	s.limits.Covers = s.covers
	if d.sqlite() {
		s.file = strings.TrimPrefix(o.URL, "sqlite:")
		s.prepared, s.writers = &prepared{ready: map[string]*sql.Stmt{}, looks: map[string]*sql.Stmt{}}, make(writers, 1)
		if o.Connect == nil {
			if s.turn, err = openTurn(s.file); err != nil {
				return nil, err
			}
		}
	} else if s.lines, err = openLines(o.URL); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx, o); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) prepare(ctx context.Context, o Options) error {
	if err := s.write.PingContext(ctx); err != nil {
		return fmt.Errorf("reaching the database (check DATABASE_URL, and that it runs): %w", err)
	}
	if err := s.migrate(ctx, o.Keys); err != nil {
		return err
	}
	if err := s.sampleNobody(ctx); err != nil {
		return err
	}
	keys, err := loadKeys(ctx, o.Keys)
	if err != nil {
		return err
	}
	s.keys = keys
	if err := s.matchKeys(ctx); err != nil {
		return err
	}
	if o.Journal == o.URL {
		return errors.New("the journal must lie in a place of its own, not in the database itself (HEED_JOURNAL)")
	}
	if err := s.judgeArchive(ctx); err != nil {
		return err
	}
	if err := s.firstPolicy(ctx, o.Policy); err != nil {
		return err
	}
	if err := s.foldAnew(ctx); err != nil {
		return err
	}
	return s.openJournal(ctx, o.Journal)
}

// Replayed tells how many opt-outs and erasures the journal had and the
// database had forgotten when it was opened.
func (s *Store) Replayed() int { return s.replayed }

// Close releases the database.
func (s *Store) Close() error {
	if s.journal != nil && !s.closed.Swap(true) {
		s.settleJournal()
		s.journal.close()
	}
	if s.lines != nil {
		s.lines.close()
	}
	s.keys.close()
	s.turn.close()
	if s.serving != nil {
		s.serving.Close()
	}
	if s.read != s.write {
		s.closeDirect()
		s.read.Close()
	}
	return s.write.Close()
}

// Keys gives the pepper and the link keys.
func (s *Store) Keys() Keys { return s.keys }

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.read.PingContext(ctx) }

// Key hashes an address; it fails where the address is none.
func (s *Store) Key(address string) (consent.Key, string, error) {
	normal, err := consent.Normalize(address)
	if err != nil {
		return consent.Key{}, "", err
	}
	return consent.KeyOf(s.keys.Pepper, normal), normal, nil
}

// tx is a transaction with its own "now".
type tx struct {
	*sql.Tx
	s     *Store
	now   time.Time
	reads bool // on the pool of readers

	followed  bool // the journal has lines of it
	replaying bool // it records what the journal has
}

// tick brings the transaction's "now" up to date, after a wait for locks.
func (t *tx) tick() { t.now = t.s.now().UTC().Truncate(time.Microsecond) }

// inTx runs a business step. A deadlock or a busy file is tried again, from
// the beginning. Inside Together it is a part of the whole.
func (s *Store) inTx(ctx context.Context, what string, step func(*tx) error) error {
	if t := s.in(ctx); t != nil {
		if err := step(t); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
	defer s.prepareWanted(ctx)
	if err := again(ctx, what, func() error { return s.once(ctx, step) }); err != nil {
		return err
	}
	s.makeGood(ctx)
	return nil
}

// again tries until nothing stands in the way that passes by itself.
func again(ctx context.Context, what string, once func() error) error {
	var err error
	for try := 0; try < 8; try++ {
		if err = once(); err == nil || !passing(err) || ctx.Err() != nil {
			break
		}
		time.Sleep(time.Duration(try*try+1) * time.Millisecond)
	}
	if err != nil && Full(err) {
		return fmt.Errorf("%s: the disk is full, free some space: %w", what, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (s *Store) once(ctx context.Context, step func(*tx) error) (err error) {
	if err := s.writers.enter(ctx); err != nil {
		return err
	}
	defer s.writers.leave()
	raw, release, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer release()
	t := &tx{Tx: raw, s: s}
	defer func() {
		if err != nil && t.followed {
			s.journal.ahead.Store(true)
		}
		raw.Rollback()
	}()
	t.tick()
	if err := step(t); err != nil {
		return err
	}
	return raw.Commit()
}

// take hands out n numbers of a counter and gives the first.
func (t *tx) take(ctx context.Context, counter string, n int) (int64, error) {
	var last int64
	err := t.QueryRowContext(ctx, `INSERT INTO counter (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = counter.value + $2 RETURNING value`, counter, int64(n)).Scan(&last)
	if err != nil {
		return 0, fmt.Errorf("counting %s: %w", counter, err)
	}
	return last - int64(n) + 1, nil
}

// rows writes n groups of placeholders, "($1, $2), ($3, $4)". With types given
// each is cast, which PostgreSQL needs where no column tells the type.
func rows(n, columns, first int, types ...string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(separator(i, "("))
		for c := range columns {
			b.WriteString(separator(c, ""))
			place := "$" + strconv.Itoa(first+i*columns+c)
			if len(types) > 0 {
				place = "CAST(" + place + " AS " + types[c] + ")"
			}
			b.WriteString(place)
		}
		b.WriteString(")")
	}
	return b.String()
}

func separator(i int, open string) string {
	if i == 0 {
		return open
	}
	return ", " + open
}

// list writes n placeholders, "$1, $2".
func list(n, first int) string {
	return strings.Trim(rows(1, n, first), "()")
}

func micro(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func fromMicro(n sql.NullInt64) time.Time {
	if !n.Valid || n.Int64 == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}
