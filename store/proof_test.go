package store_test

import (
	"context"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
)

// TestConsentProof: each row with its wording, policy and place in the chain; a
// change of the row or of its evidence shows, and after an erasure it says what
// is left.
func TestConsentProof(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		o.Policy = consent.NewPolicyVersion("2026-01", []byte("the policy"))
		s := opened(t, o)
		id := haunt(t, s)
		_, err := s.Import(ctx, []store.Contact{{Row: 2, Email: "ann@example.com", Topics: []string{"product"}, ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes, write to me"}}, "", false)
		must(t, err)
		_, err = s.OptOut(ctx, store.OptOut{Key: keyOf(t, s, "ann@example.com"), Topic: 1, Via: consent.ViaOneClick, Authenticated: true})
		must(t, err)
		p, err := s.ConsentProof(ctx, "ann@example.com")
		must(t, err)
		if len(p.Rows) != 2 || len(p.Chain.Broken) != 0 || !p.Known || p.Erased {
			t.Fatalf("the proof is %+v", p)
		}
		yes, no := p.Rows[0], p.Rows[1]
		if yes.Wording != "yes, write to me" || yes.Kept != store.EvidenceIntact || !yes.Verified || yes.Policy != "2026-01" || len(yes.PolicyHash) != 64 || yes.Counts {
			t.Errorf("the yes is %+v", yes)
		}
		if no.Choice != "out" || no.Kept != store.EvidenceNone || !no.Verified || !no.Counts || no.Previous == "" {
			t.Errorf("the no is %+v", no)
		}
		ghosts, err := s.ConsentProof(ctx, ghost+"@example.com")
		must(t, err)
		must(t, s.Erase(ctx, id))
		after, err := s.ConsentProof(ctx, ghost+"@example.com")
		must(t, err)
		gone := 0
		for i, row := range after.Rows {
			if !row.Verified || row.Wording != "" || row.Evidence != nil || i < len(ghosts.Rows) && row.Hash != ghosts.Rows[i].Hash {
				t.Errorf("after the erasure: %+v", row)
			}
			if row.Kept == store.EvidenceGone {
				gone++
			}
		}
		if !after.Erased || after.Known || gone == 0 || len(after.Chain.Broken) != 0 {
			t.Errorf("after the erasure the proof is %+v", after)
		}
		must(t, s.Do(ctx, `UPDATE annex SET sealed = 'other' WHERE seq = (SELECT min(seq) FROM ledger WHERE address = '`+keyOf(t, s, "ann@example.com").String()+`')`))
		must(t, s.Do(ctx, `UPDATE ledger SET received = 1 WHERE choice = 'out' AND via = 'one_click'`))
		if p, err = s.ConsentProof(ctx, "ann@example.com"); err != nil && p.Rows == nil || len(p.Rows) == 2 && (p.Rows[0].Kept != store.EvidenceAltered || p.Rows[1].Verified || len(p.Chain.Broken) == 0) {
			t.Errorf("after a forgery: %+v, %v", p, err)
		}
	})
}
