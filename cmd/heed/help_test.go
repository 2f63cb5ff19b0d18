package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestEveryCommandSaysWhatItDoes: a purpose in one line, and an example.
func TestEveryCommandSaysWhatItDoes(t *testing.T) {
	parser, err := newParser(&cli{}, voice{out: io.Discard, err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	leaves := parser.Model.Leaves(false)
	if len(leaves) < 30 {
		t.Fatalf("only %d commands", len(leaves))
	}
	for _, leaf := range leaves {
		if leaf.Help == "" || !strings.Contains(leaf.Detail, "Example") || !strings.Contains(leaf.Detail, "heed "+leaf.Parent.Name) && leaf.Parent.Type == kong.CommandNode {
			t.Errorf("heed %s: purpose %q, detail %q", leaf.Path(), leaf.Help, leaf.Detail)
		}
		if _, runs := leaf.Target.Addr().Interface().(runner); !runs {
			t.Errorf("heed %s cannot be run", leaf.Path())
		}
	}
}

func TestErrorsHaveOneForm(t *testing.T) {
	var out, err bytes.Buffer
	if code := run([]string{"campaign", "status", "one", "--json"}, &out, &err); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	want := `{"error":"\"one\" is no number of a campaign","hint":"heed campaign list shows the numbers"}` + "\n"
	if err.String() != want || out.Len() > 0 {
		t.Errorf("stderr %s, stdout %s", err.String(), out.String())
	}
}

func TestNearest(t *testing.T) {
	known := []string{"name", "from", "domain", "postal_address"}
	for word, want := range map[string]string{"form": "from", "Name": "name", "postaladdress": "postal_address", "zzzzzz": "", "": ""} {
		if got := nearest(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestLinksMustBeReachable(t *testing.T) {
	for _, c := range []struct {
		relay, public string
		fine          bool
	}{{"relay.example.com", "http://127.0.0.1:8080", false}, {"relay.example.com", "https://localhost", false},
		{"127.0.0.1", "http://127.0.0.1:8080", true}, {"relay.example.com", "https://news.example.com", true}} {
		if err := reachable(c.relay, c.public); (err == nil) != c.fine {
			t.Errorf("%s through %s: %v", c.public, c.relay, err)
		}
	}
}

func TestPublicURL(t *testing.T) {
	for text, fine := range map[string]bool{"https://news.example.com": true, "https://example.com/mail": true, "http://localhost:8080": true,
		"http://127.0.0.1": true, "http://[::1]:1": true, "http://news.example.com": false, "ftp://x": false, "news.example.com": false,
		"https://user@example.com": false, "https://example.com/?a=b": false, "http://localhost.example.com": false} {
		if err := checkPublicURL(text); (err == nil) != fine {
			t.Errorf("%s: %v", text, err)
		}
	}
}
