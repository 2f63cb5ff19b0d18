package consent

import (
	"strings"
	"testing"
)

var fuzzRing = Keyring{1: []byte("a key of thirty-two octets, more"), 2: []byte("another key, the newest of the two")}

// FuzzOpen: a text is opened only if it is, letter case apart, exactly what was
// sealed; no change of it is.
func FuzzOpen(f *testing.F) {
	f.Add(fuzzRing.Seal(Link{Purpose: PurposeOptOut, Address: Key{1, 2, 3}, Scope: 7}), 3, byte('a'))
	f.Add("", 0, byte(0))
	f.Fuzz(func(t *testing.T, token string, at int, other byte) {
		l, err := fuzzRing.Open(token)
		if err == nil {
			resealed := Keyring{1: fuzzRing[1]}.Seal(l)
			if newest := fuzzRing.Seal(l); strings.ToLower(token) != newest && strings.ToLower(token) != resealed {
				t.Errorf("%q opens, and is sealed as %q", token, newest)
			}
		}
		sealed := []byte(fuzzRing.Seal(Link{Purpose: PurposeChoices, Address: Key{9}, Scope: 1}))
		at = int(uint(at) % uint(len(sealed)))
		if strings.EqualFold(string(sealed[at]), string(other)) {
			return
		}
		sealed[at] = other
		if l, err := fuzzRing.Open(string(sealed)); err == nil {
			t.Errorf("a changed token opens: %+v", l)
		}
	})
}

// FuzzFindToken: a token is found wherever it stands alone, and only tokens
// are.
func FuzzFindToken(f *testing.F) {
	f.Add("unsubscribe+", "@news.example")
	f.Add("x", "\u0130=\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		if l, found, ok := fuzzRing.FindToken(before + " " + after); ok {
			if again, err := fuzzRing.Open(found); err != nil || again != l {
				t.Errorf("found %q, which does not open: %v", found, err)
			}
			return
		}
		want := Link{Purpose: PurposeOptOut, Address: Key{5, 6}, Scope: 2}
		if l, _, ok := fuzzRing.FindToken(before + "+" + strings.ToUpper(fuzzRing.Seal(want)) + "@" + after); !ok || l != want {
			t.Errorf("not found between %q and %q", before, after)
		}
	})
}

// FuzzNormalize: one form for each address, which is its own form.
func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{"Ann@Example.ORG", " j\u00f6rg@b\u00fccher.example ", "a.b+c@xn--bcher-kva.example.", "\u0130@x.example", "a@b@c.example", "\uff41@\uff42.example", "ss@stra\u00dfe.example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		once, err := Normalize(address)
		if err != nil {
			return
		}
		if twice, err := Normalize(once); err != nil || twice != once {
			t.Errorf("%q is known as %q, and that as %q (%v)", address, once, twice, err)
		}
		if strings.ContainsAny(once, " \t\r\n\x00<>,;\"") || strings.Count(once, "@") != 1 {
			t.Errorf("%q is known as %q", address, once)
		}
	})
}

// FuzzParseKey: what is read is written back, letter case apart.
func FuzzParseKey(f *testing.F) {
	f.Add(Key{1, 2, 3}.String())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(text)
		if err != nil {
			return
		}
		if again, err := ParseKey(k.String()); err != nil || again != k || k.String() != strings.ToLower(text) {
			t.Errorf("%q gives %s, and that %s (%v)", text, k, again, err)
		}
	})
}

// FuzzParseAudience: what is taken gives the same answer however it is wrapped,
// and the opposite when it is negated.
func FuzzParseAudience(f *testing.F) {
	for _, seed := range []string{"all", `language == "de" and (attr.plan == "pro" or services has "files")`, `not not topics has "a"`, `((((company != ""))))`, "and", `email == "`} {
		f.Add(seed, "de", "files")
	}
	f.Fuzz(func(t *testing.T, expr, language, service string) {
		a, err := ParseAudience(expr)
		if err != nil {
			return
		}
		who := Traits{Email: "a@b.example", Language: language, Services: []string{service}, Topics: []string{service}, Attrs: map[string]string{"plan": language}}
		is := a.Match(who)
		for text, want := range map[string]bool{"(" + expr + ")": is, "not (" + expr + ")": !is} {
			b, err := ParseAudience(text)
			if err != nil { // deeper than is taken, or a word that stands alone
				continue
			}
			if got := b.Match(who); got != want {
				t.Errorf("%q says %v, %q says %v", expr, is, text, got)
			}
		}
	})
}

// FuzzDecodeState: a stored state is read as it was written.
func FuzzDecodeState(f *testing.F) {
	f.Add(State{Marketing: Mark{Choice: Out, At: 5, Via: ViaMail}, Topics: map[int]Mark{3: {Choice: In}}, Dead: 7}.Encode())
	f.Add(`{"tp":{"-1":{}},"m":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := DecodeState(text)
		if err != nil {
			return
		}
		again, err := DecodeState(s.Encode())
		if err != nil || again.Encode() != s.Encode() {
			t.Errorf("%q is read as %s, and that as %s (%v)", text, s.Encode(), again.Encode(), err)
		}
	})
}

// FuzzRefusal: whatever a server says, policy is never hard, and what is for
// now is neither.
func FuzzRefusal(f *testing.F) {
	f.Add("5.1.1", "550 5.1.1 user unknown", "RCPT")
	f.Add("5.7.1", "554 blocked using list.example; user unknown", "DATA")
	f.Fuzz(func(t *testing.T, status, words, step string) {
		r := Refusal{Status: status, Words: words, Step: Step(step)}
		if r.Hard() && r.Policy() {
			t.Errorf("both: %+v", r)
		}
		if r.Hard() && (strings.HasPrefix(status, "4") || strings.Contains(status, ".7.")) {
			t.Errorf("hard: %+v", r)
		}
	})
}
