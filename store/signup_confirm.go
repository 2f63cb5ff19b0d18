package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"heed/consent"
)

// Click is the pressing of the button that confirms something: when and whence,
// and what stood beside the button. It is part of the proof.
type Click struct {
	Received time.Time // at our edge; zero: now
	Network  string    // see Network
	Wording  string
}

// ErrBusy means that something is being done about the same person that has to be
// over first.
var ErrBusy = errors.New("whoever has this address is being deleted at this moment; try again in an hour")

// ConfirmSignUp takes the click from the address: the one act that makes a yes of
// a sign-up, also where a no or an erasure stood before. A second click finds it
// done, and changes nothing. ErrState means that it came too late.
func (s *Store) ConfirmSignUp(ctx context.Context, l consent.Link, c Click) (SignUpAsked, error) {
	u, err := s.SignUpOf(ctx, l)
	if err != nil || !u.Confirmed.IsZero() {
		return u, err
	}
	err = s.inTx(ctx, "confirming a sign-up", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{u.Key})
		if err != nil {
			return err
		}
		if u, err = t.openSignUp(ctx, u.ID); err != nil || !u.Confirmed.IsZero() {
			return err
		}
		return t.confirmSignUp(ctx, held, &u, c)
	})
	if err != nil {
		return u, err
	}
	s.pokeAll()
	return u, s.keys.forget(ctx, signUpHolder(u.ID))
}

// openSignUp reads a sign-up whose address is locked.
func (t *tx) openSignUp(ctx context.Context, id int64) (SignUpAsked, error) {
	u, err := t.s.scanSignUp(ctx, t.QueryRowContext(ctx, `SELECT `+signUpColumns+` FROM signup WHERE id = $1`, id))
	if err == nil && u.Expired {
		return u, fmt.Errorf("the link of this sign-up has run out: %w", ErrState)
	}
	return u, err
}

func (t *tx) confirmSignUp(ctx context.Context, held map[consent.Key]*standing, u *SignUpAsked, c Click) error {
	one := held[u.Key]
	if one.state.Erased != 0 && one.subject != "" {
		return ErrBusy
	}
	if err := t.storeSignedUp(ctx, held, u); err != nil {
		return err
	}
	if err := t.welcome(ctx, one.state, *u); err != nil { // before the ledger: its head is locked last
		return err
	}
	acts, err := t.signUpActs(one, *u, c)
	if err != nil {
		return err
	}
	if _, err := t.record(ctx, held, acts); err != nil {
		return err
	}
	u.Confirmed = t.now
	return t.endSignUp(ctx, u.ID, "confirmed")
}

// storeSignedUp stores who signed up, or adds what is not known of somebody who is
// stored: a form may have been filled in by anybody, and overwrites nothing.
func (t *tx) storeSignedUp(ctx context.Context, held map[consent.Key]*standing, u *SignUpAsked) error {
	fresh := incoming{key: u.Key, Contact: Contact{Email: u.asked.Email, FirstName: u.asked.FirstName, LastName: u.asked.LastName,
		Company: u.asked.Company, Language: u.asked.Language, TimeZone: u.asked.TimeZone}}
	if held[u.Key].subject == "" {
		held[u.Key].subject = newSubject()
		return t.addPeople(ctx, []incoming{fresh}, held)
	}
	known, _, err := t.personByKey(ctx, u.Key)
	if err != nil {
		return err
	}
	for _, one := range []struct{ have, given *string }{{&known.FirstName, &fresh.FirstName}, {&known.LastName, &fresh.LastName},
		{&known.Company, &fresh.Company}, {&known.Language, &fresh.Language}, {&known.TimeZone, &fresh.TimeZone}} {
		if *one.have != "" {
			*one.given = ""
		}
	}
	_, err = t.update(ctx, fresh)
	return err
}

