package inbox

import "testing"

func TestPhraseFiles(t *testing.T) {
	for _, l := range languages() {
		if len(l.sections["unsubscribe"]) == 0 {
			t.Errorf("phrases/%s.txt has no phrase to leave with", l.code)
		}
	}
	for _, bad := range []string{"*", "...", "? a", "^", "<list>", "$ a", "a $ b", "... a"} {
		if _, err := readLanguage("en", "[unsubscribe]\n"+bad); err == nil {
			t.Errorf("%q was taken for a phrase", bad)
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
		{"désabonner", "d?sabonner", true},
		{"grüße", "GRÜSSE", true},
		{"kündigen", "bitte kuendigen", true},
		{"remove .. list", "Remove me from your list", false},
		{"remove .. list", "Remove from your list", true},
		{"mailing_list|newsletter ends", "the mailing list ends", true},
		{"mailing_list|newsletter ends", "the mailing ends", false},
		{"delete my? data", "delete data", true},
		{"delete my? data", "delete my data", true},
		{"delete my? data", "delete your data", false},
		{"^ stop", "please stop", false},
		{"^ stop", "stop it", true},
		{"配信停止|退订", "メールの配信停止をお願いします", true},
	} {
		if got := readPattern(c.pattern).find(foldWords(c.text)) >= 0; got != c.found {
			t.Errorf("%q in %q: %v", c.pattern, c.text, got)
		}
	}
}
