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

// alerted starts an alert to the holders of files and lets it be delivered.
func alerted(t *testing.T, s *store.Store, d *store.Desk, key, by string) int64 {
	t.Helper()
	ctx := context.Background()
	id, _, err := s.AddCampaign(ctx, store.Campaign{Name: key, Class: consent.Alert, Service: 1, Source: "x", Audience: "all", AlertKey: key, SentBy: by})
	must(t, err)
	must(t, s.Start(ctx, id))
	for done := false; !done; {
		done, err = s.FanOut(ctx, id)
		must(t, err)
	}
	workOff(t, s, d, "alert")
	return id
}

// workOff delivers what waits in a queue: whoever may get it, gets it.
func workOff(t *testing.T, s *store.Store, d *store.Desk, queue string) {
	t.Helper()
	ctx := context.Background()
	_, err := s.Requeue(ctx)
	must(t, err)
	jobs, err := s.Carry(ctx, queue, 20)
	must(t, err)
	for _, job := range jobs {
		j, ok, err := s.Begin(ctx, job.ID, job.Generation, "w1")
		must(t, err)
		if !ok || j.Kind != "send" {
			continue
		}
		letters, err := s.Batch(ctx, j)
		must(t, err)
		for _, letter := range letters {
			v, err := d.Claim(ctx, letter.Ask)
			must(t, err)
			if v.Granted {
				d.Finish(store.Result{Ask: letter.Ask, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: time.Now()})
			}
		}
		must(t, d.Flush(ctx))
		must(t, s.EndJob(ctx, j, time.Time{}))
	}
	_, err = s.FinishCampaigns(ctx)
	must(t, err)
}

// TestAFifthAlertWaitsForASecondPerson: whoever had four in thirty days is held
// back, counted, and gets it when another person says why.
func TestAFifthAlertWaitsForASecondPerson(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx := context.Background()
		_, err := s.Import(ctx, []store.Contact{{Row: 2, Email: "ann@example.com", Services: []string{"files"}}, {Row: 3, Email: "ben@example.com"}}, "", false)
		must(t, err)
		_, err = s.OptOut(ctx, store.OptOut{Key: keyOf(t, s.Store, "ann@example.com"), Scope: consent.ScopeMarketing, Via: consent.ViaPage, Authenticated: true})
		must(t, err)
		d := desk(t, s.Store, "w1")
		for _, key := range []string{"a", "b", "c", "d"} {
			a, err := s.Account(ctx, alerted(t, s.Store, d, key, "ann"))
			must(t, err)
			if a.Accepted != 1 || a.Audience != 1 {
				t.Fatalf("alert %s: %+v", key, a)
			}
		}
		id := alerted(t, s.Store, d, "e", "Ann")
		held, err := s.HeldAlerts(ctx, true)
		must(t, err)
		if len(held) != 1 || held[0].ID != id || held[0].Held != 1 {
			t.Fatalf("held are %+v", held)
		}
		keys, err := s.HeldKeys(ctx)
		must(t, err)
		must(t, s.MatchAlarms(ctx, store.AlarmAlertHeld, keys))
		for _, bad := range []struct{ by, why string }{{"ann", "me"}, {"ANN", "me"}, {"bo", " "}} {
			if _, err := s.ApproveAlert(ctx, id, bad.by, bad.why); !errors.Is(err, store.ErrRefused) {
				t.Errorf("%+v could approve: %v", bad, err)
			}
		}
		must(t, s.RefuseAlert(ctx, id, "bo", "the same as yesterday"))
		if rings(t, s.Store, store.AlarmAlertHeld) {
			t.Error("the alarm rings although somebody decided")
		}
		n, err := s.ApproveAlert(ctx, id, "cy", "it is another outage")
		must(t, err)
		workOff(t, s.Store, d, "alert")
		a, err := s.Account(ctx, id)
		must(t, err)
		if n != 1 || a.Accepted != 1 || a.Skipped[consent.Capped] != 0 {
			t.Errorf("released %d, account %+v", n, a)
		}
		again, err := s.ApproveAlert(ctx, id, "cy", "again")
		if err != nil && !errors.Is(err, store.ErrState) || again != 0 {
			t.Errorf("approved twice: %d, %v", again, err)
		}
		acts, err := s.StaffActs(ctx)
		must(t, err)
		if len(acts) != 2 || acts[0].Kind != store.ActAlertRefused || acts[1].Kind != store.ActAlertApproved || acts[1].Staff != "cy" {
			t.Errorf("the acts are %+v", acts)
		}
		s.at = s.at.AddDate(0, 0, 31)
		if a, err := s.Account(ctx, alerted(t, s.Store, d, "f", "ann")); err != nil || a.Accepted != 1 {
			t.Errorf("after 31 days: %+v, %v", a, err)
		}
		clean(t, s.Store)
	})
}

