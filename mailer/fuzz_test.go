package mailer

import (
	"bufio"
	"bytes"
	"net/mail"
	"strings"
	"testing"
)

// FuzzReadReply: a reply that is taken has a code from 200 to 599 and, if any,
// an enhanced code of the same class; the words for display name nobody.
func FuzzReadReply(f *testing.F) {
	for _, seed := range []string{"250 2.0.0 ok\r\n", "550-5.1.1 no such\r\n550 5.1.1 user\r\n", "250-\r\n250 x\r\n", "550 <ann@example.org>... =40 %40 unknown\r\n"} {
		f.Add([]byte(seed), "ann@example.org")
	}
	f.Fuzz(func(t *testing.T, in []byte, to string) {
		rep, err := readReply(bufio.NewReader(bytes.NewReader(in)))
		if err != nil {
			return
		}
		if rep.code < 200 || rep.code > 599 || rep.enhanced != "" && rep.enhanced[0] != byte('0'+rep.code/100) {
			t.Errorf("%q is %+v", in, rep)
		}
		if outcome := rep.outcome(); (outcome == Rejected) != (rep.code >= 500) {
			t.Errorf("%d means %s", rep.code, outcome)
		}
		text := cleanText(rep.text, to)
		if strings.ContainsAny(text, "@\r\n\x00") || len(text) > maxText+3 {
			t.Errorf("%q is shown as %q", rep.text, text)
		}
	})
}

// FuzzHeaders: whatever people typed, a message has its fields once and no
// field more than was meant.
func FuzzHeaders(f *testing.F) {
	f.Add("Hello\r\nBcc: x@example.org", "Ann \"A\" <x>", "ann@example.org", "List-Id", "a\nb")
	f.Add("\u05e9\u05dc\u05d5\u05dd", strings.Repeat("w", 300), "j\u00f6rg@b\u00fccher.example", "X-A", "b")
	f.Fuzz(func(t *testing.T, subject, name, addr, field, value string) {
		h := testHeaders()
		h.Subject, h.To = subject, Address{name, addr}
		h.Extra = []Header{{field, value}}
		raw, err := h.append(nil)
		if err != nil {
			return
		}
		checkHeader(t, string(raw))
		m, err := mail.ReadMessage(bytes.NewReader(append(raw, "\r\nbody"...)))
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		total := 0
		for _, values := range m.Header {
			total += len(values)
		}
		if total != 8 {
			t.Errorf("%d fields: %q", total, raw)
		}
	})
}

// FuzzParsePath: what goes into MAIL and RCPT is one path and no further word.
func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"ann@example.org", "j\u00f6rg@b\u00fccher.example", "a b@c.example", "x> SIZE=1 <y@z.example", "\"q q\"@[192.0.2.1]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		p, err := parsePath(addr)
		if err != nil {
			return
		}
		if strings.ContainsAny(p.text, " \t\r\n\x00<>") {
			t.Errorf("%q is written as %q", addr, p.text)
		}
		if again, err := parsePath(p.text); err != nil || again != p {
			t.Errorf("%q is written as %q, and that as %q (%v)", addr, p.text, again.text, err)
		}
	})
}
