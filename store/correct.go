package store

import (
	"context"
	"fmt"
	"slices"

	"heed/consent"
)

// Correction is what is to be changed of a person's details; nil leaves what is
// stored, an empty text takes it out.
type Correction struct {
	FirstName, LastName, Company, Language, TimeZone *string
	Attrs                                            map[string]string // empty value: taken out
}

// FieldChange is one detail that was corrected.
type FieldChange struct {
	Field string `json:"field"` // a label of the copy of somebody's data, or the name of an attribute
	From  string `json:"from"`
	To    string `json:"to"`
}

// Correct changes details of a person for a case (GDPR Art. 16), keeps with the
// case what stood there before, and tells the person. An address is changed by
// MoveContact, and choices only by the person.
func (s *Store) Correct(ctx context.Context, address string, d Decision, c Correction) (changes []FieldChange, err error) {
	key, _, err := s.Key(address)
	if err != nil {
		return nil, err
	}
	err = s.inTx(ctx, "correcting a person", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{key})
		if err != nil {
			return err
		}
		if err := t.caseIsAbout(ctx, d.Case, held); err != nil {
			return err
		}
		if changes, err = t.correct(ctx, key, d, c); err != nil {
			return err
		}
		_, err = t.write(ctx, key.String(), Correspondence{Kind: WriteCorrected, Case: d.Case, Key: key.String(), Words: Words{Changes: changes}})
		return err
	})
	s.pokeAll()
	return changes, err
}

func (t *tx) correct(ctx context.Context, key consent.Key, d Decision, c Correction) ([]FieldChange, error) {
	p, found, err := t.personByKey(ctx, key)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("nobody is stored under the address: %w", ErrNotFound)
	}
	changes := c.apply(&p)
	if len(changes) == 0 {
		return nil, fmt.Errorf("%w: all of it stands there already", ErrRefused)
	}
	_, err = t.exec(ctx, `UPDATE person SET first_name = $2, last_name = $3, company = $4, language = $5, time_zone = $6, attrs = $7, updated = $8 WHERE address = $1`,
		key.String(), p.FirstName, p.LastName, p.Company, p.Language, p.TimeZone, attrText(p.Attrs), t.now.UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("correcting a person: %w", err)
	}
	if err := t.reshape(ctx, key.String()); err != nil {
		return nil, err
	}
	if err := t.note(ctx, d.Case, "corrected", d.By, key.String(), map[string]any{"changes": changes}); err != nil {
		return nil, err
	}
	return changes, t.noteWhoToTell(ctx, d, key.String())
}

// apply changes a person and lists what is different.
func (c Correction) apply(p *Person) (changes []FieldChange) {
	for _, one := range []struct {
		name string
		have *string
		want *string
	}{{"first_name", &p.FirstName, c.FirstName}, {"last_name", &p.LastName, c.LastName}, {"company", &p.Company, c.Company},
		{"language", &p.Language, c.Language}, {"time_zone", &p.TimeZone, c.TimeZone}} {
		if one.want != nil && *one.want != *one.have {
			changes = append(changes, FieldChange{one.name, *one.have, *one.want})
			*one.have = *one.want
		}
	}
	names := make([]string, 0, len(c.Attrs))
	for name := range c.Attrs {
		names = append(names, name)
	}
	slices.Sort(names)
	if p.Attrs == nil {
		p.Attrs = map[string]string{}
	}
	for _, name := range names {
		if have, want := p.Attrs[name], c.Attrs[name]; have != want {
			changes = append(changes, FieldChange{name, have, want})
			p.Attrs[name] = want
			if want == "" {
				delete(p.Attrs, name)
			}
		}
	}
	return changes
}
