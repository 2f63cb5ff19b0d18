package inbox

import (
	"strings"
	"testing"
	"time"
)

// TestWorstText: words that begin many phrases and end none, and HTML that
// opens and never closes.
func TestWorstText(t *testing.T) {
	for name, text := range map[string]string{
		"words":    strings.Repeat("meine bitte no quiero ne remove my keine unsubscribe möchte delete ", 4000),
		"quotes":   strings.Repeat("On 3 March 2025 <a@b.example> wrote\n", 7000),
		"dots":     strings.Repeat("a. ", 80000),
		"html":     "<html>" + strings.Repeat("<blockquote><div>a", 14000),
		"colons":   strings.Repeat("A: b@c.example 2025\n", 12000),
		"tokens":   strings.Repeat(strings.Repeat("a", 50)+" ", 5000),
		"brackets": strings.Repeat("<", 200000),
	} {
		begin := time.Now()
		Read(letter("a@example.org", "privacy@news.example", "x", text), RolePrivacy, testRing, Ours{Domain: "news.example"})
		took := time.Since(begin)
		t.Logf("%s: %s", name, took)
		if took > 3*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
}
