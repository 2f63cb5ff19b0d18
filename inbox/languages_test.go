package inbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"heed/consent"
)

// TestLanguages reads testdata/said/CODE.txt: what people write in the language
// of phrases/CODE.txt, and what only looks like it. A line is the kind that the
// sentence is, the mailbox that it came to and the text; "not" is a sentence on
// which nothing may be done before a person looked.
func TestLanguages(t *testing.T) {
	names, err := filepath.Glob("testdata/said/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no sentences: %v", err)
	}
	for _, name := range names {
		code := strings.TrimSuffix(filepath.Base(name), ".txt")
		t.Run(code, func(t *testing.T) { readSaid(t, name) })
	}
}

func readSaid(t *testing.T, name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		fields := strings.SplitN(line, " | ", 3)
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(fields) != 3 {
			t.Errorf("%s line %d is no \"kind | mailbox | text\": %q", name, i+1, line)
			continue
		}
		read++
		checkSaid(t, fields[0], fields[1], fields[2])
	}
	if read < 12 {
		t.Errorf("%s has only %d sentences", name, read)
	}
}

func checkSaid(t *testing.T, kind, role, text string) {
	said := strings.ReplaceAll(text, `\n`, "\r\n")
	got := Read(letter("ann@example.org", role+"@news.example", "Re: October news", said), role, testRing, Ours{})
	switch {
	case kind == "not" && actsAlone(got.Kind):
		t.Errorf("%q is no request, but was read as %s %v", text, got.Kind, got.Evidence)
	case kind != "not" && string(got.Kind) != kind:
		t.Errorf("%q at %s@ is %s, but was read as %s %v", text, role, kind, got.Kind, got.Evidence)
	case kind == "unsubscribe" && slices.Contains(got.Also, consent.KindErasure):
		t.Errorf("%q asks for no deletion: %v", text, got.Evidence)
	}
}

// TestEveryListIsTried: a phrase list comes with sentences of its language, and
// the page that lists the languages has them all.
func TestEveryListIsTried(t *testing.T) {
	page, err := os.ReadFile("../docs/languages.md")
	if err != nil {
		t.Fatal(err)
	}
	understood, _, found := strings.Cut(string(page), "# The languages in which heed writes")
	if !found {
		t.Fatal("docs/languages.md does not tell the languages that are read from those that are written")
	}
	for _, l := range languages() {
		if _, err := os.Stat("testdata/said/" + l.code + ".txt"); err != nil {
			t.Errorf("phrases/%s.txt has no sentences: %v", l.code, err)
		}
		if !strings.Contains(understood, "| "+l.code+" |") {
			t.Errorf("docs/languages.md does not list %s", l.code)
		}
	}
}
