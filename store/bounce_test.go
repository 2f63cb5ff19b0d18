package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// accept hands the campaign's message to each of the first n people.
func accept(t *testing.T, s *store.Store, d *store.Desk, id int64, n int, at time.Time) []consent.Key {
	t.Helper()
	ctx := context.Background()
	var keys []consent.Key
	for i := range n {
		ask := store.Ask{Campaign: id, Address: keyOf(t, s, fmt.Sprintf("p%d@example.com", i))}
		v, err := d.Claim(ctx, ask)
		must(t, err)
		if !v.Granted {
			t.Fatalf("no claim for p%d: %+v", i, v)
		}
		d.Finish(store.Result{Ask: ask, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: at})
		keys = append(keys, ask.Address)
	}
	must(t, d.Flush(ctx))
	return keys
}

// returned records a report about one message.
func returned(t *testing.T, s *store.Store, uid int64, key consent.Key, id int64, received time.Time, fates ...consent.Bounce) store.Filing {
	t.Helper()
	f, err := s.RecordMail(context.Background(), store.Inbound{Mailbox: "b", Role: "bounces", Validity: 1, UID: uid, Digest: fmt.Sprint(uid), Received: received,
		Request: consent.Request{Kind: consent.KindBounce, Link: &consent.Link{Purpose: consent.PurposeBounce, Address: key, Scope: uint16(id)}, Bounces: fates}})
	must(t, err)
	return f
}

var (
	blocked = consent.Bounce{Action: "failed", Status: "5.7.1", Policy: true}
	missing = consent.Bounce{Action: "failed", Status: "5.1.1", Hard: true}
)

func TestPolicyBouncesPauseTheCampaign(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 40)
		id := campaign(t, s)
		keys := accept(t, s, desk(t, s, "w1"), id, 30, time.Now())
		for i := range store.PolicyLimit {
			if c, err := s.Campaign(ctx, id); err != nil || c.State != "sending" {
				t.Fatalf("after %d reports: %s %v", i, c.State, err)
			}
			f := returned(t, s, int64(i+1), keys[i], id, time.Now(), blocked)
			if f.Outcome != "returned" || (f.Paused == id) != (i == store.PolicyLimit-1) {
				t.Errorf("report %d: %+v", i, f)
			}
			returned(t, s, int64(100+i), keys[0], id, time.Now(), blocked) // the same message counts once
		}
		c, err := s.Campaign(ctx, id)
		must(t, err)
		if c.State != "paused" || !strings.Contains(c.Note, "5.7.1") {
			t.Errorf("the campaign is %s: %q", c.State, c.Note)
		}
		if open, err := s.Alarms(ctx, true); err != nil || len(open) != 1 || open[0].Kind != store.AlarmPaused || open[0].Key != "campaign 1" {
			t.Errorf("the open alarms are %+v, %v", open, err)
		}
		e, err := s.Explain(ctx, "p0@example.com")
		must(t, err)
		if len(e.Ledger) != 1 || e.State.Dead {
			t.Errorf("it was held against a person: %+v", e)
		}
		must(t, s.Resume(ctx, id))
		if f := returned(t, s, 50, keys[20], id, time.Now(), blocked); f.Paused != 0 {
			t.Error("one more report pauses a campaign that was just resumed")
		}
		clean(t, s)
	})
}

// TestFewPolicyBouncesPauseNothing: five of 120 are one odd receiver.
func TestFewPolicyBouncesPauseNothing(t *testing.T) {
	s := storetest.Open(t)
	people(t, s, 130)
	id := campaign(t, s)
	keys := accept(t, s, desk(t, s, "w1"), id, 120, time.Now())
	for i := range store.PolicyLimit {
		returned(t, s, int64(i+1), keys[i], id, time.Now(), blocked)
	}
	if c, err := s.Campaign(context.Background(), id); err != nil || c.State != "sending" {
		t.Errorf("the campaign is %s (%s), %v", c.State, c.Note, err)
	}
}

// TestBouncesThatChangeNothing: too late, twice, about a message that was never
// handed over, or about no failure.
func TestBouncesThatChangeNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		people(t, s, 5)
		id := campaign(t, s)
		now := time.Now()
		keys := accept(t, s, desk(t, s, "w1"), id, 3, now)
		for name, f := range map[string]store.Filing{
			"too late":         returned(t, s, 1, keys[0], id, now.Add(store.BounceAge+time.Minute), missing),
			"never sent":       returned(t, s, 2, keyOf(t, s, "p4@example.com"), id, now, missing),
			"nobody":           returned(t, s, 3, consent.Key{9, 9}, id, now, missing),
			"another campaign": returned(t, s, 4, keys[0], id+1, now, missing),
			"delayed":          returned(t, s, 5, keys[0], id, now, consent.Bounce{Action: "delayed", Status: "4.4.1"}),
			"delivered":        returned(t, s, 6, keys[0], id, now, consent.Bounce{Action: "delivered", Status: "2.0.0"}),
			"relayed":          returned(t, s, 7, keys[0], id, now, consent.Bounce{Action: "relayed"}),
			"expanded":         returned(t, s, 8, keys[0], id, now, consent.Bounce{Action: "expanded"}),
			"empty":            returned(t, s, 9, keys[0], id, now),
		} {
			if f.Outcome != "no_action" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		soft := returned(t, s, 20, keys[1], id, now, consent.Bounce{Action: "failed", Status: "4.4.7"})
		again := returned(t, s, 21, keys[1], id, now, missing)
		a, err := s.Account(context.Background(), id)
		must(t, err)
		if soft.Outcome != "returned" || again.Outcome != "no_action" || a.Returned != 1 {
			t.Errorf("a message that came back: %+v, then %+v; account %+v", soft, again, a)
		}
		for i := range 3 {
			if e, err := s.Explain(context.Background(), fmt.Sprintf("p%d@example.com", i)); err != nil || e.State.Dead {
				t.Errorf("p%d is dead (%v)", i, err)
			}
		}
		clean(t, s)
	})
}