// TestANoticeNeedsTwoPeople: until two different people stand for it no door
// starts it; then it goes to everybody who can be written to, once.
func TestANoticeNeedsTwoPeople(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 6)
		key := func(n int) consent.Key {
			return keyOf(t, s, []string{"p0", "p1", "p2", "p3", "p4", "p5"}[n]+"@example.com")
		}
		_, err := s.OptOut(ctx, store.OptOut{Key: key(0), Scope: consent.ScopeMarketing, Via: consent.ViaPage, Authenticated: true})
		must(t, err)
		_, _, err = s.Suppress(ctx, []store.Suppression{{Email: "p1@example.com", Scope: "all"}})
		must(t, err)
		must(t, s.Strike(ctx, key(2)))
		must(t, s.Do(ctx, `UPDATE address SET state = '{"d":1}' WHERE key = '`+key(3).String()+`'`))
		must(t, s.Do(ctx, `UPDATE address SET state = '{"r":1}' WHERE key = '`+key(4).String()+`'`))
		id, _, err := s.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Legal, Notice: "sale", Source: "x", Audience: "all", AlertKey: "notice k", SentBy: "ann"})
		must(t, err)
		refused := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, store.ErrRefused) {
				t.Errorf("%s: %v", what, err)
			}
		}
		refused("started unapproved", s.Start(ctx, id))
		refused("scheduled unapproved", s.Schedule(ctx, id, time.Now().Add(time.Hour), time.Time{}))
		_, err = s.ApproveNotice(ctx, id, "ann", "")
		must(t, err)
		_, err = s.ApproveNotice(ctx, id, "ANN", "")
		refused("approved twice by one", err)
		refused("started with one", s.Start(ctx, id))
		n, err := s.ApproveNotice(ctx, id, "bo", "")
		must(t, err)
		if n != 2 {
			t.Errorf("%d approvals", n)
		}
		must(t, s.Start(ctx, id))
		if err := s.Start(ctx, id); !errors.Is(err, store.ErrState) {
			t.Errorf("started twice: %v", err)
		}
		for done := false; !done; {
			done, err = s.FanOut(ctx, id)
			must(t, err)
		}
		workOff(t, s, desk(t, s, "w1"), "newsletter")
		a, err := s.Account(ctx, id)
		must(t, err)
		if a.Accepted != 4 || a.Skipped[consent.DeadAddress] != 1 || a.Skipped[consent.Restricted] != 1 || a.Audience != 6 {
			t.Errorf("the notice stands at %+v", a)
		}
	})
}

// TestActsOfStaffAreAChain: what staff did cannot be changed or cut off unseen.
func TestActsOfStaffAreAChain(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		for _, said := range []string{"one", "two", "three"} {
			must(t, s.NoteAct(ctx, store.StaffAct{Kind: store.ActExported, Staff: "ann", Said: said}))
		}
		clean(t, s)
		for what, query := range map[string]string{
			"changed":  `UPDATE staff_act SET said = 'none' WHERE id = 2`,
			"cut off":  `DELETE FROM staff_act WHERE id = 3`,
			"put back": `INSERT INTO staff_act (id, at, kind, staff, about, said, hash) VALUES (4, 1, 'exported', 'x', 0, '', '')`,
		} {
			must(t, s.Do(ctx, query))
			report, err := s.Verify(ctx)
			must(t, err)
			if len(report["I5"].Broken) == 0 {
				t.Errorf("%s, and not found", what)
			}
		}
	})
}

