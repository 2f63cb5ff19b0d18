package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// ChangeFor is how long the two links of a change of address wait.
const ChangeFor = 30 * 24 * time.Hour

// ErrTaken means that somebody else is stored under the new address.
var ErrTaken = errors.New("somebody else is stored under the new address")

// AddressChange is a change of address that takes a click from both mailboxes.
type AddressChange struct {
	ID, Case   int64
	Old, New   consent.Key
	State      string // waiting | done | dropped
	Until      time.Time
	OldClicked time.Time
	NewClicked time.Time
	Addresses
}

// Addresses are those of a change; they are kept sealed.
type Addresses struct {
	OldEmail string `json:"old"`
	NewEmail string `json:"new"`
}

// Half is the link of one of the two mailboxes.
func (s *Store) Half(c AddressChange, key consent.Key) string {
	return s.keys.Links.Seal(consent.Link{Purpose: consent.PurposeMove, Address: key, Scope: uint16(c.ID)})
}

// MoveContact begins a change of address: each of the two mailboxes gets a
// link, and nothing changes before both have answered. caseNo is the request
// that it belongs to, or 0.
func (s *Store) MoveContact(ctx context.Context, from, to string, caseNo int64, staff string) (c AddressChange, err error) {
	c.Case = caseNo
	if c.Old, c.OldEmail, err = s.Key(from); err != nil {
		return c, fmt.Errorf("the old address: %w", err)
	}
	if c.New, c.NewEmail, err = s.Key(to); err != nil {
		return c, fmt.Errorf("the new address: %w", err)
	}
	if c.Old == c.New {
		return c, fmt.Errorf("both addresses are the same: %w", ErrRefused)
	}
	err = s.inTx(ctx, "beginning a change of address", func(t *tx) error { return t.beginMove(ctx, &c, staff) })
	s.pokeAll()
	return c, err
}

func (t *tx) beginMove(ctx context.Context, c *AddressChange, staff string) error {
	held, err := t.lockKeys(ctx, []consent.Key{c.Old, c.New})
	if err != nil {
		return err
	}
	switch before, after := held[c.Old], held[c.New]; {
	case before.subject == "":
		return fmt.Errorf("nobody is stored under %s: %w", c.OldEmail, ErrNotFound)
	case before.state.Erased != 0: // their keys go any moment: what is sealed now nobody could open
		return fmt.Errorf("whoever has %s is being deleted: %w", c.OldEmail, ErrRefused)
	case after.subject != "":
		return fmt.Errorf("%s: %w", c.NewEmail, ErrTaken)
	case after.state.Erased != 0:
		return fmt.Errorf("whoever had %s was deleted and is never written to; they have to sign up there themselves first: %w", c.NewEmail, ErrRefused)
	}
	if c.Case != 0 {
		if err := t.caseIsAbout(ctx, c.Case, held); err != nil {
			return err
		}
	} else if staff == "" {
		same, err := t.underWay(ctx, *c)
		if err != nil || same.ID != 0 {
			c.ID, c.State, c.Until = same.ID, same.State, same.Until
			return err
		}
	}
	if _, err := t.exec(ctx, `UPDATE address_change SET state = 'dropped', ended = $2 WHERE old = $1 AND state = 'waiting'`, c.Old.String(), t.now.UnixMicro()); err != nil {
		return err
	}
	if c.ID, err = t.take(ctx, "address_change", 1); err != nil {
		return err
	}
	c.State, c.Until = "waiting", t.now.Add(ChangeFor)
	sealed, err := t.seal(ctx, c.Old.String(), c.Addresses)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO address_change (id, old, new, caseno, state, created, until, holder, sealed)
		VALUES ($1, $2, $3, $4, 'waiting', $5, $6, $7, $8)`, c.ID, c.Old.String(), c.New.String(), number(int(c.Case)), t.now.UnixMicro(),
		c.Until.UnixMicro(), c.Old.String(), sealed)
	if err != nil {
		return fmt.Errorf("keeping a change of address: %w", err)
	}
	if err := t.noteMove(ctx, *c, "moving", staff); err != nil {
		return err
	}
	return t.writeBoth(ctx, *c, WriteMove)
}

// underWay finds the same change where it waits already: a program that says it
// twice has nobody asked twice.
func (t *tx) underWay(ctx context.Context, c AddressChange) (AddressChange, error) {
	found, err := t.s.scanChange(ctx, t.QueryRowContext(ctx, `SELECT `+changeColumns+` FROM address_change WHERE old = $1 AND new = $2 AND state = 'waiting' AND until > $3
		ORDER BY id DESC LIMIT 1`, c.Old.String(), c.New.String(), t.now.UnixMicro()))
	if errors.Is(err, sql.ErrNoRows) {
		return AddressChange{}, nil
	}
	return found, err
}

// caseIsAbout refuses a case that is closed, or not about one of the keys.
func (t *tx) caseIsAbout(ctx context.Context, id int64, held map[consent.Key]*standing) error {
	c, err := scanCase(t.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM privacy_case WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("case %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return err
	}
	if !c.Ended.IsZero() {
		return fmt.Errorf("case %d is %s: %w", id, c.State, ErrState)
	}
	if key, err := consent.ParseKey(c.Key); err == nil && held[key] != nil {
		return nil
	}
	keys := keyArgs(keysOf(held))
	var one int
	err = t.QueryRowContext(ctx, `SELECT 1 FROM case_subject WHERE caseno = `+fmt.Sprint(id)+` AND address IN (`+in(keys)+`) LIMIT 1`, keys...).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("case %d is about somebody else: %w", id, ErrRefused)
	}
	return err
}

func (t *tx) noteMove(ctx context.Context, c AddressChange, kind, staff string) error {
	if c.Case == 0 {
		return nil
	}
	return t.note(ctx, c.Case, kind, staff, c.Old.String(), c.Addresses)
}

// writeBoth writes to both mailboxes. Whoever is on file is written to at their
// address on file, so that a letter to the other needs its address sealed.
func (t *tx) writeBoth(ctx context.Context, c AddressChange, kind string) error {
	for _, to := range []struct {
		key   consent.Key
		email string
	}{{c.Old, c.OldEmail}, {c.New, c.NewEmail}} {
		letter := Correspondence{Kind: kind, Case: c.Case, Words: Words{Change: c.ID}}
		if err := t.addressTo(ctx, &letter, to.key.String(), to.email); err != nil {
			return err
		}
		if _, err := t.write(ctx, c.Old.String(), letter); err != nil {
			return err
		}
	}
	return nil
}

const changeColumns = `id, COALESCE(caseno, 0), old, new, state, until, old_clicked, new_clicked, holder, sealed`

func (s *Store) scanChange(ctx context.Context, row scanner) (c AddressChange, err error) {
	var old, fresh, holder, sealed string
	var until int64
	var before, after sql.NullInt64
	if err = row.Scan(&c.ID, &c.Case, &old, &fresh, &c.State, &until, &before, &after, &holder, &sealed); err != nil {
		return c, err
	}
	c.Until, c.OldClicked, c.NewClicked = time.UnixMicro(until).UTC(), fromMicro(before), fromMicro(after)
	if c.Old, c.New, err = parseTwo(old, fresh); err != nil {
		return c, err
	}
	_, err = s.unseal(ctx, holder, sealed, &c.Addresses)
	return c, err
}

// AddressChange reads one change.
func (s *Store) AddressChange(ctx context.Context, id int64) (AddressChange, error) {
	c, err := s.scanChange(ctx, s.read.QueryRowContext(ctx, `SELECT `+changeColumns+` FROM address_change WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return c, ErrNotFound
	}
	return c, err
}

