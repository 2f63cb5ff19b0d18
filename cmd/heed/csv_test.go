package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rowsOf reads a whole file: the good rows' addresses and the bad rows' lines.
func rowsOf(text string) (good []string, bad []int, err error) {
	t, err := newSheet(strings.NewReader(text), contactColumn, contactColumns())
	if err != nil {
		return nil, nil, err
	}
	for {
		row, line, err := t.row()
		var wrong rowError
		switch {
		case err == io.EOF:
			return good, bad, nil
		case errors.As(err, &wrong):
			bad = append(bad, line)
		case err != nil:
			return good, bad, err
		default:
			good = append(good, row["email"])
		}
	}
}

func TestSheetLosesOnlyTheBadRow(t *testing.T) {
	plain := strings.Repeat("x@example.com,X\n", 150)
	for name, c := range map[string]struct {
		text string
		good int
		bad  []int
	}{
		"unclosed quote":      {"email,first_name\na@example.com,\"A\n" + plain, 150, []int{2}},
		"stray quote":         {"email,first_name\na@example.com,A\"\n" + plain, 150, []int{2}},
		"unclosed, then good": {"email,first_name\na@example.com,\"A\nb@example.com,\"B\"\n", 1, []int{2}},
		"several lines":       {"email,first_name\na@example.com,\"A\nB\"\nshort\n", 1, []int{4}},
		"not UTF-8":           {"email,first_name\na@example.com,\xff\nb@example.com,B\n", 1, []int{2}},
		"zero byte":           {"email,first_name\na@example.com,\x00\nb@example.com,B\n", 1, []int{2}},
		"too long":            {"email,first_name\na@example.com," + strings.Repeat("x", maxRow) + "\nb@example.com,B\n", 1, []int{2}},
		"mark of UTF-8, CRLF": {"\xef\xbb\xbfemail,first_name\r\na@example.com,A\r\n\r\nb@example.com,B\r\n", 2, nil},
		"no end of line":      {"email\na@example.com", 1, nil},
	} {
		good, bad, err := rowsOf(c.text)
		if err != nil || len(good) != c.good || !cmp.Equal(bad, c.bad) {
			t.Errorf("%s: %d good rows, bad lines %v, error %v; want %d and %v", name, len(good), bad, err, c.good, c.bad)
		}
	}
}

func TestSheetRefusesWhatIsNoTable(t *testing.T) {
	for _, text := range []string{"", "\n\n", "\xff\xfee\x00", "email;name\n", "first_name\nAnn\n", "email,\xff\n"} {
		if _, _, err := rowsOf(text); err == nil {
			t.Errorf("%q was taken for a table", text)
		}
	}
}

func TestGuardIsTakenOffAgain(t *testing.T) {
	for _, value := range []string{"", "=1+1", "+49", "-", "@x", "'", "'tis", "plain", "'=x"} {
		if back := unguarded(guarded(value)); back != value && value != "'=x" {
			t.Errorf("%q came back as %q", value, back)
		}
		if g := guarded(value); g != "" && strings.ContainsRune("=+-@", rune(g[0])) {
			t.Errorf("%q is written as %q, a formula", value, g)
		}
	}
}

// FuzzSheet: whatever a file holds, every row is good or named, and reading
// ends.
func FuzzSheet(f *testing.F) {
	for _, seed := range []string{"email\na@b.example\n", "email,attr.x\n\"a\n\"b\",c\n", "email\n\"\"\"\n,,,\n\xff\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		good, bad, err := rowsOf("email\n" + text)
		if err != nil {
			t.Fatalf("reading failed whole: %v", err)
		}
		if lines := strings.Count(text, "\n") + 1; len(good)+len(bad) > lines {
			t.Fatalf("%d rows from %d lines", len(good)+len(bad), lines)
		}
	})
}

func TestTOMLText(t *testing.T) {
	for _, text := range []string{`plain`, `a "b" c`, `back\slash`, `Größe 1 # no comment`, `'`} {
		c := initCommand{Domain: "example.org", Name: text, From: "news@example.org", PostalAddress: text}
		path := t.TempDir() + "/heed.toml"
		if err := writeNew(path, c.file(path, "/keys")); err != nil {
			t.Fatal(err)
		}
		f, _, err := readConfigFile(path, true)
		if err != nil || f.Sender.Name != text || f.Sender.PostalAddress != text {
			t.Errorf("%q came back as %q (%v)", text, f.Sender.Name, err)
		}
	}
}

func TestZoneTextCutsLongTexts(t *testing.T) {
	long := strings.Repeat("abcdefghij", 41)
	joined := ""
	for _, piece := range strings.Split(zoneText(long), `" "`) {
		if len(piece) > 257 {
			t.Errorf("a piece has %d bytes", len(piece))
		}
		joined += strings.Trim(piece, `"`)
	}
	if joined != long {
		t.Errorf("the text came back as %q", joined)
	}
}
