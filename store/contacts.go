package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// Details is what a program says of a person whom it knows by an id of its own.
// What is nil stays as it is.
type Details struct {
	Email                        string // needed where nobody has the id yet
	FirstName, LastName, Company *string
	Language, TimeZone           *string
	Attrs                        map[string]string // all of them, where it is not nil
	Services                     []string          // all of them, where it is not nil
	Consent                      *Agreement
}

// Agreement is what a person agreed to in front of a program: a first yes, where
// nothing is on record.
type Agreement struct {
	Topics                 []string
	PartnerOffers, Sharing bool
	At                     time.Time
	Source, Text           string
}

// Put says what became of a contact.
type Put struct {
	Person
	Fresh   bool // was not stored before
	Changed bool
	KeptOut bool          // the agreement said yes, and a no on record stays
	Move    AddressChange // asked for by another address; its ID is 0 where there is none
}

// PutContact stores what a program says of the holder of one of its ids. An
// address that differs from the one on file is a change of address, which takes
// both mailboxes; a no on record stays.
func (s *Store) PutContact(ctx context.Context, external string, d Details) (p Put, err error) {
	names, err := s.loadNames(ctx)
	if err != nil {
		return p, err
	}
	err = s.inTx(ctx, "storing a contact", func(t *tx) error {
		who, known, err := t.personByExternalID(ctx, external)
		if err != nil {
			return err
		}
		if d.Email == "" && !known {
			return fmt.Errorf("nobody has the id yet, so that email is needed: %w", ErrNotFound)
		}
		if d.Email == "" {
			d.Email = who.Email
		}
		one, err := s.check(d.contact(external), names)
		if err != nil {
			return wrong{err}
		}
		if known && one.key != who.Key {
			p.Move.Old, p.Move.OldEmail, p.Move.New, p.Move.NewEmail = who.Key, who.Email, one.key, one.Email
			one.key, one.Email = who.Key, who.Email
		}
		return t.putContact(ctx, &p, one, d)
	})
	return p, err
}

// wrong marks an error as the caller's: what was given cannot be used.
type wrong struct{ error }

func (w wrong) Unwrap() error { return w.error }

// Is makes each of them an ErrInput.
func (w wrong) Is(target error) bool { return target == ErrInput }

// ErrInput means that something given cannot be used; its text says what.
var ErrInput = errors.New("this cannot be used")

func (d Details) contact(external string) Contact {
	c := Contact{Email: d.Email, ExternalID: external, Services: d.Services, Attrs: d.Attrs}
	if a := d.Consent; a != nil {
		c.Topics, c.PartnerOffers, c.Sharing = a.Topics, a.PartnerOffers, a.Sharing
		c.ConsentAt, c.ConsentSource, c.ConsentText = a.At, a.Source, a.Text
	}
	d.into(&c)
	return c
}

// into takes over what is said.
func (d Details) into(c *Contact) {
	for _, one := range []struct {
		said *string
		to   *string
	}{{d.FirstName, &c.FirstName}, {d.LastName, &c.LastName}, {d.Company, &c.Company}, {d.Language, &c.Language}, {d.TimeZone, &c.TimeZone}} {
		if one.said != nil {
			*one.to = *one.said
		}
	}
	if d.Attrs != nil {
		c.Attrs = d.Attrs
	}
}

func (t *tx) putContact(ctx context.Context, p *Put, one incoming, d Details) error {
	held, err := t.lockKeys(ctx, []consent.Key{one.key})
	if err != nil {
		return err
	}
	who := held[one.key]
	if who.state.Erased != 0 {
		return fmt.Errorf("whoever had this address was deleted; they have to sign up themselves first: %w", ErrRefused)
	}
	p.Fresh = who.subject == ""
	if p.Fresh {
		who.subject = newSubject()
		err = t.addPeople(ctx, []incoming{one}, held)
	} else {
		err = t.refresh(ctx, p, one, d)
	}
	if err != nil {
		return err
	}
	said, kept := firstYeses(who.state, one, one.ConsentSource)
	if p.KeptOut = kept && d.Consent != nil; d.Consent == nil {
		said = nil
	}
	for i := range said {
		said[i].via = consent.ViaAPI
	}
	if _, err := t.record(ctx, held, said); err != nil {
		return err
	}
	if p.Move.New != (consent.Key{}) {
		if err := t.beginMove(ctx, &p.Move, ""); err != nil {
			return err
		}
	}
	p.Changed = p.Changed || len(said) > 0
	p.Person, _, err = t.personByKey(ctx, one.key)
	return err
}

// refresh brings the details of somebody known up to date.
func (t *tx) refresh(ctx context.Context, p *Put, one incoming, d Details) error {
	who, _, err := t.personByKey(ctx, one.key)
	if err != nil {
		return err
	}
	c := who.Contact
	d.into(&c)
	n, err := t.exec(ctx, `UPDATE person SET first_name = $2, last_name = $3, company = $4, language = $5, time_zone = $6, attrs = $7, updated = $8
		WHERE address = $1 AND (first_name <> $2 OR last_name <> $3 OR company <> $4 OR language <> $5 OR time_zone <> $6 OR attrs <> $7)`,
		one.key.String(), c.FirstName, c.LastName, c.Company, c.Language, c.TimeZone, attrText(c.Attrs), t.now.UnixMicro())
	if err != nil {
		return fmt.Errorf("storing a person: %w", err)
	}
	if n > 0 {
		if err := t.reshape(ctx, one.key.String()); err != nil {
			return err
		}
	}
	linked, err := t.linkPeople(ctx, nil, []any{one.ExternalID, who.ID})
	if err != nil {
		return err
	}
	served := false
	if d.Services != nil {
		served, err = t.holdsJust(ctx, who.ID, one.services)
	}
	p.Changed = n > 0 || linked || served
	return err
}

