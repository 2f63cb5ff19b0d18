package store_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// TestWebhookThatIsWellIsToldAll: two messages fail beside each other and rest. When
// one is taken the webhook has rested, and the other does not wait for the hour that
// it was put down for: neither one whose job is down already, nor one whose worker
// still has to put it down.
func TestWebhookThatIsWellIsToldAll(t *testing.T) {
	storetest.EnginesWith(t, func(o *store.Options) {
		o.Hooks = []store.Hook{{ID: "shop", Events: []string{"preference"}}}
	}, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		put, err := s.PutContact(ctx, "u1", store.Details{Email: "ann@example.com"})
		must(t, err)
		for _, scope := range []consent.Scope{consent.TopicScope(1), consent.ScopePartner, consent.ScopeMarketing} {
			_, err := s.OptOut(ctx, store.OptOut{Key: put.Key, Scope: scope, Via: consent.ViaPage})
			must(t, err)
		}
		jobs := hooksBegun(ctx, t, s)
		if len(jobs) != 3 {
			t.Fatalf("three choices have the jobs %+v", jobs)
		}
		var calls []store.HookCall
		for _, j := range jobs {
			call, err := s.HookCall(ctx, j.Subject)
			must(t, err)
			calls = append(calls, call)
			must(t, s.HookFailed(ctx, call, http.StatusServiceUnavailable, time.Hour, false))
		}
		must(t, s.HookRests(ctx, jobs[0], "shop"))
		if all := hooksBegun(ctx, t, s); len(all) != 0 {
			t.Fatalf("a message that rests was taken up: %+v", all)
		}
		must(t, s.HookSent(ctx, calls[1], http.StatusOK))
		must(t, s.EndJob(ctx, jobs[1], time.Time{}))
		must(t, s.HookRests(ctx, jobs[2], "shop"))
		due := map[int64]bool{}
		for _, j := range hooksBegun(ctx, t, s) {
			due[j.Subject] = true
		}
		if !due[calls[0].ID] || !due[calls[2].ID] || len(due) != 2 {
			t.Errorf("due are %v of the messages %d and %d", due, calls[0].ID, calls[2].ID)
		}
		clean(t, s)
	})
}

// TestMessageToldAgainHasOneJob: a webhook is put off and on again while a call is
// under way. What comes of the call puts down no second job for its message.
func TestMessageToldAgainHasOneJob(t *testing.T) {
	storetest.EnginesWith(t, func(o *store.Options) {
		o.Hooks = []store.Hook{{ID: "shop", Events: []string{"preference"}}}
	}, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		must(t, s.TestHook(ctx, "shop"))
		old := hooksBegun(ctx, t, s)
		call, err := s.HookCall(ctx, old[0].Subject)
		must(t, err)
		must(t, s.HookFailed(ctx, call, http.StatusGone, 0, true))
		if n, err := s.EnableHook(ctx, "shop"); err != nil || n != 1 {
			t.Fatalf("%d messages were missed, %v", n, err)
		}
		must(t, s.HookRests(ctx, old[0], "shop"))
		if all := hooksBegun(ctx, t, s); len(all) != 1 || all[0].Subject != call.ID {
			t.Errorf("message %d has the jobs %+v", call.ID, all)
		}
	})
}

// hooks puts a webhook off and on while one message is told of, one is handed over
// and one waits.
func (w *walk) hooks() {
	ctx := context.Background()
	must(w.t, w.TestHook(ctx, "shop"))
	told := hooksBegun(ctx, w.t, w.Store)[0]
	must(w.t, w.TestHook(ctx, "shop"))
	_, err := w.Carry(ctx, "preference", 50)
	must(w.t, err)
	must(w.t, w.TestHook(ctx, "shop"))
	call, err := w.HookCall(ctx, told.Subject)
	must(w.t, err)
	must(w.t, w.HookFailed(ctx, call, http.StatusGone, 0, true))
	if n, err := w.EnableHook(ctx, "shop"); err != nil || n != 3 {
		w.t.Errorf("%d messages were missed, %v", n, err)
	}
}

// hooksBegun carries all jobs of webhooks that are due, and takes them up.
func hooksBegun(ctx context.Context, t *testing.T, s *store.Store) (all []store.Job) {
	t.Helper()
	jobs, err := s.Carry(ctx, "preference", 50)
	must(t, err)
	for _, j := range jobs {
		if j.Kind != "hook" {
			continue
		}
		one, ok, err := s.Begin(ctx, j.ID, j.Generation, "w")
		if err != nil || !ok {
			t.Fatalf("beginning %+v: %v, %v", j, ok, err)
		}
		all = append(all, one)
	}
	return all
}
