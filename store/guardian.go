package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"heed/consent"
)

// GuardianAct is what a person decided for a child, in the case that a parent or
// guardian opened. What a mail names is never touched by the mail itself: that
// somebody is a child's guardian is looked at by a person, who writes down how
// they know (16 CFR 312.6(a)(3)).
type GuardianAct struct {
	Case     int64
	Child    string // address
	By       string
	Second   string // another person; needed to erase
	Evidence string
	Tell     []string // see Decision; of a correction
}

// guardian runs an act on the child of a guardian's open case.
func (s *Store) guardian(ctx context.Context, a GuardianAct, event string, step func(*tx, Case, consent.Key, string) error) error {
	key, email, err := s.Key(a.Child)
	if err != nil {
		return fmt.Errorf("the child's address: %w", err)
	}
	err = s.inTx(ctx, "acting for a guardian", func(t *tx) error {
		c, err := t.openCase(ctx, a.Case)
		switch {
		case err != nil:
			return err
		case c.Kind != consent.CaseGuardian:
			return fmt.Errorf("case %d is of kind %s, not guardian: %w", c.ID, c.Kind, ErrState)
		case c.Key == key.String():
			return fmt.Errorf("%w: this is the address of the one who asks, not the child's", ErrRefused)
		case strings.TrimSpace(a.Evidence) == "":
			return fmt.Errorf("%w: how it is known that the one who asks is the guardian must be written down", ErrRefused)
		}
		if _, err := t.lockKeys(ctx, []consent.Key{key}); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO case_subject (caseno, address) VALUES ($1, $2) ON CONFLICT DO NOTHING`, c.ID, key.String()); err != nil {
			return fmt.Errorf("noting whom case %d concerns: %w", c.ID, err)
		}
		if err := t.note(ctx, c.ID, event, a.By, key.String(), Detail{Text: email + ": " + a.Evidence, Second: a.Second}); err != nil {
			return err
		}
		return step(t, c, key, email)
	})
	s.pokeAll()
	return err
}

// GuardianHold puts the child on hold until the case ends: no marketing, no
// sharing.
func (s *Store) GuardianHold(ctx context.Context, a GuardianAct) error {
	return s.guardian(ctx, a, "held", func(t *tx, c Case, child consent.Key, _ string) error {
		held, err := t.lockKeys(ctx, []consent.Key{child})
		if err != nil || held[child].state.Hold != 0 {
			return err
		}
		_, err = t.record(ctx, held, []act{{key: child, scope: consent.ScopeHold, choice: consent.Set, received: c.Received, via: consent.ViaStaff,
			evidence: `{"case":"` + caseReference(c.ID) + `"}`}})
		return err
	})
}

// GuardianShow mails the guardian a link to a copy of what is held about the
// child, to their own address on file.
func (s *Store) GuardianShow(ctx context.Context, a GuardianAct) error {
	return s.guardian(ctx, a, "shown", func(t *tx, c Case, child consent.Key, _ string) error {
		reader, err := consent.ParseKey(c.Key)
		if err != nil {
			return fmt.Errorf("%w: the case names no address to which a link could go", ErrRefused)
		}
		if _, known, err := t.personByKey(ctx, reader); err != nil || !known {
			return firstOf(err, fmt.Errorf("%w: the guardian is not on file, so that the link has nowhere to go", ErrRefused))
		}
		return t.addReportLink(ctx, c, child, reader)
	})
}

// GuardianCorrect corrects details of the child; the guardian is told.
func (s *Store) GuardianCorrect(ctx context.Context, a GuardianAct, what Correction) (changes []FieldChange, err error) {
	err = s.guardian(ctx, a, "noted", func(t *tx, c Case, child consent.Key, _ string) error {
		if changes, err = t.correct(ctx, child, Decision{Case: c.ID, By: a.By, Tell: a.Tell}, what); err != nil {
			return err
		}
		letter := Correspondence{Kind: WriteCorrected, Case: c.ID, Words: Words{Language: c.Language, Changes: changes}}
		if err := t.addressTo(ctx, &letter, c.Key, ""); err != nil || letter.Key == "" {
			return err
		}
		_, err := t.write(ctx, child.String(), letter)
		return err
	})
	return changes, err
}

// GuardianErase opens the erasure of the child, or takes the one that is open,
// and confirms it by the decision of two people with their evidence.
func (s *Store) GuardianErase(ctx context.Context, a GuardianAct) (erasure int64, err error) {
	if strings.TrimSpace(a.Second) == "" || strings.EqualFold(strings.TrimSpace(a.By), strings.TrimSpace(a.Second)) {
		return 0, fmt.Errorf("%w: what cannot be undone needs a second person who looked as well", ErrRefused)
	}
	err = s.guardian(ctx, a, "erasing", func(t *tx, c Case, child consent.Key, email string) error {
		erasure, err = t.erasureOf(ctx, c, child, email, a.By)
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE privacy_case SET state = 'confirmed', identity = 'confirmed' WHERE id = $1 AND state IN ('open', 'waiting')`, erasure)
		if err != nil || n == 0 {
			return firstOf(err, fmt.Errorf("the erasure, case %d, is under way: %w", erasure, ErrState))
		}
		d := Detail{Text: "for case " + caseReference(c.ID) + ": " + a.Evidence, Second: a.Second}
		if err := t.note(ctx, erasure, "confirmed", a.By, child.String(), d); err != nil {
			return err
		}
		return t.begin(ctx, Case{ID: erasure, Kind: consent.CaseErasure})
	})
	return erasure, err
}

func (t *tx) erasureOf(ctx context.Context, c Case, child consent.Key, email, staff string) (id int64, err error) {
	err = t.QueryRowContext(ctx, `SELECT id FROM privacy_case WHERE address = $1 AND kind = 'erasure' AND ended IS NULL ORDER BY id LIMIT 1`, child.String()).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	m := Inbound{Mailbox: c.Mailbox, Received: c.Received, Via: "person", By: staff, Request: consent.Request{Kind: consent.KindErasure, From: email, Language: c.Language}}
	return t.addCase(ctx, m, Case{Identity: consent.IdentityClaimed, Key: child.String()}, false)
}

// liftCaseHolds ends the holds that a case kept, on its person and on the
// children that it concerns.
func (t *tx) liftCaseHolds(ctx context.Context, c Case) error {
	children, err := t.texts(ctx, `SELECT address FROM case_subject WHERE caseno = $1 ORDER BY address`, c.ID)
	if err != nil {
		return err
	}
	for _, address := range append([]string{c.Key}, children...) {
		if err := t.liftHold(ctx, address); err != nil {
			return err
		}
	}
	return nil
}