// holdsJust makes the services of a person those that are named.
func (t *tx) holdsJust(ctx context.Context, person int64, services []int) (changed bool, err error) {
	var holdings []any
	drop, args := `DELETE FROM holding WHERE person = $1`, []any{person}
	for _, one := range services {
		holdings, args = append(holdings, one, person), append(args, one)
	}
	if len(services) > 0 {
		drop += ` AND service NOT IN (` + list(len(services), 2) + `)`
	}
	n, err := t.exec(ctx, drop, args...)
	if err != nil {
		return false, fmt.Errorf("storing what a person holds: %w", err)
	}
	added, err := t.linkPeople(ctx, holdings, nil)
	return added || n > 0, err
}

// Hold notes that a person has a service of ours, or has it no longer.
func (s *Store) Hold(ctx context.Context, person int64, service string, holds bool) (changed bool, err error) {
	names, err := s.loadNames(ctx)
	if err != nil {
		return false, err
	}
	numbers, err := lookUp([]string{service}, names.services, "service")
	if err != nil {
		return false, wrong{err}
	}
	err = s.inTx(ctx, "noting a service", func(t *tx) error {
		if holds {
			changed, err = t.linkPeople(ctx, []any{numbers[0], person}, nil)
			return err
		}
		n, err := t.exec(ctx, `DELETE FROM holding WHERE person = $1 AND service = $2`, person, numbers[0])
		changed = n > 0
		return err
	})
	return changed, err
}

const byExternalID = `SELECT ` + personColumns + ` FROM external_id x JOIN person p ON p.id = x.person JOIN address a ON a.key = p.address WHERE x.id = $1`

func (t *tx) personByExternalID(ctx context.Context, id string) (p Person, ok bool, err error) {
	return onePerson(t.QueryRowContext(ctx, byExternalID, id))
}

// PersonByExternalID finds who has an id of the product. ok is false where
// nobody has.
func (s *Store) PersonByExternalID(ctx context.Context, id string) (p Person, ok bool, err error) {
	return onePerson(s.asker(ctx).QueryRowContext(ctx, byExternalID, id))
}

func onePerson(row scanner) (p Person, ok bool, err error) {
	p, err = scanPerson(row)
	if errors.Is(err, sql.ErrNoRows) {
		return Person{}, false, nil
	}
	return p, err == nil, err
}

// ExternalIDs lists the ids of a person in the product.
func (s *Store) ExternalIDs(ctx context.Context, person int64) ([]string, error) {
	found, err := s.read.QueryContext(ctx, `SELECT id FROM external_id WHERE person = $1 ORDER BY id`, person)
	if err != nil {
		return nil, fmt.Errorf("reading the external ids of a person: %w", err)
	}
	return gather(found, single[string])
}

// Choose records what a program says that a person chose: a no at once, and a
// yes where nothing is on record and the agreement proves it. What would turn a
// no into a yes, or has no proof, is given back: only the person may do it.
func (s *Store) Choose(ctx context.Context, key consent.Key, noes, yeses []consent.Scope, a Agreement, received time.Time) (stopped []Stopped, unproven []consent.Scope, err error) {
	err = s.inTx(ctx, "recording choices", func(t *tx) error {
		stopped, unproven = nil, nil
		held, err := t.lockKeys(ctx, []consent.Key{key})
		if err != nil {
			return err
		}
		for _, scope := range noes {
			one, err := t.optOut(ctx, held, OptOut{Key: key, Scope: scope, Received: received, Via: consent.ViaAPI, Source: a.Source, Authenticated: true})
			if err != nil {
				return err
			}
			stopped = append(stopped, one)
		}
		unproven, err = t.sayYes(ctx, held, key, yeses, a)
		return err
	})
	return stopped, unproven, err
}

func (t *tx) sayYes(ctx context.Context, held map[consent.Key]*standing, key consent.Key, yeses []consent.Scope, a Agreement) (unproven []consent.Scope, err error) {
	proof, _ := json.Marshal(map[string]string{"text": a.Text}) // strings always can be written
	proven := !a.At.IsZero() && a.Source != "" && a.Text != ""
	var acts []act
	for _, scope := range yeses {
		switch mark, state := marksOf(held[key].state)[scope], held[key].state; {
		case mark.Choice == consent.In && !refuses(state, scope):
		case mark.Choice == "" && !refuses(state, scope) && state.Suppressed == 0 && proven:
			acts = append(acts, act{key: key, scope: scope, choice: consent.In, received: a.At, via: consent.ViaAPI, source: a.Source, evidence: string(proof)})
		default:
			unproven = append(unproven, scope)
		}
	}
	_, err = t.record(ctx, held, acts)
	return unproven, err
}
