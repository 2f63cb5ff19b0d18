package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
)

// office is a data folder with mails in it, and the commands on it.
type office struct {
	t   *testing.T
	dir string
}

func newOffice(t *testing.T, config string) *office {
	o := &office{t, t.TempDir()}
	for _, s := range (settingFlags{}).table() {
		t.Setenv(s.env, "")
		t.Setenv(s.env+"_FILE", "")
	}
	t.Setenv("HEED_DATA", filepath.Join(o.dir, "data"))
	t.Setenv("HEED_CONFIG", filepath.Join(o.dir, "heed.toml"))
	t.Setenv("USER", "ann")
	if err := os.WriteFile(filepath.Join(o.dir, "heed.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return o
}

// mails records what came in.
func (o *office) mails(all ...store.Inbound) {
	o.t.Helper()
	a := &app{voice: voice{out: &bytes.Buffer{}, err: &bytes.Buffer{}}, ctx: context.Background(), env: os.Environ()}
	defer a.close()
	s, err := a.store()
	if err != nil {
		o.t.Fatal(err)
	}
	for i, m := range all {
		m.Mailbox, m.Role, m.UID, m.Digest = "privacy@example.com/INBOX", "privacy", int64(i+1), m.Subject
		if _, err := s.RecordMail(context.Background(), m); err != nil {
			o.t.Fatal(err)
		}
	}
}

// heed runs a command, wants its exit code and gives all that it said.
func (o *office) heed(code int, args ...string) string {
	o.t.Helper()
	var out, err bytes.Buffer
	if got := run(args, &out, &err); got != code {
		o.t.Errorf("heed %s ended with %d, want %d: %s", strings.Join(args, " "), got, code, err.String())
	}
	return out.String() + err.String()
}

func (o *office) wants(said string, parts ...string) {
	o.t.Helper()
	for _, part := range parts {
		if !strings.Contains(said, part) {
			o.t.Errorf("%q is missing in:\n%s", part, said)
		}
	}
}

// nasty is what strangers write to take over a terminal.
const nasty = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202eevil\r\nnext\x00"

func TestTrayCommands(t *testing.T) {
	o := newOffice(t, "[retention]\ntray = \"30d\"\nmails = \"30d\"\n")
	now := time.Now()
	other := func(subject string, daysAgo int) store.Inbound {
		return store.Inbound{Received: now.AddDate(0, 0, -daysAgo), Subject: subject, Text: "Buy! " + nasty, Writer: "Shop " + nasty + " <shop@example.net>",
			Request: consent.Request{Kind: consent.KindUnrelated, From: "shop@example.net"}}
	}
	o.mails(other("offer "+nasty, 1), other("older", 20), other("complaint in other words", 0), other("very old", 45))
	list := o.heed(0, "tray", "list")
	o.wants(list, "Shop", "older", "complaint in other words")
	o.harmless(list)
	o.harmless(o.heed(0, "tray", "list", "--json"))
	shown := o.heed(0, "tray", "show", "1")
	o.wants(shown, "from      Shop", "Buy!", "\nnext")
	o.harmless(shown)
	o.wants(o.heed(1, "tray", "show", "77"), "hint: heed tray list shows the numbers")
	o.wants(o.heed(2, "tray", "case", "3", "--kind", "compliant"), "did you mean complaint?")
	o.wants(o.heed(0, "tray", "case", "3", "--kind", "complaint", "--json"), `"kind":"complaint"`, `"email":"shop@example.net"`)
	shown = o.heed(0, "case", "show", "1")
	o.wants(shown, "mail from Shop", "Subject: complaint in other words", "Buy!", "opened by ann")
	o.harmless(shown)
	o.harmless(o.heed(0, "case", "show", "1", "--json"))
	o.wants(o.heed(0, "retention", "run", "--dry-run", "--json"), `"what":"tray"`, `"rows":1,"dry_run":true`)
	o.wants(o.heed(0, "retention", "run"), "tray            1 taken away")
	o.wants(o.heed(0, "tray", "clear", "--older", "10", "--json"), `{"cleared":1}`)
	o.wants(o.heed(0, "tray", "clear", "1", "3"), "1 mails are cleared", "1 of the numbers are not in the tray")
	for _, args := range [][]string{{}, {"--all", "1"}, {"--all", "--older", "3"}, {"one"}, {"--older", "-3"}} {
		o.heed(2, append([]string{"tray", "clear"}, args...)...)
	}
	o.wants(o.heed(0, "tray", "clear", "--all"), "0 mails are cleared")
}

// harmless fails where something comes through that a terminal obeys.
func (o *office) harmless(said string) {
	o.t.Helper()
	for _, r := range said {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == '\u202e' {
			o.t.Errorf("%q comes through in %q", r, said)
			return
		}
	}
}

func TestRetentionIsChecked(t *testing.T) {
	for config, want := range map[string]string{
		"[retention]\nmails = \"soon\"\n":          `retention.mails is "soon", but must be a number of days such as 90d`,
		"[retention]\ntray = \"3d\"\n":             "retention.tray is 3d, but must be 7d at least",
		"[retention]\nmails = \"10d\"\n":           "a copy of the backup",
		"[retention]\nmail = \"90d\"\n":            "the key retention.mail is unknown, did you mean mails?",
		"[retention]\ncases = \"0d\"\n":            `retention.cases is "0d"`,
		"[retention]\nmails = \"90d\"\ntray = 5\n": "line 3",
	} {
		o := newOffice(t, config)
		o.wants(o.heed(3, "config", "check"), want)
	}
	o := newOffice(t, "")
	o.wants(o.heed(1, "retention", "run"), "there is no [retention]")
}
