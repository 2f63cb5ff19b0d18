package main

import (
	"errors"
	"testing"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// TestResendFitsTheState: on every engine a campaign that never began, or was
// cancelled, is not sent again; one that sends is looked through.
func TestResendFitsTheState(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		topics, err := s.Topics(ctx)
		if err != nil {
			t.Fatal(err)
		}
		id, _, err := s.AddCampaign(ctx, store.Campaign{Name: "x", Class: consent.Newsletter, Topic: topics[0].Number, Audience: "all"})
		if err != nil {
			t.Fatal(err)
		}
		both := func(want error) {
			t.Helper()
			for _, who := range []store.Resent{store.ResendMissing, store.ResendUncertain} {
				if n, err := s.Resend(ctx, id, who); n != 0 || !errors.Is(err, want) {
					t.Errorf("%s: %d again, error %v, want %v", who, n, err, want)
				}
			}
		}
		both(store.ErrState)
		if err := s.Start(ctx, id); err != nil {
			t.Fatal(err)
		}
		both(nil)
		if _, err := s.Cancel(ctx, id); err != nil {
			t.Fatal(err)
		}
		both(store.ErrState)
		if _, err := s.Resend(ctx, id+1, store.ResendMissing); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a campaign that there is none of: %v", err)
		}
	})
}
