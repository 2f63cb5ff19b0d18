package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"heed/consent"
)

// Hook is a server that is told of what happens, and of what.
type Hook struct {
	ID     string
	Events []string // of HookEvents
}

// HookEvents lists what a webhook can ask for. import is what an import of a
// file changed, which may be many people at once.
func HookEvents() []string {
	return []string{"preference", "import", "bounce", "complaint", "erasure", "case"}
}

// HookBody is what an event says; it names nobody.
type HookBody struct {
	Scope    string `json:"scope,omitempty"`
	Choice   string `json:"choice,omitempty"`
	Via      string `json:"via,omitempty"`
	Campaign string `json:"campaign,omitempty"`
	Hard     *bool  `json:"hard,omitempty"`
	Status   string `json:"status,omitempty"`
	Case     string `json:"case,omitempty"`
	Kind     string `json:"kind,omitempty"`
	State    string `json:"state,omitempty"`
	Due      string `json:"due,omitempty"`
}

// happening is an event on its way to the webhooks.
type happening struct {
	event    string // whom it is for, of HookEvents, or "test"
	kind     string // as the receiver reads it, such as preference.changed
	at       time.Time
	subject  string
	external []string // of somebody who is being erased
	body     HookBody
}

// hooksFor names the webhooks that want an event.
func (s *Store) hooksFor(event string) (ids []string) {
	for _, one := range s.hooks {
		if slices.Contains(one.Events, event) {
			ids = append(ids, one.ID)
		}
	}
	return ids
}

// happened writes events and the messages about them, with the jobs that send
// these, in the transaction of the fact. One about nobody stored says nothing to
// anybody.
func (t *tx) happened(ctx context.Context, all ...happening) error {
	if len(t.s.hooks) == 0 {
		return nil
	}
	var events []happening
	var wanted [][]string
	for _, one := range all {
		if to := t.s.hooksFor(one.event); len(to) > 0 && (one.subject != "" || one.body.Case != "") {
			events, wanted = append(events, one), append(wanted, to)
		}
	}
	return t.tellHooks(ctx, events, wanted)
}

// tellHooks stores events, each with a message for each of its webhooks.
func (t *tx) tellHooks(ctx context.Context, events []happening, wanted [][]string) error {
	if len(events) == 0 {
		return nil
	}
	off, err := t.hooksOff(ctx, wanted)
	if err != nil {
		return err
	}
	first, err := t.take(ctx, "hook_event", len(events))
	if err != nil {
		return err
	}
	var rowsOf, messages []any
	for i, one := range events {
		body, err := json.Marshal(one.body)
		if err != nil {
			return err
		}
		external, err := t.s.sealIDs(one.external)
		if err != nil {
			return err
		}
		rowsOf = append(rowsOf, first+int64(i), one.kind, one.at.UnixMicro(), one.subject, string(body), external)
		for _, hook := range wanted[i] {
			state := "waiting"
			if off[hook] {
				state = "held"
			}
			messages = append(messages, hook, first+int64(i), state, t.now.UnixMicro())
		}
	}
	if _, err := t.exec(ctx, `INSERT INTO hook_event (id, kind, at, subject, body, external) VALUES `+rows(len(events), 6, 1), rowsOf...); err != nil {
		return fmt.Errorf("noting what webhooks are told: %w", err)
	}
	return t.addMessages(ctx, messages)
}

func (t *tx) addMessages(ctx context.Context, messages []any) error {
	n := len(messages) / 4
	first, err := t.take(ctx, "hook_message", n)
	if err != nil {
		return err
	}
	var values []any
	var due []int64
	for i := range n {
		one := messages[4*i : 4*i+4]
		values = append(append(values, first+int64(i)), one...)
		if one[2] == "waiting" {
			due = append(due, first+int64(i))
		}
	}
	if _, err := t.exec(ctx, `INSERT INTO hook_message (id, webhook, event, state, changed) VALUES `+rows(n, 5, 1), values...); err != nil {
		return fmt.Errorf("writing to webhooks: %w", err)
	}
	return t.hookJobs(ctx, due)
}

// hookJobs stores the jobs that send messages.
func (t *tx) hookJobs(ctx context.Context, messages []int64) error {
	for len(messages) > 0 {
		n := min(len(messages), importChunk)
		first, err := t.take(ctx, "job", n)
		if err != nil {
			return err
		}
		var values []any
		for i, message := range messages[:n] {
			values = append(values, first+int64(i), "preference", "hook", t.now.UnixMicro(), nil, message, t.now.UnixMicro(), "")
		}
		if _, err := t.exec(ctx, `INSERT INTO job (id, queue, kind, state, due, campaign, subject, changed, pace) VALUES `+jobRows(n), values...); err != nil {
			return fmt.Errorf("storing jobs: %w", err)
		}
		messages = messages[n:]
	}
	return nil
}

