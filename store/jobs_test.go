package store_test

import (
	"context"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

func TestJobsAreCarriedOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 50)
		id := campaign(t, s)
		must(t, s.Register(ctx, "w1", "newsletter", 2))
		jobs, err := s.Carry(ctx, "newsletter", 10)
		must(t, err)
		if len(jobs) != 2 {
			t.Fatalf("%d jobs for 50 people", len(jobs))
		}
		j, ok, err := s.Begin(ctx, jobs[0].ID, 0, "w1")
		must(t, err)
		if _, twice, _ := s.Begin(ctx, jobs[0].ID, 0, "w2"); !ok || twice {
			t.Error("a job was begun twice")
		}
		letters, err := s.Batch(ctx, j)
		must(t, err)
		if len(letters) == 0 || letters[0].Email == "" || letters[0].State.Topics[1].Choice != consent.In {
			t.Errorf("batch: %d letters, %+v", len(letters), letters)
		}
		must(t, s.Unregister(ctx, "w1"))
		swept, err := s.Sweep(ctx)
		must(t, err)
		again, err := s.Carry(ctx, "newsletter", 10)
		must(t, err)
		if swept.Jobs != 1 || len(again) != 1 || again[0].Generation != 1 {
			t.Errorf("after the worker died: %+v, %+v", swept, again)
		}
		_ = id
	})
}

func TestDeferredComesAgainAndCampaignEnds(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 1)
		id := campaign(t, s)
		d := desk(t, s, "w1")
		ask := store.Ask{Campaign: id, Address: keyOf(t, s, "p0@example.com")}
		jobs, err := s.Carry(ctx, "newsletter", 10)
		must(t, err)
		j, _, err := s.Begin(ctx, jobs[0].ID, 0, "w1")
		must(t, err)
		d.Finish(store.Result{Ask: ask, Outcome: store.Deferred, Code: 451, Status: "4.7.1", Due: time.Now().Add(-time.Second)})
		must(t, d.Flush(ctx))
		must(t, s.EndJob(ctx, j, time.Time{}))
		if done, _ := s.FinishCampaigns(ctx); len(done) != 0 {
			t.Error("a campaign ended with a deferred message")
		}
		n, err := s.Requeue(ctx)
		must(t, err)
		jobs, err = s.Carry(ctx, "newsletter", 10)
		must(t, err)
		if n != 1 || len(jobs) != 1 {
			t.Fatalf("requeued %d, carried %d", n, len(jobs))
		}
		j, _, err = s.Begin(ctx, jobs[0].ID, 0, "w1")
		must(t, err)
		v, err := d.Claim(ctx, ask)
		must(t, err)
		d.Finish(store.Result{Ask: ask, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: time.Now()})
		must(t, d.Flush(ctx))
		must(t, s.EndJob(ctx, j, time.Time{}))
		done, err := s.FinishCampaigns(ctx)
		must(t, err)
		if len(done) != 1 || done[0] != id {
			t.Errorf("finished %v", done)
		}
		clean(t, s)
	})
}

func TestErasure(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 3)
		id := campaign(t, s)
		mail := store.Inbound{Mailbox: "privacy@example.com/INBOX", Role: "privacy", Validity: 1, UID: 1, Digest: "d", Received: time.Now(),
			Request: consent.Request{Kind: consent.KindErasure, From: "p1@example.com", Evidence: []consent.Evidence{{Rule: "erase", Text: "delete me"}}}}
		f, err := s.RecordMail(ctx, mail)
		must(t, err)
		again, err := s.RecordMail(ctx, mail)
		must(t, err)
		if f.Outcome != "case" || !again.Duplicate || again.Folder != f.Folder {
			t.Errorf("filed %+v, then %+v", f, again)
		}
		e, _ := s.Explain(ctx, "p1@example.com")
		if !e.State.OnHold {
			t.Error("not on hold while the case waits")
		}
		jobs, err := s.Carry(ctx, "privacy", 10)
		must(t, err)
		if len(jobs) != 1 || jobs[0].Kind != "write" {
			t.Fatalf("jobs %+v", jobs)
		}
		question, err := s.Correspondence(ctx, jobs[0].Subject)
		must(t, err)
		c, err := s.Case(ctx, question.Case)
		must(t, err)
		token, err := s.ConfirmLink(c)
		must(t, err)
		link, err := s.Keys().Links.Open(token)
		must(t, err)
		c, err = s.Confirm(ctx, link)
		must(t, err)
		if c.State != consent.CaseConfirmed {
			t.Fatalf("case %+v", c)
		}
		must(t, s.Erase(ctx, c.ID))
		if c, _ = s.Case(ctx, c.ID); c.State != consent.CaseConfirmed {
			t.Errorf("the case ended while a mail lies in the mailbox: %+v", c)
		}
		due, err := s.Removals(ctx, mail.Mailbox)
		must(t, err)
		if len(due) != 1 || due[0].Digest != "d" {
			t.Fatalf("to be removed: %+v", due)
		}
		must(t, s.Removed(ctx, due[0], false))
		e, err = s.Explain(ctx, "p1@example.com")
		must(t, err)
		if e.Known || !e.State.Erased || e.Messages[0].Reason != "erased" {
			t.Errorf("after the erasure: %+v", e)
		}
		result, err := s.Import(ctx, []store.Contact{{Row: 2, Email: "p1@example.com", Topics: []string{"product"}, ConsentAt: time.Now().Add(-time.Minute),
			ConsentSource: "x", ConsentText: "y"}}, "", false)
		must(t, err)
		if result.KeptOut != 1 {
			t.Errorf("an import brought an erased person back: %+v", result)
		}
		if a, _ := s.Account(ctx, id); a.Audience != 3 || a.Skipped[consent.Erased] != 1 {
			t.Errorf("account %+v", a)
		}
		clean(t, s)
	})
}

