package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// Wish is one thing that somebody chooses on the page with their choices.
type Wish struct {
	Scope  consent.Scope
	Choice consent.Choice // In or Out; of a pause Set or Lift
	Sure   bool           // a no that is said although one stands, so that no weaker one is doubted any more
}

// choicesPage is what the ledger names as the source of a choice.
const choicesPage = "choices page"

// Choosing is what somebody chose on that page, which only a link that was
// mailed to the address on file opens.
type Choosing struct {
	Key      consent.Key
	Received time.Time // at our edge
	Wishes   []Wish
	Wording  string // what the page said beside the choices; kept sealed as evidence
}

// Chosen says what came of it.
type Chosen struct {
	Changed   []Wish // what was not so before
	Effective time.Time
	Reference int64 // number of the first row in the ledger
}

// RecordWishes records all that was chosen in one transaction. What stands already is
// left out. Call AwaitClaims before telling anybody.
func (s *Store) RecordWishes(ctx context.Context, c Choosing) (done Chosen, err error) {
	err = s.inTx(ctx, "recording choices", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{c.Key})
		if err != nil {
			return err
		}
		if held[c.Key].subject == "" {
			return ErrNotFound
		}
		done = Chosen{Effective: t.now}
		acts, err := t.wishes(ctx, held[c.Key].state, c, &done)
		if err != nil || len(acts) == 0 {
			return err
		}
		done.Reference, err = t.recordStops(ctx, held, acts)
		done.Effective = t.now
		return err
	})
	return done, err
}

// wishes makes an act of each wish that changes something. A yes comes after
// every no that it outweighs, whatever clock that no was stamped by.
func (t *tx) wishes(ctx context.Context, state consent.State, c Choosing, done *Chosen) (acts []act, err error) {
	for _, w := range c.Wishes {
		stands := holds(state, w, t.now)
		if stands && w.Sure {
			if stands, err = t.firm(ctx, OptOut{Key: c.Key, Scope: w.Scope, Via: consent.ViaPage, Authenticated: true}); err != nil {
				return nil, err
			}
		}
		if stands {
			continue
		}
		at := c.Received
		if no, out := stoppedAt(state, w.Scope); w.Choice == consent.In && out && !no.Before(at) {
			at = no.Add(time.Microsecond)
		}
		acts = append(acts, act{key: c.Key, scope: w.Scope, choice: w.Choice, received: at, via: consent.ViaPage,
			source: choicesPage, authenticated: true, evidence: c.Wording})
		done.Changed = append(done.Changed, w)
	}
	return acts, nil
}

// holds tells whether a wish is fulfilled already.
func holds(s consent.State, w Wish, now time.Time) bool {
	if until, pause := w.Scope.Pause(); pause {
		return w.Choice == consent.Lift && !s.Paused(now) || w.Choice == consent.Set && s.Pause == until.UnixMicro()
	}
	_, out := stoppedAt(s, w.Scope)
	if w.Choice == consent.Out {
		return out
	}
	return s.Chose(w.Scope) == consent.In
}

// GPCSource is what the ledger names as the source of a no that a browser said
// by its signal (Sec-GPC).
const GPCSource = "Sec-GPC"

// Signal records that a browser asks not to have data passed on: a no to
// sharing, once. fresh tells that it was recorded just now. The signal proves
// nothing about who sent it, so that a yes that stands beside it is shown as a
// contradiction, and the no is followed (11 CCR 7025).
func (s *Store) Signal(ctx context.Context, key consent.Key, received time.Time) (fresh bool, err error) {
	state, err := s.State(ctx, key)
	if err != nil || state.Sharing.Choice == consent.Out {
		return false, err
	}
	err = s.inTx(ctx, "recording a signal", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{key})
		if err != nil {
			return err
		}
		if state := held[key].state; state.Sharing.Choice == consent.Out || state.Erased != 0 {
			return nil
		}
		fresh = true
		_, err = t.recordStops(ctx, held, []act{{key: key, scope: consent.ScopeSharing, choice: consent.Out, received: received,
			via: consent.ViaPage, source: GPCSource}})
		return err
	})
	return fresh, err
}

// ServicesOf gives the names of the services that a person uses.
func (s *Store) ServicesOf(ctx context.Context, person int64) ([]string, error) {
	found, err := s.read.QueryContext(ctx, `SELECT s.name FROM holding h JOIN service s ON s.id = h.service WHERE h.person = $1 ORDER BY s.id`, person)
	if err != nil {
		return nil, fmt.Errorf("reading the services of a person: %w", err)
	}
	return gather(found, single[string])
}

// Origin tells where and when an address came to us.
type Origin struct {
	At     time.Time
	Source string // not personal; may be empty
}

// OriginOf reads it from the first thing on record, else from when the person
// was stored.
func (s *Store) OriginOf(ctx context.Context, key consent.Key) (o Origin, err error) {
	entries, err := s.Ledger(ctx, key)
	if err != nil {
		return o, err
	}
	for _, e := range entries {
		if e.Choice == consent.In && e.Source != "" {
			return Origin{At: e.Received, Source: e.Source}, nil
		}
	}
	var created int64
	err = s.read.QueryRowContext(ctx, `SELECT created FROM person WHERE address = $1`, key.String()).Scan(&created)
	if err != nil {
		return o, errors.Join(ErrNotFound, err)
	}
	return Origin{At: time.UnixMicro(created).UTC()}, nil
}
