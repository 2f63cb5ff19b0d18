package mailer

import (
	"bytes"
	"mime"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var encodedWord = regexp.MustCompile(`=\?utf-8\?([qb])\?([^?]*)\?=`)

// checkHeader checks line lengths and encoded-words of a header section.
func checkHeader(t fataler, head string) {
	for line := range strings.Lines(head) {
		line = strings.TrimSuffix(line, "\r\n")
		words := encodedWord.FindAllString(line, -1)
		if len(line) > 998 || strings.TrimSpace(line) == "" || (len(words) > 0 && len(line) > 76) {
			t.Fatalf("line of %d: %q", len(line), line)
		}
		for _, w := range words {
			text, err := new(mime.WordDecoder).Decode(w)
			if err != nil || len(w) > 75 || !utf8.ValidString(text) {
				t.Fatalf("encoded-word %q: %q %v", w, text, err)
			}
		}
	}
}

func names() *rapid.Generator[string] {
	piece := rapid.OneOf(rapid.SampledFrom([]string{" ", "  ", "=?utf-8?q?x?=", "\"", "\\", ",", "<evil@example.com>", "ü", "שלום", "👩‍👩‍👧", "Anna",
		strings.Repeat("long ", 30), strings.Repeat("w", 300), strings.Repeat("漢", 200)}),
		rapid.StringOf(rapid.RuneFrom([]rune("abc XYZ.()[]:;@é€😀"))))
	return rapid.Map(rapid.SliceOfN(piece, 0, 6), func(p []string) string { return strings.TrimSpace(strings.Join(p, "")) })
}

// TestHeadersRoundTrip: names and subjects come back as they were, whatever is in them.
func TestHeadersRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := testHeaders()
		h.To.Name, h.Subject = names().Draw(t, "name"), names().Draw(t, "subject")
		raw, err := h.append(nil)
		if err != nil {
			t.Fatal(err)
		}
		checkHeader(t, string(raw))
		m, err := mail.ReadMessage(bytes.NewReader(append(raw, "\r\n"...)))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"From", "To", "Subject", "Date", "Message-Id"} {
			if len(m.Header[name]) != 1 {
				t.Fatalf("%d of %s", len(m.Header[name]), name)
			}
		}
		to, err := m.Header.AddressList("To")
		if err != nil || len(to) != 1 || to[0].Address != h.To.Addr || to[0].Name != h.To.Name {
			t.Fatalf("To %q became %v: %v in %s", h.To.Name, to, err, raw)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil || subject != h.Subject {
			t.Fatalf("Subject %q became %q in %s", h.Subject, subject, raw)
		}
	})
}

func TestHeaderBytes(t *testing.T) {
	h := testHeaders()
	raw, err := h.append(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		`From: "Heed, the \"list\"" <news@example.org>`,
		`To: =?utf-8?b?SsO8cmdlbiBNw7xsbGVy?= <j@example.net>`,
		`Reply-To: reply@example.org`,
		`Subject: =?utf-8?b?R3LDvMOfZSBhbiBkaWNo?=`,
		`Date: Mon, 23 Nov 2026 04:00:00 +0000`,
		`Message-ID: <d1.x@example.org>`,
		`List-Unsubscribe: <https://example.org/u/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa>,`,
		` <mailto:unsubscribe+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.org>`,
		`List-Unsubscribe-Post: List-Unsubscribe=One-Click`,
		`List-Id: =?utf-8?q?Zeitung_f=C3=BCr_alle?= <news.example.org>`,
		`Feedback-ID: c1:news:heed`,
		`MIME-Version: 1.0`, ``}, "\r\n")
	if string(raw) != want {
		t.Errorf("got\n%s\nwant\n%s", raw, want)
	}
}

// TestHeaderInjection: no value can make a second header, and the error names the field.
func TestHeaderInjection(t *testing.T) {
	for _, bad := range []string{"x\r\nBcc: evil@example.com", "x\nBcc: e", "x\r", "x\x00", "x\x1b[2J", "x\u0085y", "x\u2028y", "x\xffy", "x\ty\x7f"} {
		for name, change := range map[string]func(*Headers){
			"From":             func(h *Headers) { h.From.Name = bad },
			"To":               func(h *Headers) { h.To.Name = bad },
			"Reply-To":         func(h *Headers) { h.ReplyTo.Addr = bad + "@example.org" },
			"Subject":          func(h *Headers) { h.Subject = bad },
			"Message-ID":       func(h *Headers) { h.MessageID = bad + "@example.org" },
			"List-Unsubscribe": func(h *Headers) { h.Extra[0].Value = "<mailto:" + bad + ">" },
		} {
			h := testHeaders()
			change(&h)
			if raw, err := h.append(nil); err == nil || !strings.Contains(err.Error(), "header "+name+":") {
				t.Errorf("%s with %q: %v %s", name, bad, err, raw)
			}
		}
	}
}

func TestHeaderRefuses(t *testing.T) {
	for name, change := range map[string]func(*Headers){
		"no From":          func(h *Headers) { h.From = Address{} },
		"no To":            func(h *Headers) { h.To.Addr = "" },
		"two addresses":    func(h *Headers) { h.To.Addr = "a@example.org,b@example.org" },
		"no date":          func(h *Headers) { h.Date = time.Time{} },
		"no id":            func(h *Headers) { h.MessageID = "" },
		"id with brackets": func(h *Headers) { h.MessageID = "<a@example.org>" },
		"second From":      func(h *Headers) { h.Extra = []Header{{"fROM", "a@example.org"}} },
		"Bcc":              func(h *Headers) { h.Extra = []Header{{"Bcc", "a@example.org"}} },
		"twice":            func(h *Headers) { h.Extra = []Header{{"List-Help", "<a:b>"}, {"list-help", "<a:c>"}} },
		"name with colon":  func(h *Headers) { h.Extra = []Header{{"X: y\r\nZ", "v"}} },
		"empty":            func(h *Headers) { h.Extra = []Header{{"X", " "}} },
		"not ASCII":        func(h *Headers) { h.Extra = []Header{{"X", "ü"}} },
		"word of 1000":     func(h *Headers) { h.Extra = []Header{{"X", strings.Repeat("x", 1000)}} },
		"wrong one-click":  func(h *Headers) { h.Extra = []Header{{"List-Unsubscribe-Post", "List-Unsubscribe=one-click"}} },
	} {
		h := testHeaders()
		change(&h)
		if raw, err := h.append(nil); err == nil {
			t.Errorf("%s was taken:\n%s", name, raw)
		}
	}
}
