package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"heed/consent"
)

// Inbound is a mail that was read and understood.
type Inbound struct {
	Mailbox   string // the account and folder it lay in, "privacy@example.com/INBOX"
	Role      string // unsubscribe | privacy | bounces | abuse | reply
	Validity  int64  // UIDVALIDITY
	UID       int64
	Digest    string // SHA-256 of the raw mail, hex
	MessageID string
	Received  time.Time // INTERNALDATE
	Request   consent.Request
	Once      string // names what the mail proves its writer by; see firstTime

	Writer, Subject, Text string // as people read them; kept sealed where a person may have to
	Letter                int64  // our letter that it answers; 0: none
	Case                  int64  // our case that its subject names; 0: none

	Via, By string // of what came by letter or telephone: how, and who wrote it down

	id int64 // its number here
}

// via is how a request came.
func (m Inbound) via() string {
	if m.Via == "" {
		return "mail"
	}
	return m.Via
}

// holdVia is how the ledger knows of it.
func (m Inbound) holdVia() consent.Via {
	switch m.Via {
	case "":
		return consent.ViaMail
	case "api":
		return consent.ViaAPI
	}
	return consent.ViaStaff
}

// Filing says what was done with a mail and where it is to be moved.
type Filing struct {
	Folder    string // Processed | Review
	Outcome   string // opted_out | case | returned | spam_report | no_action | tray | duplicate
	Duplicate bool
	Stopped   []consent.Key // wait for their open claims before moving the mail
	Paused    int64         // the campaign that this bounce brought to a stop, or 0
}

// RecordMail gives a mail its one outcome: the mail, what it changes and the
// work it causes are committed together. The same mail again, under the same
// UID or with the same digest, changes nothing and is filed as before.
func (s *Store) RecordMail(ctx context.Context, m Inbound) (Filing, error) {
	var f Filing
	err := s.inTx(ctx, "recording a mail", func(t *tx) error {
		known, found, err := t.knownMail(ctx, m)
		if err != nil || found {
			f = known
			return err
		}
		if err := t.firstTime(ctx, &m); err != nil {
			return err
		}
		if m.id, err = t.take(ctx, "inbound", 1); err != nil {
			return err
		}
		f, err = t.actOn(ctx, m)
		return err
	})
	if err == nil && (f.Outcome == "case" || f.Outcome == "opted_out") {
		s.pokeAll()
	}
	return f, err
}

func (t *tx) knownMail(ctx context.Context, m Inbound) (f Filing, found bool, err error) {
	var key string
	err = t.QueryRowContext(ctx, `SELECT outcome, folder, address FROM inbound WHERE mailbox = $1 AND validity = $2 AND uid = $3`,
		m.Mailbox, m.Validity, m.UID).Scan(&f.Outcome, &f.Folder, &key)
	if err == nil {
		f.Duplicate = true
		return f.stopping(key), true, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return f, false, err
	}
	err = t.QueryRowContext(ctx, `SELECT folder, address FROM inbound WHERE mailbox = $1 AND digest = $2 AND outcome <> 'duplicate'`,
		m.Mailbox, m.Digest).Scan(&f.Folder, &key)
	if errors.Is(err, sql.ErrNoRows) {
		return f, false, nil
	}
	if err != nil {
		return f, false, err
	}
	f.Outcome, f.Duplicate = "duplicate", true
	if m.id, err = t.take(ctx, "inbound", 1); err != nil {
		return f, true, err
	}
	return f.stopping(key), true, t.keepMail(ctx, m, f, kept{key: key})
}

// stopping names the key whose claims the poller awaits, as on the first time.
func (f Filing) stopping(key string) Filing {
	if k, err := consent.ParseKey(key); err == nil {
		f.Stopped = []consent.Key{k}
	}
	return f
}

// kept is what a mail's row refers to.
type kept struct {
	key    string
	caseNo int64
	ledger int64
}

func (t *tx) keepMail(ctx context.Context, m Inbound, f Filing, k kept) error {
	_, err := t.exec(ctx, `INSERT INTO inbound (id, mailbox, validity, uid, digest, received, recorded, kind, outcome, folder, address, caseno, ledger, rules, no_reply)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`, m.id, m.Mailbox, m.Validity, m.UID, m.Digest, m.Received.UnixMicro(),
		t.now.UnixMicro(), string(m.Request.Kind), f.Outcome, f.Folder, k.key, number(int(k.caseNo)), number(int(k.ledger)), rules(m.Request), m.Request.NoReply)
	if err != nil {
		return fmt.Errorf("keeping a mail's outcome: %w", err)
	}
	return t.keepText(ctx, m.id, m, f, k)
}