// TestBounceSpeaksOfItsRecipient: of several recipients the one whose message
// it was counts, and where mail was forwarded the worst of the others.
func TestBounceSpeaksOfItsRecipient(t *testing.T) {
	s := storetest.Open(t)
	people(t, s, 3)
	id := campaign(t, s)
	now := time.Now()
	keys := accept(t, s, desk(t, s, "w1"), id, 3, now)
	fate := func(email string, b consent.Bounce) consent.Bounce { b.Recipient = email; return b }
	returned(t, s, 1, keys[0], id, now, fate("other@example.com", missing), fate("P0@example.com", consent.Bounce{Action: "failed", Status: "5.2.2"}))
	returned(t, s, 2, keys[1], id, now, fate("forward@example.net", consent.Bounce{Action: "delivered"}), fate("forward@example.org", missing))
	for i, want := range []bool{false, true, false} {
		if e, err := s.Explain(context.Background(), fmt.Sprintf("p%d@example.com", i)); err != nil || e.State.Dead != want {
			t.Errorf("p%d is dead: %v, want %v (%v)", i, e.State.Dead, want, err)
		}
	}
}

// TestReportFasterThanTheResult: a server can return a message before its own reply
// was written down, and before a worker that died is swept up after.
func TestReportFasterThanTheResult(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 4)
		id := campaign(t, s)
		d := desk(t, s, "w1")
		for i, late := range []store.Outcome{store.Accepted, store.Refused, store.Deferred, store.Uncertain} {
			ask := store.Ask{Campaign: id, Address: keyOf(t, s, fmt.Sprintf("p%d@example.com", i))}
			v, err := d.Claim(ctx, ask)
			must(t, err)
			if f := returned(t, s, int64(i+1), ask.Address, id, time.Now(), missing); f.Outcome != "returned" {
				t.Errorf("before the result (%s): %+v", late, f)
			}
			clean(t, s)
			d.Finish(store.Result{Ask: ask, Token: v.Token, Outcome: late, EndAt: time.Now(), Due: time.Now()})
			must(t, d.Flush(ctx))
			if e, err := s.Explain(ctx, fmt.Sprintf("p%d@example.com", i)); err != nil || !e.State.Dead {
				t.Errorf("p%d is not dead (%v)", i, err)
			}
			if f := returned(t, s, int64(i+101), ask.Address, id, time.Now(), missing); f.Outcome != "no_action" {
				t.Errorf("a second time (%s): %+v", late, f)
			}
		}
		if a, err := s.Account(ctx, id); err != nil || a.Returned != 4 || a.Accepted != 4 || a.InFlight != 0 {
			t.Errorf("%+v, %v", a, err)
		}
		clean(t, s)
	})
}

// TestSpamReportFasterThanTheResult comes from a mail provider by HTTP.
func TestSpamReportFasterThanTheResult(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 1)
		id := campaign(t, s)
		ask := store.Ask{Campaign: id, Address: keyOf(t, s, "p0@example.com")}
		_, err := desk(t, s, "w1").Claim(ctx, ask)
		must(t, err)
		f, err := s.RecordEvent(ctx, store.ProviderEvent{Provider: "p", ID: "1", Complaint: true, Message: fmt.Sprintf("%d.%s@example.com", id, ask.Address)})
		must(t, err)
		if n, err := s.Complaints(ctx, id); f.Outcome != "spam_report" || n != 1 || err != nil {
			t.Errorf("%+v, %d complaints, %v", f, n, err)
		}
		clean(t, s)
	})
}

// TestAlertReturnedBeforeItsSecondCopy: the first copy is known to have come to
// nobody, so the second is not sent.
func TestAlertReturnedBeforeItsSecondCopy(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx := context.Background()
		people(t, s.Store, 1)
		id, _, err := s.AddCampaign(ctx, store.Campaign{Name: "a", Class: consent.Alert, Service: 1, Source: "x", Audience: "all", AlertKey: "k"})
		must(t, err)
		must(t, s.Start(ctx, id))
		fansOut(ctx, t, s.Store, id)
		d := desk(t, s.Store, "w1")
		ask := store.Ask{Campaign: id, Address: keyOf(t, s.Store, "p0@example.com")}
		v, err := d.Claim(ctx, ask)
		must(t, err)
		d.Finish(store.Result{Ask: ask, Token: v.Token, Outcome: store.Uncertain, EndAt: s.at})
		must(t, d.Flush(ctx))
		s.at = s.at.Add(store.AlertRetry + time.Second)
		if n, err := s.Requeue(ctx); err != nil || n != 1 {
			t.Fatalf("%d come again, %v", n, err)
		}
		if f := returned(t, s.Store, 1, ask.Address, id, s.at, consent.Bounce{Action: "failed", Status: "4.4.7"}); f.Outcome != "no_action" {
			t.Errorf("what passes: %+v", f)
		}
		if f := returned(t, s.Store, 2, ask.Address, id, s.at, missing); f.Outcome != "returned" {
			t.Errorf("what is gone: %+v", f)
		}
		if v, err := d.Claim(ctx, ask); err != nil || v.Skipped != consent.DeadAddress {
			t.Errorf("the second copy: %+v, %v", v, err)
		}
		clean(t, s.Store)
	})
}