// signUpActs are the yeses of a confirmed sign-up, each with the whole proof: what
// was shown, when and whence it was asked for, and when and whence it was
// confirmed from the address itself. They come after every no on record, whatever
// clocks say.
func (t *tx) signUpActs(one *standing, u SignUpAsked, c Click) (acts []act, err error) {
	at := c.Received.UTC()
	if c.Received.IsZero() {
		at = t.now
	}
	for _, mark := range marksOf(one.state) {
		if !mark.Time().Before(at) {
			at = mark.Time().Add(time.Microsecond)
		}
	}
	evidence, err := json.Marshal(map[string]any{"text": u.asked.Wording, "asked": u.asked.Received, "asked_from_network": u.asked.Network,
		"language": u.asked.Language, "policy": u.asked.Policy, "policy_sha256": u.asked.PolicyHash, "sign_up": u.ID,
		"confirmed": at, "confirmed_from_network": c.Network, "confirmed_text": c.Wording})
	if err != nil {
		return nil, err
	}
	for _, scope := range u.Scopes {
		acts = append(acts, act{key: u.Key, scope: scope, choice: consent.In, received: at, via: consent.ViaConfirmed, source: u.asked.Source,
			authenticated: true, evidence: string(evidence)})
	}
	return acts, nil
}

// endSignUp takes away what was asked for: the ledger has it now, or nobody wants
// it any more.
func (t *tx) endSignUp(ctx context.Context, id int64, state string) error {
	if _, err := t.exec(ctx, `UPDATE signup SET state = $2, ended = $3, sealed = '' WHERE id = $1 AND state = 'waiting'`, id, state, t.now.UnixMicro()); err != nil {
		return fmt.Errorf("ending a sign-up: %w", err)
	}
	_, err := t.exec(ctx, `UPDATE correspondence SET sealed = '' WHERE id = (SELECT letter FROM signup WHERE id = $1) AND state <> 'waiting'`, id)
	return err
}

// AlreadyIn tells whether everything that a sign-up asks for stands: its letter
// then says so, and asks nothing.
func (u SignUpAsked) AlreadyIn(s consent.State) bool {
	return s.Erased == 0 && s.Suppressed == 0 && s.Dead == 0 && !slices.ContainsFunc(u.Scopes, func(scope consent.Scope) bool {
		return marksOf(s)[scope].Choice != consent.In
	})
}

// keepSignUps is how long the row of a sign-up that has ended stays, without what
// was asked for: so long its link still tells what became of it.
const keepSignUps = 90 * 24 * time.Hour

// ExpireSignUps ends the sign-ups that nobody has confirmed in time, and forgets
// what they asked for. It gives how many that were.
func (s *Store) ExpireSignUps(ctx context.Context) (n int, err error) {
	found, err := s.read.QueryContext(ctx, `SELECT id FROM signup WHERE state = 'waiting' AND until < $1 ORDER BY until LIMIT 500`, s.now().UnixMicro())
	if err != nil {
		return 0, fmt.Errorf("looking for sign-ups that have run out: %w", err)
	}
	ids, err := gather(found, single[int64])
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	holders := make([]string, len(ids))
	err = s.inTx(ctx, "ending sign-ups that have run out", func(t *tx) error {
		for i, id := range ids {
			holders[i] = signUpHolder(id)
			if err := t.endSignUp(ctx, id, "expired"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(ids), s.keys.forget(ctx, holders...)
}

// tidySignUps deletes what is of no use any more: counts of past hours, and rows
// of sign-ups that ended long ago.
func (s *Store) tidySignUps(ctx context.Context) error {
	return s.inTx(ctx, "tidying up sign-ups", func(t *tx) error {
		hours := t.now.Add(-48*time.Hour).Unix() / int64(time.Hour/time.Second)
		if _, err := t.exec(ctx, `DELETE FROM signup_count WHERE hour < $1`, hours); err != nil {
			return err
		}
		_, err := t.exec(ctx, `DELETE FROM signup WHERE state <> 'waiting' AND ended < $1`, t.now.Add(-keepSignUps).UnixMicro())
		return err
	})
}
