package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// ErrHeld means that a campaign may have been sent after the copy from which
// the database was put back was made: a person has to say so or not.
var ErrHeld = errors.New("it is on hold, because it may have been sent since the copy was made from which the database was put back")

const heldNote = "on hold: the database was put back from an older copy, after which this may have been sent; look into the log and the relay's, then confirm or cancel it"

// judgeArchive finds a database that was put back from a backup of heed, also
// where no journal tells how old it is.
func (s *Store) judgeArchive(ctx context.Context) error {
	at, err := s.counter(ctx, archived)
	if err != nil || at == 0 {
		return err
	}
	return s.inTx(ctx, "holding what may have been sent", func(t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM counter WHERE name = $1`, archived); err != nil {
			return err
		}
		return t.afterRestore(ctx)
	})
}

// afterRestore holds every campaign that has not ended: what the copy calls
// waiting may have been sent since. Numbers that were given away since the copy
// was made are left out, so that an old link or Message-ID never means a new
// thing.
func (t *tx) afterRestore(ctx context.Context) error {
	n, err := t.exec(ctx, `UPDATE campaign SET held = state, state = CASE state WHEN 'sending' THEN 'paused' ELSE state END, note = $1
		WHERE state IN ('draft', 'scheduled', 'sending', 'paused') AND held = ''`, heldNote)
	if err != nil {
		return fmt.Errorf("holding campaigns: %w", err)
	}
	if _, err := t.exec(ctx, `INSERT INTO counter (name, value) VALUES ('campaign', 1000), ('case', 1000), ('correspondence', 1000)
		ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value`); err != nil {
		return fmt.Errorf("leaving numbers out: %w", err)
	}
	if err := t.setCounter(ctx, "restored", t.now.UnixMicro()); err != nil {
		return err
	}
	if n == 0 {
		return nil
	}
	return t.raise(ctx, AlarmRestored, "database")
}

// Confirm lets a campaign go on that a restore has put on hold: one that was
// sending sends again, one that was scheduled waits for its time.
func (s *Store) ConfirmCampaign(ctx context.Context, id int64) error {
	err := s.inTx(ctx, fmt.Sprintf("confirming campaign %d", id), func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE campaign SET state = CASE held WHEN 'sending' THEN 'sending' ELSE state END, held = '', note = '' WHERE id = $1 AND held <> ''`, id)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("it is not on hold: %w", ErrState)
		}
		return t.clearRestored(ctx)
	})
	s.pokeAll()
	return err
}

// clearRestored ends the alarm when nothing is on hold any more.
func (t *tx) clearRestored(ctx context.Context) error {
	var held int
	err := t.QueryRowContext(ctx, `SELECT count(*) FROM campaign WHERE held <> '' AND state IN ('draft', 'scheduled', 'sending', 'paused')`).Scan(&held)
	if err != nil || held > 0 {
		return err
	}
	return t.clearAlarm(ctx, AlarmRestored, "database")
}

// eraseReplayed has the person deleted again whom an older copy brought back.
// No certificate is sent: they have it, or are nobody to write to any more.
func (t *tx) eraseReplayed(ctx context.Context, l line) error {
	held := 0
	err := t.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM person WHERE address = $1) + (SELECT count(*) FROM privacy_case WHERE address = $1)
		+ (SELECT count(*) FROM inbound WHERE address = $1) + (SELECT count(*) FROM correspondence WHERE address = $1)
		+ (SELECT count(*) FROM annex x JOIN ledger e ON e.seq = x.seq WHERE e.address = $1)`, l.key.String()).Scan(&held)
	if err != nil || held == 0 {
		return err
	}
	id, err := t.caseToErase(ctx, l)
	if err != nil {
		return err
	}
	if _, err := t.readErasure(ctx, id); errors.Is(err, sql.ErrNoRows) {
		c, err := scanCase(t.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM privacy_case WHERE id = $1`, id))
		if err != nil {
			return err
		}
		if err := t.planErasure(ctx, c, l.key, true); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return t.eraseAgain(ctx, id)
}

