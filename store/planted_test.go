package store_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
)

// plant is a breach that is written behind the back of all rules.
type plant struct {
	invariant string
	what      string
	query     string
	finds     string // what verify must name; empty: whatever it names
}

// plants go one after the other into the same database, in which campaign 1 is done and everybody has it,
// campaign 2 sends, and 3 is an alert.
// Person 1 opted out by a click, 2 and 3 by mail, 8 was erased.
var plants = []plant{
	{"I5", "the last row was cut off", `UPDATE chain SET seq = seq + 5`, "the head of the ledger"},
	{"I5", "a row was changed", `UPDATE ledger SET source = 'forged' WHERE seq = 2`, "ledger 2"},
	{"I1", "sent after an opt-out", `UPDATE delivery SET end_at = (SELECT max(recorded) + 1 FROM ledger), state = 'accepted', reason = '', claimed = 1, token = 7, attempts = 1
		WHERE campaign = 1 AND address = (SELECT address FROM ledger WHERE via = 'one_click')`, ""},
	{"I1", "sent while restricted", `INSERT INTO ledger SELECT (SELECT max(seq) + 1 FROM ledger), address, subject, 'restricted', 'set', 1, 1, 'staff', '', '', '', 1, '', ''
		FROM ledger WHERE address = (SELECT address FROM person WHERE id = 3) LIMIT 1`, ""},
	{"I2", "claimed again", `INSERT INTO claim (campaign, address, token, worker, at) SELECT 1, address, 99, 'w', 4102444800000000 FROM person WHERE id = 2`, ""},
	{"I2", "handed over without a claim", `UPDATE delivery SET token = 0 WHERE campaign = 1 AND person = 4`, ""},
	{"I2", "two hand-overs of one claim", `UPDATE delivery SET token = 31415 WHERE campaign = 1 AND person IN (5, 6)`, ""},
	{"I3", "waits in a campaign that is done", `UPDATE delivery SET state = 'waiting' WHERE campaign = 1 AND person = 7`, ""},
	{"I3", "put off for ever", `UPDATE delivery SET state = 'deferred' WHERE campaign = 2 AND person = 4`, ""},
	{"I3", "not written", `DELETE FROM delivery WHERE campaign = 2 AND person = 5`, ""},
	{"I3", "a plan for nobody", `INSERT INTO retry (campaign, address, due) VALUES (2, 'nobody', 1)`, "2/nobody"},
	{"I3", "done before all were written", `UPDATE campaign SET fanned = 0 WHERE id = 1`, "campaign 1"},
	{"I4", "the first of two is gone", `INSERT INTO inbound (id, mailbox, validity, uid, digest, received, recorded, kind, outcome, folder, rules)
		SELECT 901, mailbox, validity, 901, 'elsewhere', received, recorded, kind, 'duplicate', folder, rules FROM inbound WHERE id = 1`, "mail 901"},
	{"I4", "what it did is gone", `UPDATE inbound SET ledger = 4711 WHERE id = 2`, "mail 2"},
	{"I6", "a state that nobody decided", `UPDATE address SET state = (SELECT state FROM address WHERE key = (SELECT address FROM ledger WHERE via = 'one_click')) WHERE key = (SELECT address FROM person WHERE id = 5)`, ""},
	{"I7", "the evidence of a yes is gone", `DELETE FROM annex WHERE seq = 1`, "ledger 1"},
	{"I7", "the evidence of a yes is another", `UPDATE annex SET sealed = 'other' WHERE seq = 4`, "ledger 4"},
	{"I8", "an erased person is here", `UPDATE privacy_case SET email = 'x' WHERE kind = 'erasure'`, ""},
	{"I9", "a no of the journal is not in the ledger", `DELETE FROM ledger WHERE choice = 'out'`, ""},
	{"I9", "a campaign on hold goes on", `UPDATE campaign SET held = 'sending' WHERE id = 2`, "campaign 2"},
	{"I10", "a job of nobody", `INSERT INTO job (id, queue, kind, state, due, campaign, worker, changed) VALUES (900, 'newsletter', 'send', 'running', 1, 2, 'gone', 1)`, "job 900"},
	{"I10", "a claim of nobody", `INSERT INTO claim (campaign, address, token, worker, at) SELECT 2, address, 98, 'gone', 1 FROM person WHERE id = 6`, ""},
	{"I11", "an alert given up", `UPDATE delivery SET state = 'uncertain', claimed = 1, end_at = 1, attempts = 1, token = 5, reason = '' WHERE campaign = 3 AND person < 3`, ""},
	{"I11", "an alert done and not tried", `UPDATE campaign SET state = 'done', ended = 1 WHERE id = 3`, ""},
	{"I12", "answered though forbidden", `UPDATE inbound SET no_reply = 'list-mail' WHERE id = 1`, ""},
	{"I12", "answered twice", `INSERT INTO correspondence (id, kind, state, inbound, holder, sealed, created) VALUES (99, 'answer', 'waiting', 1, '', '', 1)`, "mail 1"},
	{"I12", "a machine was asked", `UPDATE inbound SET kind = 'auto-reply' WHERE id = 3`, "mail 3"},
}

