package store

import (
	"context"
	"fmt"

	"heed/consent"
)

// wishes is what a mail asks for, sorted by what is done about it.
type wishes struct {
	lead  consent.Kind    // of the case to open; empty: none
	more  []consent.Kind  // of further cases
	stops []consent.Scope // what is to be stopped; the empty scope is what one click stops
}

// wishesOf sorts them. What cannot be done safely, such as to choose among
// topics in free words, goes to a person. What a guardian asks for is about a
// child, and is no wish of the writer's own.
func wishesOf(r consent.Request) wishes {
	var w wishes
	for _, kind := range append([]consent.Kind{r.Kind}, r.Also...) {
		switch {
		case kind == consent.KindUnsubscribe || kind == consent.KindObjection || kind == consent.KindPreference && len(r.Stops()) > 0:
			w.stops = stopScopes(r)
		case w.lead == "":
			w.lead = kind
		case w.lead != consent.KindGuardian && w.lead != consent.KindReview && kind != consent.KindReview && kind != consent.KindPreference:
			w.more = append(w.more, kind)
		}
	}
	return w
}

// stopScopes is what an opt-out stops: what the sealed address says, or what the
// mail names, or all marketing.
func stopScopes(r consent.Request) []consent.Scope {
	switch stops := r.Stops(); {
	case r.Link != nil && r.Link.Purpose == consent.PurposeOptOut:
		return []consent.Scope{""}
	case len(stops) > 0:
		return stops
	}
	return []consent.Scope{consent.ScopeMarketing}
}

// serve does what a person asks for: it stops what they want stopped, opens a
// case for the rest, and answers once.
func (t *tx) serve(ctx context.Context, m Inbound) (Filing, kept, error) {
	who, known, err := t.sender(ctx, m)
	if err != nil {
		return Filing{}, kept{}, err
	}
	w := wishesOf(m.Request)
	if !known { // nobody to stop anything for: a person looks
		w = wishes{lead: m.Request.Kind}
	}
	if w.lead == "" {
		k := kept{}
		stopped, err := t.stopByMail(ctx, m, who, w.stops, &k)
		if err != nil {
			return Filing{}, k, err
		}
		return Filing{Folder: "Processed", Outcome: "opted_out"}, k, t.answerOptOut(ctx, m, who, stopped)
	}
	if k, err := t.joined(ctx, m, who, known); err != nil || k.caseNo != 0 {
		return Filing{Folder: "Review", Outcome: "case"}, k, err
	}
	return t.serveByCase(ctx, m, who, known, w)
}

// serveByCase opens the cases, and stops besides what is to be stopped. Only the
// first case is answered: a mail has one answer.
func (t *tx) serveByCase(ctx context.Context, m Inbound, who consent.Key, known bool, w wishes) (Filing, kept, error) {
	m.Request.Kind = w.lead
	f := Filing{Folder: folderOf(w.lead)}
	outcome, k, err := t.openCaseByMail(ctx, m, who, known)
	if f.Outcome = outcome; err != nil {
		return f, k, err
	}
	for _, kind := range w.more {
		further := m
		further.Request.Kind, further.Request.NoReply = kind, "answered already"
		if _, _, err := t.openCaseByMail(ctx, further, who, known); err != nil {
			return f, k, err
		}
	}
	var stopped []Stopped
	if len(w.stops) > 0 {
		if stopped, err = t.stopByMail(ctx, m, who, w.stops, &k); err != nil {
			return f, k, err
		}
	}
	return f, k, t.answerCase(ctx, m, who, known, k.caseNo, stopped)
}

// joinedByMail finds the case that a mail without a wish of its own belongs to.
func (t *tx) joinedByMail(ctx context.Context, m Inbound) (kept, error) {
	who, known, err := t.sender(ctx, m)
	if err != nil {
		return kept{}, err
	}
	return t.joined(ctx, m, who, known)
}

// stopByMail stops what the mail asks to stop. Somebody whom we do not know is
// kept as an address key that must not be written to.
func (t *tx) stopByMail(ctx context.Context, m Inbound, who consent.Key, scopes []consent.Scope, k *kept) ([]Stopped, error) {
	held, err := t.lockKeys(ctx, []consent.Key{who})
	if err != nil {
		return nil, err
	}
	var all []Stopped
	for _, scope := range scopes {
		o := OptOut{Key: who, Scope: scope, Received: m.Received, Via: consent.ViaMail, Authenticated: proven(m.Request), Evidence: evidence(m)}
		if scope == "" {
			o.Topic = int(m.Request.Link.Scope)
		}
		stopped, err := t.optOut(ctx, held, o)
		if err != nil {
			return nil, err
		}
		if all = append(all, stopped); stopped.seq > 0 {
			k.ledger = stopped.seq
		}
	}
	k.key = who.String()
	if err := t.keepMailOptOuts(ctx, m, who, all); err != nil {
		return nil, err
	}
	return all, t.brake(ctx, m, held[who], all)
}

// proven tells whether a mail came from whom it speaks for: their provider
// signed it, or it holds what only they have.
func proven(r consent.Request) bool { return r.Authenticated || r.Link != nil }

func (t *tx) keepMailOptOuts(ctx context.Context, m Inbound, who consent.Key, all []Stopped) error {
	sure := 0
	if proven(m.Request) {
		sure = 1
	}
	for _, one := range all {
		if one.seq == 0 {
			continue
		}
		_, err := t.exec(ctx, `INSERT INTO mail_optout (seq, inbound, address, recorded, proven) VALUES ($1, $2, $3, $4, $5)`,
			one.seq, m.id, who.String(), t.now.UnixMicro(), sure)
		if err != nil {
			return fmt.Errorf("keeping an opt-out by mail: %w", err)
		}
	}
	return nil
}
