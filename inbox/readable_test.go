package inbox

import (
	"strings"
	"testing"
)

func TestLetterAndCaseThatAMailSpeaksOf(t *testing.T) {
	for _, tt := range []struct {
		name, header   string
		letter, number int64
	}{
		{"a reply", "In-Reply-To: <letter-12@news.example.com>\nSubject: Re: Your request H-7\n", 12, 7},
		{"the last of the references", "References: <letter-3@news.example.com>\n <letter-9@NEWS.example.com>\nSubject: AW: WG: H-31415\n", 9, 31415},
		{"somebody else's letter", "In-Reply-To: <letter-12@evil.example>\nSubject: plain\n", 0, 0},
		{"a newsletter", "In-Reply-To: <12.abcd@news.example.com>\nSubject: XH-7 and H-7x\n", 0, 0},
		{"too long a number", "In-Reply-To: <letter-99999999999999999999@news.example.com>\nSubject: H-99999999999999999999\n", 0, 0},
		{"encoded", "Subject: =?utf-8?q?R=C3=A9p=C2=A0:_H-7?=\n", 0, 7},
	} {
		m := Parse([]byte("From: a@example.com\n" + tt.header + "\nText\n"))
		letter, number := letterOf(m, "news.example.com"), caseOf(m.Subject)
		if letter != tt.letter || number != tt.number {
			t.Errorf("%s: letter %d, case %d; want %d, %d", tt.name, letter, number, tt.letter, tt.number)
		}
	}
	if letterOf(Parse([]byte("In-Reply-To: <letter-12@>\n\n")), "") != 0 {
		t.Error("a domain that is not configured matches")
	}
}

func TestReadable(t *testing.T) {
	m := Parse([]byte("From: Ann <a@example.com>\nSubject: Question\n\nWhere is my data?\n\n> you wrote\n> this\n"))
	text := readable(m)
	if !strings.HasPrefix(text, "Where is my data?") || !strings.Contains(text, "this") {
		t.Errorf("staff would read %q", text)
	}
}
