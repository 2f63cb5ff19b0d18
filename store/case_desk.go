package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"heed/consent"
)

// ErrRefused means that a rule forbids what was asked, now and on every try.
var ErrRefused = errors.New("refused")

// openCase reads a case that has not ended, inside the transaction that works
// on it.
func (t *tx) openCase(ctx context.Context, id int64) (Case, error) {
	c, err := scanCase(t.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM privacy_case WHERE id = $1`+t.s.d.forUpdate, id))
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("case %d: %w", id, ErrNotFound)
	}
	if err == nil && !c.Ended.IsZero() {
		err = fmt.Errorf("case %d is %s: %w", id, c.State, ErrState)
	}
	return c, err
}

// holder names whose key seals what belongs to a case.
func (c Case) holder() string {
	if c.Key != "" {
		return c.Key
	}
	return caseHolder(c.ID)
}

// Assign says who works on a case; an empty name gives it back.
func (s *Store) Assign(ctx context.Context, id int64, name, by string) error {
	return s.inTx(ctx, "assigning a case", func(t *tx) error {
		c, err := t.openCase(ctx, id)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE privacy_case SET assignee = $2 WHERE id = $1`, id, name); err != nil {
			return err
		}
		return t.note(ctx, id, "assigned", by, c.holder(), Detail{Text: name})
	})
}

// NoteCase keeps what staff want to remember of a case, also of an ended one.
func (s *Store) NoteCase(ctx context.Context, id int64, text, by string) error {
	c, err := s.Case(ctx, id)
	if err != nil {
		return err
	}
	return s.inTx(ctx, "noting something of a case", func(t *tx) error {
		return t.note(ctx, id, "noted", by, c.holder(), Detail{Text: text})
	})
}

// Answer writes to the person of a case what staff have to say. It goes to the
// address on file and nowhere else, and counts as the first answer when it has
// left.
func (s *Store) Answer(ctx context.Context, id int64, text, by string) (letter int64, err error) {
	err = s.inTx(ctx, "answering a case", func(t *tx) error {
		c, err := t.openCase(ctx, id)
		if err != nil {
			return err
		}
		if why, err := t.unreachable(ctx, c); err != nil || why != "" {
			return firstOf(err, fmt.Errorf("%w: %s", ErrRefused, why))
		}
		if letter, err = t.writeFor(ctx, c, WriteStaff, Words{Text: text}); err != nil {
			return err
		}
		return t.note(ctx, id, "answered", by, c.holder(), Detail{Letter: letter})
	})
	s.pokeAll()
	return letter, err
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// unreachable says why the person of a case cannot be written to; it is empty
// where they can.
func (t *tx) unreachable(ctx context.Context, c Case) (why string, err error) {
	key, err := consent.ParseKey(c.Key)
	if err != nil {
		return "the case names nobody", nil
	}
	held, err := t.lockKeys(ctx, []consent.Key{key})
	if err != nil {
		return "", err
	}
	if held[key].subject == "" {
		return "nobody is on file under the address of the case", nil
	}
	state := held[key].state
	state.Restricted = 0 // GDPR Art. 18 stops what we want to write, not the answer to what they asked
	reason := consent.Decide(consent.Person{State: state}, consent.Message{Class: consent.Correspondence}, t.s.limits)
	if reason != "" && reason != consent.Restricted { // a restriction stops everything but letters about the request
		return "the address on file must not be written to (" + string(reason) + ")", nil
	}
	return "", nil
}

// writeFor writes a letter in a case. It answers the last mail of the person,
// so that mail programs show the two together.
func (t *tx) writeFor(ctx context.Context, c Case, kind string, w Words) (int64, error) {
	w.Language = c.Language
	var holder, sealed string
	err := t.QueryRowContext(ctx, `SELECT m.holder, m.sealed FROM mail_text m JOIN inbound i ON i.id = m.inbound WHERE i.caseno = $1
		ORDER BY i.received DESC, i.id DESC LIMIT 1`, c.ID).Scan(&holder, &sealed)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("looking for the mail to answer: %w", err)
	}
	var last MailText
	if _, err := t.s.unseal(ctx, holder, sealed, &last); err != nil {
		return 0, err
	}
	if id := last.MessageID; strings.HasPrefix(id, "<") && strings.HasSuffix(id, ">") && len(id) < 500 && !strings.ContainsAny(id, " \t\r\n") {
		w.InReplyTo = id
	}
	return t.write(ctx, c.Key, Correspondence{Kind: kind, Case: c.ID, Key: c.Key, Words: w})
}

