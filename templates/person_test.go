package templates

import (
	"testing"
	"unicode"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		" Ann ":                 "Ann",
		"a\r\nBcc: b":           "a  Bcc: b",
		"a\tb\x00c\x7fd\u0085e": "a b c d e",
		"a\u2028b\u2029c":       "a b c",
		"\u202egnp.exe\u202c":   "gnp.exe",
		"\u2066x\u2069":         "x",
		"a\ue000b\ufeff":        "ab",
		"a\xffb":                "a\ufffdb",
		"Zoë 👩\u200d🚀 नमस्ते עברית": "Zoë 👩\u200d🚀 नमस्ते עברית",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestHarmlessIsLeftAlone: whatever the quick look passes is what the thorough one, which
// a private character at the end calls for, would leave as it is.
func TestHarmlessIsLeftAlone(t *testing.T) {
	passed := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		value := "a" + string(r) + "b"
		if !harmless(value) {
			continue
		}
		passed++
		if thorough := clean(value + "\ue000"); thorough != value || clean(value) != value {
			t.Errorf("%U: %q becomes %q, and thoroughly %q", r, value, clean(value), thorough)
		}
	}
	if passed < 50000 {
		t.Errorf("only %d characters pass", passed)
	}
	if harmless("a\xffb") {
		t.Error("bytes that are not UTF-8 pass")
	}
}
