package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// HookPatience is how long a webhook may fail before it is put off and the
// operator is told. HooksFor is how long what it was told can be sent again.
const (
	HookPatience = 5 * 24 * time.Hour
	HooksFor     = 30 * 24 * time.Hour
)

// HookCall is a message to a webhook.
type HookCall struct {
	ID          int64
	Webhook     string
	State       string // waiting | held | sent | dropped
	Tries       int
	Rest        time.Time // nothing is tried at this webhook before
	Kind        string
	At          time.Time
	Person      string
	ExternalIDs []string
	Body        HookBody

	event int64
}

// HookCall reads a message with what it says.
func (s *Store) HookCall(ctx context.Context, id int64) (h HookCall, err error) {
	var at int64
	var rest sql.NullInt64
	var body, external string
	err = s.read.QueryRowContext(ctx, `SELECT m.id, m.webhook, m.state, m.tries, w.rest, e.id, e.kind, e.at, e.subject, e.body, e.external FROM hook_message m
		JOIN webhook w ON w.id = m.webhook JOIN hook_event e ON e.id = m.event WHERE m.id = $1`, id).
		Scan(&h.ID, &h.Webhook, &h.State, &h.Tries, &rest, &h.event, &h.Kind, &at, &h.Person, &body, &external)
	if errors.Is(err, sql.ErrNoRows) {
		return h, fmt.Errorf("message %d to a webhook: %w", id, ErrNotFound)
	}
	if err != nil {
		return h, fmt.Errorf("reading a message to a webhook: %w", err)
	}
	h.At, h.Rest = time.UnixMicro(at).UTC(), fromMicro(rest)
	if err := json.Unmarshal([]byte(body), &h.Body); err != nil {
		return h, err
	}
	return h, s.nameHookCall(ctx, &h, external)
}

// nameHookCall adds the ids of the person: as they are now, or as they were when
// an erasure began.
func (s *Store) nameHookCall(ctx context.Context, h *HookCall, external string) error {
	if external != "" {
		text, err := openWith(s.derived("hook ids"), external)
		h.ExternalIDs = strings.Split(text, "\n")
		return err
	}
	found, err := s.read.QueryContext(ctx, `SELECT x.id FROM external_id x JOIN person p ON p.id = x.person WHERE p.subject = $1 ORDER BY x.id`, h.Person)
	if err != nil {
		return fmt.Errorf("reading external ids: %w", err)
	}
	h.ExternalIDs, err = gather(found, single[string])
	return err
}

// HookSent notes that a webhook took a message. One that is well again is told at
// once of all else that waits. What was kept of an erased person for its sake goes
// with the last message.
func (s *Store) HookSent(ctx context.Context, h HookCall, code int) error {
	return s.inTx(ctx, "noting that a webhook was told", func(t *tx) error {
		if _, err := t.exec(ctx, `UPDATE hook_message SET state = 'sent', tries = tries + 1, code = $2, changed = $3 WHERE id = $1 AND state IN ('waiting', 'held')`,
			h.ID, code, t.now.UnixMicro()); err != nil {
			return err
		}
		if err := t.hookIsWell(ctx, h.Webhook); err != nil {
			return err
		}
		_, err := t.exec(ctx, `UPDATE hook_event SET external = '' WHERE id = $1 AND external <> ''
			AND NOT EXISTS (SELECT 1 FROM hook_message m WHERE m.event = hook_event.id AND m.state IN ('waiting', 'held'))`, h.event)
		return err
	})
}

// hookIsWell ends the rest of a webhook that failed, and of the messages that rest
// with it.
func (t *tx) hookIsWell(ctx context.Context, webhook string) error {
	failed, err := t.exec(ctx, `UPDATE webhook SET tries = 0, failing = NULL, rest = NULL WHERE id = $1 AND state = 'on' AND failing IS NOT NULL`, webhook)
	if err != nil || failed == 0 {
		return err
	}
	_, err = t.exec(ctx, `UPDATE job SET due = $2 WHERE queue = 'preference' AND state = 'ready' AND due > $2 AND kind = 'hook'
		AND subject IN (SELECT id FROM hook_message WHERE webhook = $1 AND state = 'waiting')`, webhook, t.now.UnixMicro())
	return err
}

