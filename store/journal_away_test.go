package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// moment is a time that a test moves.
type moment struct {
	mu sync.Mutex
	at time.Time
}

func (c *moment) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *moment) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func leave(t *testing.T, s *store.Store, email string) {
	t.Helper()
	_, err := s.OptOut(context.Background(), store.OptOut{Key: keyOf(t, s, email), Scope: consent.ScopeMarketing, Via: consent.ViaPage})
	must(t, err)
}

func out(t *testing.T, s *store.Store, email string) bool {
	t.Helper()
	e, err := s.Explain(context.Background(), email)
	must(t, err)
	return e.State.Marketing == "out"
}

// rings tells whether an alarm is open.
func rings(t *testing.T, s *store.Store, kind string) bool {
	t.Helper()
	n, err := s.Ringing(context.Background(), kind)
	must(t, err)
	if n > 1 {
		t.Errorf("%s rings %d times", kind, n)
	}
	return n == 1
}

// TestAJournalThatIsAwayRefusesNobody: the opt-outs count, without a wait, their
// lines are owed, the alarm goes off once; when the journal is back all is
// written and the alarm is over.
func TestAJournalThatIsAwayRefusesNobody(t *testing.T) {
	server := storetest.OwnPostgres(t, storetest.PostgresOptions{})
	url, drop, err := server.NewDatabase(context.Background())
	must(t, err)
	defer drop()
	engines(t, func(t *testing.T, o store.Options) {
		var troubles int
		at := &moment{at: time.Now()}
		o.Journal, o.Now, o.JournalAway = url, at.now, func(error) { troubles++ }
		s := opened(t, o)
		leave(t, s, "before@example.com")
		server.Kill()
		began := time.Now()
		for i := range 20 {
			leave(t, s, fmt.Sprintf("p%d@example.com", i))
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("20 opt-outs took %v while the journal was away", took)
		}
		if !rings(t, s, store.AlarmJournal) || troubles != 1 || !out(t, s, "p7@example.com") {
			t.Errorf("trouble was told %d times", troubles)
		}
		report, err := s.Verify(context.Background())
		must(t, err)
		if i9 := report["I9"]; i9.Checked < 20 || len(i9.Broken) > 0 {
			t.Errorf("I9 while lines are owed: %+v", i9)
		}
		at.pass(25 * time.Hour)
		report, err = s.Verify(context.Background())
		must(t, err)
		if i9 := report["I9"]; len(i9.Broken) < 20 {
			t.Errorf("I9 when lines are owed for a day: %+v", i9)
		}
		must(t, server.Start())
		for deadline := time.Now().Add(20 * time.Second); rings(t, s, store.AlarmJournal) && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
		report, err = s.Verify(context.Background())
		must(t, err)
		if i9 := report["I9"]; i9.Checked < 21 || len(i9.Broken) > 0 || rings(t, s, store.AlarmJournal) {
			t.Errorf("I9 when the journal is back: %+v", i9)
		}
	})
}

// TestAJournalThatIsAwayAtTheStart: whether the database is old is unknown, so
// that opt-outs count and nothing is sent until the journal was read.
func TestAJournalThatIsAwayAtTheStart(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		shelf := filepath.Join(t.TempDir(), "disk")
		o.Journal = filepath.Join(shelf, "journal")
		must(t, os.WriteFile(shelf, nil, 0o600)) // in the way
		s := opened(t, o)
		people(t, s, 3)
		campaign(t, s)
		leave(t, s, "p1@example.com")
		jobs, err := s.Carry(ctx, "newsletter", 10)
		must(t, err)
		if len(jobs) > 0 || !rings(t, s, store.AlarmJournal) {
			t.Errorf("%d jobs are carried before the journal was read", len(jobs))
		}
		must(t, os.Remove(shelf))
		for deadline := time.Now().Add(20 * time.Second); len(jobs) == 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			jobs, err = s.Carry(ctx, "newsletter", 10)
			must(t, err)
		}
		text, err := os.ReadFile(o.Journal)
		must(t, err)
		if len(jobs) == 0 || !strings.Contains(string(text), keyOf(t, s, "p1@example.com").String()) {
			t.Errorf("%d jobs are carried, the journal holds %q", len(jobs), text)
		}
		clean(t, s)
	})
}

// TestClosingPaysTheJournal: what is owed to a journal that is back is written
// before the store is closed, since the database may be lost meanwhile.
func TestClosingPaysTheJournal(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		shelf := filepath.Join(t.TempDir(), "disk")
		o.Journal = filepath.Join(shelf, "journal")
		must(t, os.WriteFile(shelf, nil, 0o600)) // in the way
		s := opened(t, o)
		leave(t, s, "owed@example.com")
		must(t, os.Remove(shelf))
		must(t, s.Close())
		text, err := os.ReadFile(o.Journal)
		must(t, err)
		if !strings.Contains(string(text), keyOf(t, s, "owed@example.com").String()) {
			t.Errorf("the journal holds %q", text)
		}
	})
}

// TestAFullDiskOfTheJournalRefusesNobody: the journal lies on a disk of its own
// that is full.
func TestAFullDiskOfTheJournalRefusesNobody(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("a disk that can be filled needs mount(2): run as root, in a container with CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	journal := filepath.Join(disk, "journal")
	s := opened(t, store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "heed.db"), Keys: t.TempDir(), Journal: journal})
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 128<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	for i := range 100 { // the last page has some room
		leave(t, s, fmt.Sprintf("p%d@example.com", i))
	}
	if !out(t, s, "p99@example.com") || !rings(t, s, store.AlarmJournal) {
		t.Error("a full disk of the journal refused an opt-out, or was not told")
	}
	must(t, os.Remove(ballast))
	for deadline := time.Now().Add(20 * time.Second); rings(t, s, store.AlarmJournal) && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	text, err := os.ReadFile(journal)
	must(t, err)
	if !strings.Contains(string(text), keyOf(t, s, "p99@example.com").String()) {
		t.Error("with room again the line is still owed")
	}
	clean(t, s)
}

// TestAJournalBegunLateHoldsWhatCameBefore: an opt-out that is older than the
// journal is in it all the same.
func TestAJournalBegunLateHoldsWhatCameBefore(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		late := o.Journal
		o.Journal = ""
		s := opened(t, o)
		leave(t, s, "early@example.com")
		must(t, s.Close())
		o.Journal = late
		s = opened(t, o)
		text, err := os.ReadFile(late)
		must(t, err)
		if !strings.Contains(string(text), keyOf(t, s, "early@example.com").String()) {
			t.Errorf("the journal holds %q", text)
		}
		clean(t, s)
	})
}

// TestTheJournalMustLieElsewhere refuses the database itself.
func TestTheJournalMustLieElsewhere(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "heed.db")
	_, err := store.Open(context.Background(), store.Options{URL: url, Keys: t.TempDir(), Journal: url})
	if err == nil || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "a place of its own") {
		t.Errorf("it was opened: %v", err)
	}
}
