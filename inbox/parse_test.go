package inbox

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"heed/consent"
)

// nested builds a mail of parts within parts.
func nested(levels int) []byte {
	var out bytes.Buffer
	out.WriteString("From: bomb@example.org\r\nTo: unsubscribe@news.example\r\nSubject: parts\r\nMIME-Version: 1.0\r\n")
	for i := range levels {
		fmt.Fprintf(&out, "Content-Type: multipart/mixed; boundary=\"b%d\"\r\n\r\n--b%d\r\n", i, i)
	}
	out.WriteString("Content-Type: text/plain\r\n\r\nhello\r\n")
	return out.Bytes()
}

func TestHostileMailIsCheapAndGoesToAPerson(t *testing.T) {
	wide := []byte("Subject: parts\r\nContent-Type: multipart/mixed; boundary=w\r\n\r\n" + strings.Repeat("--w\r\n\r\nx\r\n", 5000))
	split := bytes.ReplaceAll(nested(2000), []byte("boundary="), []byte("boundary*0="))
	for name, raw := range map[string][]byte{"deep": nested(2000), "split boundary": split, "eleven levels": nested(11), "wide": wide} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			got := Read(raw, RoleUnsubscribe, testRing, Ours{})
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			if got.Kind != consent.KindReview {
				t.Errorf("read as %s %v", got.Kind, got.Evidence)
			}
		})
	}
	if got := Parse(nested(8)); got.Broken != "" || got.Text != "hello" {
		t.Errorf("eight levels are no bomb: %q, %q", got.Broken, got.Text)
	}
}

func TestTokenCountsInABrokenMail(t *testing.T) {
	token := testRing.Seal(consent.Link{Purpose: consent.PurposeOptOut, Address: consent.Key{7}, Scope: 3})
	raw := bytes.Replace(nested(2000), []byte("unsubscribe@"), []byte("unsubscribe+"+strings.ToUpper(token)+"@"), 1)
	got := Read(raw, RoleUnsubscribe, testRing, Ours{})
	if got.Kind != consent.KindUnsubscribe || got.Link == nil || got.Link.Address != (consent.Key{7}) || got.Scope != consent.TopicScope(3) {
		t.Errorf("read as %+v", got)
	}
}

func TestOversizeMail(t *testing.T) {
	raw := append(letter("a@example.org", "unsubscribe@news.example", "Photos", "Please unsubscribe me.\r\n\r\n"), bytes.Repeat([]byte("x "), 10<<20)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := Read(raw, RoleUnsubscribe, testRing, Ours{})
	runtime.ReadMemStats(&after)
	if got.Kind != consent.KindUnsubscribe || got.Evidence[len(got.Evidence)-1].Rule != "oversize" {
		t.Errorf("read as %s %v", got.Kind, got.Evidence)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("reading 20 MB took %d MB of memory", grown>>20)
	}
}

func TestFromIsExactlyOne(t *testing.T) {
	for header, want := range map[string]string{
		"From: Ann <Ann@Example.ORG>\r\n":                     "ann@example.org",
		"From: a@example.org, b@example.org\r\n":              "",
		"From: a@example.org\r\nFrom: victim@example.org\r\n": "",
		"From: \r\n":        "",
		"Subject: none\r\n": "",
		"From: =?utf-8?q?J=C3=B6rg?= <joerg@b\u00fccher.example>\r\n": "joerg@xn--bcher-kva.example",
		"From: \"a@example.org\" <b@example.org>\r\n":                 "b@example.org",
	} {
		if got := Parse([]byte(header + "\r\nx\r\n")).From(); got != want {
			t.Errorf("%q is from %q, want %q", header, got, want)
		}
	}
}

func TestSplitQuote(t *testing.T) {
	for text, want := range map[string]string{
		"Stop it\n\nOn Mon, 3 Mar 2025 at 10:12, Anna <anna@example.com> wrote:\n> unsubscribe here\n":                      "Stop it",
		"Yes\nOn Mon, 3 Mar 2025 at 10:12, Anna <anna@example.com>\nwrote:\n\n> text\nbelow the quote":                      "Yes\nbelow the quote",
		"Nein danke\n\nVon: Anna <anna@example.com>\nGesendet: Montag, 3. März 2025 10:12\nAn: Max\nBetreff: X\n\nabmelden": "Nein danke",
		"Hola\n-----Mensaje original-----\ndarme de baja":                                                                   "Hola",
		"remove me\n-- \nAnn\nunsubscribe consultant":                                                                       "remove me",
		"stop\n\nSent from my iPhone": "stop",
	} {
		if got, _ := splitQuote(text); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}

func TestParseMailboxURL(t *testing.T) {
	for text, want := range map[string]MailboxURL{
		"imap://u@mail.example/INBOX":                    {"u", "mail.example", "mail.example:143", "INBOX", tlsStart},
		"imaps://u%40x@mail.example":                     {"u@x", "mail.example", "mail.example:993", "INBOX", tlsImplicit},
		"imap://u@127.0.0.1:1430/Box?tls=none":           {"u", "127.0.0.1", "127.0.0.1:1430", "Box", tlsNone},
		"imap://u@mail.example:10993/INBOX?tls=implicit": {"u", "mail.example", "mail.example:10993", "INBOX", tlsImplicit},
	} {
		if got, err := ParseMailboxURL(text); err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "imap://mail.example", "smtp://u@h", "imap://u@mail.example?tls=none", "imap://u:p@h", "imap://u@h?tls=maybe", "imaps://u@h?tls=none"} {
		if _, err := ParseMailboxURL(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestReaderThatHangsOrPanics(t *testing.T) {
	block := make(chan struct{})
	defer close(block)
	if _, err := withinTime(20*time.Millisecond, func() ([]Part, error) { <-block; return nil, nil }); !errors.Is(err, errLimit) {
		t.Errorf("a reader that hangs: %v", err)
	}
	if _, err := withinTime(time.Second, func() ([]Part, error) { panic("broken library") }); !errors.Is(err, errPanic) {
		t.Errorf("a reader that panics: %v", err)
	}
}
