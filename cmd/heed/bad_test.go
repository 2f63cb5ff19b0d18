package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heed/mailer/mailertest"
	"heed/store/storetest"
)

// Bad input, from outside: each of these tests gives the program something that
// is broken, and sees a clear answer while the rest of the work goes on.

// beginOn begins a story on a stage that change has rearranged; it ends with the
// test. Without a binary of its own it is played with the program as it is.
func beginOn(t *testing.T, sc scenario, u setUp, change func(*stage)) *story {
	t.Helper()
	storetest.Long(t)
	if sc.binary == "" {
		binary, err := built()
		if err != nil {
			t.Fatal(err)
		}
		sc.binary = binary
	}
	sc.teller = &teller{out: testWriter{t}}
	open := u.opener(t, &servers{})
	sc.open = func(sink *mailertest.Sink, folder string) (*stage, error) {
		s, err := open(sink, folder)
		if err == nil {
			change(s)
		}
		return s, err
	}
	s, err := sc.begin(t.Context(), t.TempDir())
	t.Cleanup(func() { s.goes(t) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// goes ends a story.
func (s *story) goes(t *testing.T) {
	if err := s.end(); err != nil {
		t.Errorf("ending: %v", err)
	}
	if t.Failed() {
		s.logs(t)
	}
}

// workroom is heed on the command line alone: a folder with a configuration,
// and no process that stays.
func workroom(t *testing.T, env ...string) *driver {
	t.Helper()
	storetest.Long(t)
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	d := &driver{binary: binary, folder: t.TempDir(), env: env}
	d.put(t, "heed.toml", "[sender]\nname = \"Harbour Notes\"\nfrom = \"notes@"+domain+"\"\npostal_address = \"Pier 1\"\n"+
		"[[topic]]\nid = \""+topicNews+"\"\nname = \"Product news\"\n")
	return d
}

// put writes a file into the folder of heed and gives its path.
func (d *driver) put(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(d.folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ends runs a command that must end with a code, and gives what it said.
func (d *driver) ends(t *testing.T, code int, args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := d.try(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	if r.code != code {
		t.Errorf("heed %s ended with %d instead of %d: %s%s", strings.Join(args, " "), r.code, code, r.out, r.err)
	}
	return r
}

// complaint is an error as --json tells it.
type complaint struct {
	Error string `json:"error"`
	Hint  string `json:"hint"`
}

// complains runs a command that must fail, and reads its error: the last line
// of what it said.
func (d *driver) complains(t *testing.T, code int, args ...string) complaint {
	t.Helper()
	r := d.ends(t, code, append(args, "--json")...)
	lines := strings.Split(strings.TrimSpace(r.err), "\n")
	var c complaint
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &c); err != nil || c.Error == "" {
		t.Errorf("heed %s gave no error object: %v in %q", strings.Join(args, " "), err, r.err)
	}
	if strings.Contains(r.out+r.err, "goroutine ") {
		t.Errorf("heed %s panicked: %s", strings.Join(args, " "), r.err)
	}
	return c
}

// wants fails unless a text holds all words.
func wants(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%s lacks %q: %.400q", what, word, text)
		}
	}
}
