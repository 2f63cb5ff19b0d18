package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// OptOut asks to stop mail to an address key.
type OptOut struct {
	Key           consent.Key
	Scope         consent.Scope // empty: what one click in a newsletter of Topic stops
	Topic         int
	Received      time.Time // at our edge; zero: now
	Via           consent.Via
	Source        string // how staff learnt of it; not personal
	Authenticated bool
	Evidence      string // kept sealed
}

// Stopped says what an opt-out did.
type Stopped struct {
	Scope      consent.Scope
	Topic      string // name of the topic that stopped, empty for all marketing
	Effective  time.Time
	Already    bool
	Outweighed bool  // a yes that came later, before this was recorded, stands
	Reference  int64 // number of the row in the ledger by which it is stopped

	seq int64 // its row in the ledger; 0 where nothing was written
}

// OptOut takes effect with its commit. Call AwaitClaims before telling anybody:
// a message whose end was claimed just before may still be on its way.
func (s *Store) OptOut(ctx context.Context, o OptOut) (Stopped, error) {
	var stopped Stopped
	err := s.inTx(ctx, "recording an opt-out", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{o.Key})
		if err != nil {
			return err
		}
		stopped, err = t.optOut(ctx, held, o)
		return err
	})
	if err != nil {
		return Stopped{}, err
	}
	if stopped.Reference = stopped.seq; stopped.seq == 0 {
		stopped.Reference = s.lastStop(ctx, o.Key, stopped.Scope)
	}
	if topic, ok := stopped.Scope.Topic(); ok {
		stopped.Topic, _ = s.topicName(ctx, topic)
	}
	return stopped, nil
}

// lastStop finds the row by which a scope is stopped; 0 where it cannot be told.
func (s *Store) lastStop(ctx context.Context, key consent.Key, scope consent.Scope) (seq int64) {
	_ = s.read.QueryRowContext(ctx, `SELECT COALESCE(max(seq), 0) FROM ledger WHERE address = $1 AND choice = 'out' AND scope IN ($2, 'marketing')`,
		key.String(), string(scope)).Scan(&seq) // a number for people, which may be missing
	return seq
}

// optOut records an opt-out for a locked key, unless nothing is left to stop. A
// no that stands only by words that may be taken back is said again by a firmer
// one.
func (t *tx) optOut(ctx context.Context, held map[consent.Key]*standing, o OptOut) (Stopped, error) {
	state := held[o.Key].state
	if o.Scope == "" {
		o.Scope = state.OneClickScope(o.Topic)
	}
	acts := withTwins(held, []act{{key: o.Key, scope: o.Scope, choice: consent.Out, received: o.Received,
		via: o.Via, source: o.Source, authenticated: o.Authenticated, evidence: o.Evidence}})
	at, out := stoppedAt(state, o.Scope)
	if out {
		firm, err := t.firm(ctx, o)
		if err != nil || firm && len(acts) == 1 {
			return Stopped{Scope: o.Scope, Effective: at, Already: true}, err
		}
		if firm { // an old link still stops what goes to the new address
			_, err := t.recordStops(ctx, held, acts[1:])
			return Stopped{Scope: o.Scope, Effective: t.now}, err
		}
	}
	seq, err := t.recordStops(ctx, held, acts)
	if err != nil {
		return Stopped{}, err
	}
	_, out = stoppedAt(held[o.Key].state, o.Scope)
	return Stopped{Scope: o.Scope, Effective: t.now, Outweighed: !out, seq: seq}, nil
}

// firm tells whether a no stands that is at least as hard to take back as o.
func (t *tx) firm(ctx context.Context, o OptOut) (bool, error) {
	entries, err := t.ledger(ctx, o.Key)
	if err != nil {
		return false, err
	}
	return consent.Firm(entries, o.Scope, consent.Entry{Via: o.Via, Authenticated: o.Authenticated}.Strength()), nil
}

// recordStops records noes, and with each the messages that were in flight to
// its address at that moment. It gives the number of the first row.
func (t *tx) recordStops(ctx context.Context, held map[consent.Key]*standing, acts []act) (first int64, err error) {
	acts = withTwins(held, acts)
	opened := map[consent.Key]int{}
	for _, a := range acts {
		if opened[a.key], err = t.openClaims(ctx, a.key); err != nil {
			return 0, err
		}
	}
	first, err = t.record(ctx, held, acts)
	for i, a := range acts {
		if err == nil && a.choice == consent.Out {
			err = t.raiseBarrier(ctx, first+int64(i), opened[a.key])
		}
	}
	return first, err
}

