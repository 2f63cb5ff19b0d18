package templates

import (
	"strings"
	"testing"
	"time"

	"heed/consent"
)

func TestParseCampaign(t *testing.T) {
	c, err := ParseCampaign([]byte(`---
name: June
subject: {{ first_name | default: "Hello" }}, news: it's here
preheader: "In short"
topic: product-news
class: newsletter
audience: language == "de" and services has "files"
from: Harbour Notes <notes@harbour.example>
schedule: 2026-12-01 09:00
start_by: 2026-12-01T12:00:00+01:00
time_zone: Europe/Berlin
rate: 40
---

Hello.
`))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{{ first_name | default: "Hello" }}, news: it's here`; c.Subject != want {
		t.Errorf("Subject = %q, want %q", c.Subject, want)
	}
	if want := time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC); !c.Schedule.Equal(want) {
		t.Errorf("Schedule = %v, want %v", c.Schedule, want)
	}
	if want := time.Date(2026, 12, 1, 11, 0, 0, 0, time.UTC); !c.StartBy.Equal(want) {
		t.Errorf("StartBy = %v, want %v", c.StartBy, want)
	}
	if c.Rate != 40 || c.Class != consent.Newsletter || c.BodyLine != 14 || c.Name != "June" || c.TimeZone != "Europe/Berlin" {
		t.Errorf("parsed %+v", c)
	}
}

