package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// clock is a clock that a test turns.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) options(o *store.Options) { o.Now = c.now }

func newClock() *clock {
	return &clock{time.Date(2026, 6, 1, 9, 30, 0, 0, time.UTC)}
}

// wrote records a mail of a person, each with a UID of its own.
func wrote(t *testing.T, s *store.Store, uid int64, m store.Inbound) store.Filing {
	t.Helper()
	m.Mailbox, m.Role, m.Validity, m.UID, m.Digest = "privacy@example.com/INBOX", "privacy", 1, uid, m.Request.From+m.Subject+m.Text
	f, err := s.RecordMail(context.Background(), m)
	must(t, err)
	return f
}

func request(kind consent.Kind, from string) consent.Request {
	return consent.Request{Kind: kind, From: from}
}

func TestMailsJoinTheirCase(t *testing.T) {
	c := newClock()
	storetest.EnginesWith(t, c.options, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 2)
		wrote(t, s, 1, store.Inbound{Received: c.at, Subject: "Delete", Text: "all of it", Writer: "P <p0@example.com>", MessageID: "<1@example.com>",
			Request: request(consent.KindErasure, "p0@example.com")})
		wrote(t, s, 2, store.Inbound{Received: c.at, Subject: "Delete!", Text: "now", Request: request(consent.KindErasure, "p0@example.com")})
		joined := wrote(t, s, 3, store.Inbound{Received: c.at, Subject: "Re: your question", Text: "yes, it was me", Letter: 1,
			Request: request(consent.KindUnrelated, "p0@example.com")})
		named := wrote(t, s, 4, store.Inbound{Received: c.at, Subject: "H-1", Text: "any news?", Case: 1, Request: request(consent.KindReview, "p0@example.com")})
		forged := wrote(t, s, 5, store.Inbound{Received: c.at, Subject: "H-1", Text: "let me in", Case: 1, Letter: 1, Request: request(consent.KindUnrelated, "p1@example.com")})
		if joined.Outcome != "case" || named.Outcome != "case" || forged.Outcome != "tray" {
			t.Errorf("filed %+v, %+v, and of somebody else %+v", joined, named, forged)
		}
		f, err := s.CaseFile(ctx, 1)
		must(t, err)
		var texts []string
		for _, m := range f.Mails {
			texts = append(texts, m.Text)
		}
		if got := strings.Join(texts, "|"); got != "all of it|now|yes, it was me|any news?" || f.Mails[0].Subject != "Delete" || f.Mails[0].Writer != "P <p0@example.com>" {
			t.Errorf("the case holds %q, %+v", got, f.Mails[0])
		}
		if kinds := events(f); kinds != "opened mail mail mail" {
			t.Errorf("events %s", kinds)
		}
		if len(f.Letters) != 1 || f.Letters[0].Kind != store.WriteConfirm {
			t.Errorf("letters %+v", f.Letters)
		}
	})
}

func events(f store.CaseFile) string {
	var kinds []string
	for _, e := range f.Events {
		kinds = append(kinds, e.Kind)
	}
	return strings.Join(kinds, " ")
}

// TestTheClockRunsFromReceipt: not from the click, and not from the day on
// which the mail was read.
func TestTheClockRunsFromReceipt(t *testing.T) {
	c := newClock()
	storetest.EnginesWith(t, func(o *store.Options) { c.options(o); o.Law = consent.Law{Profile: "eu"} }, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 1)
		wrote(t, s, 1, store.Inbound{Received: c.at.AddDate(0, 0, -10), Subject: "Delete", Request: request(consent.KindErasure, "p0@example.com")})
		one, err := s.Case(ctx, 1)
		must(t, err)
		token, err := s.ConfirmLink(one)
		must(t, err)
		link, err := s.Keys().Links.Open(token)
		must(t, err)
		one, err = s.Confirm(ctx, link)
		must(t, err)
		if got := one.Due.Format(time.DateOnly); got != "2026-06-22" || one.State != consent.CaseConfirmed {
			t.Errorf("due %s, %s", got, one.State)
		}
	})
}

func TestExtendingACase(t *testing.T) {
	c := newClock()
	storetest.EnginesWith(t, func(o *store.Options) { c.options(o); o.Law = consent.Law{Profile: "eu"} }, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		begin := c.at
		defer func() { c.at = begin }()
		people(t, s, 2)
		for i, from := range []string{"p0@example.com", "p1@example.com"} {
			wrote(t, s, int64(i+1), store.Inbound{Received: c.at, Request: request(consent.KindAccess, from)})
		}
		c.at = begin.AddDate(0, 0, 29)
		one, err := s.Extend(ctx, 1, 2, "so much", "ann")
		must(t, err)
		if got := one.Due.Format(time.DateOnly); got != "2026-09-01" || one.Extended.IsZero() {
			t.Errorf("due %s, extended %s", got, one.Extended)
		}
		f, err := s.CaseFile(ctx, 1)
		must(t, err)
		last := f.Letters[len(f.Letters)-1]
		if last.Kind != store.WriteExtended || last.Text != "so much" || last.At.Format(time.DateOnly) != "2026-09-01" {
			t.Errorf("letter %+v", last)
		}
		c.at = begin.AddDate(0, 0, 31)
		if _, err := s.Extend(ctx, 2, 2, "late", "ann"); !errors.Is(err, store.ErrRefused) {
			t.Errorf("after the first month: %v", err)
		}
		if _, err := s.Extend(ctx, 1, 2, "twice", "ann"); !errors.Is(err, store.ErrRefused) {
			t.Errorf("twice: %v", err)
		}
	})
}

// TestErasureTakesTheCorrespondence: what was written by and to a person, and
// what staff noted, cannot be read after an erasure.
func TestErasureTakesTheCorrespondence(t *testing.T) {
	c := newClock()
	storetest.EnginesWith(t, c.options, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 1)
		wrote(t, s, 1, store.Inbound{Received: c.at, Subject: "You", Text: "liars", Request: request(consent.KindComplaint, "p0@example.com")})
		wrote(t, s, 2, store.Inbound{Received: c.at, Subject: "Delete", Request: request(consent.KindErasure, "p0@example.com")})
		wrote(t, s, 3, store.Inbound{Received: c.at, Subject: "Thanks", Request: request(consent.KindUnrelated, "p0@example.com")})
		_, err := s.Answer(ctx, 1, "we are not", "ann")
		must(t, err)
		must(t, s.NoteCase(ctx, 1, "a hothead", "ann"))
		_, err = s.Resolve(ctx, 1, store.Resolution{Outcome: "p0@example.com was angry"})
		must(t, err)
		_, err = s.ConfirmByStaff(ctx, 2, store.Proof{By: "ann", Second: "bob", How: "they came by"})
		must(t, err)
		must(t, s.Erase(ctx, 2))
		f, err := s.CaseFile(ctx, 1)
		must(t, err)
		for _, e := range f.Events {
			if e.Text != "" {
				t.Errorf("event %+v", e)
			}
		}
		if len(f.Letters) != 0 || f.Outcome != "" || f.Email != "" || len(f.Mails) != 1 || f.Mails[0].Text != "" {
			t.Errorf("left: %+v", f)
		}
		clean(t, s)
	})
}