// rules lists which rules fired; the words that fired them are personal, and
// are kept sealed with the ledger or the case.
func rules(r consent.Request) string {
	names := []string{}
	for _, e := range r.Evidence {
		names = append(names, e.Rule)
	}
	text, _ := json.Marshal(slices.Compact(names))
	return string(text)
}

// actOn does what a mail asks for and keeps it.
func (t *tx) actOn(ctx context.Context, m Inbound) (Filing, error) {
	f := Filing{Folder: "Processed", Outcome: "no_action"}
	k := kept{}
	var err error
	switch m.Request.Kind {
	case consent.KindBounce:
		f.Outcome, k, f.Paused, err = t.bounce(ctx, m)
	case consent.KindSpamReport:
		f.Outcome, k, f.Paused, err = t.spamReport(ctx, m)
		if f.Outcome == "case" {
			f.Folder = "Review"
		}
	case consent.KindAutoReply:
	case consent.KindUnrelated:
		f.Outcome, f.Folder = "tray", "Review"
		if k, err = t.joinedByMail(ctx, m); k.caseNo != 0 {
			f.Outcome = "case"
		}
	default:
		f, k, err = t.serve(ctx, m)
	}
	if err != nil {
		return f, err
	}
	if m.Request.Kind != consent.KindBounce {
		f = f.stopping(k.key)
	}
	return f, t.keepMail(ctx, m, f, k)
}

func folderOf(k consent.Kind) string {
	if k == consent.KindErasure || k == consent.KindAccess {
		return "Processed"
	}
	return "Review"
}

// sender tells whose address key a mail speaks for: a sealed link of ours, or
// the one From address.
func (t *tx) sender(ctx context.Context, m Inbound) (k consent.Key, known bool, err error) {
	if l := m.Request.Link; l != nil {
		k, err = t.current(ctx, l.Address)
		return k, true, err
	}
	if m.Request.From == "" {
		return k, false, nil
	}
	if k, _, err = t.s.Key(m.Request.From); err != nil {
		return k, false, err
	}
	k, err = t.current(ctx, k)
	return k, err == nil, err
}

// evidence is what the ledger seals: how the mail was understood.
func evidence(m Inbound) string {
	text, _ := json.Marshal(map[string]any{"message_id": m.MessageID, "digest": m.Digest, "kind": m.Request.Kind,
		"sure": m.Request.Sure, "rules": m.Request.Evidence})
	return string(text)
}

// spamReport opts out of all marketing, where the report carries a link of
// ours; without one nobody knows whose it is, and a person looks. It counts against
// its campaign, which may be paused for it.
func (t *tx) spamReport(ctx context.Context, m Inbound) (outcome string, k kept, paused int64, err error) {
	l := m.Request.Link
	if l == nil {
		id, err := t.addCase(ctx, m, Case{Identity: consent.IdentityUnknown}, false)
		return "case", kept{caseNo: id}, 0, err
	}
	held, err := t.lockKeys(ctx, []consent.Key{l.Address})
	if err != nil {
		return "", kept{}, 0, err
	}
	stopped, err := t.optOut(ctx, held, OptOut{Key: l.Address, Scope: consent.ScopeMarketing, Received: m.Received,
		Via: consent.ViaSpamReport, Authenticated: true, Evidence: evidence(m)})
	if err == nil && !stopped.Already {
		paused, err = t.complained(ctx, *l, m.Received)
	}
	return "spam_report", kept{key: l.Address.String()}, paused, err
}

// LeaseMailbox lets one poller at a time read a mailbox. Two at once would
// still act once on each mail; the lease spares the double work.
func (s *Store) LeaseMailbox(ctx context.Context, mailbox, owner string, d time.Duration) (mine bool, err error) {
	err = s.inTx(ctx, "leasing a mailbox", func(t *tx) error {
		if _, err := t.exec(ctx, `INSERT INTO mailbox (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`, mailbox); err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE mailbox SET lease_owner = $2, lease_until = $3, seen = $4
			WHERE name = $1 AND (lease_owner = $2 OR lease_until < $4)`, mailbox, owner, t.now.Add(d).UnixMicro(), t.now.UnixMicro())
		mine = n > 0
		return err
	})
	return mine, err
}
