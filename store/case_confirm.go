package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// ConfirmFor is how long a confirmation link waits for its click.
const ConfirmFor = 30 * 24 * time.Hour

// canConfirm tells whether a click can prove who asks: what needs one are
// erasure and access, and the link goes to the address on file. Of somebody
// never stored only the key is known; a copy of what is held under it can be
// asked for from that very address, where the mail proves that it came from
// there, or staff say so.
func (t *tx) canConfirm(ctx context.Context, m Inbound, who consent.Key, stored bool) (bool, error) {
	kind := caseKind(m.Request.Kind)
	if stored {
		return kind == consent.CaseErasure || kind == consent.CaseAccess, nil
	}
	from, _, err := t.s.Key(m.Request.From)
	if err != nil || from != who || kind != consent.CaseAccess || !m.Request.Authenticated && m.Digest != "" { // staff have no mail
		return false, nil
	}
	var held bool
	err = t.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM ledger WHERE address = $1) OR EXISTS (SELECT 1 FROM inbound WHERE address = $1)
		OR EXISTS (SELECT 1 FROM delivery WHERE campaign IN (SELECT id FROM campaign) AND address = $1)`, who.String()).Scan(&held)
	return held, err
}

// askToConfirm writes the mail with the link: to the address on file, or, where
// only the key is on file, to the address of that key.
func (t *tx) askToConfirm(ctx context.Context, caseNo int64, key, email, language string) error {
	c := Correspondence{Kind: WriteConfirm, Case: caseNo, Words: Words{Language: language}}
	if err := t.addressTo(ctx, &c, key, email); err != nil {
		return err
	}
	_, err := t.write(ctx, key, c)
	return err
}

// addressTo makes a letter go to whoever is on file under a key, else to an
// address that is known to be that key's.
func (t *tx) addressTo(ctx context.Context, c *Correspondence, key, email string) error {
	var one int
	err := t.QueryRowContext(ctx, `SELECT 1 FROM person WHERE address = $1`, key).Scan(&one)
	switch {
	case err == nil:
		c.Key = key
	case errors.Is(err, sql.ErrNoRows):
		c.To = email
	default:
		return fmt.Errorf("looking for an address on file: %w", err)
	}
	return nil
}

// ConfirmLink makes the link that is mailed to the address on file.
func (s *Store) ConfirmLink(c Case) (string, error) {
	key, err := consent.ParseKey(c.Key)
	if err != nil {
		return "", fmt.Errorf("case %d names nobody: %w", c.ID, err)
	}
	return s.keys.Links.Seal(consent.Link{Purpose: consent.PurposeConfirm, Address: key, Scope: uint16(c.ID)}), nil
}

// CaseOf finds the case that a confirmation link names.
func (s *Store) CaseOf(ctx context.Context, l consent.Link) (Case, error) {
	c, err := scanCase(s.read.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM privacy_case WHERE id % 65536 = $2
		AND (address = $1 OR address IN (SELECT new FROM address_link WHERE old = $1)) ORDER BY id DESC LIMIT 1`, l.Address.String(), int(l.Scope)))
	if errors.Is(err, sql.ErrNoRows) {
		return c, ErrNotFound
	}
	return c, err
}

// Confirm takes the click on a confirmation link: the case goes on, and the
// job that does the work is committed with it. A second click changes nothing.
func (s *Store) Confirm(ctx context.Context, l consent.Link) (Case, error) {
	c, err := s.CaseOf(ctx, l)
	if err != nil || c.State != consent.CaseWaiting {
		return c, err
	}
	if s.now().After(c.Until) {
		return c, fmt.Errorf("the link of case %d has run out: %w", c.ID, ErrState)
	}
	err = s.inTx(ctx, "confirming a case", func(t *tx) error {
		if _, err := t.lockKeys(ctx, []consent.Key{l.Address}); err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE privacy_case SET state = 'confirmed', identity = 'confirmed' WHERE id = $1 AND state = 'waiting'`, c.ID)
		if err != nil || n == 0 {
			return err
		}
		if err := t.note(ctx, c.ID, "confirmed", "", "", nil); err != nil {
			return err
		}
		return t.begin(ctx, c)
	})
	s.pokeAll()
	if err != nil {
		return c, err
	}
	return s.Case(ctx, c.ID)
}

// begin does what a confirmed case asks for, or stores the job that does it.
func (t *tx) begin(ctx context.Context, c Case) error {
	if c.Kind == consent.CaseAccess {
		return t.giveCopy(ctx, c)
	}
	_, err := t.addJobs(ctx, 1, Job{Queue: "privacy", Kind: "erase", Subject: c.ID})
	return err
}

func (t *tx) liftHold(ctx context.Context, address string) error {
	return t.liftHoldBy(ctx, address, consent.ViaStaff)
}

// liftHoldBy ends a hold when the last open case of an address has ended.
func (t *tx) liftHoldBy(ctx context.Context, address string, via consent.Via) error {
	key, err := consent.ParseKey(address)
	if err != nil {
		return nil // a case that names nobody held nobody
	}
	held, err := t.lockKeys(ctx, []consent.Key{key})
	if err != nil {
		return err
	}
	open, err := t.openCases(ctx, held)
	if err != nil || open > 0 || held[key].state.Hold == 0 {
		return err
	}
	_, err = t.record(ctx, held, []act{{key: key, scope: consent.ScopeHold, choice: consent.Lift, via: via}})
	return err
}

// openCases counts those that have not ended and concern one of the addresses.
func (t *tx) openCases(ctx context.Context, held map[consent.Key]*standing) (open int, err error) {
	keys := keyArgs(keysOf(held))
	err = t.QueryRowContext(ctx, `SELECT count(*) FROM privacy_case WHERE ended IS NULL AND (address IN (`+in(keys)+`)
		OR id IN (SELECT caseno FROM case_subject WHERE address IN (`+in(keys)+`)))`, keys...).Scan(&open)
	if err != nil {
		return 0, fmt.Errorf("looking for open cases: %w", err)
	}
	return open, nil
}
