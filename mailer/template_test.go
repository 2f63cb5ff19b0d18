package mailer

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func testHeaders() Headers {
	return Headers{
		From: Address{"Heed, the \"list\"", "news@example.org"}, To: Address{"Jürgen Müller", "j@example.net"},
		ReplyTo: Address{"", "reply@example.org"}, Subject: "Grüße an dich", MessageID: "d1.x@example.org",
		Date: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC),
		Extra: []Header{
			{"List-Unsubscribe", "<https://example.org/u/" + strings.Repeat("a", 50) + ">, <mailto:unsubscribe+" + strings.Repeat("a", 50) + "@example.org>"},
			{"List-Unsubscribe-Post", "List-Unsubscribe=One-Click"},
			{"List-Id", Phrase("Zeitung für alle") + " <news.example.org>"}, {"Feedback-ID", "c1:news:heed"}},
	}
}

// asText is what a reader sees of a text: CRLF line breaks, no other CR.
func asText(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r", ""), "\n", "\r\n")
}

// checkWire checks what every message on the wire must keep.
func checkWire(t interface{ Fatalf(string, ...any) }, msg []byte) {
	if _, err := (&Message{Text: msg}).checkLines(); err != nil {
		t.Fatalf("%v", err)
	}
	_, body, _ := bytes.Cut(msg, []byte("\r\n\r\n"))
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSuffix(line, "\r\n")
		if len(line) > 76 || strings.HasPrefix(line, ".") || strings.HasPrefix(line, "From ") || line != strings.TrimRight(line, " \t") {
			t.Fatalf("bad line %q", line)
		}
		for i := range len(line) {
			if line[i] != '\t' && (line[i] < ' ' || line[i] > '~') {
				t.Fatalf("byte %#x in %q", line[i], line)
			}
		}
	}
}

// texts have all that is awkward in quoted-printable, often.
func texts() *rapid.Generator[string] {
	piece := rapid.OneOf(rapid.SampledFrom([]string{".", "..", " ", "\t", "\n", "\r\n", "\r", "=", "=_", "ü", "😀", "From ", "From", "--",
		strings.Repeat("x", 73), strings.Repeat("y", 75), strings.Repeat("z ", 40), "\x00", "\n.\n", "a", "\xff"}), rapid.String())
	return rapid.Map(rapid.SliceOfN(piece, 0, 12), func(p []string) string { return strings.Join(p, "") })
}

func TestAppendQP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := texts().Draw(t, "text")
		enc, col := appendQP(nil, in)
		if i := bytes.LastIndexByte(enc, '\n'); col != len(enc)-1-i {
			t.Fatalf("column %d of %q", col, enc)
		}
		checkWire(t, append(append([]byte("A: b\r\n\r\n"), enc...), "\r\n"...))
		got, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(enc)))
		if err != nil || string(got) != asText(in) {
			t.Fatalf("%q became %q: %v", in, got, err)
		}
	})
}

// TestSplice: a splice decodes to the fixed text and the values put together, however
// the values look.
func TestSplice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := [][]string{rapid.SliceOfN(texts(), 3, 3).Draw(t, "text values"), rapid.SliceOfN(texts(), 3, 3).Draw(t, "html values")}
		var parts []Part
		var want []string
		for i, kind := range []string{"text/plain", "text/html"} {
			p, text := Part{Type: kind}, ""
			for _, s := range rapid.SliceOfN(texts(), 0, 6).Draw(t, kind) {
				f := rapid.IntRange(0, 2).Draw(t, "field")
				p.Segments = append(p.Segments, Segment{s, -1}, Segment{"", f})
				text += s + values[i][f]
			}
			parts, want = append(parts, p), append(want, asText(text))
		}
		tmpl, err := Compile(parts)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := tmpl.Message(nil, testHeaders(), values)
		if err != nil {
			t.Fatal(err)
		}
		checkWire(t, msg)
		for i, got := range readParts(t, msg) {
			if got != want[i] {
				t.Fatalf("part %d: want %q, got %q", i, want[i], got)
			}
		}
	})
}

type fataler interface{ Fatalf(string, ...any) }

func readParts(t fataler, msg []byte) []string {
	m, err := mail.ReadMessage(bytes.NewReader(msg))
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %q: %v", kind, err)
	}
	var out []string
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextPart() // decodes quoted-printable
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("part: %v", err)
		}
		if want := []string{"text/plain; charset=utf-8", "text/html; charset=utf-8"}[len(out)]; p.Header.Get("Content-Type") != want {
			t.Fatalf("part %d is %q", len(out), p.Header.Get("Content-Type"))
		}
		body, err := io.ReadAll(p)
		if err != nil {
			t.Fatalf("part body: %v", err)
		}
		out = append(out, string(body))
	}
	if len(out) != 2 {
		t.Fatalf("%d parts", len(out))
	}
	return out
}

