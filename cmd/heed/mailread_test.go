package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMailReadNeverFails reads every test mail, whole and damaged, random
// octets, and what is no file at all: a verdict each, in the order given.
func TestMailReadNeverFails(t *testing.T) {
	folder := t.TempDir()
	files := append(damagedMails(t, folder), folder, filepath.Join(folder, "absent.eml"))
	t.Setenv("HEED_DATA", t.TempDir())
	t.Chdir(t.TempDir()) // where no configuration lies
	for _, role := range mailboxRoles() {
		var out, errors bytes.Buffer
		if code := run(append([]string{"mail", "read", "--mailbox", role, "--json"}, files...), &out, &errors); code != exitDone {
			t.Fatalf("%s@: exit code %d: %s", role, code, errors.String())
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != len(files) {
			t.Fatalf("%s@: %d lines for %d files", role, len(lines), len(files))
		}
		for i, line := range lines {
			var v mailView
			if err := json.Unmarshal([]byte(line), &v); err != nil || v.File != files[i] || v.Class == "" || len(v.Evidence) == 0 {
				t.Errorf("%s@ %s: %s (%v)", role, files[i], line, err)
			}
		}
		if last := lines[len(lines)-1]; !strings.Contains(last, `"class":"review"`) {
			t.Errorf("%s@: a file that is not there is %s", role, last)
		}
	}
}

// damagedMails writes copies of the test mails, each cut off and with octets
// changed, and files of random octets; the same ones every time.
func damagedMails(t *testing.T, folder string) (files []string) {
	t.Helper()
	mails, err := filepath.Glob(filepath.Join("..", "..", "inbox", "testdata", "*.eml"))
	if err != nil || len(mails) < 40 {
		t.Fatalf("%d mails: %v", len(mails), err)
	}
	chance := rand.New(rand.NewPCG(1, 2))
	write := func(raw []byte) {
		name := filepath.Join(folder, fmt.Sprintf("%d.eml", len(files)))
		if err := os.WriteFile(name, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	for _, mail := range mails {
		raw, err := os.ReadFile(mail)
		if err != nil {
			t.Fatal(err)
		}
		write(raw)
		write(raw[:chance.IntN(len(raw))])
		for range 1 + len(raw)/50 {
			raw[chance.IntN(len(raw))] = byte(chance.Uint32())
		}
		write(raw)
	}
	for n := range 100 {
		raw := make([]byte, n*n)
		for i := range raw {
			raw[i] = byte(chance.Uint32())
		}
		write(raw)
	}
	return files
}