// ChangeOf finds the change of which a link is one half.
func (s *Store) ChangeOf(ctx context.Context, l consent.Link) (AddressChange, error) {
	c, err := s.scanChange(ctx, s.read.QueryRowContext(ctx, `SELECT `+changeColumns+` FROM address_change WHERE id % 65536 = $2 AND (old = $1 OR new = $1)
		ORDER BY id DESC LIMIT 1`, l.Address.String(), int(l.Scope)))
	if errors.Is(err, sql.ErrNoRows) {
		return c, ErrNotFound
	}
	return c, err
}

// ConfirmMove takes the click from one of the two mailboxes; the second makes
// the change. A click on what is over changes nothing.
func (s *Store) ConfirmMove(ctx context.Context, l consent.Link) (AddressChange, error) {
	c, err := s.ChangeOf(ctx, l)
	if err != nil || c.State != "waiting" {
		return c, err
	}
	if s.now().After(c.Until) {
		return c, fmt.Errorf("the links of this change of address have run out: %w", ErrState)
	}
	err = s.inTx(ctx, "confirming a change of address", func(t *tx) error { return t.confirmHalf(ctx, c, l.Address == c.New) })
	s.pokeAll()
	if err != nil {
		return c, err
	}
	return s.AddressChange(ctx, c.ID)
}

func (t *tx) confirmHalf(ctx context.Context, c AddressChange, fresh bool) error {
	held, err := t.lockKeys(ctx, []consent.Key{c.Old, c.New})
	if err != nil {
		return err
	}
	column := "old_clicked"
	if fresh {
		column = "new_clicked"
	}
	if _, err := t.exec(ctx, `UPDATE address_change SET `+column+` = COALESCE(`+column+`, $2) WHERE id = $1 AND state = 'waiting'`, c.ID, t.now.UnixMicro()); err != nil {
		return err
	}
	var both bool
	err = t.QueryRowContext(ctx, `SELECT old_clicked IS NOT NULL AND new_clicked IS NOT NULL FROM address_change WHERE id = $1 AND state = 'waiting'`, c.ID).Scan(&both)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !both {
		return nil
	}
	if err != nil {
		return err
	}
	state := "done"
	switch before, after := held[c.Old], held[c.New]; {
	case before.state.Erased != 0:
		state = "dropped" // they are being deleted, and must not get away under another key
	case before.subject == "" || after.subject != "" || after.state.Erased != 0:
		state, err = "dropped", t.cannotMove(ctx, c)
	default:
		err = t.move(ctx, c, held)
	}
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE address_change SET state = $2, ended = $3 WHERE id = $1`, c.ID, state, t.now.UnixMicro())
	return err
}

// cannotMove gives a change to a person: somebody came or went meanwhile, and
// nobody's data are put together.
func (t *tx) cannotMove(ctx context.Context, c AddressChange) error {
	id := c.Case
	if id == 0 {
		var err error
		m := Inbound{Mailbox: "page", Via: "page", Received: t.now, Request: consent.Request{Kind: consent.KindReview, From: c.OldEmail}}
		if id, err = t.addCase(ctx, m, Case{Identity: consent.IdentityClaimed, Key: c.Old.String()}, false); err != nil {
			return err
		}
	}
	return t.note(ctx, id, "noted", "", c.Old.String(), Detail{Text: "a change of address could not be made: " + ErrTaken.Error()})
}
