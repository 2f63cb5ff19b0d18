package inbox

import (
	"slices"
	"testing"
)

func TestPhraseFiles(t *testing.T) {
	for _, l := range languages() {
		for section, patterns := range l.sections {
			for _, p := range patterns {
				for _, e := range p.elements {
					if !e.gap && !e.end && (len(e.words)+len(e.runs) == 0 || slices.Contains(e.words, "") || slices.Contains(e.words, "*")) {
						t.Errorf("phrases/%s.txt [%s] %q holds a place for any word", l.code, section, p.source)
					}
				}
			}
		}
	}
	for _, text := range []string{"stop\n[command]", "[comand]\nstop"} {
		if _, err := readLanguage("en", text); err == nil {
			t.Errorf("%q was taken for a phrase list", text)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		found         bool
	}{
		{"remove ... list", "Remove me from your list", true},
		{"remove ... list", "Remove me and my whole big family from the list", false},
		{"abonn*", "ABONNEMENT", true},
		{"d'emails", "plus d’emails", true},
		{"don't send", "dont send", true},
		{"opt-out", "Opt-Out", true},
		{"stop", "non-stop", false},
		{"please stop $", "please stop.", true},
		{"please stop $", "please stop the press", false},
		{"désabonner", "d\uFFFD\uFFFDsabonner", true},
		{"grüße", "GRÜSSE", true},
	} {
		if got := readPattern(c.pattern).find(foldWords(c.text)) >= 0; got != c.found {
			t.Errorf("%q in %q: %v", c.pattern, c.text, got)
		}
	}
}
