package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"heed/consent"
)

// Decision is what staff decided about a person, in a case.
type Decision struct {
	Case   int64
	Reason string
	By     string
	Tell   []string // names of those who have the data and must be told (GDPR Art. 19)
}

// noteWhoToTell keeps with the case who else has the data that was corrected or
// restricted, for whoever tells them.
func (t *tx) noteWhoToTell(ctx context.Context, d Decision, holder string) error {
	if len(d.Tell) == 0 {
		return nil
	}
	return t.note(ctx, d.Case, "noted", d.By, holder, Detail{Text: "who has the data and must be told: " + strings.Join(d.Tell, ", ")})
}

// Restrict puts an address into the verified state in which its data is only
// kept (GDPR Art. 18): nothing goes out but letters about the person's own
// request, of which this is one.
func (s *Store) Restrict(ctx context.Context, address string, d Decision) error {
	return s.restriction(ctx, "restricting", address, d.Case, func(t *tx, held map[consent.Key]*standing, key consent.Key) error {
		if held[key].state.Restricted != 0 {
			return fmt.Errorf("the address is restricted already: %w", ErrState)
		}
		if err := t.recordRestriction(ctx, held, key, consent.Set, d.Case, d.Reason, d.By); err != nil {
			return err
		}
		if err := t.noteWhoToTell(ctx, d, key.String()); err != nil {
			return err
		}
		return t.tellRestriction(ctx, key, d.Case, "restricted", WriteRestricted, d.Reason, d.By)
	})
}

// Unrestrict ends a restriction. The person is told before (GDPR Art. 18(3)):
// the letter goes first, and only when the relay has taken it does the
// restriction end. Where no letter can be sent, told says how they were told,
// and it ends at once.
func (s *Store) Unrestrict(ctx context.Context, address string, d Decision, told string) error {
	return s.restriction(ctx, "ending a restriction", address, d.Case, func(t *tx, held map[consent.Key]*standing, key consent.Key) error {
		switch {
		case held[key].state.Restricted == 0:
			return fmt.Errorf("the address is not restricted: %w", ErrState)
		case told != "":
			if err := t.recordRestriction(ctx, held, key, consent.Lift, d.Case, d.Reason+" (told: "+told+")", d.By); err != nil {
				return err
			}
			return t.note(ctx, d.Case, "lifted", d.By, key.String(), Detail{Text: d.Reason + " (told: " + told + ")"})
		case held[key].subject == "":
			return fmt.Errorf("%w: nobody is on file who could be told by a letter; tell them otherwise, and say how", ErrRefused)
		}
		return t.tellRestriction(ctx, key, d.Case, "lifting", WriteLifting, d.Reason, d.By)
	})
}

func (s *Store) restriction(ctx context.Context, what, address string, caseNo int64, step func(*tx, map[consent.Key]*standing, consent.Key) error) error {
	key, _, err := s.Key(address)
	if err != nil {
		return err
	}
	err = s.inTx(ctx, what, func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{key})
		if err != nil {
			return err
		}
		if err := t.caseIsAbout(ctx, caseNo, held); err != nil {
			return err
		}
		return step(t, held, key)
	})
	s.pokeAll()
	return err
}

func (t *tx) recordRestriction(ctx context.Context, held map[consent.Key]*standing, key consent.Key, choice consent.Choice, caseNo int64, reason, staff string) error {
	evidence, err := json.Marshal(map[string]string{"case": caseReference(caseNo), "reason": reason, "second": staff})
	if err != nil {
		return err
	}
	_, err = t.record(ctx, held, []act{{key: key, scope: consent.ScopeRestricted, choice: choice, via: consent.ViaStaff, evidence: string(evidence)}})
	return err
}

// tellRestriction notes it in the case and writes to the person, where they are
// on file.
func (t *tx) tellRestriction(ctx context.Context, key consent.Key, caseNo int64, event, kind, reason, staff string) error {
	if err := t.note(ctx, caseNo, event, staff, key.String(), Detail{Text: reason}); err != nil {
		return err
	}
	c := Correspondence{Kind: kind, Case: caseNo, Words: Words{Text: reason}}
	if err := t.addressTo(ctx, &c, key.String(), ""); err != nil || c.Key == "" {
		return err
	}
	_, err := t.write(ctx, key.String(), c)
	return err
}

// liftingEnded ends a restriction when the person has been told, and leaves it
// where they could not be.
func (t *tx) liftingEnded(ctx context.Context, c Correspondence, state string) error {
	key, err := consent.ParseKey(c.Key)
	if err != nil {
		return fmt.Errorf("letter %d: %w", c.ID, err)
	}
	held, err := t.lockKeys(ctx, []consent.Key{key})
	if err != nil || held[key].state.Restricted == 0 {
		return err
	}
	if state != "sent" {
		return t.note(ctx, c.Case, "noted", "", c.Key, Detail{Text: "the letter before the end of the restriction could not be delivered; the restriction stays"})
	}
	if err := t.recordRestriction(ctx, held, key, consent.Lift, c.Case, fmt.Sprintf("told by letter %d", c.ID), ""); err != nil {
		return err
	}
	return t.note(ctx, c.Case, "lifted", "", c.Key, Detail{Letter: c.ID})
}
