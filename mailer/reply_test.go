package mailer

import (
	"bufio"
	"strings"
	"testing"
)

func TestReadReply(t *testing.T) {
	for in, want := range map[string]reply{
		"250 2.0.0 ok\r\n": {250, "2.0.0", "2.0.0 ok"},
		"250\r\n":          {250, "", ""},
		"250 ok\n":         {250, "", "ok"},
		"550-5.1.1 no such\r\n550 5.1.1 user\r\n":  {550, "5.1.1", "5.1.1 no such user"},
		"550 5.7.515 sender not authenticated\r\n": {550, "5.7.515", "5.7.515 sender not authenticated"},
		"451 4.7.1234 too many digits\r\n":         {451, "", "4.7.1234 too many digits"},
		"550 4.1.1 class does not fit\r\n":         {550, "", "4.1.1 class does not fit"},
		"550 5.1 short\r\n":                        {550, "", "5.1 short"},
		"250-\r\n250 x\r\n":                        {250, "", " x"},
	} {
		got, err := readReply(bufio.NewReader(strings.NewReader(in)))
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "250", "25 x\r\n", "199 x\r\n", "650 x\r\n", "250x\r\n", "250-a\r\n", "250-a\r\n251 b\r\n", "\r\n",
		strings.Repeat("250-x\r\n", 200)} {
		if got, err := readReply(bufio.NewReader(strings.NewReader(in))); err == nil {
			t.Errorf("%q was taken for %+v", in, got)
		}
	}
}

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"5.1.1 <Jane.Doe@Example.net>: unknown": "5.1.1 <address>: unknown",
		"user jane.doe unknown":                 "user <address> unknown",
		"jane.doestown is a place":              "jane.doestown is a place",
		"see http://x.example/?a=b%40c.example": "see <address>",
		"bounce+jane=40example.net@list.org.":   "<address>",
		"plain words":                           "plain words",
		"tab\tand\x00nul":                       "tab and nul",
		"other: someone@else.example, jane":     "other: <address>, jane",
	} {
		got := cleanText(in, "jane.doe@example.net", "")
		if got != want && !(strings.Contains(in, "http") && !strings.Contains(got, "example")) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := cleanText(strings.Repeat("ü", 1000)); len(got) > maxText+3 {
		t.Errorf("%d bytes", len(got))
	}
}
