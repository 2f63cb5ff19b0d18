package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"heed/consent"
)

// journal is the second, separately kept record of what was stopped: opt-outs,
// erasures, restrictions, holds; one line each, on its disk before the transaction
// commits. A database that was put back from an older copy is behind it, and is
// brought up to date before anything is sent. It holds address keys and no
// addresses.
//
// Lines are appended while the head of the ledger is locked, so they stand in
// the ledger's order, and the database knows up to where it has followed. When
// the journal cannot be reached an opt-out counts all the same: its line is
// owed, in the same transaction, and is written when the journal is back.
type journal struct {
	where string
	place atomic.Pointer[openPlace] // nil until it could be opened

	ahead  atomic.Bool     // a transaction failed after its lines were written
	unread atomic.Bool     // not read since the start: whether the database is behind is unknown
	owes   atomic.Bool     // this process owes it lines that may wait
	down   atomic.Bool     // the last attempt failed; whoever opts out does not wait for the next
	busy   sync.Mutex      // one attempt at a time
	life   context.Context // ends with the store
	end    context.CancelFunc
	ended  sync.WaitGroup // whoever looks after it
}

// openPlace is a journal that was opened; name is that of its counter, one for
// each journal, so that machines do not mix.
type openPlace struct {
	shelf
	name  string
	fresh bool // begun by us
}

// shelf is where a journal lies.
type shelf interface {
	// append writes lines and waits for the disk. It gives the new length.
	append(ctx context.Context, lines string) (size int64, err error)
	// read gives what lies behind a length, and the length it read up to.
	read(ctx context.Context, from int64) (lines string, size int64, err error)
	// mark gives the number that was set last, or sets a higher one.
	mark(ctx context.Context, set int64) (int64, error)
	close()
}

// How long an opt-out waits for the journal, and how often one that is down is
// tried again.
const (
	journalPatience = 300 * time.Millisecond
	journalRest     = 2 * time.Second
	tendTime        = time.Minute
)

// errForeign means that something else lies where the journal should.
var errForeign = errors.New("not a journal of heed")

var errJournalDown = errors.New("the journal is away")

// openJournal begins to keep a journal; without a place there is none.
func (s *Store) openJournal(ctx context.Context, where string) error {
	if where == "" {
		return nil
	}
	s.journal = &journal{where: where}
	s.journal.life, s.journal.end = context.WithCancel(context.Background())
	s.journal.unread.Store(true)
	n, err := s.tend(ctx)
	s.replayed = n
	if err == nil || errors.Is(err, errForeign) || errors.Is(err, errDamaged) {
		return err
	}
	s.journalFailed(err)
	return s.inTx(ctx, "noting that the journal is away", func(t *tx) error { return t.journalAway(ctx) })
}

// open reaches the journal, or gives the one that is open.
func (j *journal) open(ctx context.Context) (*openPlace, error) {
	if p := j.place.Load(); p != nil {
		return p, nil
	}
	p, err := openAt(ctx, j.where)
	if err != nil {
		return nil, err
	}
	j.place.Store(p)
	return p, nil
}

// close lets go of the place; nobody uses it any more.
func (j *journal) close() {
	if p := j.place.Load(); p != nil {
		p.close()
	}
}

// write appends within the patience of an opt-out. An attempt that hangs goes
// on behind; until it has ended the journal counts as away.
func (j *journal) write(ctx context.Context, lines string) (size int64, name string, err error) {
	p := j.place.Load()
	if p == nil || j.down.Load() || !j.busy.TryLock() {
		return 0, "", errJournalDown
	}
	type written struct {
		size int64
		err  error
	}
	done := make(chan written, 1)
	go func() {
		defer j.busy.Unlock()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalPatience)
		defer cancel()
		size, err := p.append(limited, lines)
		done <- written{size, err}
	}()
	select {
	case w := <-done:
		return w.size, p.name, w.err
	case <-time.After(2 * journalPatience):
		return 0, "", fmt.Errorf("%w: it does not answer", errJournalDown)
	}
}

// keeps tells which entries the journal holds: every no, every pause, every
// erasure and every other status that stops mail by somebody's wish or act; and
// the end of those that end.
func keeps(e consent.Entry) bool { return stops(e) || mayWait(e) }

