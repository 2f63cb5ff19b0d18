package store_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
)

// TestTransfer takes a business over: every limit arrives, no yes is raised over a
// no of the buyer, whoever was deleted is known again, and what was left out or
// altered on the way is refused with nothing taken.
func TestTransfer(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		o.Policy = consent.NewPolicyVersion("2026-01", []byte("the policy"))
		seller := sharers(t, o, "ann", "ben", "cy", "di")
		haunted := haunt(t, seller)
		must(t, seller.Erase(ctx, haunted))
		_, err := seller.OptOut(ctx, store.OptOut{Key: keyOf(t, seller, "ben@example.com"), Scope: consent.ScopeSharing, Via: consent.ViaPage, Authenticated: true})
		must(t, err)
		_, _, err = seller.Suppress(ctx, []store.Suppression{{Email: "stranger@example.com", Scope: "all"}, {Email: "cy@example.com", Scope: "all"}})
		must(t, err)
		_, err = seller.Import(ctx, []store.Contact{{Row: 2, Email: "ann@example.com", ExternalID: "x-ann-2"}, {Row: 3, Email: "ben@example.com", ExternalID: "shared"}}, "", false)
		must(t, err)
		var out bytes.Buffer
		sum, err := seller.ExportTransfer(ctx, &out, "Harbour", store.StaffAct{Staff: "ann", Second: "bo"})
		must(t, err)
		if sum.People < 5 || sum.Limits < 2 {
			t.Fatalf("the bundle has %+v", sum)
		}
		buyer := func() *store.Store {
			fresh := store.Options{URL: "sqlite:" + t.TempDir() + "/heed.db", Keys: t.TempDir(), Policy: consent.NewPolicyVersion("b-1", []byte("other"))}
			s := opened(t, fresh)
			_, err := s.Import(ctx, []store.Contact{{Row: 2, Email: "di@example.com", ExternalID: "shared"}}, "", false)
			must(t, err)
			_, err = s.OptOut(ctx, store.OptOut{Key: keyOf(t, s, "di@example.com"), Scope: consent.ScopeSharing, Via: consent.ViaPage, Authenticated: true})
			must(t, err)
			return s
		}
		s := buyer()
		for what, change := range tampered(out.String()) {
			if _, err := s.ImportTransfer(ctx, strings.NewReader(change), sum.Fingerprint, store.StaffAct{Staff: "cy"}); !errors.Is(err, store.ErrBundle) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := s.ImportTransfer(ctx, bytes.NewReader(out.Bytes()), strings.Repeat("0", 32), store.StaffAct{Staff: "cy"}); !errors.Is(err, store.ErrBundle) {
			t.Errorf("sealed by somebody else: %v", err)
		}
		if _, known, err := s.PersonByKey(ctx, keyOf(t, s, "ann@example.com")); known || err != nil {
			t.Errorf("a refused bundle left somebody behind, %v", err)
		}
		gone, cancel := context.WithCancel(ctx)
		if _, err := s.ImportTransfer(gone, &cutting{bytes.NewReader(out.Bytes()), cancel}, sum.Fingerprint, store.StaffAct{Staff: "cy"}); err == nil {
			t.Error("what was cut short says that it is done")
		}
		for i := range 2 {
			got, err := s.ImportTransfer(ctx, bytes.NewReader(out.Bytes()), sum.Fingerprint, store.StaffAct{Staff: "cy"})
			must(t, err)
			if got.Again != (i == 1) || got.IDsTaken != 1 || got.People != sum.People || got.Limits != sum.Limits {
				t.Errorf("time %d took %+v of %+v", i, got, sum)
			}
		}
		for id, want := range map[string]string{"x-ann": "ann@example.com", "x-ann-2": "ann@example.com", "shared": "di@example.com"} {
			if p, found, err := s.PersonByExternalID(ctx, id); err != nil || !found || p.Email != want {
				t.Errorf("%s is the id of %q, %v, want %q", id, p.Email, err, want)
			}
		}
		sharing := func(name string) consent.Choice {
			state, err := s.State(ctx, keyOf(t, s, name+"@example.com"))
			must(t, err)
			if state.Suppressed != 0 {
				return "suppressed"
			}
			return state.Sharing.Choice
		}
		for name, want := range map[string]consent.Choice{"ann": consent.In, "ben": consent.Out, "cy": "suppressed", "di": consent.Out} {
			if got := sharing(name); got != want {
				t.Errorf("sharing of %s is %q, want %q", name, got, want)
			}
		}
		p, err := s.ConsentProof(ctx, "ann@example.com")
		must(t, err)
		if len(p.Rows) == 0 || p.Rows[0].Wording != "yes" || p.Rows[0].Kept != store.EvidenceIntact || p.Rows[0].Policy != "Harbour: 2026-01" {
			t.Errorf("what came with Ann's yes is %+v", p.Rows)
		}
		yes := store.Contact{Topics: []string{"product"}, ConsentAt: time.Now().Add(-time.Minute), ConsentSource: "f", ConsentText: "yes"}
		for i, email := range []string{ghost + "@example.com", "stranger@example.com", "new@example.com"} {
			yes.Row, yes.Email = i, email
			_, err = s.Import(ctx, []store.Contact{yes}, "", false)
			must(t, err)
			state, err := s.State(ctx, keyOf(t, s, email))
			must(t, err)
			barred := state.Suppressed != 0 && state.Topics[1].Choice != consent.In
			if barred != (i < 2) {
				t.Errorf("%s after the takeover: %+v", email, state)
			}
		}
		clean(t, s)
	})
}

// cutting ends the work when the last of a bundle has been read.
type cutting struct {
	from *bytes.Reader
	end  func()
}

func (c *cutting) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	if c.from.Len() == 0 {
		c.end()
	}
	return n, err
}

// tampered gives bundles in which something was left out or altered.
func tampered(whole string) map[string]string {
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	without := func(part string) string {
		for i, line := range lines {
			if strings.HasPrefix(line, part) {
				return strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "")
			}
		}
		return ""
	}
	return map[string]string{
		"a row of the ledger left out": without(`{"ledger"`), "a limit left out": without(`{"limit"`), "a person left out": without(`{"person"`),
		"the seal left out":   strings.Join(lines[:len(lines)-1], ""),
		"a no made a yes":     strings.Replace(whole, `"Choice":"out"`, `"Choice":"in"`, 1),
		"a proof altered":     strings.Replace(whole, `"text":"yes"`, `"text":"yes, of course"`, 1),
		"an unknown thing":    strings.Replace(whole, `{"limit"`, `{"limits"`, 1),
		"something behind":    whole + "{}\n",
		"cut in the middle":   whole[:len(whole)/2],
		"nothing":             "",
		"another address":     strings.Replace(whole, `"ann@example.com"`, `"anna@example.com"`, 1),
		"the wrong beginning": strings.Replace(whole, `"heed_transfer":1`, `"heed_transfer":2`, 1),
	}
}
