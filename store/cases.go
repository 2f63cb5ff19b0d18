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

// Case is a privacy request on its way to its end.
type Case struct {
	ID       int64
	Kind     consent.CaseKind
	State    consent.CaseState
	Identity consent.Identity
	Key      string // address key, empty where nobody is named
	Email    string // empty after an erasure
	Mailbox  string
	Language string
	Received time.Time
	Due      time.Time
	Until    time.Time // of the confirmation link
	Ended    time.Time
	Outcome  string
}

// caseKind maps what a mail asks for to the kind of its case.
func caseKind(k consent.Kind) consent.CaseKind {
	switch k {
	case consent.KindErasure, consent.KindAccess, consent.KindRectification, consent.KindObjection, consent.KindComplaint, consent.KindGuardian:
		return consent.CaseKind(k)
	}
	return consent.CaseReview
}

// openCaseByMail opens a case, or finds the open one of the same kind. Until
// it ends the person is on hold: no marketing, no sharing; alerts go on.
func (t *tx) openCaseByMail(ctx context.Context, m Inbound, who consent.Key, known bool) (string, kept, error) {
	if !known {
		id, err := t.addCase(ctx, m, Case{Identity: consent.IdentityUnknown}, false)
		return "case", kept{caseNo: id}, err
	}
	held, err := t.lockKeys(ctx, []consent.Key{who})
	if err != nil {
		return "", kept{}, err
	}
	k := kept{key: who.String()}
	kind := caseKind(m.Request.Kind)
	err = t.QueryRowContext(ctx, `SELECT id FROM privacy_case WHERE address = $1 AND kind = $2 AND state IN ('open', 'waiting', 'confirmed')
		ORDER BY id LIMIT 1`, k.key, string(kind)).Scan(&k.caseNo)
	if !errors.Is(err, sql.ErrNoRows) {
		return "case", k, err
	}
	stored := held[who].subject != ""
	identity := consent.IdentityUnknown
	if stored {
		identity = consent.IdentityClaimed
	}
	k.caseNo, err = t.addCase(ctx, m, Case{Identity: identity, Key: k.key}, stored && kind == consent.CaseErasure)
	if err != nil || !stored || held[who].state.Hold != 0 {
		return "case", k, err
	}
	opened, err := t.openClaims(ctx, who)
	if err != nil {
		return "case", k, err
	}
	k.ledger, err = t.record(ctx, held, []act{{key: who, scope: consent.ScopeHold, choice: consent.Set, received: m.Received,
		via: consent.ViaMail, authenticated: m.Request.Authenticated, evidence: evidence(m)}})
	if err != nil {
		return "case", k, err
	}
	return "case", k, t.raiseBarrier(ctx, k.ledger, opened)
}

