package inbox

import (
	"strings"
	"testing"
	"time"
)

// TestWorstText: words that begin many phrases and end none, and HTML that
// opens and never closes. A text four times as long may take four times as
// long, not sixteen times; so the machine's own speed does not matter.
func TestWorstText(t *testing.T) {
	if raced {
		t.Skip("measured without the race detector, in the suite corpus")
	}
	for name, unit := range map[string]string{
		"words":    "meine bitte no quiero ne remove my keine unsubscribe möchte delete ",
		"quotes":   "On 3 March 2025 <a@b.example> wrote\n",
		"dots":     "a. ",
		"html":     "<blockquote><div>a",
		"colons":   "A: b@c.example 2025\n",
		"tokens":   strings.Repeat("a", 50) + " ",
		"brackets": "<",
	} {
		begin := ""
		if name == "html" {
			begin = "<html>"
		}
		short, long := readTime(begin, unit, maxText/8), readTime(begin, unit, maxText/2)
		t.Logf("%s: %s, four times as long %s", name, short, long)
		if long > 10*short && long > 100*time.Millisecond {
			t.Errorf("%s: %s for a part of the text, %s for four times as much", name, short, long)
		}
	}
}

// readTime is the shorter of two readings of a text of about size bytes.
func readTime(begin, unit string, size int) time.Duration {
	raw := letter("a@example.org", "privacy@news.example", "x", begin+strings.Repeat(unit, size/len(unit)))
	best := time.Hour
	for range 2 {
		started := time.Now()
		Read(raw, RolePrivacy, testRing, Ours{Domain: "news.example"})
		best = min(best, time.Since(started))
	}
	return best
}
