package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heed/consent"
)

// FuzzJournalLine: a line is refused, or reads as it would be written.
func FuzzJournalLine(f *testing.F) {
	key := consent.Key{1, 2, 3}
	f.Add("7 " + key.String() + " marketing out 1700000000000000 mail")
	f.Add("7 " + key.String() + " marketing out 1700000000000000 mail 1700000000000001")
	f.Add("7 x marketing out 1 mail")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseLine(strings.Fields(text))
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "journal")
		j, err := openJournalFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer j.close()
		entry := consent.Entry{Seq: l.seq, Address: l.key, Scope: l.scope, Choice: l.choice, Received: time.UnixMicro(l.received),
			Recorded: time.UnixMicro(l.recorded), Via: l.via}
		if _, err := j.append(t.Context(), lineOf(entry)+lineOf(entry)); err != nil {
			t.Fatal(err)
		}
		read, _, err := j.read(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseLines(read)
		if err != nil || len(back) != 2 || back[0] != l || back[1] != l {
			t.Errorf("%q comes back as %+v (%v)", text, back, err)
		}
	})
}

// FuzzJournalFile: of a file that was damaged or cut off either all whole lines
// are read, or none, with an error; a file of others is left as it is.
func FuzzJournalFile(f *testing.F) {
	key := consent.Key{1, 2, 3}.String()
	f.Add([]byte(journalMark + "abc\n7 " + key + " all out 17 mail\n8 " + key + " erased set 1"))
	f.Add([]byte("something else\n"))
	path := filepath.Join(f.TempDir(), "journal")
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := openJournalFile(path)
		if err != nil {
			if after, _ := os.ReadFile(path); string(after) != string(raw) {
				t.Errorf("a file that is none was changed: %q to %q", raw, after)
			}
			return
		}
		defer j.close()
		read, _, err := j.read(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := parseLines(read)
		if whole := strings.Count(string(raw), "\n"); err == nil && len(lines) > whole {
			t.Errorf("%d entries of %d lines", len(lines), whole)
		}
	})
}
