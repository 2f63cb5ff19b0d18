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

// TestSpamReport: who presses "this is spam" gets no marketing any more,
// whatever single topic the message was about; a report that names nobody goes
// to a person.
func TestSpamReport(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 2)
		report := store.Inbound{Mailbox: "a", Role: "abuse", Validity: 1, UID: 1, Digest: "1", Received: time.Now(),
			Request: consent.Request{Kind: consent.KindSpamReport, Link: &consent.Link{Purpose: consent.PurposeChoices, Address: keyOf(t, s, "p0@example.com")}}}
		f, err := s.RecordMail(ctx, report)
		must(t, err)
		e, err := s.Explain(ctx, "p0@example.com")
		must(t, err)
		if f.Outcome != "spam_report" || len(f.Stopped) != 1 || e.State.Marketing != "out" || e.State.Topics["product"] != "out" {
			t.Errorf("a report: %+v, %+v", f, e.State)
		}
		report.UID, report.Digest, report.Request.Link = 2, "2", nil
		if f, err = s.RecordMail(ctx, report); err != nil || f.Outcome != "case" || f.Folder != "Review" {
			t.Errorf("a report about nobody: %+v, %v", f, err)
		}
		if e, err = s.Explain(ctx, "p1@example.com"); err != nil || e.State.Marketing == "out" {
			t.Errorf("somebody else: %+v, %v", e.State, err)
		}
		clean(t, s)
	})
}

// TestComplaintsPauseTheCampaign: too many of those who got it, over all or at one
// provider, and it stops by itself, says why and rings; one reader counts once, and
// after a person has resumed it only new complaints do. A domain of few readers is
// not named: it may be that of one family.
func TestComplaintsPauseTheCampaign(t *testing.T) {
	limited := func(o *store.Options) { o.Complaints = store.ComplaintLimit{Share: 0.1, Least: 3} }
	storetest.EnginesWith(t, limited, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		var all []store.Contact
		for i := range 100 {
			domain := "other.example"
			if i < 10 {
				domain = "small.example"
			} else if i < 10+store.NamedReaders {
				domain = "large.example"
			}
			all = append(all, store.Contact{Row: i + 2, Email: fmt.Sprintf("r%d@%s", i, domain), Topics: []string{"product"},
				ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"})
		}
		_, err := s.Import(ctx, all, "x", false)
		must(t, err)
		id := campaign(t, s)
		d := desk(t, s, "w1")
		for _, one := range all {
			v, err := d.Claim(ctx, store.Ask{Campaign: id, Address: keyOf(t, s, one.Email)})
			must(t, err)
			d.Finish(store.Result{Ask: store.Ask{Campaign: id, Address: keyOf(t, s, one.Email)}, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: time.Now()})
		}
		must(t, d.Flush(ctx))
		n := int64(0)
		complains := func(who int, purpose consent.Purpose) int64 {
			t.Helper()
			n++
			scope := uint16(1)
			if purpose == consent.PurposeBounce {
				scope = uint16(id)
			}
			f, err := s.RecordMail(ctx, store.Inbound{Mailbox: "a", Role: "abuse", Validity: 1, UID: n, Digest: fmt.Sprint(n), Received: time.Now(),
				Request: consent.Request{Kind: consent.KindSpamReport, Link: &consent.Link{Purpose: purpose, Address: keyOf(t, s, all[who].Email), Scope: scope}}})
			must(t, err)
			return f.Paused
		}
		state := func() string {
			c, err := s.Campaign(ctx, id)
			must(t, err)
			return c.State + " " + c.Note
		}
		for _, who := range []int{0, 0, 0, 1} { // one reader counts once
			if paused := complains(who, consent.PurposeOptOut); paused != 0 {
				t.Fatalf("two of ten paused campaign %d", paused)
			}
		}
		if paused := complains(2, consent.PurposeBounce); paused != id || !strings.Contains(state(), "paused 3 of 10 readers at one domain called it spam") || !rings(t, s, store.AlarmPaused) {
			t.Fatalf("three of ten at one provider: paused %d, %s", paused, state())
		}
		must(t, s.Resume(ctx, id))
		for _, who := range []int{3, 20, 21, 22, 23} {
			if paused := complains(who, consent.PurposeOptOut); paused != 0 {
				t.Fatalf("what came before is held against it again: %s", state())
			}
		}
		complains(24, consent.PurposeOptOut)
		if paused := complains(25, consent.PurposeOptOut); paused != id || !strings.Contains(state(), "paused 6 of 50 readers at large.example called it spam") {
			t.Errorf("six of fifty at one provider: paused %d, %s", paused, state())
		}
		if n, err := s.Complaints(ctx, id); err != nil || n != 10 {
			t.Errorf("%d complaints in all, %v", n, err)
		}
		clean(t, s)
	})
}

// TestProvidersAreCountedByTheirReaders: in a large campaign the readers of a provider
// are found by an index, whatever stands before the @ of their addresses, and what was
// counted is not counted again.
func TestProvidersAreCountedByTheirReaders(t *testing.T) {
	storetest.EnginesWith(t, func(o *store.Options) { o.Complaints = store.ComplaintLimit{Share: 0.5, Least: 1} }, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		emails := []string{"a@small.example", "b@small.example", "small.example@large.example", "c@xsmall.example", `"d@small.example"@large.example`}
		var all []store.Contact
		for i, email := range emails {
			all = append(all, store.Contact{Row: i + 2, Email: email, Topics: []string{"product"}, ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"})
		}
		_, err := s.Import(ctx, all, "x", false)
		must(t, err)
		id := campaign(t, s)
		must(t, s.Do(ctx, `UPDATE delivery SET state = 'accepted', claimed = 1`))
		for _, extra := range []int{0, store.SmallCampaign} {
			must(t, s.Do(ctx, fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
				INSERT INTO delivery (campaign, address, state, claimed, changed) SELECT %d, 'nobody' || i, 'accepted', 1, 1 FROM n WHERE %[1]d > 0`, extra, id)))
			for domain, want := range map[string]int{"small.example": 2, "large.example": 1, "example": 0} {
				if n, err := s.AcceptedOf(ctx, id, domain, 100); err != nil || n != want {
					t.Errorf("beside %d others %d readers at %s, want %d, %v", extra, n, domain, want, err)
				}
			}
			if n, err := s.AcceptedOf(ctx, id, "", 4); err != nil || n != 4 {
				t.Errorf("counted on to %d, %v", n, err)
			}
		}
	})
}
