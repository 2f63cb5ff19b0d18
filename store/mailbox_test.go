package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"heed/store"
	"heed/store/storetest"
)

// TestMailboxTrouble: the first failure's time stays until the mailbox can be
// read; whatever is no longer tried troubles nobody.
func TestMailboxTrouble(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			url := "sqlite:" + filepath.Join(t.TempDir(), "heed.db")
			if engine == "postgres" {
				url = storetest.QuickPostgres(t)
			}
			now := time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
			s, err := store.Open(t.Context(), store.Options{URL: url, Keys: filepath.Join(t.TempDir(), "keys"), Now: func() time.Time { return now }})
			must(t, err)
			defer s.Close()
			const name = "privacy@news.example/INBOX"
			troubled := func(longer time.Duration) (reason string, since time.Time) {
				t.Helper()
				all, err := s.TroubledMailboxes(t.Context(), longer)
				must(t, err)
				if len(all) == 0 {
					return "", time.Time{}
				}
				return all[0].Reason, all[0].Since
			}
			must(t, s.NoteMailbox(t.Context(), name, "privacy", ""))
			if reason, _ := troubled(0); reason != "" {
				t.Errorf("a mailbox that is well has the trouble %s", reason)
			}
			began := now
			for range 5 {
				must(t, s.NoteMailbox(t.Context(), name, "privacy", store.MailboxUnreachable))
				now = now.Add(time.Minute)
			}
			must(t, s.NoteMailbox(t.Context(), name, "privacy", store.MailboxLoginRefused))
			if reason, since := troubled(store.MailboxPatience); reason != store.MailboxLoginRefused || !since.Equal(began) {
				t.Errorf("the trouble is %s since %s, want login_refused since %s", reason, since, began)
			}
			if reason, _ := troubled(time.Hour); reason != "" {
				t.Errorf("five minutes count as an hour: %s", reason)
			}
			must(t, s.NoteMailbox(t.Context(), name, "privacy", ""))
			must(t, s.NoteMailbox(t.Context(), name, "privacy", store.MailboxSilent))
			if _, since := troubled(0); !since.Equal(now) {
				t.Errorf("new trouble has the old one's time %s", since)
			}
			now = now.Add(time.Hour)
			if reason, _ := troubled(0); reason != "" {
				t.Errorf("nobody has tried the mailbox for an hour, and it troubles still: %s", reason)
			}
			if err := s.NoteMailbox(t.Context(), name, "privacy", "no such word"); err == nil {
				t.Error("a word outside the set was taken")
			}
		})
	}
}

// TestMailboxRead: how far a mailbox was read is only true of the same UIDs.
func TestMailboxRead(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		must(t, s.NoteMailbox(t.Context(), "reply@news.example/INBOX", "reply", ""))
		must(t, s.SetMailboxRead(t.Context(), "reply@news.example/INBOX", 4000000000, 4294967295))
		for validity, want := range map[uint32]uint32{4000000000: 4294967295, 7: 0} {
			if uid, err := s.MailboxRead(t.Context(), "reply@news.example/INBOX", validity); err != nil || uid != want {
				t.Errorf("with UIDVALIDITY %d: read up to %d, want %d (%v)", validity, uid, want, err)
			}
		}
	})
}