// addCase stores a case; with ask set, the job that mails a confirmation link
// is committed with it.
func (t *tx) addCase(ctx context.Context, m Inbound, c Case, ask bool) (int64, error) {
	id, err := t.take(ctx, "case", 1)
	if err != nil {
		return 0, err
	}
	state, until := consent.CaseOpen, any(nil)
	if ask {
		state, until = consent.CaseWaiting, t.now.Add(ConfirmFor).UnixMicro()
	}
	_, err = t.exec(ctx, `INSERT INTO privacy_case (id, kind, state, identity, address, email, mailbox, language, received, due, confirm_until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, id, string(caseKind(m.Request.Kind)), string(state), string(c.Identity), c.Key,
		m.Request.From, m.Mailbox, m.Request.Language, m.Received.UnixMicro(), consent.Due(m.Received).UnixMicro(), until)
	if err != nil {
		return 0, fmt.Errorf("opening a case: %w", err)
	}
	if err := t.note(ctx, id, "opened", "", "", nil); err != nil || !ask {
		return id, err
	}
	_, err = t.write(ctx, c.Key, Correspondence{Kind: WriteConfirm, Case: id, Key: c.Key, Words: Words{Language: m.Request.Language}})
	return id, err
}

// OpenCase opens a case by hand.
func (s *Store) OpenCase(ctx context.Context, kind consent.CaseKind, email, mailbox string) (id int64, err error) {
	key, email, err := s.Key(email)
	if err != nil {
		return 0, err
	}
	err = s.inTx(ctx, "opening a case", func(t *tx) error {
		m := Inbound{Mailbox: mailbox, Received: t.now, Request: consent.Request{Kind: consent.Kind(kind), From: email}}
		_, k, err := t.openCaseByMail(ctx, m, key, true)
		id = k.caseNo
		return err
	})
	s.pokeAll()
	return id, err
}

const caseColumns = `id, kind, state, identity, address, email, mailbox, language, received, due, confirm_until, ended, outcome`

func scanCase(row scanner) (c Case, err error) {
	var received, due int64
	var until, ended sql.NullInt64
	err = row.Scan(&c.ID, &c.Kind, &c.State, &c.Identity, &c.Key, &c.Email, &c.Mailbox, &c.Language, &received, &due, &until, &ended, &c.Outcome)
	c.Received, c.Due = time.UnixMicro(received).UTC(), time.UnixMicro(due).UTC()
	c.Until, c.Ended = fromMicro(until), fromMicro(ended)
	return c, err
}

// Case reads one case.
func (s *Store) Case(ctx context.Context, id int64) (Case, error) {
	c, err := scanCase(s.read.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM privacy_case WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("case %d: %w", id, ErrNotFound)
	}
	return c, err
}

// Cases lists cases, those that are due first; open leaves out the ended ones.
func (s *Store) Cases(ctx context.Context, open bool) ([]Case, error) {
	query := `SELECT ` + caseColumns + ` FROM privacy_case`
	if open {
		query += ` WHERE ended IS NULL`
	}
	found, err := s.read.QueryContext(ctx, query+` ORDER BY due, id`)
	if err != nil {
		return nil, fmt.Errorf("listing cases: %w", err)
	}
	defer found.Close()
	var all []Case
	for found.Next() {
		c, err := scanCase(found)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, found.Err()
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
	c, err := scanCase(s.read.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM privacy_case WHERE address = $1 AND id % 65536 = $2
		ORDER BY id DESC LIMIT 1`, l.Address.String(), int(l.Scope)))
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
		n, err := t.exec(ctx, `UPDATE privacy_case SET state = 'confirmed', identity = 'confirmed' WHERE id = $1 AND state = 'waiting'`, c.ID)
		if err != nil || n == 0 {
			return err
		}
		_, err = t.addJobs(ctx, 1, Job{Queue: "privacy", Kind: "erase", Subject: c.ID})
		return err
	})
	s.pokeAll()
	if err != nil {
		return c, err
	}
	return s.Case(ctx, c.ID)
}

// Resolve ends a case by a person's decision; the hold that it put on somebody
// is lifted with the last open case.
func (s *Store) Resolve(ctx context.Context, id int64, outcome string, refused bool) error {
	return s.inTx(ctx, "resolving a case", func(t *tx) error {
		c, err := scanCase(t.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM privacy_case WHERE id = $1`, id))
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("case %d: %w", id, ErrNotFound)
		}
		if err != nil {
			return err
		}
		state := consent.CaseDone
		if refused {
			state = consent.CaseRefused
		}
		n, err := t.exec(ctx, `UPDATE privacy_case SET state = $2, ended = $3, outcome = $4 WHERE id = $1 AND ended IS NULL`,
			id, string(state), t.now.UnixMicro(), outcome)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("case %d is %s: %w", id, c.State, ErrState)
		}
		return t.liftHold(ctx, c.Key)
	})
}

func (t *tx) liftHold(ctx context.Context, address string) error {
	key, err := consent.ParseKey(address)
	if err != nil {
		return nil // a case that names nobody held nobody
	}
	held, err := t.lockKeys(ctx, []consent.Key{key})
	if err != nil {
		return err
	}
	var open int
	if err := t.QueryRowContext(ctx, `SELECT count(*) FROM privacy_case WHERE address = $1 AND ended IS NULL`, address).Scan(&open); err != nil {
		return err
	}
	if open > 0 || held[key].state.Hold == 0 {
		return nil
	}
	_, err = t.record(ctx, held, []act{{key: key, scope: consent.ScopeHold, choice: consent.Lift, via: consent.ViaStaff}})
	return err
}