// HookRests puts the job of a message down until its webhook has rested; with one
// that is off there is nothing left to do. The webhook is read in the same step:
// another message may be taken meanwhile, which ends the rest.
func (s *Store) HookRests(ctx context.Context, j Job, webhook string) error {
	defer s.pokeAll()
	return s.inTx(ctx, "waiting for a webhook", func(t *tx) error {
		var rest int64
		var on bool // the update locks the row
		err := t.QueryRowContext(ctx, `UPDATE webhook SET rest = rest WHERE id = $1 RETURNING COALESCE(rest, 0), state = 'on'`, webhook).Scan(&rest, &on)
		if err != nil {
			return fmt.Errorf("looking at a webhook: %w", err)
		}
		if on {
			return t.endJob(ctx, j, time.UnixMicro(max(rest, t.now.UnixMicro())))
		}
		return t.endJob(ctx, j, time.Time{})
	})
}

// HookDropped notes that a message goes nowhere: its webhook is configured no
// more.
func (s *Store) HookDropped(ctx context.Context, h HookCall) error {
	return s.inTx(ctx, "dropping a message to a webhook", func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE hook_message SET state = 'dropped', changed = $2 WHERE id = $1 AND state IN ('waiting', 'held')`, h.ID, t.now.UnixMicro())
		return err
	})
}

// hookWaits grow from seconds to a day.
var hookWaits = []time.Duration{5 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour}

func hookWait(tries int) time.Duration {
	if tries < len(hookWaits) {
		return hookWaits[tries]
	}
	return 24 * time.Hour
}

// HookFailed notes that a webhook did not take a message. It rests at least for the
// time that it asked for. One that fails for days, or says that it is gone, is put
// off: its messages are held, and the operator is told.
func (s *Store) HookFailed(ctx context.Context, h HookCall, code int, after time.Duration, gone bool) error {
	return s.inTx(ctx, "noting that a webhook failed", func(t *tx) error {
		if _, err := t.exec(ctx, `UPDATE hook_message SET tries = tries + 1, code = $2, changed = $3 WHERE id = $1`, h.ID, code, t.now.UnixMicro()); err != nil {
			return err
		}
		var tries int
		var failing int64
		err := t.QueryRowContext(ctx, `UPDATE webhook SET failing = COALESCE(failing, $2) WHERE id = $1 RETURNING tries, failing`, h.Webhook, t.now.UnixMicro()).Scan(&tries, &failing)
		if err != nil {
			return fmt.Errorf("looking at a webhook: %w", err)
		}
		if gone || t.now.Sub(time.UnixMicro(failing)) >= HookPatience {
			return t.putOff(ctx, h.Webhook)
		}
		again := t.now.Add(max(hookWait(tries), min(after, 24*time.Hour)))
		_, err = t.exec(ctx, `UPDATE webhook SET tries = tries + 1, rest = $2 WHERE id = $1 AND state = 'on'`, h.Webhook, again.UnixMicro())
		return err
	})
}

func (t *tx) putOff(ctx context.Context, webhook string) error {
	if _, err := t.exec(ctx, `UPDATE webhook SET state = 'off', stopped = $2, rest = NULL WHERE id = $1 AND state = 'on'`, webhook, t.now.UnixMicro()); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `UPDATE hook_message SET state = 'held', changed = $2 WHERE webhook = $1 AND state = 'waiting'`, webhook, t.now.UnixMicro()); err != nil {
		return err
	}
	return t.raise(ctx, AlarmWebhook, webhookKey(webhook))
}

func webhookKey(id string) string { return "webhook " + id }

// HookState is how a webhook fares.
type HookState struct {
	ID      string
	State   string // on | off
	Failing time.Time
	Rest    time.Time
	Stopped time.Time
	Waiting int // messages that it has not taken yet
}

// HookStates tells of each webhook that was ever told something.
func (s *Store) HookStates(ctx context.Context) ([]HookState, error) {
	found, err := s.read.QueryContext(ctx, `SELECT w.id, w.state, w.failing, w.rest, w.stopped,
		(SELECT count(*) FROM hook_message m WHERE m.webhook = w.id AND m.state IN ('waiting', 'held')) FROM webhook w ORDER BY w.id`)
	if err != nil {
		return nil, fmt.Errorf("listing webhooks: %w", err)
	}
	return gather(found, func(row scanner) (h HookState, err error) {
		var failing, rest, stopped sql.NullInt64
		err = row.Scan(&h.ID, &h.State, &failing, &rest, &stopped, &h.Waiting)
		h.Failing, h.Rest, h.Stopped = fromMicro(failing), fromMicro(rest), fromMicro(stopped)
		return h, err
	})
}

// EnableHook lets a webhook be told again, with all that it has missed. It gives
// how many messages these are.
func (s *Store) EnableHook(ctx context.Context, webhook string) (n int, err error) {
	defer s.pokeAll()
	err = s.inTx(ctx, "enabling a webhook", func(t *tx) error {
		if _, err := t.exec(ctx, `INSERT INTO webhook (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET state = 'on', tries = 0, failing = NULL, rest = NULL, stopped = NULL`, webhook); err != nil {
			return err
		}
		if n, err = t.sendAgain(ctx, webhook, `state = 'held'`); err != nil {
			return err
		}
		return t.clearAlarm(ctx, AlarmWebhook, webhookKey(webhook))
	})
	return n, err
}

// ReplayHook tells a webhook again what happened since a moment, whether it took
// it or not; the ids of the messages stay, so that it can tell.
func (s *Store) ReplayHook(ctx context.Context, webhook string, since time.Time) (n int, err error) {
	defer s.pokeAll()
	err = s.inTx(ctx, "telling a webhook again", func(t *tx) error {
		n, err = t.sendAgain(ctx, webhook, `state IN ('sent', 'dropped', 'held') AND event IN (SELECT id FROM hook_event WHERE at >= $3)`, since.UnixMicro())
		return err
	})
	return n, err
}

// sendAgain has messages told again. A job of one of them that is still about, in a
// call that takes long, has nothing more to do: each message is told once.
func (t *tx) sendAgain(ctx context.Context, webhook, which string, args ...any) (int, error) {
	args = append([]any{webhook, t.now.UnixMicro()}, args...)
	if _, err := t.exec(ctx, `UPDATE job SET state = 'done', worker = '', changed = $2 WHERE queue = 'preference' AND state IN ('ready', 'carried', 'running') AND kind = 'hook'
		AND subject IN (SELECT id FROM hook_message WHERE webhook = $1 AND `+which+`)`, args...); err != nil {
		return 0, fmt.Errorf("ending older jobs: %w", err)
	}
	found, err := t.QueryContext(ctx, `UPDATE hook_message SET state = 'waiting', changed = $2 WHERE webhook = $1 AND `+which+` RETURNING id`, args...)
	if err != nil {
		return 0, fmt.Errorf("finding messages to a webhook: %w", err)
	}
	ids, err := gather(found, single[int64])
	if err != nil {
		return 0, err
	}
	return len(ids), t.hookJobs(ctx, ids)
}

// TestHook tells a webhook that somebody tries it.
func (s *Store) TestHook(ctx context.Context, webhook string) error {
	defer s.pokeAll()
	return s.inTx(ctx, "trying a webhook", func(t *tx) error {
		return t.tellHooks(ctx, []happening{{event: "test", kind: "webhook.test", at: t.now}}, [][]string{{webhook}})
	})
}

// forgetHooks drops what webhooks were told long ago.
func (s *Store) forgetHooks(ctx context.Context) error {
	return s.inTx(ctx, "forgetting what webhooks were told", func(t *tx) error {
		old := t.now.Add(-HooksFor).UnixMicro()
		if _, err := t.exec(ctx, `DELETE FROM hook_message WHERE event IN (SELECT id FROM hook_event WHERE at < $1)`, old); err != nil {
			return err
		}
		_, err := t.exec(ctx, `DELETE FROM hook_event WHERE at < $1`, old)
		return err
	})
}
