package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Periods are how long what is kept of people stays. 0 keeps it.
type Periods struct {
	Mails      time.Duration // texts of mails and letters that belong to no open case, and the mails in our folders
	Tray       time.Duration // mails that ask for nothing
	Deliveries time.Duration // who got which finished campaign
	Results    time.Duration // each delivery of a finished campaign; afterwards its sums
	Cases      time.Duration // what closed cases say of the person, counted from their end
}

// Dropped is what retention took away, or would take.
type Dropped struct {
	What   string
	Before time.Time // what is older
	Rows   int
}

// dropping is one kind of thing that is kept for a time: the rows that are too
// old, as a query for their numbers, and what is done with them. $1 is the
// moment, $2 what the query gave last.
type dropping struct {
	what  string
	keep  func(Periods) time.Duration
	old   string
	drop  []string // with the numbers in their IN
	holds bool     // they hold keys of mails that named nobody
}

// openCaseMail are the mails that somebody still works on.
const openCaseMail = `SELECT i.id FROM inbound i JOIN privacy_case c ON c.id = i.caseno WHERE c.ended IS NULL`

func droppings() []dropping {
	return []dropping{
		{what: "tray", keep: func(r Periods) time.Duration { return r.Tray },
			old:  `SELECT inbound FROM tray WHERE received < $1`,
			drop: []string{`DELETE FROM mail_text WHERE inbound IN `, `DELETE FROM tray WHERE inbound IN `}, holds: true},
		{what: "mails", keep: func(r Periods) time.Duration { return r.Mails },
			old: `SELECT m.inbound FROM mail_text m JOIN inbound i ON i.id = m.inbound WHERE i.received < $1
				AND m.inbound NOT IN (SELECT inbound FROM tray) AND m.inbound NOT IN (` + openCaseMail + `)`,
			drop: []string{`DELETE FROM mail_text WHERE inbound IN `}, holds: true},
		{what: "letters", keep: func(r Periods) time.Duration { return r.Mails },
			old: `SELECT id FROM correspondence WHERE ended < $1 AND (caseno IS NULL
				OR caseno NOT IN (SELECT id FROM privacy_case WHERE ended IS NULL)) AND sealed <> ''`,
			drop: []string{`UPDATE correspondence SET sealed = '' WHERE id IN `}},
		{what: "cases", keep: func(r Periods) time.Duration { return r.Cases },
			old: `SELECT id FROM privacy_case WHERE ended < $1 AND (email <> '' OR outcome NOT IN ('', 'erased')
				OR id IN (SELECT caseno FROM case_event WHERE sealed <> '') OR id IN (SELECT caseno FROM correspondence))`,
			drop: []string{`DELETE FROM correspondence WHERE caseno IN `, `UPDATE case_event SET sealed = '' WHERE caseno IN `,
				`UPDATE privacy_case SET email = '', outcome = CASE WHEN outcome = 'erased' THEN outcome ELSE '' END WHERE id IN `}},
	}
}

// Retain takes away what was kept long enough, in small steps, so that nothing
// that is urgent waits for it. With dryRun it only counts.
func (s *Store) Retain(ctx context.Context, dryRun bool) ([]Dropped, error) {
	var all []Dropped
	for _, d := range droppings() {
		keep := d.keep(s.retention)
		if keep <= 0 {
			continue
		}
		one := Dropped{What: d.what, Before: s.now().UTC().Add(-keep)}
		err := s.dropOld(ctx, d, &one, dryRun)
		if all = append(all, one); err != nil {
			return all, err
		}
	}
	if s.retention.Deliveries > 0 {
		one := Dropped{What: "deliveries", Before: s.now().UTC().Add(-s.retention.Deliveries)}
		err := s.forgetReaders(ctx, &one, dryRun)
		if all = append(all, one); err != nil {
			return all, err
		}
	}
	if s.retention.Results > 0 {
		one := Dropped{What: "results", Before: s.now().UTC().Add(-max(s.retention.Results, PruneAfter))}
		err := s.pruneOld(ctx, &one, dryRun)
		if all = append(all, one); err != nil {
			return all, err
		}
	}
	if dryRun {
		return all, nil
	}
	return all, s.settle(ctx, "mail_text", "correspondence", "case_event", "privacy_case", "delivery")
}

