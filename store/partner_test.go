package store_test

import (
	"context"
	"errors"
	"testing"

	"heed/consent"
	"heed/store"
)

// TestAPartnerAnswersItsOwnNotices: it sees those of its own, of both kinds, and
// answers each in the words that fit; those of another are not there for it.
func TestAPartnerAnswersItsOwnNotices(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		o.Plan.Systems = []store.System{{ID: "acme", Name: "Acme"}, {ID: "beta", Name: "Beta"}, {ID: "shop", Name: "Shop"}}
		s := sharers(t, o, "ann", "ben")
		feed(t, s, "acme")
		_, err := s.OptOut(ctx, store.OptOut{Key: keyOf(t, s, "ann@example.com"), Scope: consent.ScopeSharing, Via: consent.ViaPage, Authenticated: true})
		must(t, err)
		no := erasing(t, s, "ben@example.com")
		told, err := s.PartnerNotices(ctx, "acme", 0, 10)
		must(t, err)
		if len(told) != 2 || told[0].Kind() != "sharing.stopped" || told[0].Email != "ann@example.com" || told[1].Kind() != "person.erase" || told[1].Email != "ben@example.com" || told[1].Case != no {
			t.Fatalf("acme is told %+v", told)
		}
		if rest, err := s.PartnerNotices(ctx, "acme", told[0].ID, 10); err != nil || len(rest) != 1 {
			t.Errorf("behind the first are %+v, %v", rest, err)
		}
		// Beta never had anybody's data, and reads of nobody.
		if none, err := s.PartnerNotices(ctx, "beta", 0, 10); err != nil || len(none) != 0 {
			t.Errorf("beta is told %+v, %v", none, err)
		}
		say := func(partner string, id int64, state, law string, want error) {
			t.Helper()
			if err := s.PartnerSaid(ctx, partner, id, store.Answer{State: state, Law: law}); !errors.Is(err, want) {
				t.Errorf("%s says %s to %d: %v, want %v", partner, state, id, err, want)
			}
		}
		for _, one := range told {
			say("beta", one.ID, "accepted", "", store.ErrNotFound)
			say("acme", one.ID, "accepted", "", nil)
		}
		say("acme", told[0].ID, "deleted", "", store.ErrSaid)
		say("acme", told[1].ID, "stopped", "", store.ErrSaid)
		say("acme", told[1].ID, "kept", "", store.ErrAnswer)
		say("acme", told[0].ID, "stopped", "", nil)
		say("acme", told[0].ID, "stopped", "", store.ErrNotFound)
		say("acme", told[1].ID, "deleted", "", nil)
		if left, err := s.PartnerNotices(ctx, "acme", 0, 10); err != nil || len(left) != 0 {
			t.Errorf("afterwards acme is told %+v, %v", left, err)
		}
		notices, err := s.Notices(ctx, no)
		must(t, err)
		if len(notices) != 2 || notices[0].System != "acme" || notices[0].State != "deleted" || notices[1].System != "shop" || notices[1].State != "due" {
			t.Errorf("the erasure was told to %+v", notices)
		}
	})
}

// erasing has somebody deleted who asked for it, up to where others are waited for.
func erasing(t *testing.T, s *store.Store, email string) int64 {
	t.Helper()
	ctx := context.Background()
	no, err := s.OpenCase(ctx, store.Report{Kind: consent.CaseErasure, Email: email, Mailbox: "desk", By: "staff"})
	must(t, err)
	c, err := s.Case(ctx, no)
	must(t, err)
	token, err := s.ConfirmLink(c)
	must(t, err)
	link, err := s.Keys().Links.Open(token)
	must(t, err)
	_, err = s.Confirm(ctx, link)
	must(t, err)
	must(t, s.Erase(ctx, no))
	return no
}
