package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"heed/consent"
)

// TestANoThatFailedAfterItWasWrittenDown: the transaction of an opt-out fails
// once its line is in the journal, as on a full disk. As soon as another goes
// through the opt-out counts, and the journal and the ledger agree.
func TestANoThatFailedAfterItWasWrittenDown(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	options := Options{URL: "sqlite:" + filepath.Join(dir, "heed.db"), Keys: filepath.Join(dir, "keys"), Journal: filepath.Join(dir, "journal")}
	s, err := Open(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := s.Key("a@example.com")
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("no room")
	err = s.inTx(ctx, "opting out", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{key})
		if err != nil {
			return err
		}
		_, err = t.record(ctx, held, []act{{key: key, scope: consent.ScopeMarketing, choice: consent.Out, received: t.now, via: consent.ViaPage}})
		return errors.Join(err, full)
	})
	if !errors.Is(err, full) {
		t.Fatal(err)
	}
	if report, err := s.Verify(ctx); err != nil || len(report["I9"].Broken) != 1 {
		t.Fatalf("the line is not ahead of the ledger: %+v, %v", report["I9"], err)
	}
	if _, err := s.Import(ctx, []Contact{{Row: 2, Email: "b@example.com"}}, "", false); err != nil {
		t.Fatal(err)
	}
	e, err := s.Explain(ctx, "a@example.com")
	if err != nil || e.State.Marketing != "out" {
		t.Errorf("the opt-out is %+v, %v", e.State, err)
	}
	report, err := s.Verify(ctx)
	for name, one := range report {
		if len(one.Broken) > 0 {
			t.Errorf("%s is broken: %v", name, one.Broken)
		}
	}
	if err := errors.Join(err, s.Close()); err != nil {
		t.Error(err)
	}
}

// TestALiftThatFailedLiftsNothing: the transaction that ends a restriction fails
// at its last step. The journal says nothing of it, so that no restore and no
// later transaction ends it.
func TestALiftThatFailedLiftsNothing(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s, err := Open(ctx, Options{URL: "sqlite:" + filepath.Join(dir, "heed.db"), Keys: filepath.Join(dir, "keys"), Journal: filepath.Join(dir, "journal")})
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := s.Key("a@example.com")
	if err != nil {
		t.Fatal(err)
	}
	turn := func(choice consent.Choice, fails error) error {
		return s.inTx(ctx, "turning", func(t *tx) error {
			held, err := t.lockKeys(ctx, []consent.Key{key})
			if err != nil {
				return err
			}
			_, err = t.record(ctx, held, []act{{key: key, scope: consent.ScopeRestricted, choice: choice, via: consent.ViaStaff}})
			return errors.Join(err, fails)
		})
	}
	full := errors.New("no room")
	if err := errors.Join(turn(consent.Set, nil), turn(consent.Lift, full)); !errors.Is(err, full) {
		t.Fatal(err)
	}
	if _, err := s.Import(ctx, []Contact{{Row: 2, Email: "b@example.com"}}, "", false); err != nil {
		t.Fatal(err)
	}
	if err := s.TendJournal(ctx); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Explain(ctx, "a@example.com"); err != nil || !e.State.Restricted {
		t.Errorf("the restriction is %+v, %v", e.State, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "journal"))
	if err != nil || strings.Contains(string(text), " lift ") || !strings.Contains(string(text), " restricted set ") {
		t.Errorf("the journal holds %q, %v", text, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
