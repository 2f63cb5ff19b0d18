package store_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// TestRestoreDrill puts a copy back that is an hour, a day or a month old, made
// by heed or by somebody else's means, with opt-outs, an erasure and campaigns
// since. Nobody gets a campaign twice, no opt-out is forgotten, and who was
// erased is erased again.
func TestRestoreDrill(t *testing.T) {
	for name, age := range map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour, "month": 30 * 24 * time.Hour} {
		for _, way := range []string{"archive", "copy"} {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				engines(t, func(t *testing.T, o store.Options) { drill(t, o, age, way == "archive") })
			})
		}
	}
}

func drill(t *testing.T, o store.Options, age time.Duration, archive bool) {
	ctx := context.Background()
	at := &moment{at: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
	o.Now = at.now
	s := opened(t, o)
	people(t, s, 4)
	draft := newsletter(t, s)
	planned := newsletter(t, s)
	must(t, s.Schedule(ctx, planned, at.now().Add(10*time.Minute), time.Time{}))
	running := campaign(t, s)
	at.pass(time.Minute)
	must(t, s.TendJournal(ctx))
	copied := duplicate(t, s, o, archive)

	at.pass(age)
	must(t, s.StartDue(ctx))
	must(t, s.Start(ctx, draft))
	leave(t, s, "p1@example.com")
	leave(t, s, "p2@example.com")
	id := haunt2(t, s, "p3@example.com")
	must(t, s.Erase(ctx, id))
	must(t, s.TendJournal(ctx))
	must(t, s.Close())

	o = putBack(t, o, copied)
	s = opened(t, o)
	for _, one := range []int64{draft, planned, running} {
		c, err := s.Campaign(ctx, one)
		must(t, err)
		if c.Held == "" || c.State == "sending" || !strings.Contains(c.Note, "older copy") {
			t.Errorf("campaign %d after the restore: %s, held %q, %q", one, c.State, c.Held, c.Note)
		}
	}
	must(t, s.StartDue(ctx))
	if err := s.Start(ctx, draft); !errors.Is(err, store.ErrHeld) {
		t.Errorf("a draft that may have been sent began: %v", err)
	}
	jobs, err := s.Carry(ctx, "newsletter", 10)
	must(t, err)
	if len(jobs) > 0 || !rings(t, s, store.AlarmRestored) {
		t.Errorf("%d jobs of held campaigns are carried", len(jobs))
	}
	if !out(t, s, "p1@example.com") || !out(t, s, "p2@example.com") {
		t.Error("an opt-out is forgotten")
	}
	erasedAgain(t, s)
	confirmAll(t, s, draft, planned, running)
	clean(t, s)
	must(t, s.Close())
	s = opened(t, o) // a second start finds nothing
	if c, err := s.Campaign(ctx, running); err != nil || c.Held != "" || c.State != "sending" {
		t.Errorf("the campaign is held again: %+v, %v", c, err)
	}
}

func newsletter(t *testing.T, s *store.Store) int64 {
	t.Helper()
	id, _, err := s.AddCampaign(context.Background(), store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: "x", Audience: "all"})
	must(t, err)
	return id
}

// haunt2 opens and confirms the erasure of somebody on file.
func haunt2(t *testing.T, s *store.Store, email string) int64 {
	t.Helper()
	ctx := context.Background()
	id, err := s.OpenCase(ctx, store.Report{Kind: consent.CaseErasure, Email: email, Mailbox: "desk"})
	must(t, err)
	c, err := s.Case(ctx, id)
	must(t, err)
	token, err := s.ConfirmLink(c)
	must(t, err)
	link, err := s.Keys().Links.Open(token)
	must(t, err)
	_, err = s.Confirm(ctx, link)
	must(t, err)
	return id
}

// erasedAgain works off the erasure that was replayed: the copy had the person.
func erasedAgain(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := context.Background()
	all, err := s.Cases(ctx, true)
	must(t, err)
	if len(all) != 1 || all[0].State != consent.CaseConfirmed {
		t.Fatalf("open cases after the restore: %+v", all)
	}
	if e, err := s.Explain(ctx, "p3@example.com"); err != nil || !e.State.Erased {
		t.Errorf("blocked before all else: %+v, %v", e.State, err)
	}
	must(t, s.Erase(ctx, all[0].ID))
	must(t, s.Erase(ctx, all[0].ID)) // the job that follows
	if found, err := s.Holding(ctx, "p3@example.com"); err != nil || len(found) > 0 {
		t.Errorf("after the replay %v still name the person, %v", found, err)
	}
	items, err := s.ErasureItems(ctx, all[0].ID)
	must(t, err)
	if last := items[len(items)-1]; last.Item != "certificate" || last.Note != "nobody to be told" || last.State != "done" {
		t.Errorf("a second certificate: %+v", last)
	}
}

func confirmAll(t *testing.T, s *store.Store, draft, planned, running int64) {
	t.Helper()
	ctx := context.Background()
	for id, want := range map[int64]string{draft: "draft", planned: "scheduled", running: "sending"} {
		must(t, s.ConfirmCampaign(ctx, id))
		if c, err := s.Campaign(ctx, id); err != nil || c.State != want || c.Held != "" || c.Note != "" {
			t.Errorf("campaign %d was confirmed, and is %+v, %v", id, c, err)
		}
	}
	if rings(t, s, store.AlarmRestored) {
		t.Error("the alarm rings although all is confirmed")
	}
}

// duplicate copies the database, by heed or by its engine's own means.
func duplicate(t *testing.T, s *store.Store, o store.Options, archive bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy")
	if archive {
		path := filepath.Join(t.TempDir(), "archive")
		_, err := s.Backup(context.Background(), path)
		must(t, err)
		return path
	}
	if file, is := strings.CutPrefix(o.URL, "sqlite:"); is {
		_, err := s.Cut(context.Background())
		must(t, err)
		copyFile(t, file, path)
		return path
	}
	return "postgres:" + storetest.CopyPostgres(t, o.URL)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	must(t, err)
	defer in.Close()
	file, err := os.Create(to)
	must(t, err)
	_, err = io.Copy(file, in)
	must(t, errors.Join(err, file.Close()))
}

// putBack restores a copy, as heed or an operator does.
func putBack(t *testing.T, o store.Options, copied string) store.Options {
	t.Helper()
	if url, is := strings.CutPrefix(copied, "postgres:"); is {
		o.URL = url
		return o
	}
	file, is := strings.CutPrefix(o.URL, "sqlite:")
	if filepath.Base(copied) == "copy" && is {
		os.Remove(file + "-wal")
		os.Remove(file + "-shm")
		copyFile(t, copied, file)
		return o
	}
	_, err := store.Restore(context.Background(), o, copied)
	must(t, err)
	return o
}
