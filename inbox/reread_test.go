package inbox

import (
	"path/filepath"
	"testing"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// TestRequestsNewerThanTheBackupAreReadAgain: a request that came after the
// copy was made, from which the database was put back, is not lost: its case is
// open again, with the date on which it came. What the copy knows is left alone.
func TestRequestsNewerThanTheBackupAreReadAgain(t *testing.T) {
	for name, capability := range map[string]string{"move": "", "copy": "IMAP4rev1 NAMESPACE UIDPLUS"} {
		t.Run(name, func(t *testing.T) {
			p := &post{storetest.DovecotWith(t, storetest.DovecotOptions{Capability: capability}), t, nil, RolePrivacy}
			folder := t.TempDir()
			o := store.Options{URL: "sqlite:" + filepath.Join(folder, "heed.db"), Keys: filepath.Join(folder, "keys"), Journal: filepath.Join(folder, "journal")}
			p.s = openWith(t, o)
			if _, err := p.s.Import(t.Context(), []store.Contact{{Email: "ann@example.org"}}, "test", false); err != nil {
				t.Fatal(err)
			}
			stop := run(t, p.poller())
			p.stop("bob@example.org")
			p.filed(1)
			archive := filepath.Join(folder, "archive")
			if _, err := p.s.Backup(t.Context(), archive); err != nil {
				t.Fatal(err)
			}
			p.arrives(letter("ann@example.org", "privacy@news.example", "Request", "Please delete all my personal data."))
			p.filed(2)
			p.has("INBOX", 0) // copied, and then removed
			before, err := p.s.Cases(t.Context(), true)
			if err != nil || len(before) != 1 {
				t.Fatalf("cases %+v, %v", before, err)
			}
			stop()
			if err := p.s.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Restore(t.Context(), o, archive); err != nil {
				t.Fatal(err)
			}
			p.s = openWith(t, o)
			var kinds []consent.Kind
			poller := p.poller()
			poller.Read = func(_ string, kind consent.Kind) { kinds = append(kinds, kind) }
			stop = run(t, poller)
			eventually(t, "the case to be open again", func() bool {
				after, err := p.s.Cases(t.Context(), true)
				return err == nil && len(after) == 1 && after[0].Kind == before[0].Kind && after[0].Received.Equal(before[0].Received)
			})
			p.filed(2)
			stop()
			if len(kinds) != 1 || kinds[0] != consent.KindErasure {
				t.Errorf("read again: %v", kinds)
			}
			if _, due, err := p.s.Reread(t.Context(), p.user+"@news.example/INBOX"); err != nil || due {
				t.Errorf("it would be read a third time: %v", err)
			}
		})
	}
}

func openWith(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
