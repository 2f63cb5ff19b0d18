package store

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"heed/consent"
)

// TestProofCountsOnce: the same signed words a second time prove nothing, also
// in another mailbox; after they can prove nothing any more they are forgotten.
func TestProofCountsOnce(t *testing.T) {
	folder, now := t.TempDir(), time.Now()
	s, err := Open(t.Context(), Options{URL: "sqlite:" + filepath.Join(folder, "heed.db"), Keys: filepath.Join(folder, "keys"),
		Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, c := range []struct {
		mailbox, from, once string
		authenticated       bool
		want                string
		proofs              int
	}{
		{"privacy@news.example/INBOX", "ann@example.org", "a", true, `["plain"]`, 1},
		{"unsubscribe@news.example/INBOX", "ann@example.org", "a", true, `["plain","proof-used-before"]`, 1},
		{"unsubscribe@news.example/INBOX", "bob@example.org", "b", true, `["plain"]`, 2},
		{"unsubscribe@news.example/INBOX", "eve@example.org", "a", false, `["plain"]`, 2},
	} {
		_, err := s.RecordMail(t.Context(), Inbound{Mailbox: c.mailbox, Role: "privacy", Validity: 1, UID: int64(i + 1), Digest: fmt.Sprint(i),
			Received: now, Once: c.once, Request: consent.Request{Kind: consent.KindUnsubscribe, Scope: consent.ScopeMarketing, From: c.from,
				Authenticated: c.authenticated, Evidence: []consent.Evidence{{Rule: "plain"}}}})
		if err != nil {
			t.Fatal(err)
		}
		var rules string
		var proofs int
		err = s.read.QueryRowContext(t.Context(), `SELECT rules, (SELECT count(*) FROM proof) FROM inbound WHERE uid = $1`, i+1).Scan(&rules, &proofs)
		if err != nil || rules != c.want || proofs != c.proofs {
			t.Errorf("mail %d: %s, %d proofs, want %s, %d (%v)", i+1, rules, proofs, c.want, c.proofs, err)
		}
	}
	now = now.Add(proofKept + time.Hour)
	_, err = s.RecordMail(t.Context(), Inbound{Mailbox: "x", Role: "privacy", Validity: 1, UID: 9, Digest: "9", Received: now, Once: "c",
		Request: consent.Request{Kind: consent.KindUnsubscribe, From: "cat@example.org", Authenticated: true}})
	if err != nil {
		t.Fatal(err)
	}
	var proofs int
	if err := s.read.QueryRowContext(t.Context(), `SELECT count(*) FROM proof`).Scan(&proofs); err != nil || proofs != 1 {
		t.Errorf("%d proofs are kept, want 1 (%v)", proofs, err)
	}
}
