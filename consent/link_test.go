package consent

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func ring(ids ...byte) Keyring {
	r := Keyring{}
	for _, id := range ids {
		r[id] = make([]byte, 32)
		rand.Read(r[id])
	}
	return r
}

func TestLinkRoundTrip(t *testing.T) {
	r := ring(1, 2)
	rapid.Check(t, func(t *rapid.T) {
		l := Link{Purpose: Purpose(rapid.Byte().Draw(t, "purpose")), Scope: rapid.Uint16().Draw(t, "scope")}
		copy(l.Address[:], rapid.SliceOfN(rapid.Byte(), KeySize, KeySize).Draw(t, "key"))
		token := r.Seal(l)
		if len(token) != 50 || strings.ToLower(token) != token {
			t.Fatalf("token %q", token)
		}
		for _, form := range []string{token, strings.ToUpper(token)} {
			if got, err := r.Open(form); err != nil || got != l {
				t.Fatalf("opened %+v, %v; sealed %+v", got, err, l)
			}
		}
		if got, found, ok := r.FindToken("mailto:unsubscribe+" + token + "@example.com"); !ok || got != l || found != token {
			t.Fatal("not found in an address")
		}
	})
}

// TestEveryFlippedBitIsRefused changes each character to every other and each
// bit of each character.
func TestEveryFlippedBitIsRefused(t *testing.T) {
	r := ring(1)
	token := r.Seal(Link{Purpose: PurposeOptOut, Address: Key{1, 2, 3}, Scope: 7})
	for i := range token {
		for _, c := range "abcdefghijklmnopqrstuvwxyz234567" {
			if changed := token[:i] + string(c) + token[i+1:]; changed != token {
				if _, err := r.Open(changed); err == nil {
					t.Errorf("character %d changed to %c still opens", i, c)
				}
			}
		}
		for bit := range 8 {
			changed := token[:i] + string([]byte{token[i] ^ 1<<bit}) + token[i+1:]
			if _, err := r.Open(changed); err == nil && !strings.EqualFold(changed, token) {
				t.Errorf("bit %d of character %d flipped still opens", bit, i)
			}
		}
	}
	for _, cut := range []string{"", token[:49], token + "a", token + "=", " " + token} {
		if _, err := r.Open(cut); err == nil {
			t.Errorf("%q opens", cut)
		}
	}
}

func TestLinksSurviveRotationAndOnlyOurs(t *testing.T) {
	r := ring(1)
	old := r.Seal(Link{Purpose: PurposeOptOut, Address: Key{9}})
	r[2] = ring(2)[2]
	if _, err := r.Open(old); err != nil {
		t.Error("a link from before the rotation no longer opens:", err)
	}
	if l, _ := r.Open(r.Seal(Link{Purpose: PurposeOptOut})); l.Purpose != PurposeOptOut {
		t.Error("a new link does not open")
	}
	if _, err := ring(1, 2).Open(old); err == nil {
		t.Error("another ring opens our link")
	}
}

// TestFreshLinksRunOut: a link that is good for a while opens until then, is
// never taken for one that lives for ever, and its end cannot be moved.
func TestFreshLinksRunOut(t *testing.T) {
	r, now := ring(1, 2), time.Unix(1_800_000_000, 0)
	l := Link{Purpose: PurposeChoices, Address: Key{4}, Scope: 9}
	token := r.SealUntil(l, now.Add(15*time.Minute))
	if got, err := r.OpenUntil(strings.ToUpper(token), now.Add(15*time.Minute)); err != nil || got != l {
		t.Errorf("opened %+v, %v", got, err)
	}
	if _, err := r.OpenUntil(token, now.Add(16*time.Minute)); !errors.Is(err, ErrLate) {
		t.Errorf("a link that ran out gave %v", err)
	}
	if _, err := r.Open(token); err == nil {
		t.Error("a short-lived link opens as one for ever")
	}
	if _, err := r.OpenUntil(r.Seal(l), now); err == nil {
		t.Error("a link for ever opens as a short-lived one")
	}
	for i := range token {
		changed := token[:i] + string("ab"[min(1, strings.Count(token[i:i+1], "a"))]) + token[i+1:]
		if _, err := r.OpenUntil(changed, now); !errors.Is(err, ErrLink) {
			t.Errorf("character %d changed gave %v", i, err)
		}
	}
}
