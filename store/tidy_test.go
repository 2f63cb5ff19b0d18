package store_test

import (
	"context"
	"testing"
	"time"

	"heed/store"
	"heed/store/storetest"
)

// TestTidy: jobs that are done and alarms that are over go after a time, by the
// daily look, in steps; what is still needed stays.
func TestTidy(t *testing.T) {
	now := time.Now()
	storetest.EnginesWith(t, func(o *store.Options) { o.Now = func() time.Time { return now } }, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		must(t, s.Do(ctx, `INSERT INTO job (id, queue, kind, state, due, campaign, subject, changed)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
			SELECT 1000 + i, 'newsletter', 'send', CASE WHEN i % 2 = 0 THEN 'done' ELSE 'failed' END, 1, 1, NULL, CAST($1 AS BIGINT) FROM n`, now.UnixMicro()))
		must(t, s.Do(ctx, `INSERT INTO job (id, queue, kind, state, due, campaign, changed) VALUES (900, 'newsletter', 'send', 'ready', 1, 1, 1)`))
		must(t, s.RaiseAlarm(ctx, store.AlarmTest, "open"))
		must(t, s.RaiseAlarm(ctx, store.AlarmTest, "over"))
		all, err := s.Alarms(ctx, true)
		must(t, err)
		must(t, s.AlarmTold(ctx, all[1].ID, "mail", "raised"))
		must(t, s.ClearAlarm(ctx, store.AlarmTest, "over"))
		look := func(jobs, alarms int) {
			t.Helper()
			dropped, done, err := s.RetainDaily(ctx)
			must(t, err)
			rows := map[string]int{}
			for _, d := range dropped {
				rows[d.What] = d.Rows
			}
			if !done || rows["jobs"] != jobs || rows["alarms"] != alarms {
				t.Errorf("done %v: %v, want %d jobs and %d alarms", done, rows, jobs, alarms)
			}
		}
		look(0, 0)
		now = now.Add(49 * time.Hour)
		look(600, 0) // what was given up waits for a person
		now = now.Add(90 * 24 * time.Hour)
		look(0, 1)
		if left, err := s.Alarms(ctx, false); err != nil || len(left) != 1 || left[0].Key != "open" {
			t.Errorf("left are %+v, %v", left, err)
		}
		if jobs, err := s.Carry(ctx, "newsletter", 5); err != nil || len(jobs) != 1 || jobs[0].ID != 900 {
			t.Errorf("the job that waits is %v, %v", jobs, err)
		}
	})
}

// TestSilentMailboxes: a mailbox that nobody leases is silent, one that is tried
// in vain is not.
func TestSilentMailboxes(t *testing.T) {
	now := time.Now()
	storetest.EnginesWith(t, func(o *store.Options) { o.Now = func() time.Time { return now } }, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		all := []store.MailboxName{{Name: "privacy@news.example/INBOX", Role: "privacy"}, {Name: "abuse@news.example/INBOX", Role: "abuse"}}
		silent := func() (roles string) {
			t.Helper()
			found, err := s.SilentMailboxes(ctx, all, store.MailboxPatience)
			must(t, err)
			for _, m := range found {
				roles += m.Role + " "
			}
			return roles
		}
		if got := silent(); got != "privacy abuse " {
			t.Errorf("before anybody looked: %q", got)
		}
		for _, m := range all {
			_, err := s.LeaseMailbox(ctx, m.Name, "one", time.Minute)
			must(t, err)
		}
		now = now.Add(4 * time.Minute)
		_, err := s.LeaseMailbox(ctx, all[0].Name, "one", time.Minute)
		must(t, err)
		if got := silent(); got != "" {
			t.Errorf("after four minutes: %q", got)
		}
		now = now.Add(2 * time.Minute)
		if got := silent(); got != "abuse " {
			t.Errorf("after six minutes: %q", got)
		}
	})
}
