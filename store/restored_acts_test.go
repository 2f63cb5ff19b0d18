package store_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
)

// TestARestoreForgetsNothingThatWasStopped: who was restricted, put on hold, paused
// or left an address after the copy was made stays so when it is put back, and
// what was ended since is ended again. Whoever is on hold for a request that the
// copy does not know has a case.
func TestARestoreForgetsNothingThatWasStopped(t *testing.T) {
	for _, way := range []string{"archive", "copy"} {
		t.Run(way, func(t *testing.T) {
			engines(t, func(t *testing.T, o store.Options) { stopsAndRestores(t, o, way == "archive") })
		})
	}
}

func stopsAndRestores(t *testing.T, o store.Options, archive bool) {
	ctx := context.Background()
	at := &moment{at: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
	o.Now = at.now
	s := opened(t, o)
	people(t, s, 10)
	restricted(t, s, "p1@example.com")
	known := held(t, s, "p7@example.com")
	at.pass(time.Minute)
	must(t, s.TendJournal(ctx))
	copied := duplicate(t, s, o, archive)

	at.pass(time.Hour)
	restricted(t, s, "p0@example.com")
	freed(t, s, "p1@example.com")
	restricted(t, s, "p2@example.com")
	freed(t, s, "p2@example.com")
	at.pass(time.Minute)
	restricted(t, s, "p2@example.com")
	held(t, s, "p3@example.com")
	closed(t, s, held(t, s, "p4@example.com"))
	closed(t, s, known)
	moved(t, s, "p5@example.com", "new@example.org")
	until := at.now().Add(30 * 24 * time.Hour).Truncate(time.Second)
	_, err := s.RecordWishes(ctx, store.Choosing{Key: keyOf(t, s, "p6@example.com"), Received: at.now(), Wording: "my choice",
		Wishes: []store.Wish{{Scope: consent.PauseScope(until), Choice: consent.Set, Sure: true}}})
	must(t, err)
	moved(t, s, "p8@example.com", "left@example.org")
	moved(t, s, "left@example.org", "p8@example.com") // and came back
	at.pass(time.Minute)
	must(t, s.TendJournal(ctx))
	must(t, s.Close())

	o = putBack(t, o, copied)
	s = opened(t, o)
	for email, want := range map[string]store.ExplainState{
		"p0@example.com": {Restricted: true}, "p1@example.com": {}, "p2@example.com": {Restricted: true}, "p3@example.com": {OnHold: true},
		"p4@example.com": {}, "p5@example.com": {Dead: true}, "p6@example.com": {PausedUntil: &until}, "p7@example.com": {}, "p8@example.com": {}, "p9@example.com": {},
		"left@example.org": {Dead: true},
	} {
		e, err := s.Explain(ctx, email)
		must(t, err)
		got := e.State
		if got.Restricted != want.Restricted || got.OnHold != want.OnHold || got.Dead != want.Dead || (got.PausedUntil == nil) != (want.PausedUntil == nil) {
			t.Errorf("%s after the restore: %+v, want %+v", email, got, want)
		}
	}
	stoodIn(t, s, "p3@example.com")
	clean(t, s)
	if s.Replayed() == 0 {
		t.Error("nothing was replayed")
	}
	must(t, s.Close())
	if s = opened(t, o); s.Replayed() != 0 {
		t.Errorf("the second start replayed %d", s.Replayed())
	}
	stoodIn(t, s, "p3@example.com")
}

// stoodIn wants the one case that stands in for those that the copy does not know.
func stoodIn(t *testing.T, s *store.Store, email string) {
	t.Helper()
	all, err := s.Cases(context.Background(), true)
	must(t, err)
	var found []store.Case
	for _, c := range all {
		if c.Mailbox == "journal" {
			found = append(found, c)
		}
	}
	if len(found) != 1 || found[0].Kind != consent.CaseReview || found[0].Email != email {
		t.Errorf("cases that stand in for those that are lost: %+v", found)
	}
}

// TestTheCaseThatStandsInEndsTheHold when a person closes it.
func TestTheCaseThatStandsInEndsTheHold(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		s := opened(t, o)
		people(t, s, 1)
		copied := duplicate(t, s, o, true)
		held(t, s, "p0@example.com")
		must(t, s.Close())
		s = opened(t, putBack(t, o, copied))
		all, err := s.Cases(context.Background(), true)
		must(t, err)
		f, err := s.CaseFile(context.Background(), all[0].ID)
		must(t, err)
		if all[0].ID <= 1000 {
			t.Errorf("the case has the number %d, which may be that of one that is lost", all[0].ID)
		}
		if last := f.Events[len(f.Events)-1]; last.Kind != "noted" || !strings.Contains(last.Detail.Text, "older copy") {
			t.Errorf("the case does not say why it is there: %+v", f.Events)
		}
		closed(t, s, all[0].ID)
		if stateOf(t, s, keyOf(t, s, "p0@example.com")).Hold != 0 {
			t.Error("the hold outlives its case")
		}
		clean(t, s)
	})
}

