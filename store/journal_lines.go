package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"heed/consent"
)

var errDamaged = errors.New("the journal holds a damaged line")

// line is one entry of the journal.
type line struct {
	seq      int64
	key      consent.Key
	scope    consent.Scope
	choice   consent.Choice
	received int64
	via      consent.Via
	recorded int64 // the same for all lines of a transaction; 0 in lines of an older heed
}

func lineOf(e consent.Entry) string {
	return fmt.Sprintf("%d %s %s %s %d %s %d\n", e.Seq, e.Address, e.Scope, e.Choice, e.Received.UnixMicro(), e.Via, e.Recorded.UnixMicro())
}

// parseLines reads lines. A last one that was cut off by a crash was never
// committed and is left out.
func parseLines(text string) (all []line, err error) {
	for _, row := range strings.SplitAfter(text, "\n") {
		if !strings.HasSuffix(row, "\n") || strings.HasPrefix(row, journalMark) {
			continue
		}
		one, err := parseLine(strings.Fields(row))
		if err != nil {
			return nil, fmt.Errorf("%w (%w); mend it, or move the journal away", errDamaged, err)
		}
		all = append(all, one)
	}
	return all, nil
}

func parseLine(f []string) (l line, err error) {
	if len(f) != 6 && len(f) != 7 {
		return l, fmt.Errorf("%d fields, not 7", len(f))
	}
	l.scope, l.choice, l.via = consent.Scope(f[2]), consent.Choice(f[3]), consent.Via(f[5])
	if l.seq, err = strconv.ParseInt(f[0], 10, 64); err != nil {
		return l, err
	}
	if l.received, err = strconv.ParseInt(f[4], 10, 64); err != nil {
		return l, err
	}
	if len(f) == 7 {
		if l.recorded, err = strconv.ParseInt(f[6], 10, 64); err != nil {
			return l, err
		}
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
	p := s.journal.place.Load()
	if p == nil {
		return
	}
	if _, err := s.catchUp(ctx, p, false); err != nil {
		s.journal.ahead.Store(true) // the next transaction tries again
	}
}

// catchUp records what the journal has and the database has not. With judge set
// it finds out first whether the database was put back from an older copy, and
// then holds every campaign before anything else.
func (s *Store) catchUp(ctx context.Context, p *openPlace, judge bool) (replayed int, err error) {
	mark, err := p.mark(ctx, 0) // before the database's own is read, which is never behind it
	if err != nil {
		return 0, err
	}
	from, err := s.counter(ctx, p.name)
	if err != nil {
		return 0, fmt.Errorf("reading how far the journal was followed: %w", err)
	}
	text, size, err := p.read(ctx, from)
	if err != nil {
		return 0, err
	}
	lines, err := parseLines(text)
	if err != nil {
		return 0, err
	}
	missing, err := s.missing(ctx, lines)
	if err != nil {
		return 0, err
	}
	if judge {
		if err := s.judge(ctx, p, mark, missing); err != nil {
			return 0, err
		}
	}
	for i, l := range missing {
		if err := s.replay(ctx, l, missing[i+1:]); err != nil {
			return replayed, err
		}
		replayed++
	}
	if len(missing) == 0 {
		return 0, nil // what stands behind the counter is being committed by somebody
	}
	return replayed, s.inTx(ctx, "following the journal", func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO counter (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
			WHERE counter.value < excluded.value`, p.name, size)
		return err
	})
}

// missing gives the lines that the ledger has not, in the order in which they were
// recorded: some were written late.
func (s *Store) missing(ctx context.Context, lines []line) (missing []line, err error) {
	if len(lines) == 0 {
		return nil, nil
	}
	err = s.inSnapshot(ctx, func(t *tx) error {
		for _, l := range lines {
			if !t.recorded(ctx, l) {
				missing = append(missing, l)
			}
		}
		return nil
	})
	slices.SortStableFunc(missing, func(a, b line) int { return cmp.Or(cmp.Compare(a.recorded, b.recorded), cmp.Compare(a.seq, b.seq)) })
	return missing, err
}

// judge holds everything if the database was put back from an older copy: it
// comes from an archive of heed, its mark is behind the journal's, or it lacks
// lines of more than one transaction. One alone is what a crash leaves that
// came between journal and commit; several that begin with the same number were
// one after the other refused by a full disk.
func (s *Store) judge(ctx context.Context, p *openPlace, mark int64, missing []line) error {
	own, err := s.counter(ctx, p.name+" mark")
	if err != nil {
		return err
	}
	begins := map[int64]int64{} // first number of each transaction
	for _, l := range missing {
		moment := l.recorded
		if moment == 0 {
			moment = -l.seq
		}
		if first, known := begins[moment]; !known || l.seq < first {
			begins[moment] = l.seq
		}
	}
	different := map[int64]bool{}
	for _, first := range begins {
		different[first] = true
	}
	if mark <= own && len(different) < 2 {
		return nil
	}
	return s.inTx(ctx, "holding what may have been sent", func(t *tx) error {
		if err := t.setCounter(ctx, p.name+" mark", max(mark, own)); err != nil {
			return err
		}
		return t.afterRestore(ctx)
	})
}

// replay records one line; later are those that come after it. An erasure is done
// again: what the older copy holds of the person goes. A hold is somebody's
// request, which the copy may not know.
func (s *Store) replay(ctx context.Context, l line, later []line) error {
	return s.inTx(ctx, "replaying the journal", func(t *tx) error {
		t.replaying = true
		held, err := t.lockKeys(ctx, []consent.Key{l.key})
		if err != nil {
			return err
		}
		if t.recorded(ctx, l) {
			return nil
		}
		if _, err = t.record(ctx, held, []act{{key: l.key, scope: l.scope, choice: l.choice, received: time.UnixMicro(l.received).UTC(),
			via: l.via, source: replaySource(l)}}); err != nil {
			return err
		}
		if l.scope == consent.ScopeErased && l.choice == consent.Set {
			return t.eraseReplayed(ctx, l)
		}
		if l.scope == consent.ScopeHold && l.choice == consent.Set && !slices.ContainsFunc(later, l.endedBy) {
			return t.standIn(ctx, held, l)
		}
		return nil
	})
}

// endedBy tells whether a later line ends the hold that this one sets.
func (l line) endedBy(later line) bool {
	return later.key == l.key && (later.scope == consent.ScopeHold && later.choice == consent.Lift || later.scope == consent.ScopeErased && later.choice == consent.Set)
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

// verifyJournal: every no and every erasure of the journal is in the ledger,
// what is owed to the journal is not owed for long, and no campaign goes on that
// a restore has put on hold.
func (t *tx) verifyJournal(ctx context.Context, v *Invariant) error {
	err := t.verifyBy(ctx, v, `SELECT count(*) FROM campaign WHERE held <> ''`, `SELECT 'campaign ' || id FROM campaign WHERE held <> '' AND state = 'sending'`)
	if err != nil || t.s.journal == nil {
		return err
	}
	owed, err := t.texts(ctx, `SELECT CASE WHEN since < $1 THEN line ELSE '' END FROM journal_owed ORDER BY seq`, t.now.Add(-owedFor).UnixMicro())
	if err != nil {
		return err
	}
	for _, line := range owed {
		if v.Checked++; stopsBy(line) {
			seq, _, _ := strings.Cut(line, " ")
			v.Broken = append(v.Broken, "owed to the journal: ledger "+seq)
		}
	}
	p := t.s.journal.place.Load()
	if p == nil {
		return nil // away: what it lacks is owed
	}
	limited, cancel := context.WithTimeout(ctx, tendTime)
	defer cancel()
	text, _, err := p.read(limited, 0)
	if err != nil && t.s.journal.down.Load() {
		return nil
	}
	if err != nil {
		return err
	}
	all, err := parseLines(text)
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

// stopsBy tells whether a line says that something was stopped. Without one that
// ends it a restore is only stricter; such a line may wait for whoever schedules.
func stopsBy(owed string) bool {
	all, err := parseLines(owed)
	return err != nil || len(all) > 0 && stops(consent.Entry{Scope: all[0].scope, Choice: all[0].choice})
}

// owedFor is how long a line may be owed.
const owedFor = 24 * time.Hour
