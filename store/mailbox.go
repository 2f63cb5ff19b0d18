package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// MailboxPatience is how long a mailbox may be unreadable before that is an
// alarm.
const MailboxPatience = 5 * time.Minute

// Why a mailbox cannot be read, a closed set. None names a person.
const (
	MailboxUnreachable   = "unreachable"
	MailboxSilent        = "silent" // it takes commands and does not answer
	MailboxLoginRefused  = "login_refused"
	MailboxTokenRefused  = "token_refused" // by the endpoint that gives access tokens
	MailboxNoSecret      = "no_secret"     // the file of the password or token is missing
	MailboxFolderMissing = "folder_missing"
	MailboxCannotFile    = "cannot_file" // mails have their effect and cannot be moved
	MailboxFailed        = "failed"
)

// MailboxTrouble is a mailbox that cannot be read.
type MailboxTrouble struct {
	Name, Role, Reason string
	Since              time.Time
}

// NoteMailbox records that a mailbox can be read, with no reason, or why not.
// The time of the first failure stays until it can be read again.
func (s *Store) NoteMailbox(ctx context.Context, name, role, reason string) error {
	return s.inTx(ctx, "noting the state of a mailbox", func(t *tx) error {
		if _, err := t.exec(ctx, `INSERT INTO mailbox (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`, name); err != nil {
			return err
		}
		_, err := t.exec(ctx, `UPDATE mailbox SET role = $2, trouble = $3, noted = $4,
			trouble_since = CASE WHEN $3 = '' THEN NULL ELSE coalesce(trouble_since, $4) END WHERE name = $1`, name, role, reason, t.now.UnixMicro())
		return err
	})
}

// TroubledMailboxes lists what could not be read for that long and is still
// tried: a mailbox that was taken out of the configuration troubles nobody.
func (s *Store) TroubledMailboxes(ctx context.Context, longer time.Duration) ([]MailboxTrouble, error) {
	now := s.now()
	rows, err := s.read.QueryContext(ctx, `SELECT name, role, trouble, trouble_since FROM mailbox
		WHERE trouble <> '' AND trouble_since <= $1 AND noted > $2 ORDER BY name`, now.Add(-longer).UnixMicro(), now.Add(-10*time.Minute).UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("looking for mailboxes that cannot be read: %w", err)
	}
	defer rows.Close()
	var all []MailboxTrouble
	for rows.Next() {
		var m MailboxTrouble
		var since int64
		if err := rows.Scan(&m.Name, &m.Role, &m.Reason, &since); err != nil {
			return nil, err
		}
		m.Since = time.UnixMicro(since).UTC()
		all = append(all, m)
	}
	return all, rows.Err()
}

// MailboxName is a mailbox as the configuration has it.
type MailboxName struct{ Name, Role string }

// SilentMailboxes lists those that no process has looked into for so long: each
// look begins with a lease, also one that then fails.
func (s *Store) SilentMailboxes(ctx context.Context, all []MailboxName, longer time.Duration) (silent []MailboxName, err error) {
	for _, m := range all {
		var seen int64
		err := s.read.QueryRowContext(ctx, `SELECT seen FROM mailbox WHERE name = $1`, m.Name).Scan(&seen)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("asking when a mailbox was looked into: %w", err)
		}
		if seen < s.now().Add(-longer).UnixMicro() {
			silent = append(silent, m)
		}
	}
	return silent, nil
}

// MailboxRead tells up to which UID a mailbox was looked through, in which
// other people's mail stays. It is 0 where UIDs mean other mails now.
func (s *Store) MailboxRead(ctx context.Context, name string, validity uint32) (uid uint32, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT read_uid FROM mailbox WHERE name = $1 AND read_validity = $2`, name, int64(validity)).Scan(&uid)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("asking how far a mailbox was read: %w", err)
	}
	return uid, nil
}

// SetMailboxRead remembers it.
func (s *Store) SetMailboxRead(ctx context.Context, name string, validity, uid uint32) error {
	return s.inTx(ctx, "noting how far a mailbox was read", func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE mailbox SET read_validity = $2, read_uid = $3 WHERE name = $1`, name, int64(validity), int64(uid))
		return err
	})
}