func TestBounceMakesDead(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 1)
		id := campaign(t, s)
		d := desk(t, s, "w1")
		ask := store.Ask{Campaign: id, Address: keyOf(t, s, "p0@example.com")}
		v, err := d.Claim(ctx, ask)
		must(t, err)
		d.Finish(store.Result{Ask: ask, Token: v.Token, Outcome: store.Accepted, EndAt: time.Now()})
		must(t, d.Flush(ctx))
		f, err := s.RecordMail(ctx, store.Inbound{Mailbox: "b", Role: "bounces", Validity: 1, UID: 1, Digest: "d", Received: time.Now(),
			Request: consent.Request{Kind: consent.KindBounce, Link: &consent.Link{Purpose: consent.PurposeBounce, Address: ask.Address, Scope: uint16(id)},
				Bounces: []consent.Bounce{{Action: "failed", Status: "5.1.1", Hard: true}}}})
		must(t, err)
		a, err := s.Account(ctx, id)
		must(t, err)
		e, _ := s.Explain(ctx, "p0@example.com")
		if f.Outcome != "returned" || a.Returned != 1 || !e.State.Dead {
			t.Errorf("bounce: %+v, %+v, dead %v", f, a, e.State.Dead)
		}
		clean(t, s)
	})
}

// TestDeletionAndOptOutInOneMail: the case may end without a deletion; the
// opt-out stays.
func TestDeletionAndOptOutInOneMail(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 1)
		key := keyOf(t, s, "p0@example.com")
		_, err := s.RecordMail(ctx, store.Inbound{Mailbox: "u", Role: "unsubscribe", Validity: 1, UID: 1, Digest: "d", Received: time.Now(),
			Request: consent.Request{Kind: consent.KindErasure, Also: []consent.Kind{consent.KindUnsubscribe}, Scope: consent.ScopeMarketing,
				Link: &consent.Link{Purpose: consent.PurposeOptOut, Address: key, Scope: 1}}})
		must(t, err)
		cases, err := s.Cases(ctx, true)
		must(t, err)
		if len(cases) != 1 {
			t.Fatalf("%d cases", len(cases))
		}
		_, err = s.Resolve(ctx, cases[0].ID, store.Resolution{Outcome: "they changed their mind", Refused: true})
		must(t, err)
		e, err := s.Explain(ctx, "p0@example.com")
		must(t, err)
		if e.State.OnHold || e.State.Topics["product"] != "out" {
			t.Errorf("after the case: %+v", e.State)
		}
		clean(t, s)
	})
}

// TestAJobEndsWithItsLastResult: a job ends along with the results of its messages,
// and not while one of them waits, nor for whoever has lost it.
func TestAJobEndsWithItsLastResult(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 2)
		campaign(t, s)
		d := desk(t, s, "w1")
		jobs, err := s.Carry(ctx, "newsletter", 10)
		must(t, err)
		j, _, err := s.Begin(ctx, jobs[0].ID, 0, "w1")
		must(t, err)
		letters, err := s.Batch(ctx, j)
		must(t, err)
		for i, letter := range letters {
			if done, err := d.End(j); err != nil || done {
				t.Fatalf("with %d of %d results the job ended (%v)", i, len(letters), err)
			}
			v, err := d.Claim(ctx, letter.Ask)
			must(t, err)
			d.Finish(store.Result{Ask: letter.Ask, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: time.Now()})
		}
		older := j
		older.Generation--
		if done, err := d.End(older); err != nil || done {
			t.Fatalf("somebody ended a job that is not theirs (%v)", err)
		}
		if done, err := d.End(j); err != nil || !done {
			t.Fatalf("with all results the job did not end (%v)", err)
		}
		if left, err := s.Waiting(ctx, j); err != nil || left != 0 {
			t.Errorf("%d messages wait in a job that ended (%v)", left, err)
		}
		d.Close()
		if done, err := d.End(j); err != nil || done {
			t.Errorf("a closed desk ended a job (%v)", err)
		}
		clean(t, s)
	})
}
