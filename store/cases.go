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

	Via       string    // mail, page, api, letter, telephone, person, other
	Opened    time.Time // when heed heard of it; Received may be earlier
	Assignee  string    // who works on it; empty: nobody yet
	FirstDue  time.Time // by which there is a first answer; zero: none is asked for
	Answered  time.Time // when the first answer left
	Extended  time.Time // when the person was told that it takes longer
	LastAsked time.Time // when the person was last asked to confirm
	Reminded  int
}

// Reference is the number under which the person and staff know a case.
func (c Case) Reference() string { return fmt.Sprintf("H-%d", c.ID) }

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
	if err == nil {
		return "case", k, t.note(ctx, k.caseNo, "mail", "", "", nil)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return "case", k, err
	}
	stored := held[who].subject != ""
	ask, err := t.canConfirm(ctx, m, who, stored)
	if err != nil {
		return "", k, err
	}
	identity := consent.IdentityUnknown
	if stored || ask {
		identity = consent.IdentityClaimed
	}
	k.caseNo, err = t.addCase(ctx, m, Case{Identity: identity, Key: k.key}, ask && m.Request.NoReply == "")
	if err != nil || !stored || held[who].state.Hold != 0 {
		return "case", k, err
	}
	opened, err := t.openClaims(ctx, who)
	if err != nil {
		return "case", k, err
	}
	k.ledger, err = t.record(ctx, held, []act{{key: who, scope: consent.ScopeHold, choice: consent.Set, received: m.Received,
		via: m.holdVia(), authenticated: m.Request.Authenticated, evidence: evidence(m)}})
	if err != nil {
		return "case", k, err
	}
	return "case", k, t.raiseBarrier(ctx, k.ledger, opened)
}

// addCase stores a case with its clock, which runs from the day on which the
// request came; with ask set, the job that mails a confirmation link is
// committed with it.
func (t *tx) addCase(ctx context.Context, m Inbound, c Case, ask bool) (int64, error) {
	id, err := t.take(ctx, "case", 1)
	if err != nil {
		return 0, err
	}
	state, until, asked := consent.CaseOpen, any(nil), any(nil)
	if ask {
		state, until, asked = consent.CaseWaiting, t.now.Add(ConfirmFor).UnixMicro(), t.now.UnixMicro()
	}
	kind := caseKind(m.Request.Kind)
	clock := t.s.law.Clock(kind, m.Received)
	_, err = t.exec(ctx, `INSERT INTO privacy_case (id, kind, state, identity, address, email, mailbox, language, received, due, confirm_until,
		via, opened, first_due, last_asked) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`, id, string(kind), string(state),
		string(c.Identity), c.Key, m.Request.From, m.Mailbox, m.Request.Language, m.Received.UnixMicro(), clock.Due.UnixMicro(), until,
		m.via(), t.now.UnixMicro(), micro(clock.First), asked)
	if err != nil {
		return 0, fmt.Errorf("opening a case: %w", err)
	}
	if err := t.note(ctx, id, "opened", m.By, "", nil); err != nil || !ask {
		return id, err
	}
	return id, t.askToConfirm(ctx, id, c.Key, m.Request.From, m.Request.Language)
}

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

// Report is a request that did not come by mail: staff write down what came by
// letter or telephone.
type Report struct {
	Kind     consent.CaseKind
	Email    string
	Mailbox  string
	Via      string    // letter, telephone, person, other; empty: other
	Received time.Time // zero: now
	Note     string    // kept sealed
	By       string
}

// OpenCase opens a case by hand. Its clock runs from the day on which the
// request came.
func (s *Store) OpenCase(ctx context.Context, r Report) (id int64, err error) {
	key, email, err := s.Key(r.Email)
	if err != nil {
		return 0, err
	}
	err = s.inTx(ctx, "opening a case", func(t *tx) error {
		m := Inbound{Mailbox: r.Mailbox, Received: r.Received, Via: r.Via, By: r.By, Request: consent.Request{Kind: consent.Kind(r.Kind), From: email}}
		if m.Received.IsZero() {
			m.Received = t.now
		}
		if m.Via == "" {
			m.Via = "other"
		}
		_, k, err := t.openCaseByMail(ctx, m, key, true)
		id = k.caseNo
		if err != nil || r.Note == "" {
			return err
		}
		return t.note(ctx, id, "noted", r.By, k.key, Detail{Text: r.Note})
	})
	s.pokeAll()
	return id, err
}

const caseColumns = `id, kind, state, identity, address, email, mailbox, language, received, due, confirm_until, ended, outcome,
	via, opened, assignee, first_due, answered, extended, last_asked, reminded`

func scanCase(row scanner) (c Case, err error) {
	var received, due, opened int64
	var until, ended, first, answered, extended, asked sql.NullInt64
	err = row.Scan(&c.ID, &c.Kind, &c.State, &c.Identity, &c.Key, &c.Email, &c.Mailbox, &c.Language, &received, &due, &until, &ended, &c.Outcome,
		&c.Via, &opened, &c.Assignee, &first, &answered, &extended, &asked, &c.Reminded)
	c.Received, c.Due, c.Opened = time.UnixMicro(received).UTC(), time.UnixMicro(due).UTC(), time.UnixMicro(opened).UTC()
	c.Until, c.Ended, c.FirstDue, c.Answered = fromMicro(until), fromMicro(ended), fromMicro(first), fromMicro(answered)
	c.Extended, c.LastAsked = fromMicro(extended), fromMicro(asked)
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
	var open int
	keys := keyArgs(keysOf(held))
	if err := t.QueryRowContext(ctx, `SELECT count(*) FROM privacy_case WHERE ended IS NULL AND (address IN (`+in(keys)+`)
		OR id IN (SELECT caseno FROM case_subject WHERE address IN (`+in(keys)+`)))`, keys...).Scan(&open); err != nil {
		return err
	}
	if open > 0 || held[key].state.Hold == 0 {
		return nil
	}
	_, err = t.record(ctx, held, []act{{key: key, scope: consent.ScopeHold, choice: consent.Lift, via: via}})
	return err
}
