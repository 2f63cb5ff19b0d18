package store

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"heed/consent"
)

// journal is the second, separately kept record of opt-outs and erasures: one
// line each, on the disk before the transaction commits. A database that was
// put back from an older copy is behind it, and is brought up to date before
// anything is sent. It holds address keys and no addresses.
//
// Lines are appended while the head of the ledger is locked, so they stand in
// the ledger's order, and the database knows up to where it has followed.
type journal struct {
	file *os.File
	name string // of its counter: one for each journal, so that machines do not mix

	ahead atomic.Bool // a transaction failed after its lines were written
}

const journalMark = "heed journal "

// openJournal opens the file, beginning it where there is none.
func openJournal(path string) (*journal, error) {
	if path == "" {
		return nil, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the journal: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	head, err := bufio.NewReader(f).ReadString('\n')
	if err != nil && head == "" {
		head = journalMark + rand.Text() + "\n"
		if _, err := f.WriteString(head); err != nil {
			return nil, fmt.Errorf("beginning the journal: %w", err)
		}
	}
	id, found := strings.CutPrefix(strings.TrimSpace(head), journalMark)
	if !found {
		return nil, fmt.Errorf("%s is not a journal of heed; put back the right file or move it away", path)
	}
	return &journal{file: f, name: "journal " + id}, nil
}

// keeps tells which entries the journal holds: every no, and every erasure.
func keeps(e consent.Entry) bool {
	return e.Choice == consent.Out || e.Choice == consent.Set && (e.Scope == consent.ScopeErased || e.Scope == consent.ScopeSuppressed)
}

// append writes entries and waits for the disk; it gives the new length. What a
// full disk took half of is cut off again: the next line must not grow on it.
func (j *journal) append(entries []consent.Entry) (int64, error) {
	var lines strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&lines, "%d %s %s %s %d %s\n", e.Seq, e.Address, e.Scope, e.Choice, e.Received.UnixMicro(), e.Via)
	}
	info, err := j.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("measuring the journal: %w", err)
	}
	if _, err = j.file.WriteString(lines.String()); err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return 0, fmt.Errorf("writing the journal: %w", errors.Join(err, j.file.Truncate(info.Size())))
	}
	return info.Size() + int64(lines.Len()), nil
}

// follow writes what the journal keeps of a record, in the transaction that
// makes it.
func (t *tx) follow(ctx context.Context, entries []consent.Entry) error {
	if t.s.journal == nil || len(entries) == 0 {
		return nil
	}
	size, err := t.s.journal.append(entries)
	if err != nil {
		return err
	}
	t.followed = true
	if t.s.journal.ahead.Load() {
		return nil // the counter stays before the lines that are still to be replayed
	}
	return t.setCounter(ctx, t.s.journal.name, size)
}

func (t *tx) setCounter(ctx context.Context, name string, value int64) error {
	_, err := t.exec(ctx, `INSERT INTO counter (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// line is one entry of the journal.
type line struct {
	seq      int64
	key      consent.Key
	scope    consent.Scope
	choice   consent.Choice
	received int64
	via      consent.Via
}

// lines reads the journal from an offset on. A last line that was cut off by a
// crash was never committed and is left out.
func (j *journal) lines(from int64) ([]line, error) {
	text, err := os.ReadFile(j.file.Name())
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	var all []line
	for _, row := range strings.SplitAfter(string(text[min(from, int64(len(text))):]), "\n") {
		if !strings.HasSuffix(row, "\n") || strings.HasPrefix(row, journalMark) {
			continue
		}
		one, err := parseLine(strings.Fields(row))
		if err != nil {
			return nil, fmt.Errorf("the journal holds a damaged line (%w); mend or move away %s", err, j.file.Name())
		}
		all = append(all, one)
	}
	return all, nil
}

func parseLine(f []string) (l line, err error) {
	if len(f) != 6 {
		return l, fmt.Errorf("%d fields, not 6", len(f))
	}
	l.scope, l.choice, l.via = consent.Scope(f[2]), consent.Choice(f[3]), consent.Via(f[5])
	if l.seq, err = strconv.ParseInt(f[0], 10, 64); err != nil {
		return l, err
	}
	if l.received, err = strconv.ParseInt(f[4], 10, 64); err != nil {
		return l, err
	}
	l.key, err = consent.ParseKey(f[1])
	return l, err
}

// makeGood records what the journal has of transactions that failed meanwhile,
// now that one went through again: a no that was written down counts, also where
// its sender was told to come again.
func (s *Store) makeGood(ctx context.Context) {
	if s.journal == nil || !s.journal.ahead.CompareAndSwap(true, false) {
		return
	}
	if _, err := s.catchUp(ctx); err != nil {
		s.journal.ahead.Store(true) // the next transaction tries again
	}
}

// catchUp records what the journal has and the database has not. It runs when
// the store is opened, before anybody can send.
func (s *Store) catchUp(ctx context.Context) (replayed int, err error) {
	if s.journal == nil {
		return 0, nil
	}
	var from int64
	err = s.read.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = $1`, s.journal.name).Scan(&from)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("reading how far the journal was followed: %w", err)
	}
	missing, err := s.journal.lines(from)
	for _, l := range missing {
		if err := s.replay(ctx, l); err != nil {
			return replayed, err
		}
		replayed++
	}
	return replayed, err
}

func (s *Store) replay(ctx context.Context, l line) error {
	return s.inTx(ctx, "replaying the journal", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{l.key})
		if err != nil {
			return err
		}
		if t.recorded(ctx, l) {
			return nil
		}
		_, err = t.record(ctx, held, []act{{key: l.key, scope: l.scope, choice: l.choice, received: time.UnixMicro(l.received).UTC(),
			via: l.via, source: replaySource(l)}})
		return err
	})
}

func replaySource(l line) string { return fmt.Sprintf("journal %d", l.seq) }

// recorded tells whether the ledger has a line of the journal, under its own
// number or replayed.
func (t *tx) recorded(ctx context.Context, l line) bool {
	var one int
	err := t.QueryRowContext(ctx, `SELECT 1 FROM ledger WHERE address = $1 AND scope = $2 AND choice = $3 AND received = $4 LIMIT 1`,
		l.key.String(), string(l.scope), string(l.choice), l.received).Scan(&one)
	return err == nil
}

// verifyJournal: every no and every erasure of the journal is in the ledger.
func (t *tx) verifyJournal(ctx context.Context, v *Invariant) error {
	if t.s.journal == nil {
		return nil
	}
	all, err := t.s.journal.lines(0)
	if err != nil {
		return err
	}
	for _, l := range all {
		v.Checked++
		if !t.recorded(ctx, l) {
			v.Broken = append(v.Broken, replaySource(l))
		}
	}
	return nil
}