func TestMessageIsDeterministic(t *testing.T) {
	tmpl, err := Compile(benchParts())
	if err != nil {
		t.Fatal(err)
	}
	one, err1 := tmpl.Message(nil, testHeaders(), benchValues())
	two, err2 := tmpl.Message([]byte("kept"), testHeaders(), benchValues())
	if err1 != nil || err2 != nil || "kept"+string(one) != string(two) {
		t.Errorf("%v %v\n%s\n%s", err1, err2, one, two)
	}
}

func TestPlain(t *testing.T) {
	msg, err := Plain(testHeaders(), "Liebe Grüße\n.\nzum Schluss ")
	if err != nil {
		t.Fatal(err)
	}
	checkWire(t, msg)
	m, err := mail.ReadMessage(bytes.NewReader(msg))
	if err != nil || m.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Fatal(err, m)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil || string(body) != "Liebe Grüße\r\n.\r\nzum Schluss \r\n" {
		t.Errorf("%q, %v", body, err)
	}
}

// TestPlainOfEveryScript: what is read is what was written, in the subject, the name and the text, and a letter in a script
// of two octets a character is not three times as long on its way.
func TestPlainOfEveryScript(t *testing.T) {
	for _, tt := range []struct{ name, subject, text, encoding string }{
		{"Harbour Notes", "We have stopped it", "Hello,\n\nyou asked us to stop this.\n", "quoted-printable"},
		{"Вести гавани", "Подтвердите, пожалуйста, что хотите увидеть свои данные", "Здравствуйте!\n\nВы попросили нас прекратить следующее:\r\n\n- письма на тему «Новости»\n", "base64"},
		{"Вісті гавані", "Підтвердьте, будь ласка, що ми можемо видалити Ваші дані", "Добрий день!\n\nМи припинили те, про що Ви просили.", "base64"},
		{"أخبار المرفأ", "يُرجى تأكيد رغبتك في الاطلاع على بياناتك", "تحية طيبة،\n\nطلبت منا إيقاف ما يلي:\n\n- الرسائل عن «\u2068News\u2069»\n", "base64"},
	} {
		h := testHeaders()
		h.From.Name, h.Subject = tt.name, tt.subject
		msg, err := Plain(h, tt.text)
		if err != nil {
			t.Fatal(err)
		}
		checkWire(t, msg)
		m, err := mail.ReadMessage(bytes.NewReader(msg))
		if err != nil {
			t.Fatal(err)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		from, err2 := m.Header.AddressList("From")
		if err != nil || err2 != nil || subject != tt.subject || from[0].Name != tt.name {
			t.Errorf("subject %q, from %v, %v, %v", subject, from, err, err2)
		}
		var decoded io.Reader = quotedprintable.NewReader(m.Body)
		if tt.encoding == "base64" {
			decoded = base64.NewDecoder(base64.StdEncoding, m.Body)
		}
		body, err := io.ReadAll(decoded)
		if got := strings.ReplaceAll(string(body), "\r\n", "\n"); err != nil || m.Header.Get("Content-Transfer-Encoding") != tt.encoding || got != strings.ReplaceAll(tt.text, "\r", "")+"\n" {
			t.Errorf("%s: %q, %v", m.Header.Get("Content-Transfer-Encoding"), got, err)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, parts := range [][]Part{nil, {{Type: "text/html"}}, {{Type: "text/html"}, {Type: "text/plain"}},
		{{Type: "text/plain"}, {Type: "text/plain"}}, {{Type: "text/plain", Segments: []Segment{{"x", 0}}}}} {
		if _, err := Compile(parts); err == nil {
			t.Errorf("%v was taken", parts)
		}
	}
	tmpl, err := Compile([]Part{{Type: "text/plain", Segments: []Segment{{"", 1}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range [][][]string{nil, {{"a"}}, {{"a", "b"}, {"c"}}} {
		if _, err := tmpl.Message(nil, testHeaders(), values); err == nil {
			t.Errorf("%v were enough", values)
		}
	}
}

func benchParts() []Part {
	row := "<tr><td style=\"font-family:Helvetica,Arial,sans-serif;color:#222\">Some words of a newsletter, für alle.</td></tr>\n"
	var html, text Part
	html.Type, text.Type = "text/html", "text/plain"
	for f := range 5 {
		html.Segments = append(html.Segments, Segment{strings.Repeat(row, 30), -1}, Segment{"", f})
		text.Segments = append(text.Segments, Segment{strings.Repeat("Some words of a newsletter.\n", 25), -1}, Segment{"", f})
	}
	return []Part{text, html}
}

func benchValues() [][]string {
	v := []string{"Jürgen", "Müller", "ACME", "https://example.org/u/abcdefghijklmnopqrstuvwxyz", "de"}
	return [][]string{v, v}
}

func BenchmarkSplice(b *testing.B) {
	tmpl, err := Compile(benchParts())
	if err != nil {
		b.Fatal(err)
	}
	h, values := testHeaders(), benchValues()
	var buf []byte
	for b.Loop() {
		if buf, err = tmpl.Message(buf[:0], h, values); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
}
