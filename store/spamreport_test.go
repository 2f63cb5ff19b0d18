package store_test

import (
	"context"
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
