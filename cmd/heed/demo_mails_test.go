package main

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"heed/mailer/mailertest"
)

func sample() mailertest.Record {
	return mailertest.Record{From: "bounces+token@notes.example", To: dee, Data: []byte(strings.ReplaceAll(`From: notes@notes.example
To: dee.dunn@oldjob.example
Subject: =?utf-8?q?Caf=C3=A9_news?=
Message-ID: <one@notes.example>
List-Unsubscribe: <https://notes.example/u/abc>, <mailto:unsubscribe+abc@notes.example>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Look: https://notes.example/a?x=3D1.
--b
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<a href=3D"https://notes.example/a?x=3D1&amp;y=3D2">a</a><a href=3D"https:/=
/notes.example/u/abc">b</a>
--b--
`, "\n", "\r\n"))}
}

// TestDemoReports reads the reports as any mail program would.
func TestDemoReports(t *testing.T) {
	for name, tc := range map[string]struct {
		letter letter
		kind   string
		types  []string
	}{
		"bounce": {bounceLetter(sample()), "delivery-status", []string{"text/plain", "message/delivery-status", "text/rfc822-headers"}},
		"spam":   {spamReport(sample(), "abuse@notes.example"), "feedback-report", []string{"text/plain", "message/feedback-report", "text/rfc822-headers"}},
	} {
		raw, id := tc.letter.write(time.Unix(1790000000, 0))
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		media, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
		if err != nil || media != "multipart/report" || params["report-type"] != tc.kind || m.Header.Get("Message-ID") != id {
			t.Errorf("%s: %s %v %v", name, media, params, err)
		}
		if got := partTypes(t, multipart.NewReader(m.Body, params["boundary"])); !slices.Equal(got, tc.types) {
			t.Errorf("%s has the parts %v", name, got)
		}
		if bytes.Contains(bytes.ReplaceAll(raw, []byte("\r\n"), nil), []byte("\n")) {
			t.Errorf("%s has a bare line feed", name)
		}
	}
}

func partTypes(t *testing.T, r *multipart.Reader) []string {
	t.Helper()
	var types []string
	for {
		part, err := r.NextPart()
		if err == io.EOF {
			return types
		}
		if err != nil {
			t.Fatal(err)
		}
		media, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		types = append(types, media)
	}
}

func TestDemoReadsMails(t *testing.T) {
	want := []string{"https://notes.example/a?x=1", "https://notes.example/a?x=1&y=2", "https://notes.example/u/abc"}
	if got := mailLinks(sample().Data); !slices.Equal(got, want) {
		t.Errorf("links %q", got)
	}
	if url, ok := oneClick(sample().Header()); !ok || url != "https://notes.example/u/abc" {
		t.Errorf("one-click at %q, %v", url, ok)
	}
	raw, _ := vacationLetter(sample()).write(time.Now())
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil || textOf(m.Header.Get("Subject")) != "Automatic reply: Café news" || m.Header.Get("Auto-Submitted") != "auto-replied" {
		t.Errorf("%v %v", m.Header, err)
	}
}