// caseToErase finds the open case that the copy has, or opens one.
func (t *tx) caseToErase(ctx context.Context, l line) (id int64, err error) {
	err = t.QueryRowContext(ctx, `SELECT id FROM privacy_case WHERE address = $1 AND kind = 'erasure' AND ended IS NULL ORDER BY id LIMIT 1`, l.key.String()).Scan(&id)
	if err == nil {
		_, err = t.exec(ctx, `UPDATE privacy_case SET state = 'confirmed', identity = 'confirmed' WHERE id = $1`, id)
		return id, err
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	if id, err = t.take(ctx, "case", 1); err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, `INSERT INTO privacy_case (id, kind, state, identity, address, email, mailbox, language, received, due)
		VALUES ($1, 'erasure', 'confirmed', 'confirmed', $2, '', $3, '', $4, $5)`, id, l.key.String(), journalMailbox, l.received, t.now.AddDate(0, 0, 7).UnixMicro())
	if err != nil {
		return 0, fmt.Errorf("opening the case of a replayed erasure: %w", err)
	}
	return id, t.note(ctx, id, "opened", "", "", nil)
}

const standInNote = "the database was put back from an older copy, and the journal says that this person was put on hold since: there is a request of theirs that the copy does not know. Mails are read again by themselves and may bring it; if not, ask the person, or look at what staff wrote down. The hold ends with the last open case of the person"

// standIn opens a case for somebody who is on hold for a request that the copy does
// not know, so that the hold is not forgotten and somebody can end it.
func (t *tx) standIn(ctx context.Context, held map[consent.Key]*standing, l line) error {
	open, err := t.openCases(ctx, held)
	if err != nil || open > 0 {
		return err
	}
	p, _, err := t.personByKey(ctx, l.key)
	if err != nil {
		return err
	}
	received := time.UnixMicro(l.received).UTC()
	m := Inbound{Mailbox: journalMailbox, Via: "other", Received: received, Request: consent.Request{From: p.Email}}
	id, err := t.addCase(ctx, m, Case{Identity: consent.IdentityUnknown, Key: l.key.String()}, false)
	if err != nil {
		return err
	}
	return t.note(ctx, id, "noted", "", l.key.String(), Detail{Text: standInNote})
}

// standDown ends the case that stood in for a request, when the mail that it came
// by is read again and has a case of its own.
func (t *tx) standDown(ctx context.Context, key string, received time.Time) error {
	var id int64
	err := t.QueryRowContext(ctx, `SELECT id FROM privacy_case WHERE address = $1 AND mailbox = $2 AND kind = 'review' AND received = $3 AND ended IS NULL`,
		key, journalMailbox, received.UnixMicro()).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		_, err = t.exec(ctx, `UPDATE privacy_case SET state = 'done', ended = $2, outcome = 'the request was read again' WHERE id = $1`, id, t.now.UnixMicro())
	}
	if err != nil {
		return fmt.Errorf("ending the case that stood in for a request: %w", err)
	}
	return firstOf(t.note(ctx, id, "done", "", "", nil), t.clearCaseAlarms(ctx, id))
}

// rereadMargin is how much older than the newest mail that is known one may be
// that is not: mails are not recorded in the order of their dates.
const rereadMargin = 48 * time.Hour

// Reread tells whether a mailbox's finished mail has to be looked through,
// because the database was put back, and from which date on.
func (s *Store) Reread(ctx context.Context, mailbox string) (from time.Time, due bool, err error) {
	restored, err := s.counter(ctx, "restored")
	if err != nil || restored == 0 {
		return from, false, err
	}
	done, err := s.counter(ctx, rereadOf(mailbox))
	if err != nil || done >= restored {
		return from, false, err
	}
	var newest sql.NullInt64
	err = s.read.QueryRowContext(ctx, `SELECT max(received) FROM inbound WHERE mailbox = $1 AND recorded < $2`, mailbox, restored).Scan(&newest)
	if newest.Valid {
		from = fromMicro(newest).Add(-rereadMargin)
	}
	return from, err == nil, err
}

// WasReread notes that it was.
func (s *Store) WasReread(ctx context.Context, mailbox string) error {
	return s.inTx(ctx, "noting what was read again", func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO counter (name, value) SELECT CAST($1 AS TEXT), value FROM counter WHERE name = 'restored'
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, rereadOf(mailbox))
		return err
	})
}

func rereadOf(mailbox string) string { return "reread " + mailbox }

// KnowsMail tells whether a mail with these bytes was recorded, or was an erased
// person's.
func (s *Store) KnowsMail(ctx context.Context, digest string) (bool, error) {
	var n int
	err := s.read.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM inbound WHERE digest = $1) + (SELECT count(*) FROM mail_removal WHERE digest = $1)`, digest).Scan(&n)
	return n > 0, err
}