func (s *Store) dropOld(ctx context.Context, d dropping, into *Dropped, dryRun bool) error {
	if dryRun {
		err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM (`+d.old+`) x`, into.Before.UnixMicro()).Scan(&into.Rows)
		if err != nil {
			return fmt.Errorf("counting what was kept long enough (%s): %w", d.what, err)
		}
		return nil
	}
	for ctx.Err() == nil {
		n, err := s.dropSome(ctx, d, into.Before)
		if into.Rows += n; err != nil || n == 0 {
			return err
		}
	}
	return ctx.Err()
}

func (s *Store) dropSome(ctx context.Context, d dropping, before time.Time) (n int, err error) {
	var holders []string
	err = s.inTx(ctx, "dropping what was kept long enough ("+d.what+")", func(t *tx) error {
		found, err := t.QueryContext(ctx, d.old+fmt.Sprintf(` LIMIT %d`, portion), before.UnixMicro())
		if err != nil {
			return err
		}
		ids, err := gather(found, single[int64])
		if n = len(ids); err != nil || n == 0 {
			return err
		}
		args := make([]any, n)
		for i, id := range ids {
			args[i] = id
		}
		in := `(` + list(n, 1) + `)`
		if d.holds {
			if holders, err = t.texts(ctx, `SELECT holder FROM mail_text WHERE inbound IN `+in, args...); err != nil {
				return err
			}
		}
		for _, query := range d.drop {
			if _, err := t.exec(ctx, query+in, args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, s.forgetMails(ctx, holders)
}

// forgetReaders lets the deliveries of campaigns that ended long ago forget
// whom they went to. The account of the campaign and the check of the promises
// need the address key only.
func (s *Store) forgetReaders(ctx context.Context, into *Dropped, dryRun bool) error {
	ended, err := s.endedCampaigns(ctx, into.Before)
	if err != nil {
		return err
	}
	for _, campaign := range ended {
		if dryRun {
			var n int
			if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM delivery WHERE campaign = $1 AND person IS NOT NULL`, campaign).Scan(&n); err != nil {
				return fmt.Errorf("counting deliveries: %w", err)
			}
			into.Rows += n
			continue
		}
		if err := s.forgetReadersOf(ctx, campaign, into); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) endedCampaigns(ctx context.Context, before time.Time) ([]int64, error) {
	found, err := s.read.QueryContext(ctx, `SELECT c.id FROM campaign c WHERE c.ended < $1
		AND EXISTS (SELECT 1 FROM delivery d WHERE d.campaign = c.id AND d.person IS NOT NULL) ORDER BY c.id`, before.UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("looking for campaigns that ended long ago: %w", err)
	}
	return gather(found, single[int64])
}

func (s *Store) forgetReadersOf(ctx context.Context, campaign int64, into *Dropped) error {
	for ctx.Err() == nil {
		var n int64
		err := s.inTx(ctx, "forgetting whom a campaign went to", func(t *tx) (err error) {
			n, err = t.exec(ctx, fmt.Sprintf(`UPDATE delivery SET person = NULL WHERE campaign = $1 AND address IN (
				SELECT address FROM delivery WHERE campaign = $1 AND person IS NOT NULL AND state NOT IN ('waiting', 'deferred') LIMIT %d)`, portion), campaign)
			return err
		})
		if into.Rows += int(n); err != nil || n == 0 {
			return err
		}
	}
	return ctx.Err()
}

// RetainDaily is Retain, once for each day of the world's clock, whichever
// scheduler comes first. done is false where the day has had it.
func (s *Store) RetainDaily(ctx context.Context) (dropped []Dropped, done bool, err error) {
	today := s.now().Unix() / int64(24*time.Hour/time.Second)
	var last int64
	err = s.read.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = 'retention'`).Scan(&last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) || last >= today {
		return nil, false, err
	}
	if dropped, err = s.Retain(ctx, false); err != nil {
		return dropped, false, err
	}
	tidied, err := s.tidy(ctx)
	if dropped = append(dropped, tidied...); err != nil {
		return dropped, false, err
	}
	return dropped, true, s.inTx(ctx, "noting that the day's retention is done", func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO counter (name, value) VALUES ('retention', $1) ON CONFLICT (name) DO UPDATE SET value = $1`, today)
		return err
	})
}

// MailsBefore is the moment before which the mails in our own folders are
// deleted: those that may belong to an open case stay. It is zero where they
// are kept.
func (s *Store) MailsBefore(ctx context.Context) (time.Time, error) {
	if s.retention.Mails <= 0 {
		return time.Time{}, nil
	}
	before := s.now().UTC().Add(-s.retention.Mails)
	var oldest sql.NullInt64
	if err := s.read.QueryRowContext(ctx, `SELECT min(received) FROM privacy_case WHERE ended IS NULL`).Scan(&oldest); err != nil {
		return before, fmt.Errorf("looking for the oldest open case: %w", err)
	}
	if open := fromMicro(oldest).AddDate(0, 0, -1); oldest.Valid && open.Before(before) {
		before = open
	}
	return before, nil
}

// FiledAt tells which of some moments are those of a mail that was filed from a
// mailbox into a folder, by their microseconds.
func (s *Store) FiledAt(ctx context.Context, mailbox, folder string, received []time.Time) (map[int64]bool, error) {
	filed := map[int64]bool{}
	if len(received) == 0 {
		return filed, nil
	}
	args := []any{mailbox, folder}
	for _, at := range received {
		args = append(args, at.UnixMicro())
	}
	found, err := s.read.QueryContext(ctx, `SELECT DISTINCT received FROM inbound WHERE mailbox = $1 AND folder = $2 AND received IN (`+
		list(len(received), 3)+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("asking which mails were filed: %w", err)
	}
	moments, err := gather(found, single[int64])
	for _, at := range moments {
		filed[at] = true
	}
	return filed, err
}