// stoppedAt tells whether a scope is stopped, and since when. All marketing is
// not, where a yes to a topic or to offers came after the no to everything.
func stoppedAt(s consent.State, scope consent.Scope) (time.Time, bool) {
	if scope == consent.ScopeMarketing && wantsSome(s) {
		return time.Time{}, false
	}
	mark := s.Marketing
	switch topic, ok := scope.Topic(); {
	case ok:
		mark = s.Topics[topic]
	case scope == consent.ScopePartner:
		mark = s.Partner
	case scope == consent.ScopeSharing:
		mark = s.Sharing
	}
	return mark.Time(), mark.Choice == consent.Out
}

func wantsSome(s consent.State) bool {
	for _, mark := range s.Topics {
		if mark.Choice == consent.In {
			return true
		}
	}
	return s.Partner.Choice == consent.In
}

const openClaims = `SELECT count(*) FROM claim k JOIN campaign c ON c.id = k.campaign
	WHERE c.class IN ('newsletter', 'partner_offer') AND k.address IN (`

// openClaims counts the marketing messages that are in flight to a locked
// address, and only then lets the transaction's time be now: no new claim can
// come while the lock is held, so what is not counted has ended before.
func (t *tx) openClaims(ctx context.Context, key consent.Key) (opened int, err error) {
	if err := t.QueryRowContext(ctx, openClaims+`$1)`, key.String()).Scan(&opened); err != nil {
		return 0, fmt.Errorf("counting open claims: %w", err)
	}
	t.tick()
	return opened, nil
}

// raiseBarrier notes that messages were in flight at the moment of the opt-out,
// so that the acknowledgement's time is kept with it.
func (t *tx) raiseBarrier(ctx context.Context, seq int64, opened int) error {
	if opened == 0 {
		return nil
	}
	_, err := t.exec(ctx, `INSERT INTO barrier (seq, opened) VALUES ($1, $2)`, seq, opened)
	return err
}

// Patience is how long an opt-out, a pause or a cancel waits for open claims.
// A claim older than this is never begun to be ended, so what is still open
// then has been written and waits for the relay's answer.
const Patience = 2 * time.Second

// AwaitClaims waits until no marketing message to the keys is in flight, or
// until Patience is over, and gives how many still are.
func (s *Store) AwaitClaims(ctx context.Context, keys []consent.Key) (inFlight int, err error) {
	if len(keys) == 0 {
		return 0, nil
	}
	err = s.inRead(ctx, func(t *tx) error {
		keys, err = t.tied(ctx, keys)
		return err
	})
	if err != nil {
		return 0, err
	}
	args := keyArgs(keys)
	inFlight, err = s.await(ctx, openClaims+list(len(keys), 1)+`)`, args...)
	if err != nil {
		return 0, err
	}
	return inFlight, s.acknowledge(ctx, args, inFlight)
}

// await polls a count until it is zero or Patience is over.
func (s *Store) await(ctx context.Context, query string, args ...any) (n int, err error) {
	deadline := time.Now().Add(Patience)
	for wait := 2 * time.Millisecond; ; wait = min(wait*2, 20*time.Millisecond) {
		if err := s.read.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
			return 0, fmt.Errorf("waiting for messages in flight: %w", err)
		}
		if n == 0 || time.Now().After(deadline) {
			return n, nil
		}
		select {
		case <-ctx.Done():
			return n, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// acknowledge keeps the moment from which nothing more may be handed over, for
// the opt-outs that had to wait.
func (s *Store) acknowledge(ctx context.Context, keys []any, inFlight int) error {
	unacked := `seq IN (SELECT b.seq FROM barrier b JOIN ledger l ON l.seq = b.seq WHERE b.acked IS NULL AND l.address IN (` + list(len(keys), 3) + `))`
	var one int
	probe := `SELECT 1 FROM barrier b JOIN ledger l ON l.seq = b.seq WHERE b.acked IS NULL AND l.address IN (` + list(len(keys), 1) + `) LIMIT 1`
	if err := s.read.QueryRowContext(ctx, probe, keys...).Scan(&one); errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return fmt.Errorf("looking for unacknowledged opt-outs: %w", err)
	}
	return s.inTx(ctx, "acknowledging an opt-out", func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE barrier SET acked = $1, in_flight = $2 WHERE `+unacked, append([]any{t.now.UnixMicro(), inFlight}, keys...)...)
		return err
	})
}
