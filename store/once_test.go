package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"heed/store"
	"heed/store/storetest"
)

// TestAnswerOnce: what a request does and its answer are there together or not at
// all, and the same request is done once however many send it at once.
func TestAnswerOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		o := store.Once{APIKey: 1, Name: "k", Request: "a"}
		campaign := func(ctx context.Context) ([]byte, error) {
			_, _, err := s.AddCampaign(ctx, store.Campaign{Name: "n", Class: "partner_offer", Audience: "all"})
			return []byte("made"), err
		}
		fails := errors.New("cut off")
		if _, _, err := s.AnswerOnce(ctx, o, func(ctx context.Context) ([]byte, error) {
			if _, err := campaign(ctx); err != nil {
				t.Fatal(err)
			}
			return nil, fails
		}); !errors.Is(err, fails) {
			t.Fatalf("a step that fails gave %v", err)
		}
		if all, err := s.Campaigns(ctx); err != nil || len(all) != 0 {
			t.Fatalf("a step that failed left %v, %v", all, err)
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		first := 0
		for range 10 {
			all.Go(func() {
				answer, before, err := s.AnswerOnce(ctx, o, campaign)
				mu.Lock()
				defer mu.Unlock()
				if err != nil || string(answer) != "made" {
					t.Errorf("%q, %v", answer, err)
				}
				if !before {
					first++
				}
			})
		}
		all.Wait()
		if made, err := s.Campaigns(ctx); err != nil || len(made) != 1 || first != 1 {
			t.Errorf("ten at once made %v, %d were the first, %v", made, first, err)
		}
		o.Request = "b"
		if _, _, err := s.AnswerOnce(ctx, o, campaign); !errors.Is(err, store.ErrOtherRequest) {
			t.Errorf("another request with the same key gave %v", err)
		}
		o.APIKey = 2
		if _, before, err := s.AnswerOnce(ctx, o, campaign); err != nil || before {
			t.Errorf("another program with the same key: %v, %v", before, err)
		}
	})
}
