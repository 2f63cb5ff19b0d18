package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"heed/mailer/mailertest"
)

// prove counts from the sink's record, holds heed's account against it, and
// judges.
func (s *story) prove(ctx context.Context, id string) (proof, error) {
	p, err := s.tally(ctx, id)
	if err != nil {
		return p, err
	}
	p.Allowed = s.connections
	p.judge()
	for _, bad := range p.Problems {
		s.tell("problem", bad, nil)
	}
	s.tell("proof", p.words(), p.fields())
	return p, nil
}

// tally counts a campaign that is done.
func (s *story) tally(ctx context.Context, id string) (proof, error) {
	a, err := ask[account](ctx, s.heed, "campaign", "status", id)
	if err != nil {
		return proof{}, err
	}
	s.tell("account", fmt.Sprintf("%d people in the account = %s", a.Audience, a.words()), map[string]any{"account": a, "sum": a.sum()})
	results, err := askAll[result](ctx, s.heed, "campaign", "results", id)
	if err != nil {
		return proof{}, err
	}
	if err := s.arrived(ctx, a); err != nil {
		return proof{}, err
	}
	messages := s.handed()
	p := countRecord(messages, s.acks)
	p.compare(a, results, messages, func(to string) bool { return s.relayed && s.refusals(to) > 0 })
	for _, mistake := range s.sink.Violations() {
		p.add(true, "in the conversation with the sink: %s", mistake)
	}
	p.Verified, err = s.verified(ctx)
	return p, err
}

// arrived waits until a relay in between has passed everything on.
func (s *story) arrived(ctx context.Context, a account) error {
	if !s.relayed {
		return nil
	}
	return eventually(ctx, 60*time.Second, "the relay to pass everything on", func() (bool, error) {
		returned := 0
		if s.refusals(dee) > 0 {
			returned = 1
		}
		return s.got(kindNews)+returned >= a.Accepted, nil
	})
}

// handed reads the sink's record.
func (s *story) handed() []handed {
	var all []handed
	for _, m := range s.sink.Records() {
		h := handed{kind: kindOf(m), to: m.To, id: m.Header().Get("Message-Id"), at: s.Taken(m)}
		h.oneClick = h.marketing() && s.signed(m)
		all = append(all, h)
	}
	return all
}

// signed tells whether a receiver could trust the one-click headers
// (RFC 8058 §4). Without its text no signature of a message can be checked.
func (s *story) signed(m mailertest.Record) bool {
	if _, ok := oneClick(m.Header()); !ok || s.keep != mailertest.KeepAll {
		return false
	}
	covered, err := mailertest.VerifyDKIM(m.Data, s.lookup)
	return err == nil && slices.Contains(covered, "list-unsubscribe") && slices.Contains(covered, "list-unsubscribe-post")
}

// verified asks heed to check its own invariants.
func (s *story) verified(ctx context.Context) (bool, error) {
	r, err := s.heed.try(ctx, "verify", "--json")
	if err != nil {
		return false, err
	}
	checked, err := objects[struct {
		OK bool `json:"ok"`
	}](r.out)
	if err != nil {
		return false, err
	}
	if r.code != 0 || len(checked) != 1 || !checked[0].OK {
		s.tell("problem", "heed verify: "+strings.TrimSpace(r.out+r.err), nil)
		return false, nil
	}
	return true, nil
}
