package consent

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNormalize(t *testing.T) {
	for in, want := range map[string]string{
		"Ann@Example.COM": "ann@example.com", " ann@example.com\t": "ann@example.com", "a.b+c@example.com": "a.b+c@example.com",
		"info@bücher.example": "info@xn--bcher-kva.example", "info@xn--bcher-kva.example": "info@xn--bcher-kva.example",
		"müller@example.com": "müller@example.com", "mu\u0308ller@example.com": "müller@example.com", "x@localhost": "x@localhost",
	} {
		if got, err := Normalize(in); err != nil || got != want {
			t.Errorf("Normalize(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "ann", "@example.com", "ann@", "a b@example.com", "a\r\nBcc: x@example.com", "a@example.com\nx", "a..b@example.com",
		".a@example.com", "a@b", "a@-x-.com", "<a@example.com>", "\"a b\"@example.com", "a@exa mple.com", strings.Repeat("a", 65) + "@example.com",
		"a@" + strings.Repeat("a", 64) + ".com", "a\u202e@example.com", "a@example..com"} {
		if got, err := Normalize(in); err == nil {
			t.Errorf("Normalize(%q) = %q, want an error", in, got)
		}
	}
}

func TestNormalizeIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		once, err := Normalize(rapid.String().Draw(t, "local") + "@" + rapid.StringMatching(`[a-zA-Zäß-]{1,8}\.[a-z]{2,3}`).Draw(t, "domain"))
		if err != nil {
			return
		}
		if twice, err := Normalize(once); err != nil || twice != once {
			t.Fatalf("%q becomes %q, %v", once, twice, err)
		}
	})
}

func TestKeys(t *testing.T) {
	k := KeyOf([]byte("pepper"), "ann@example.com")
	if again, err := ParseKey(k.String()); err != nil || again != k || len(k.String()) != 18 {
		t.Errorf("key %s, %v", k, err)
	}
	if KeyOf([]byte("other"), "ann@example.com") == k {
		t.Error("the pepper does not matter")
	}
	for _, bad := range []string{"", "a", strings.Repeat("a", 19), strings.Repeat("!", 18)} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("ParseKey(%q) works", bad)
		}
	}
}