// TestPlantedBreachesAreFound: on a database that is in use, heed verify finds a
// breach of every invariant, and names it.
func TestPlantedBreachesAreFound(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		s := opened(t, o)
		inhabited(t, s)
		clean(t, s)
		missing := []string{"I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I12"}
		all := plants
		if strings.HasPrefix(o.URL, "postgres") { // SQLite itself refuses it
			all = append(slices.Clone(plants), plant{"I3", "of no campaign", `INSERT INTO delivery (campaign, address, state, changed) VALUES (4711, 'x', 'waiting', 1)`, "4711/x"})
		}
		for _, one := range all {
			before, err := s.Verify(ctx)
			must(t, err)
			must(t, s.Do(ctx, one.query))
			after, err := s.Verify(ctx)
			must(t, err)
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == one.invariant })
			news := slices.DeleteFunc(slices.Clone(after[one.invariant].Broken), func(name string) bool { return slices.Contains(before[one.invariant].Broken, name) })
			if len(news) == 0 || one.finds != "" && !slices.Contains(news, one.finds) {
				t.Errorf("%s: %s was planted and not found: %v", one.invariant, one.what, after[one.invariant].Broken)
			}
		}
		if len(missing) > 0 {
			t.Errorf("nothing was planted against %v", missing)
		}
	})
}

// inhabited fills a database with a little of everything.
func inhabited(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := context.Background()
	people(t, s, 8)
	done := campaign(t, s)
	d := desk(t, s, "w1")
	delivered(t, s, d)
	ended, err := s.FinishCampaigns(ctx)
	must(t, err)
	if len(ended) != 1 || ended[0] != done {
		t.Fatalf("finished %v", ended)
	}
	campaign(t, s)
	alert, _, err := s.AddCampaign(ctx, store.Campaign{Name: "a", Class: consent.Alert, Service: 1, Source: "x", Audience: "all", AlertKey: "k"})
	must(t, err)
	must(t, s.Start(ctx, alert))
	for over := false; !over; {
		over, err = s.FanOut(ctx, alert)
		must(t, err)
	}
	_, err = s.OptOut(ctx, store.OptOut{Key: keyOf(t, s, "p0@example.com"), Topic: 1, Via: consent.ViaOneClick, Authenticated: true})
	must(t, err)
	mailed(t, s, wish("p1@example.com"))
	mailed(t, s, wish("p2@example.com"))
	erasing := wish("p7@example.com")
	erasing.Kind = consent.KindErasure
	mailed(t, s, erasing)
	all, err := s.Cases(ctx, true)
	must(t, err)
	token, err := s.ConfirmLink(all[0])
	must(t, err)
	link, err := s.Keys().Links.Open(token)
	must(t, err)
	_, err = s.Confirm(ctx, link)
	must(t, err)
	must(t, s.Do(ctx, `UPDATE privacy_case SET asked = 1`)) // as when the question was sent
	must(t, s.Erase(ctx, all[0].ID))
}

// delivered works off what waits: everybody's message is accepted.
func delivered(t *testing.T, s *store.Store, d *store.Desk) {
	t.Helper()
	ctx := context.Background()
	jobs, err := s.Carry(ctx, "newsletter", 10)
	must(t, err)
	for _, job := range jobs {
		j, _, err := s.Begin(ctx, job.ID, job.Generation, "w1")
		must(t, err)
		letters, err := s.Batch(ctx, j)
		must(t, err)
		for _, letter := range letters {
			v, err := d.Claim(ctx, letter.Ask)
			must(t, err)
			d.Finish(store.Result{Ask: letter.Ask, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: time.Now()})
		}
		must(t, d.Flush(ctx))
		must(t, s.EndJob(ctx, j, time.Time{}))
	}
}