// stops tells which lines must be on their disk before what they tell is said to
// hold.
func stops(e consent.Entry) bool {
	if _, pause := e.Scope.Pause(); pause {
		return e.Choice == consent.Set
	}
	switch e.Scope {
	case consent.ScopeErased, consent.ScopeSuppressed, consent.ScopeRestricted, consent.ScopeHold:
		return e.Choice == consent.Set
	}
	return e.Choice == consent.Out
}

// mayWait tells which are written after the commit. The end of a restriction or a
// hold lets mail go again, and no line may say so of a transaction that failed;
// and that somebody left an address is asked for by nobody who waits.
func mayWait(e consent.Entry) bool {
	switch e.Scope {
	case consent.ScopeRestricted, consent.ScopeHold:
		return e.Choice == consent.Lift
	case consent.ScopeDead:
		return e.Choice == consent.Set || e.Choice == consent.Lift
	}
	return false
}

// follow writes what the journal keeps of a record, in the transaction that
// makes it, or owes it.
func (t *tx) follow(ctx context.Context, entries []consent.Entry) error {
	j := t.s.journal
	if j == nil || len(entries) == 0 || t.replaying {
		return nil
	}
	lines := ""
	var late []consent.Entry
	for _, e := range entries {
		if stops(e) {
			lines += lineOf(e)
		} else {
			late = append(late, e)
		}
	}
	if err := t.owe(ctx, late); err != nil || lines == "" {
		return err
	}
	size, name, err := j.write(ctx, lines)
	if err == nil {
		t.followed = true
		if j.ahead.Load() {
			return nil // the counter stays before the lines that are still to be replayed
		}
		return t.setCounter(ctx, name, size)
	}
	t.s.journalFailed(err)
	if err := t.owe(ctx, entries); err != nil {
		return err
	}
	return t.journalAway(ctx)
}

// owe keeps lines that are still to be written.
func (t *tx) owe(ctx context.Context, entries []consent.Entry) error {
	for _, e := range entries {
		if _, err := t.exec(ctx, `INSERT INTO journal_owed (seq, line, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			e.Seq, lineOf(e), t.now.UnixMicro()); err != nil {
			return fmt.Errorf("owing the journal a line: %w", err)
		}
		t.s.journal.owes.Store(true)
	}
	return nil
}

// journalAway sets the alarm off, unless it rings already.
func (t *tx) journalAway(ctx context.Context) error {
	var one int
	err := t.QueryRowContext(ctx, `SELECT 1 FROM alarm WHERE kind = $1 AND cleared IS NULL`, AlarmJournal).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return t.raise(ctx, AlarmJournal, "journal")
	}
	return err
}

// journalFailed remembers that the journal is away, and has it looked after
// until it is back.
func (s *Store) journalFailed(err error) {
	j := s.journal
	if !j.down.CompareAndSwap(false, true) {
		return
	}
	if s.onTrouble != nil {
		s.onTrouble(err)
	}
	j.ended.Go(func() {
		for {
			select {
			case <-j.life.Done():
				return
			case <-time.After(journalRest):
			}
			ctx, cancel := context.WithTimeout(j.life, tendTime)
			_, err := s.tend(ctx)
			cancel()
			if err == nil {
				return
			}
		}
	})
}

func (t *tx) setCounter(ctx context.Context, name string, value int64) error {
	_, err := t.exec(ctx, `INSERT INTO counter (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// counter reads a number that was set; 0 where it never was.
func (s *Store) counter(ctx context.Context, name string) (n int64, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = $1`, name).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return n, err
}

// setMark tells the journal that the database has moved on. The database counts
// first: a mark that is higher than its own shows a database that was put back.
func (s *Store) setMark(ctx context.Context, p *openPlace) error {
	var moved, active int64
	err := s.read.QueryRowContext(ctx, `SELECT (SELECT seq FROM chain WHERE one = 1) + (SELECT COALESCE(sum(value), 0) FROM counter WHERE name NOT LIKE 'journal%'),
		(SELECT count(*) FROM job WHERE state IN ('carried', 'running'))`).Scan(&moved, &active)
	if err != nil {
		return fmt.Errorf("measuring what happened: %w", err)
	}
	if s.journalMoved.Swap(moved) == moved && active == 0 {
		return nil
	}
	next := int64(0)
	err = s.inTx(ctx, "counting a mark", func(t *tx) (err error) {
		next, err = t.take(ctx, p.name+" mark", 1)
		return err
	})
	if err != nil {
		return err
	}
	_, err = p.mark(ctx, next)
	return err
}
