package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

const day = 24 * time.Hour

// TestRetention: what is too old goes, what is young or belongs to an open case
// stays, and the promises still hold.
func TestRetention(t *testing.T) {
	start := newClock()
	c := newClock()
	change := func(o *store.Options) {
		c.options(o)
		o.Retention = store.Periods{Mails: 90 * day, Tray: 30 * day, Deliveries: 100 * day, Cases: 200 * day}
	}
	storetest.EnginesWith(t, change, func(t *testing.T, s *store.Store) {
		c.at = start.at
		ctx := context.Background()
		people(t, s, 4)
		id := campaign(t, s)
		_, err := s.Cancel(ctx, id)
		must(t, err)
		wrote(t, s, 1, store.Inbound{Received: c.at, Subject: "closed", Request: request(consent.KindComplaint, "p0@example.com")})
		wrote(t, s, 2, store.Inbound{Received: c.at, Subject: "open", Request: request(consent.KindComplaint, "p1@example.com")})
		wrote(t, s, 3, store.Inbound{Received: c.at, Subject: "spam", Request: request(consent.KindUnrelated, "p2@example.com")})
		_, err = s.Answer(ctx, 1, "we look", "ann")
		must(t, err)
		must(t, s.NoteCase(ctx, 1, "a note", "ann"))
		_, err = s.Resolve(ctx, 1, store.Resolution{Outcome: "told p0", Quiet: true})
		must(t, err)
		post(t, s, 1)

		for _, step := range []struct {
			days int
			want string
		}{
			{29, "tray 0, mails 0, letters 0, cases 0, deliveries 0"},
			{31, "tray 1, mails 0, letters 0, cases 0, deliveries 0"},
			{91, "tray 0, mails 1, letters 2, cases 0, deliveries 0"},
			{101, "tray 0, mails 0, letters 0, cases 0, deliveries 4"},
			{201, "tray 0, mails 0, letters 0, cases 1, deliveries 0"},
			{400, "tray 0, mails 0, letters 0, cases 0, deliveries 0"},
		} {
			c.at = start.at.Add(time.Duration(step.days)*day + time.Hour)
			would, err := s.Retain(ctx, true)
			must(t, err)
			did, err := s.Retain(ctx, false)
			must(t, err)
			if dropped(would) != step.want || dropped(did) != step.want {
				t.Errorf("day %d: would drop %s, dropped %s; want %s", step.days, dropped(would), dropped(did), step.want)
			}
		}
		f, err := s.CaseFile(ctx, 1)
		must(t, err)
		if f.Email != "" || f.Outcome != "" || f.State != consent.CaseDone || len(f.Letters) != 0 || len(f.Mails) != 1 || f.Mails[0].Subject != "" {
			t.Errorf("the closed case is %+v", f)
		}
		for _, e := range f.Events {
			if e.Text != "" {
				t.Errorf("event %+v", e)
			}
		}
		if f, _ := s.CaseFile(ctx, 2); len(f.Mails) != 1 || f.Mails[0].Subject != "open" || f.Email == "" {
			t.Errorf("the open case is %+v", f)
		}
		a, err := s.Account(ctx, id)
		must(t, err)
		if a.Audience != 4 {
			t.Errorf("account %+v", a)
		}
		clean(t, s)
	})
}

func dropped(all []store.Dropped) (text string) {
	for i, d := range all {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s %d", d.What, d.Rows)
	}
	return text
}

// post hands over the letters of a case.
func post(t *testing.T, s *store.Store, id int64) {
	t.Helper()
	f, err := s.CaseFile(context.Background(), id)
	must(t, err)
	for _, l := range f.Letters {
		must(t, s.EndCorrespondence(context.Background(), l, "sent", 250))
	}
}

// TestRetentionOnceADay: whichever scheduler comes first, and no second time.
func TestRetentionOnceADay(t *testing.T) {
	start := newClock()
	c := newClock()
	storetest.EnginesWith(t, func(o *store.Options) { c.options(o); o.Retention.Tray = 30 * day }, func(t *testing.T, s *store.Store) {
		c.at = start.at
		ctx := context.Background()
		for i, want := range []bool{true, false, true} {
			_, done, err := s.RetainDaily(ctx)
			must(t, err)
			if done != want {
				t.Errorf("look %d: done %v", i, done)
			}
			if i == 1 {
				c.at = c.at.Add(day)
			}
		}
	})
}

// TestMailsOfOpenCasesStay: the folders keep what may belong to an open case.
func TestMailsOfOpenCasesStay(t *testing.T) {
	start := newClock()
	c := newClock()
	storetest.EnginesWith(t, func(o *store.Options) { c.options(o); o.Retention.Mails = 90 * day }, func(t *testing.T, s *store.Store) {
		c.at = start.at
		ctx := context.Background()
		people(t, s, 1)
		wrote(t, s, 1, store.Inbound{Received: c.at, Request: request(consent.KindComplaint, "p0@example.com")})
		c.at = start.at.Add(200 * day)
		before, err := s.MailsBefore(ctx)
		must(t, err)
		if !before.Before(start.at) {
			t.Errorf("with an open case, mails before %s go", before)
		}
		_, err = s.Resolve(ctx, 1, store.Resolution{Outcome: "x", Quiet: true})
		must(t, err)
		if before, err = s.MailsBefore(ctx); err != nil || !before.Equal(c.at.Add(-90*day)) {
			t.Errorf("mails before %s go, %v", before, err)
		}
	})
}