// TestDisclosuresNeedADocument: without one nothing is given, and what is given
// is kept.
func TestDisclosuresNeedADocument(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 1)
		key := keyOf(t, s, "p0@example.com")
		if _, err := s.Disclose(ctx, 1, key, "ann"); !errors.Is(err, store.ErrRefused) {
			t.Errorf("given without a document: %v", err)
		}
		for _, bad := range []store.Disclosure{{Authority: "court", By: "ann", ApprovedBy: "bo"}, {Document: "1/26", By: "ann", ApprovedBy: "bo"},
			{Document: "1/26", Authority: "court", By: "ann"}, {Document: "1/26", Authority: "court", By: "ann", ApprovedBy: "Ann "}} {
			if _, err := s.AddDisclosure(ctx, bad); !errors.Is(err, store.ErrRefused) {
				t.Errorf("%+v was taken: %v", bad, err)
			}
		}
		id, err := s.AddDisclosure(ctx, store.Disclosure{Document: "1/26", Authority: "court", By: "ann", ApprovedBy: "bo"})
		must(t, err)
		if _, err := s.Disclose(ctx, id, keyOf(t, s, "nobody@example.com"), "ann"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("somebody unknown was given: %v", err)
		}
		p, err := s.Disclose(ctx, id, key, "ann")
		must(t, err)
		acts, err := s.StaffActs(ctx)
		must(t, err)
		if p.Email != "p0@example.com" || len(acts) != 2 || acts[1].Kind != store.ActDisclosed || acts[1].Address != key.String() || acts[1].About != id {
			t.Errorf("gave %s, acts %+v", p.Email, acts)
		}
		r, err := s.Held(ctx, key, 0)
		must(t, err)
		if len(r.Given) != 1 || r.Given[0].To != "court" {
			t.Errorf("the copy tells %+v", r.Given)
		}
	})
}

// TestAPolicyNoticeNeedsTwoPeople: it goes to everybody as well. A request for
// consent goes to whoever gets something, and needs nobody.
func TestAPolicyNoticeNeedsTwoPeople(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		published(t, s, "2026-09", true, "news")
		tell, _, err := s.AddCampaign(ctx, store.Campaign{Name: "tell", Class: consent.PolicyNotice, Source: "x", Audience: "all", Policy: "2026-09"})
		must(t, err)
		ask, _, err := s.AddCampaign(ctx, store.Campaign{Name: "ask", Class: consent.ConsentRequest, Source: "x", Audience: "all", Policy: "2026-09"})
		must(t, err)
		must(t, s.Start(ctx, ask))
		for i, who := range []string{"ann", "Ann", "bo"} {
			if err := s.Start(ctx, tell); !errors.Is(err, store.ErrRefused) {
				t.Errorf("started before %s approved: %v", who, err)
			}
			if err := s.Schedule(ctx, tell, time.Now().Add(time.Hour), time.Time{}); !errors.Is(err, store.ErrRefused) {
				t.Errorf("scheduled before %s approved: %v", who, err)
			}
			if _, err := s.ApproveNotice(ctx, tell, who, "read"); (err != nil) != (i == 1) {
				t.Errorf("%s approves: %v", who, err)
			}
		}
		must(t, s.Start(ctx, tell))
		clean(t, s)
	})
}

// TestUnauthenticatedMailIsRefused: where heed doctor found records missing, no
// campaign to many starts or is scheduled until they are there, or the operator
// says otherwise. Few people, and alerts, are none of it.
func TestUnauthenticatedMailIsRefused(t *testing.T) {
	for _, anyway := range []bool{false, true} {
		storetest.EnginesWith(t, func(o *store.Options) { o.Unauthenticated = anyway }, func(t *testing.T, s *store.Store) {
			ctx := context.Background()
			draft := func(class consent.Class) int64 {
				c := store.Campaign{Name: "n", Class: class, Source: "x", Audience: "all", Topic: 1}
				if class == consent.Alert {
					c.Topic, c.Service, c.AlertKey = 0, 1, "k"
				}
				id, _, err := s.AddCampaign(ctx, c)
				must(t, err)
				return id
			}
			must(t, s.NoteRecords(ctx, true))
			must(t, s.Start(ctx, draft(consent.Newsletter))) // to few
			must(t, s.Do(ctx, `INSERT INTO counter (name, value) VALUES ('person', 5000) ON CONFLICT (name) DO UPDATE SET value = excluded.value`))
			must(t, s.Start(ctx, draft(consent.Newsletter))) // many were stored once, and are erased
			people(t, s, store.BulkPeople+1)
			id := draft(consent.Newsletter)
			for what, err := range map[string]error{"scheduled": s.Schedule(ctx, id, time.Now().Add(time.Hour), time.Time{}), "started": s.Start(ctx, id)} {
				if (err == nil) != anyway || !anyway && !strings.Contains(err.Error(), "heed doctor") {
					t.Errorf("%s with records missing: %v", what, err)
				}
			}
			if missing, err := s.Unproven(ctx, consent.Newsletter); missing == anyway || err != nil {
				t.Errorf("missing is %v, %v", missing, err)
			}
			must(t, s.Start(ctx, draft(consent.Alert)))
			must(t, s.NoteRecords(ctx, false))
			must(t, s.Start(ctx, draft(consent.Newsletter)))
		})
	}
}