// Extend puts off the day by which a case is dealt with: once, while the first
// clock still runs, and with a reason that the person is told (GDPR Art. 12(3)).
// No case is put off beyond what its law allows.
func (s *Store) Extend(ctx context.Context, id int64, months int, reason, by string) (Case, error) {
	err := s.inTx(ctx, "extending a case", func(t *tx) error {
		c, err := t.openCase(ctx, id)
		if err != nil {
			return err
		}
		if err := extendable(c, t.now); err != nil {
			return err
		}
		if why, err := t.unreachable(ctx, c); err != nil || why != "" {
			return firstOf(err, fmt.Errorf("%w: the person must be told, and %s", ErrRefused, why))
		}
		due := t.s.law.Extended(c.Kind, c.Received, months)
		if !due.After(c.Due) {
			return fmt.Errorf("%w: the law of this case allows no more than %s", ErrRefused, c.Due.Format(time.DateOnly))
		}
		if _, err := t.exec(ctx, `UPDATE privacy_case SET due = $2, extended = $3 WHERE id = $1`, id, due.UnixMicro(), t.now.UnixMicro()); err != nil {
			return err
		}
		letter, err := t.writeFor(ctx, c, WriteExtended, Words{Text: reason, At: due.UTC()})
		if err != nil {
			return err
		}
		return t.note(ctx, id, "extended", by, c.holder(), Detail{Text: reason, Letter: letter})
	})
	s.pokeAll()
	if err != nil {
		return Case{}, err
	}
	return s.Case(ctx, id)
}

func extendable(c Case, now time.Time) error {
	switch {
	case !c.Kind.HasClock():
		return fmt.Errorf("%w: no law gives a case of kind %s a clock that could be extended; answer the person instead", ErrRefused, c.Kind)
	case !c.Extended.IsZero():
		return fmt.Errorf("%w: the case was extended already, and that can be done once", ErrRefused)
	case now.After(c.Due):
		return fmt.Errorf("%w: the case was due on %s, and the person must be told before that day", ErrRefused, c.Due.Format(time.DateOnly))
	}
	return nil
}

// Proof is how staff established who asks, where the person cannot click.
type Proof struct {
	By, Second string // two people, for what cannot be undone
	How        string
}

// ConfirmByStaff records that the identity of the person was established in
// another way than by a click, and lets the case go on. What cannot be undone
// or taken back, erasing and giving out data, needs two people.
func (s *Store) ConfirmByStaff(ctx context.Context, id int64, p Proof) (Case, error) {
	err := s.inTx(ctx, "confirming a case", func(t *tx) error {
		c, err := t.openCase(ctx, id)
		if err != nil {
			return err
		}
		if c.Identity == consent.IdentityConfirmed {
			return fmt.Errorf("case %d is confirmed already: %w", id, ErrState)
		}
		if err := p.check(c); err != nil {
			return err
		}
		goesOn := c.Kind == consent.CaseErasure || c.Kind == consent.CaseAccess
		state := c.State
		if goesOn {
			state = consent.CaseConfirmed
		}
		if _, err := t.exec(ctx, `UPDATE privacy_case SET state = $2, identity = 'confirmed' WHERE id = $1`, id, string(state)); err != nil {
			return err
		}
		if err := t.note(ctx, id, "confirmed", p.By, c.holder(), Detail{Text: p.How, Second: p.Second}); err != nil || !goesOn {
			return err
		}
		return t.begin(ctx, c)
	})
	s.pokeAll()
	if err != nil {
		return Case{}, err
	}
	return s.Case(ctx, id)
}

func (p Proof) check(c Case) error {
	grave := c.Kind == consent.CaseErasure || c.Kind == consent.CaseAccess
	switch {
	case c.Key == "":
		return fmt.Errorf("%w: the case names no address, so that nobody can be found by it", ErrRefused)
	case grave && p.Second == "":
		return fmt.Errorf("%w: a case of kind %s needs a second person who looked at the proof", ErrRefused, c.Kind)
	case p.Second != "" && strings.EqualFold(strings.TrimSpace(p.By), strings.TrimSpace(p.Second)):
		return fmt.Errorf("%w: the second person must be another one", ErrRefused)
	}
	return nil
}

// Resolution is how a case ends by a person's decision.
type Resolution struct {
	Outcome string // what was done, or why it is refused
	Refused bool
	Quiet   bool // the person was told otherwise
	By      string
}

// Resolve ends a case. The person is told the outcome, where they can be
// written to: told is false where they cannot. With the last open case of a
// person the hold on them ends.
func (s *Store) Resolve(ctx context.Context, id int64, r Resolution) (told bool, err error) {
	err = s.inTx(ctx, "resolving a case", func(t *tx) error {
		c, err := t.openCase(ctx, id)
		if err != nil {
			return err
		}
		state, kind := consent.CaseDone, WriteOutcome
		if r.Refused {
			state, kind = consent.CaseRefused, WriteRefused
		}
		if _, err := t.exec(ctx, `UPDATE privacy_case SET state = $2, ended = $3, outcome = $4 WHERE id = $1`,
			id, string(state), t.now.UnixMicro(), r.Outcome); err != nil {
			return err
		}
		d := Detail{Text: r.Outcome}
		if d.Letter, err = t.tellOutcome(ctx, c, kind, r); err != nil {
			return err
		}
		told = d.Letter != 0
		if err := t.note(ctx, id, string(state), r.By, c.holder(), d); err != nil {
			return err
		}
		return firstOf(t.clearCaseAlarms(ctx, id), t.liftCaseHolds(ctx, c))
	})
	s.pokeAll()
	return told, err
}

func (t *tx) tellOutcome(ctx context.Context, c Case, kind string, r Resolution) (int64, error) {
	if r.Quiet {
		return 0, nil
	}
	why, err := t.unreachable(ctx, c)
	if err != nil || why != "" {
		return 0, err
	}
	return t.writeFor(ctx, c, kind, Words{Text: r.Outcome})
}
