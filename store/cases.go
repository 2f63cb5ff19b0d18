package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

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
	Likeness  string // the same for mails with the same words; empty: not to be compared
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
	if err == nil {
		err = t.standDown(ctx, k.key, m.Received)
	}
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
		via, opened, first_due, last_asked, likeness) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`, id, string(kind), string(state),
		string(c.Identity), c.Key, m.Request.From, m.Mailbox, m.Request.Language, m.Received.UnixMicro(), clock.Due.UnixMicro(), until,
		m.via(), t.now.UnixMicro(), micro(clock.First), asked, t.s.likeness(m))
	if err != nil {
		return 0, fmt.Errorf("opening a case: %w", err)
	}
	if err := t.note(ctx, id, "opened", m.By, "", nil); err != nil || !ask {
		return id, err
	}
	return id, t.askToConfirm(ctx, id, c.Key, m.Request.From, m.Request.Language)
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
	Language string // of the letters; empty: the person's
}

// OpenCase opens a case by hand. Its clock runs from the day on which the
// request came.
func (s *Store) OpenCase(ctx context.Context, r Report) (id int64, err error) {
	key, email, err := s.Key(r.Email)
	if err != nil {
		return 0, err
	}
	err = s.inTx(ctx, "opening a case", func(t *tx) error {
		m := Inbound{Mailbox: r.Mailbox, Received: r.Received, Via: r.Via, By: r.By, Request: consent.Request{Kind: consent.Kind(r.Kind), From: email, Language: r.Language}}
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
	via, opened, assignee, first_due, answered, extended, last_asked, reminded, likeness`

func scanCase(row scanner) (c Case, err error) {
	var received, due, opened int64
	var until, ended, first, answered, extended, asked sql.NullInt64
	err = row.Scan(&c.ID, &c.Kind, &c.State, &c.Identity, &c.Key, &c.Email, &c.Mailbox, &c.Language, &received, &due, &until, &ended, &c.Outcome,
		&c.Via, &opened, &c.Assignee, &first, &answered, &extended, &asked, &c.Reminded, &c.Likeness)
	c.Received, c.Due, c.Opened = time.UnixMicro(received).UTC(), time.UnixMicro(due).UTC(), time.UnixMicro(opened).UTC()
	c.Until, c.Ended, c.FirstDue, c.Answered = fromMicro(until), fromMicro(ended), fromMicro(first), fromMicro(answered)
	c.Extended, c.LastAsked = fromMicro(extended), fromMicro(asked)
	return c, err
}

// Case reads one case.
func (s *Store) Case(ctx context.Context, id int64) (Case, error) {
	c, err := scanCase(s.asker(ctx).QueryRowContext(ctx, `SELECT `+caseColumns+` FROM privacy_case WHERE id = $1`, id))
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
	return gather(found, scanCase)
}
