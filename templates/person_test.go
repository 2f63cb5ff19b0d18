package templates

import "testing"

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