func TestParseCampaignDefaults(t *testing.T) {
	c, err := ParseCampaign([]byte("---\r\nsubject: News\r\ntopic: a\r\n---\r\nHello.\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Campaign{Name: "News", Subject: "News", Topic: "a", Class: consent.Newsletter, Audience: "all", TimeZone: "UTC", Body: "Hello.\n", BodyLine: 5}
	if c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestSubjectNeedsNoQuotes(t *testing.T) {
	for written, want := range map[string]string{
		`Update: it's here`: `Update: it's here`, `[News] June`: `[News] June`, `"Quoted: \"yes\""`: `Quoted: "yes"`,
		`'It''s'`: `It's`, `100 % off`: `100 % off`, `Plain # and a comment`: `Plain`, `>` + "\n  folded\n  text": `folded text`,
		`{% if company %}{{ company }}: {% endif %}news`: `{% if company %}{{ company }}: {% endif %}news`,
	} {
		c, err := ParseCampaign([]byte("---\nsubject: " + written + "\ntopic: a\n---\nx\n"))
		if err != nil || c.Subject != want {
			t.Errorf("subject: %s is %q, %v, want %q", written, c.Subject, err, want)
		}
	}
}

func TestParseCampaignRefuses(t *testing.T) {
	file := func(front string) string { return "---\n" + front + "\n---\nHello.\n" }
	tests := []struct{ name, src, want string }{
		{"no front matter", "Hello", "line 1: the file must begin with a line `---`"},
		{"no end", "---\nsubject: a\n", "have no end"},
		{"not UTF-8", "---\nsubject: \xff\n---\n", "not UTF-8"},
		{"unknown key", file("subject: a\ntopick: b"), `line 3: unknown key "topick" (did you mean "topic"?)`},
		{"alert key", file("subject: a\ntopic: b\nservice: c"), `line 4: unknown key "service"`},
		{"same key twice", file("subject: a\nsubject: b"), "line 3: "},
		{"wrong type", file("subject: a\ntopic: b\nrate: fast"), "line 4: rate is a plain number: messages a second, such as 20"},
		{"a list where text belongs", file("subject: a\ntopic: [b]"), "line 3: topic is one line of text"},
		{"broken YAML", file("subject: a\ntopic: [a"), "line 3: "},
		{"alias", file("subject: a\ntopic: &a x\nrate: *a"), "line 4: YAML aliases"},
		{"deep YAML", file("subject: a\ntopic: " + strings.Repeat("[", 9000)), "line "},
		{"a list", file("- subject: a"), "line 2: the settings are lines"},
		{"no subject", file("topic: b"), "has no subject"},
		{"empty subject", file("subject: '  '\ntopic: b"), "has no subject"},
		{"subject on two lines", file("subject: \"a\\nBcc: x@example.com\"\ntopic: b"), "control character U+000A"},
		{"subject with NUL", file("subject: \"a\\0b\"\ntopic: b"), "control character U+0000"},
		{"long subject", file("subject: " + strings.Repeat("a", 251) + "\ntopic: b"), "251 characters"},
		{"from on two lines", file("subject: a\ntopic: b\nfrom: \"a@example.com\\r\\nBcc: b@example.com\""), "control character U+000D"},
		{"from no address", file("subject: a\ntopic: b\nfrom: me"), `from: "me" is not an address`},
		{"no topic", file("subject: a"), "needs a topic"},
		{"unknown class", file("subject: a\ntopic: b\nclass: newsleter"), `did you mean "newsletter"?`},
		{"alert as class", file("subject: a\ntopic: b\nclass: service_alert"), `class: "service_alert"`},
		{"unknown zone", file("subject: a\ntopic: b\ntime_zone: Berlin"), `time_zone: "Berlin" is unknown`},
		{"the machine's zone", file("subject: a\ntopic: b\ntime_zone: Local"), `time_zone: "Local" is unknown`},
		{"no time", file("subject: a\ntopic: b\nschedule: tomorrow"), `schedule: "tomorrow" is not a time`},
		{"gap", file("subject: a\ntopic: b\ntime_zone: Europe/Berlin\nschedule: 2026-03-29 02:30"), "does not exist in Europe/Berlin"},
		{"overlap", file("subject: a\ntopic: b\ntime_zone: Europe/Berlin\nschedule: 2026-10-25 02:30"), "happens twice in Europe/Berlin"},
		{"start_by too early", file("subject: a\ntopic: b\nschedule: 2026-10-25 12:30\nstart_by: 2026-10-25 12:30"), "start_by is not after schedule"},
		{"audience", file("subject: a\ntopic: b\naudience: langage == \"de\""), `audience: column 1: unknown field "langage"; known are email`},
		{"negative rate", file("subject: a\ntopic: b\nrate: -1"), "rate: -1 is out of range"},
		{"no body", "---\nsubject: a\ntopic: b\n---\n \n", "no text below"},
		{"long body", "---\nsubject: a\ntopic: b\n---\n" + strings.Repeat("a", maxBody+1), "at most 512 KB"},
		{"long front matter", file("subject: a\ntopic: b\n#" + strings.Repeat("a", maxFrontMatter)), "at most 16384"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseCampaign([]byte(tt.src))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want it to hold %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has several lines: %q", err)
			}
		})
	}
}

func TestParseAlert(t *testing.T) {
	c, err := ParseAlert([]byte("---\nsubject: Maintenance\nservice: files\n---\nHello.\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Class != consent.Alert || c.Service != "files" || c.Audience != "all" {
		t.Errorf("parsed %+v", c)
	}
	if _, err := ParseAlert([]byte("---\nsubject: Maintenance\n---\nHello.\n")); err == nil || !strings.Contains(err.Error(), "needs a service") {
		t.Errorf("without service: %v", err)
	}
	if _, err := ParseAlert([]byte("---\nsubject: a\nservice: b\ntopic: c\n---\nHello.\n")); err == nil || !strings.Contains(err.Error(), `unknown key "topic"`) {
		t.Errorf("with topic: %v", err)
	}
}

func FuzzParseCampaign(f *testing.F) {
	for _, name := range []string{"newsletter.md", "alert.md"} {
		src, err := Examples.ReadFile("examples/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("---\nsubject: {{ a\ntopic: b\n---\n{% if first_name %}\n- {{ email }}\n{% endif %}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := ParseCampaign(src)
		if err != nil {
			return
		}
		if strings.ContainsAny(c.Subject+c.Preheader+c.From, "\r\n\x00") {
			t.Errorf("a header value holds a control character: %q", c.Subject)
		}
		if out, err := Compile(c, layout()); err == nil {
			_, _, _ = out.Full(ann(), links()) // must not panic
		}
	})
}
