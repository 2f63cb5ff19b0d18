package mailer

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// linesOf looks at a whole message byte by byte. It is what checkLines, which looks at
// pieces, is held against.
func linesOf(msg string) (dots, ok bool) {
	for i := range len(msg) {
		if msg[i] == '\n' && (i == 0 || msg[i-1] != '\r') || msg[i] == '\r' && (i+1 == len(msg) || msg[i+1] != '\n') {
			return false, false
		}
		dots = dots || msg[i] == '.' && (i == 0 || msg[i-1] == '\n')
	}
	return dots, strings.HasSuffix(msg, "\n")
}

// cutUp makes a message of pieces: every second one is fixed text. fits is false where one
// is refused as fixed text.
func cutUp(pieces []string) (m Message, fits bool) {
	for i, piece := range pieces {
		if i%2 == 0 {
			m.Text = append(m.Text, piece...)
			continue
		}
		s, err := newStretch(piece)
		if err != nil {
			return m, false
		}
		m.Fixed = append(m.Fixed, Fixed{len(m.Text), s})
	}
	return m, true
}

// holdLines compares both looks at one message. One that is refused only because CR and
// LF stand in different pieces is the only difference allowed.
func holdLines(t interface{ Fatalf(string, ...any) }, pieces []string) {
	m, fits := cutUp(pieces)
	whole := strings.Join(pieces, "")
	dots, ok := linesOf(whole)
	torn := slices.ContainsFunc(pieces, func(p string) bool { return strings.HasPrefix(p, "\n") || strings.HasSuffix(p, "\r") })
	if !fits {
		if ok && !torn {
			t.Fatalf("fixed text of %q is refused", pieces)
		}
		return
	}
	if got := string(m.appendTo(nil)); got != whole || m.size() != len(whole) || !bytes.Equal(bytes.Join(m.pieces(nil), nil), []byte(whole)) {
		t.Fatalf("%q became %q, %d bytes", pieces, got, m.size())
	}
	found, err := m.checkLines()
	if err == nil != (ok && !torn) || err == nil && found != dots {
		t.Fatalf("%q: want %v, dots %v; got %v, dots %v", pieces, ok, dots, err, found)
	}
}

func TestLinesOfPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"\r\n", "\r\n", "\r", "\n", ".", "a", ".\r\n", "b\r\n.", ""})
		piece := rapid.Map(rapid.SliceOfN(word, 0, 5), func(w []string) string { return strings.Join(w, "") })
		holdLines(t, append(rapid.SliceOfN(piece, 1, 6).Draw(t, "pieces"), rapid.SampledFrom([]string{"", "\r\n"}).Draw(t, "end")))
	})
}

func FuzzLinesOfPieces(f *testing.F) {
	f.Add("From: a\r\n\r\n|hello\r\n|.\r\n|QUIT\r\n")
	f.Add("a\r|\nb\r\n|.\n")
	f.Fuzz(func(t *testing.T, text string) { holdLines(t, strings.Split(text, "|")) })
}

// TestFixedTextOfAnother: fixed text that does not belong to a message is found before
// anything is written.
func TestFixedTextOfAnother(t *testing.T) {
	m, _ := cutUp([]string{"From: a\r\n\r\n", "hello\r\n", "you\r\n", "bye\r\n"})
	for name, wrong := range map[string]Message{
		"shorter":    {Text: m.Text[:5], Fixed: m.Fixed},
		"turned":     {Text: m.Text, Fixed: []Fixed{m.Fixed[1], m.Fixed[0]}},
		"in an end":  {Text: []byte("From: abcd\r\nyou\r\n"), Fixed: m.Fixed},
		"empty":      {},
		"no newline": {Text: []byte("From: a")},
	} {
		if _, err := wrong.checkLines(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := m.checkLines(); err != nil {
		t.Error(err)
	}
}

// spliced makes a message of benchParts, in pieces and in one.
func spliced(t testing.TB) (m Message, whole []byte) {
	t.Helper()
	tmpl, err := Compile(benchParts())
	if err != nil {
		t.Fatal(err)
	}
	m, err = tmpl.Splice(Message{}, testHeaders(), benchValues())
	if err == nil {
		whole, err = tmpl.Message(nil, testHeaders(), benchValues())
	}
	if err != nil || len(m.Fixed) != 10 || len(m.Text) > len(whole)/4 || string(m.appendTo(nil)) != string(whole) {
		t.Fatalf("%v: %d pieces, %d bytes of its own among %d", err, len(m.Fixed), len(m.Text), len(whole))
	}
	return m, whole
}

// TestSpliceArrives: a message in pieces arrives as the same bytes in every form of the
// conversation, plain and encrypted, alone and in a row, also where it is stuffed or long.
func TestSpliceArrives(t *testing.T) {
	short, want := spliced(t)
	dotted, _ := cutUp([]string{"From: a@example.org\r\n", ".\r\n..fixed\r\n", ".own\r\n.\r\n"})
	long, _ := cutUp([]string{"From: a@example.org\r\n\r\n", strings.Repeat("all work and no play\r\n", 20000), "end\r\n"})
	for name, opts := range modes {
		for _, encrypted := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				opts := opts // the other one changes its own
				opts.STARTTLS = encrypted
				sink := startSink(t, opts)
				r := relayTo(t, sink)
				if encrypted {
					r.CAFile = filepath.Join(t.TempDir(), "ca.pem")
					if err := sink.WriteCA(r.CAFile); err != nil {
						t.Fatal(err)
					}
				}
				c := dialSink(t, r)
				all := []Message{short, dotted, long, short, dotted}
				for i := range all {
					all[i].Envelope = Envelope{From: "b@example.org", To: "p@example.net"}
				}
				for i := range all {
					then := Then{}
					if i+1 < len(all) {
						then.Next = &all[i+1]
					}
					if res := c.Carry(context.Background(), &all[i], yes, then); res.Outcome != Accepted {
						t.Fatalf("message %d: %+v", i, res)
					}
				}
				for i, rec := range sink.Records() {
					if !bytes.Equal(rec.Data, all[i].appendTo(nil)) || i == 0 && !bytes.Equal(rec.Data, want) {
						t.Errorf("message %d arrived as %d bytes", i, len(rec.Data))
					}
				}
				if sink.Count() != len(all) {
					t.Errorf("%d messages arrived", sink.Count())
				}
			})
		}
	}
}

// TestSignInPieces: the signature of a message in pieces is the one of its whole, also
// where its last lines are empty ones of fixed text.
func TestSignInPieces(t *testing.T) {
	s, lookup := keyring(t, "ed25519")
	first, _ := spliced(t)
	second, _ := cutUp([]string{"From: a@example.org\r\n\r\n", "hello\r\n\r\n\r\n", "\r\n"})
	for _, m := range []Message{first, second} {
		want, err := s.Sign(nil, m.appendTo(nil))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := s.SignMessage(nil, m)
		if err != nil || string(signed.appendTo(nil)) != string(want) {
			t.Errorf("%v\n%s\n%s", err, signed.appendTo(nil)[:400], want[:400])
		}
		if good, all := verified(t, want, lookup); good != 1 || all != 1 {
			t.Errorf("%d of %d valid", good, all)
		}
	}
}

func BenchmarkCheckLines(b *testing.B) {
	m, whole := spliced(b)
	for name, m := range map[string]*Message{"pieces": &m, "whole": {Text: whole}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := m.checkLines(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
