package store

import (
	"context"
	"fmt"
	"slices"

	"heed/consent"
)

// TendJournal brings journal and database together: what the journal has and
// the database has not is recorded, what is owed is written, and the journal is
// told how far the database has come. Whoever schedules calls it every now and
// then.
func (s *Store) TendJournal(ctx context.Context) error {
	if s.journal == nil || s.journal.down.Load() {
		return nil // it is looked after
	}
	limited, cancel := context.WithTimeout(ctx, tendTime)
	defer cancel()
	if _, err := s.tend(limited); err != nil && ctx.Err() == nil {
		s.journalFailed(err)
		return s.inTx(ctx, "noting that the journal is away", func(t *tx) error { return t.journalAway(ctx) })
	}
	return nil
}

// settleJournal ends the watch over a journal that was away and, where it answers
// again, pays it what is owed: a line that only the database holds is lost with
// the database.
func (s *Store) settleJournal() {
	s.journal.end()
	s.journal.ended.Wait()
	if !s.journal.down.Load() && !s.journal.owes.Load() {
		return
	}
	limited, cancel := context.WithTimeout(context.Background(), journalRest)
	defer cancel()
	s.tend(limited) // if it is still away the alarm rings, and the next start tries again
}

func (s *Store) tend(ctx context.Context) (replayed int, err error) {
	j := s.journal
	j.busy.Lock()
	p, err := j.open(ctx)
	j.busy.Unlock()
	if err != nil {
		return 0, err
	}
	if replayed, err = s.catchUp(ctx, p, true); err != nil {
		return replayed, err
	}
	j.unread.Store(false)
	if err := s.payOwed(ctx, p); err != nil {
		return replayed, err
	}
	if err := s.setMark(ctx, p); err != nil {
		return replayed, err
	}
	j.down.Store(false)
	return replayed, nil
}

// payOwed writes the lines that are owed, and ends the alarm.
func (s *Store) payOwed(ctx context.Context, p *openPlace) error {
	s.journal.owes.Store(false)
	if err := s.oweOld(ctx, p); err != nil {
		return err
	}
	for more := true; more; {
		var n int
		err := s.read.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM (SELECT 1 FROM journal_owed LIMIT 1) x)
			+ (SELECT count(*) FROM alarm WHERE kind = $1 AND cleared IS NULL)`, AlarmJournal).Scan(&n)
		if err != nil || n == 0 {
			return err
		}
		if more, err = s.paySome(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

const payAtOnce = 500

func (s *Store) paySome(ctx context.Context, p *openPlace) (more bool, err error) {
	err = s.inTx(ctx, "writing what is owed to the journal", func(t *tx) error {
		var head, last int64
		if err := t.QueryRowContext(ctx, `SELECT seq FROM chain WHERE one = 1`+s.d.forUpdate).Scan(&head); err != nil {
			return err
		}
		lines, err := t.texts(ctx, `SELECT line FROM journal_owed ORDER BY seq LIMIT `+fmt.Sprint(payAtOnce))
		if err != nil {
			return err
		}
		if more = len(lines) == payAtOnce; len(lines) == 0 {
			return t.clearAlarm(ctx, AlarmJournal, "journal")
		}
		err = t.QueryRowContext(ctx, `SELECT max(seq) FROM (SELECT seq FROM journal_owed ORDER BY seq LIMIT `+fmt.Sprint(payAtOnce)+`) x`).Scan(&last)
		if err != nil {
			return err
		}
		text := ""
		for _, line := range lines {
			text += line
		}
		size, err := p.append(ctx, text)
		if err != nil {
			return err
		}
		t.followed = true
		if _, err := t.exec(ctx, `DELETE FROM journal_owed WHERE seq <= $1`, last); err != nil {
			return err
		}
		if !more {
			if err := t.clearAlarm(ctx, AlarmJournal, "journal"); err != nil {
				return err
			}
		}
		return t.setCounter(ctx, p.name, size)
	})
	return more, err
}

// journalKinds counts up when the journal begins to keep more.
const journalKinds = 1 // 1: restrictions, holds and addresses that were left

// oweOld gives a journal that was begun late all that it keeps and that came
// before it, and one of an older heed what that did not keep.
func (s *Store) oweOld(ctx context.Context, p *openPlace) error {
	known, err := s.counter(ctx, p.name+" kinds")
	if err != nil || known >= journalKinds && !p.fresh {
		return err
	}
	err = s.inTx(ctx, "filling the journal", func(t *tx) error {
		query := `SELECT ` + ledgerColumns + ` FROM ledger WHERE choice IN ('out', 'set', 'lift')`
		if !p.fresh {
			query += ` AND scope IN ('restricted', 'on_hold', 'dead')`
		}
		found, err := t.QueryContext(ctx, query+` ORDER BY seq`)
		if err != nil {
			return err
		}
		old, err := gather(found, func(row scanner) (consent.Entry, error) {
			e, _, err := scanEntry(row)
			return e, err
		})
		if err != nil {
			return err
		}
		if err := t.owe(ctx, slices.DeleteFunc(old, func(e consent.Entry) bool { return !keeps(e) })); err != nil {
			return err
		}
		return t.setCounter(ctx, p.name+" kinds", journalKinds)
	})
	if err == nil {
		p.fresh = false
	}
	return err
}
