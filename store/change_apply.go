package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"heed/consent"
)

// movedSource is what the ledger names as the source of what a change of
// address carries from one key to the other.
const movedSource = "change of address"

// move makes the change. Every no and every status that is on record for either
// address is written for the other; a yes goes along only where the new address
// never said no. The keys stay tied, so that a later no counts for both too.
func (t *tx) move(ctx context.Context, c AddressChange, held map[consent.Key]*standing) error {
	if err := t.betweenSteps(ctx); err != nil {
		return err
	}
	before, after := held[c.Old], held[c.New]
	at := latestOf(t.now, before.state, after.state)
	acts := append(noes(c.New, before.state, after.state, at), noes(c.Old, after.state, before.state, at)...)
	acts = append(acts, yeses(c.New, before.state, after.state, at)...)
	acts = append(acts, mailboxes(c, before.state, after.state)...)
	evidence, err := json.Marshal(map[string]string{"change_of_address": strconv.FormatInt(c.ID, 10), "from": c.Old.String(), "to": c.New.String()})
	if err != nil {
		return err
	}
	for i := range acts {
		acts[i].via, acts[i].authenticated, acts[i].evidence = consent.ViaConfirmed, true, string(evidence)
	}
	after.subject = before.subject // what is recorded for the new key is this person's
	if _, err := t.recordStops(ctx, held, acts); err != nil {
		return err
	}
	return t.moveRows(ctx, c)
}

// latestOf is a time that no choice on record is later than.
func latestOf(now time.Time, states ...consent.State) time.Time {
	at := now
	for _, s := range states {
		for _, m := range marksOf(s) {
			if m.Time().After(at) {
				at = m.Time()
			}
		}
	}
	return at
}

// marksOf lists the choices of a state by their scopes.
func marksOf(s consent.State) map[consent.Scope]consent.Mark {
	all := map[consent.Scope]consent.Mark{consent.ScopeMarketing: s.Marketing, consent.ScopePartner: s.Partner, consent.ScopeSharing: s.Sharing}
	for topic, mark := range s.Topics {
		all[consent.TopicScope(topic)] = mark
	}
	return all
}

// noes gives what one key has to be told of another's. Each keeps the time at
// which it was said, unless the other key has a yes that it must outweigh.
func noes(to consent.Key, from, have consent.State, at time.Time) (acts []act) {
	said := func(micro int64) time.Time {
		if saidYes(have) {
			return at
		}
		return time.UnixMicro(micro).UTC()
	}
	for _, scope := range scopesOf(from) {
		mark := marksOf(from)[scope]
		if _, out := stoppedAt(have, scope); mark.Choice == consent.Out && !out {
			acts = append(acts, act{key: to, scope: scope, choice: consent.Out, received: said(mark.At), source: movedSource})
		}
	}
	for _, one := range []struct {
		scope      consent.Scope
		from, have int64
	}{{consent.ScopeHold, from.Hold, have.Hold}, {consent.ScopeRestricted, from.Restricted, have.Restricted}, {consent.ScopeSuppressed, from.Suppressed, have.Suppressed}} {
		if one.from != 0 && one.have == 0 {
			acts = append(acts, act{key: to, scope: one.scope, choice: consent.Set, received: said(one.from), source: movedSource})
		}
	}
	if from.Pause > have.Pause && from.Paused(at) {
		acts = append(acts, act{key: to, scope: consent.PauseScope(time.UnixMicro(from.Pause)), choice: consent.Set, received: at, source: movedSource})
	}
	return acts
}

func saidYes(s consent.State) bool {
	return wantsSome(s) || s.Marketing.Choice == consent.In || s.Sharing.Choice == consent.In
}

