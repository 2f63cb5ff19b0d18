package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"heed/store"
)

// hooksAtOnce is how many webhooks are called at the same time: one that is slow
// does not hold up the others.
const hooksAtOnce = 4

// hookNotice is what a webhook is told: ids, never an address.
type hookNotice struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Test      bool      `json:"test,omitempty"` // of the sandbox
	Data      struct {
		Person      string   `json:"person,omitempty"`
		ExternalIDs []string `json:"external_ids,omitempty"`
		store.HookBody
	} `json:"data"`
}

// callHook tells a webhook what happened. One that does not take it is tried
// again over days, ever less often; while it fails, its other messages wait and
// only one of them is tried.
func (w *Worker) callHook(ctx context.Context, j store.Job) error {
	h, err := w.Store.HookCall(ctx, j.Subject)
	if errors.Is(err, store.ErrNotFound) {
		return w.Store.EndJob(ctx, j, time.Time{})
	}
	if err != nil {
		return err
	}
	hook, configured := w.Hooks[h.Webhook]
	switch {
	case h.State != "waiting": // taken, or held until its webhook is on again
		return w.Store.EndJob(ctx, j, time.Time{})
	case !configured:
		err = w.Store.HookDropped(ctx, h)
		return errors.Join(err, w.Store.EndJob(ctx, j, time.Time{}))
	case w.Now().Before(h.Rest):
		return w.Store.HookRests(ctx, j, h.Webhook)
	}
	return w.tellHook(ctx, j, h, hook)
}

func (w *Worker) tellHook(ctx context.Context, j store.Job, h store.HookCall, hook Webhook) error {
	n := hookNotice{Type: h.Kind, Timestamp: h.At, Test: w.Simulated}
	n.Data.Person, n.Data.ExternalIDs, n.Data.HookBody = h.Person, h.ExternalIDs, h.Body
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	response, _, err := hook.call(ctx, fmt.Sprintf("msg_%d", h.ID), w.Now(), body)
	code := 0
	if err == nil {
		code = response.StatusCode
	}
	if code/100 == 2 {
		return errors.Join(w.Store.HookSent(ctx, h, code), w.Store.EndJob(ctx, j, time.Time{}))
	}
	w.Log.Warn("webhook_failed", "webhook", h.Webhook, "message", h.ID, "code", code, "error", err)
	if err := w.Store.HookFailed(ctx, h, code, retryAfter(response, w.Now()), code == http.StatusGone); err != nil {
		return err
	}
	return w.Store.HookRests(ctx, j, h.Webhook)
}

// retryAfter reads what a server asks for, in seconds or as a date (RFC 9110
// §10.2.3); 0 where it asks for nothing.
func retryAfter(response *http.Response, now time.Time) time.Duration {
	if response == nil {
		return 0
	}
	text := response.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