// hooksOff makes the rows of webhooks that are told for the first time, and
// gives those that are off.
func (t *tx) hooksOff(ctx context.Context, wanted [][]string) (map[string]bool, error) {
	ids := slices.Compact(slices.Sorted(slices.Values(slices.Concat(wanted...))))
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	if _, err := t.exec(ctx, `INSERT INTO webhook (id) VALUES `+rows(len(ids), 1, 1)+` ON CONFLICT DO NOTHING`, args...); err != nil {
		return nil, fmt.Errorf("noting a webhook: %w", err)
	}
	names, err := t.texts(ctx, `SELECT id FROM webhook WHERE state = 'off' AND id IN (`+list(len(ids), 1)+`)`, args...)
	off := map[string]bool{}
	for _, name := range names {
		off[name] = true
	}
	return off, err
}

func (s *Store) sealIDs(ids []string) (string, error) {
	if len(ids) == 0 {
		return "", nil
	}
	return sealWith(s.derived("hook ids"), strings.Join(ids, "\n"))
}

// ledgerHappens tells of what is about to be appended to the ledger: before its
// head is locked, since the counters of events and jobs come first.
func (t *tx) ledgerHappens(ctx context.Context, held map[consent.Key]*standing, acts []act) error {
	if len(t.s.hooks) == 0 {
		return nil
	}
	var all []happening
	for _, a := range acts {
		one, err := t.fromLedger(ctx, t.entry(a, 0, held[a.key].subject, "", consent.PolicyVersion{}))
		if err != nil {
			return err
		}
		all = append(all, one...)
	}
	return t.happened(ctx, all...)
}

// fromLedger says what a row of the ledger means to others.
func (t *tx) fromLedger(ctx context.Context, e consent.Entry) (all []happening, err error) {
	h := happening{event: "preference", kind: "preference.changed", at: e.Recorded, subject: e.Subject,
		body: HookBody{Scope: string(e.Scope), Choice: string(e.Choice), Via: string(e.Via)}}
	if e.Via == consent.ViaImport {
		h.event = "import"
	}
	if topic, is := e.Scope.Topic(); is {
		var slug string
		if err := t.QueryRowContext(ctx, `SELECT slug FROM topic WHERE id = $1`, topic).Scan(&slug); err != nil {
			return nil, fmt.Errorf("looking for a topic: %w", err)
		}
		h.body.Scope = "topic:" + slug
	}
	switch {
	case e.Scope == consent.ScopeErased && e.Choice == consent.Set:
		h.event, h.kind, h.body = "erasure", "person.erased", HookBody{}
		h.external, err = t.texts(ctx, `SELECT x.id FROM external_id x JOIN person p ON p.id = x.person WHERE p.address = $1 ORDER BY x.id`, e.Address.String())
	case e.Scope == consent.ScopeStrike && e.Via == consent.ViaBounce && e.Choice == consent.Set:
		hard := true
		h.event, h.kind, h.body = "bounce", "message.bounced", HookBody{Hard: &hard}
	case e.Scope == consent.ScopeHold || e.Scope == consent.ScopeRestricted || e.Scope == consent.ScopeDead ||
		e.Scope == consent.ScopeStrike || e.Scope == consent.ScopeErased || e.Choice == consent.Note:
		return nil, nil
	}
	all = append(all, h)
	if e.Via == consent.ViaSpamReport {
		all = append(all, happening{event: "complaint", kind: "message.complained", at: e.Recorded, subject: e.Subject})
	}
	return all, err
}

// caseHappened tells of a step of a case that others may want to know of.
func (t *tx) caseHappened(ctx context.Context, caseNo int64, step string) error {
	kind := map[string]string{"opened": "case.opened", "confirmed": "case.confirmed", "extended": "case.extended", "done": "case.closed", "refused": "case.closed"}[step]
	if kind == "" || len(t.s.hooksFor("case")) == 0 {
		return nil
	}
	c, err := scanCase(t.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM privacy_case WHERE id = $1`, caseNo))
	if err != nil {
		return fmt.Errorf("reading case %d: %w", caseNo, err)
	}
	h := happening{event: "case", kind: kind, at: t.now, body: HookBody{Case: c.Reference(), Kind: string(c.Kind), State: string(c.State), Due: c.Due.Format(time.RFC3339)}}
	subjects, err := t.texts(ctx, `SELECT subject FROM person WHERE address = $1`, c.Key)
	if len(subjects) > 0 {
		h.subject = subjects[0]
	}
	return firstOf(err, t.happened(ctx, h))
}