// TestTheCaseThatStandsInGoes when the mail is read again, and not before.
func TestTheCaseThatStandsInGoes(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		s := opened(t, o)
		people(t, s, 1)
		copied := duplicate(t, s, o, true)
		held(t, s, "p0@example.com")
		must(t, s.Close())
		s = opened(t, putBack(t, o, copied))
		other := asks(consent.KindAccess, "p0@example.com", "another request")
		other.UID = mailNumber.Add(1)
		_, err := s.RecordMail(context.Background(), other)
		must(t, err)
		stoodIn(t, s, "p0@example.com")
		id := held(t, s, "p0@example.com") // the same mail
		all, err := s.Cases(context.Background(), true)
		must(t, err)
		if len(all) != 2 || all[0].ID != id && all[1].ID != id {
			t.Errorf("open are %+v", all)
		}
		clean(t, s)
	})
}

// TestAJournalOfAnOlderHeed lacks what it did not keep, and gets it at the first
// start; its lines are read.
func TestAJournalOfAnOlderHeed(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		s := opened(t, o)
		people(t, s, 3)
		restricted(t, s, "p0@example.com")
		restricted(t, s, "p1@example.com")
		freed(t, s, "p1@example.com")
		leave(t, s, "p2@example.com")
		must(t, s.Close())
		text, err := os.ReadFile(o.Journal)
		must(t, err)
		var old []string
		for _, row := range strings.SplitAfter(string(text), "\n") {
			if !strings.Contains(row, " restricted ") {
				old = append(old, row)
			}
		}
		must(t, os.WriteFile(o.Journal, []byte(strings.Join(old, "")), 0o600))
		s = opened(t, o)
		must(t, s.ForgetKinds(context.Background()))
		must(t, s.TendJournal(context.Background()))
		now, err := os.ReadFile(o.Journal)
		must(t, err)
		if n := strings.Count(string(now), " restricted "); n != 3 || strings.Count(string(now), " marketing out ") != 1 {
			t.Errorf("the journal holds %d lines of restrictions: %q", n, now)
		}
		clean(t, s)
	})
}

// restricted has staff restrict somebody, in a case of theirs.
func restricted(t *testing.T, s *store.Store, email string) {
	t.Helper()
	id := opens(t, s, consent.CaseComplaint, email)
	must(t, s.Restrict(context.Background(), email, store.Decision{Case: id, Reason: "they say it is wrong", By: "kim"}))
	closed(t, s, id)
}

// freed has staff end the restriction.
func freed(t *testing.T, s *store.Store, email string) {
	t.Helper()
	id := opens(t, s, consent.CaseComplaint, email)
	must(t, s.Unrestrict(context.Background(), email, store.Decision{Case: id, Reason: "it was right", By: "kim"}, "by telephone"))
	closed(t, s, id)
}

// held has somebody ask for a deletion by mail.
func held(t *testing.T, s *store.Store, email string) int64 {
	t.Helper()
	m := asks(consent.KindErasure, email, "mail of "+email)
	m.UID, m.Received = mailNumber.Add(1), time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)
	_, err := s.RecordMail(context.Background(), m)
	must(t, err)
	if stateOf(t, s, keyOf(t, s, email)).Hold == 0 {
		t.Fatalf("%s is not on hold", email)
	}
	return theCase(t, s, keyOf(t, s, email)).ID
}

// closed has staff close a case.
func closed(t *testing.T, s *store.Store, id int64) {
	t.Helper()
	_, err := s.Resolve(context.Background(), id, store.Resolution{Outcome: "settled", By: "kim", Quiet: true})
	must(t, err)
}