// yeses gives what goes along to the new key: each yes of the old one to which
// the new one never said no. Each keeps the time at which it was said, so that a
// no that was said since and is read later still counts; but where the noes had
// to be given a new time, a yes that stands beside them comes an instant later.
func yeses(to consent.Key, from, have consent.State, at time.Time) (acts []act) {
	if from.Erased != 0 || have.Erased != 0 {
		return nil
	}
	for _, scope := range scopesOf(from) {
		mark := marksOf(from)[scope]
		if mark.Choice != consent.In || refuses(have, scope) {
			continue
		}
		said := mark.Time()
		if from.Marketing.Choice == consent.Out && saidYes(have) {
			said = at.Add(time.Microsecond)
		}
		acts = append(acts, act{key: to, scope: scope, choice: consent.In, received: said, source: mark.Source, policy: mark.Policy})
	}
	return acts
}

// refuses tells whether a key said no to a scope, by itself or to everything. On
// a list of those not to be written to, all is refused but what was chosen since.
func refuses(s consent.State, scope consent.Scope) bool {
	mark := marksOf(s)[scope]
	if s.Suppressed != 0 {
		return mark.Choice != consent.In
	}
	if scope == consent.ScopeSharing || scope == consent.ScopeMarketing {
		return mark.Choice == consent.Out
	}
	return mark.Choice == consent.Out || s.Marketing.Choice == consent.Out && mark.Choice != consent.In
}

// scopesOf lists the scopes of a state in an order: all marketing first, since
// a no to it takes the topics with it.
func scopesOf(s consent.State) []consent.Scope {
	all := []consent.Scope{consent.ScopeMarketing, consent.ScopePartner, consent.ScopeSharing}
	for topic := range s.Topics {
		all = append(all, consent.TopicScope(topic))
	}
	return all
}

// mailboxes says what the clicks prove of the mailboxes: the new one is alive,
// and the old one is left, so that no list brings it back.
func mailboxes(c AddressChange, before, after consent.State) (acts []act) {
	for scope, set := range map[consent.Scope]int64{consent.ScopeDead: after.Dead, consent.ScopeStrike: after.Strike} {
		if set != 0 {
			acts = append(acts, act{key: c.New, scope: scope, choice: consent.Lift, source: movedSource})
		}
	}
	if before.Dead == 0 {
		acts = append(acts, act{key: c.Old, scope: consent.ScopeDead, choice: consent.Set, source: movedSource})
	}
	return acts
}

// moveRows lets the person, what waits for them and their open requests go over
// to the new key, and ties the keys.
func (t *tx) moveRows(ctx context.Context, c AddressChange) error {
	old, fresh := c.Old.String(), c.New.String()
	for _, one := range []struct {
		query string
		args  []any
	}{
		{`INSERT INTO address_link (old, new, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, []any{old, fresh, t.now.UnixMicro()}},
		{`UPDATE person SET address = $2, email = $3, updated = $4 WHERE address = $1`, []any{old, fresh, c.NewEmail, t.now.UnixMicro()}},
		{`UPDATE delivery SET address = $2 WHERE campaign IN (SELECT id FROM campaign WHERE state IN ('sending', 'paused')) AND address = $1
			AND state IN ('waiting', 'deferred') AND NOT EXISTS (SELECT 1 FROM claim k WHERE k.campaign = delivery.campaign AND k.address = $1)
			AND NOT EXISTS (SELECT 1 FROM delivery o WHERE o.campaign = delivery.campaign AND o.address = $2)`, []any{old, fresh}},
		{`UPDATE retry SET address = $2 WHERE address = $1 AND EXISTS (SELECT 1 FROM delivery d WHERE d.campaign = retry.campaign AND d.address = $2 AND d.state = 'deferred')`, []any{old, fresh}},
		{`UPDATE privacy_case SET address = $2 WHERE address = $1 AND ended IS NULL`, []any{old, fresh}},
		{`UPDATE privacy_case SET email = $3 WHERE address = $2 AND ended IS NULL AND email = $1`, []any{c.OldEmail, fresh, c.NewEmail}},
	} {
		if _, err := t.exec(ctx, one.query, one.args...); err != nil {
			return fmt.Errorf("changing an address: %w", err)
		}
	}
	if err := t.noteMove(ctx, c, "moved", ""); err != nil {
		return err
	}
	return t.writeBoth(ctx, c, WriteMoved)
}
