package templates

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// payloads are what a hostile person may have given as a name.
var payloads = []string{
	"<script>alert(1)</script>",
	`"><img src=x onerror=alert(1)>`,
	`' onmouseover='alert(1)`,
	"javascript:alert(1)",
	"&lt;b&gt;",
	"x\r\nBcc: evil@example.com",
	"x\n\nYour account is locked. Visit https://evil.example",
	"x\x00y\x1b[31m",
	"x\u2028y\u2029z",
	"\u202egnp.exe",
	"\ue0000\ue001",
	"{{ email }}{% if x %}",
	"../../?a=b&c=d#e",
	"**bold** [x](https://evil.example)",
	"]]>--><!--",
	"\xff\xfe",
	"=?utf-8?q?x?=",
	strings.Repeat("A", 5000),
}

// allPlaces has a field in every place where one may stand.
const allPlaces = `Text {{ first_name }} and *{{ first_name }}*, ` + "`{{ first_name }}`" + `

# {{ first_name }}

[{{ first_name }}](https://example.com/a?n={{ first_name }}&m=1) ![{{ first_name }}](https://example.com/a.png)

**[{{ first_name }}](https://example.com/{{ first_name }}/x)** and [mail](mailto:a@example.com?subject={{ first_name }})

> {{ first_name }}

    {{ first_name }}

| {{ first_name }} |
|---|
| {{ first_name }} |
`

// TestInjection renders each payload in each place, and wants a document of the same shape as for a harmless name.
func TestInjection(t *testing.T) {
	for _, dynamic := range []bool{false, true} {
		in := campaign(allPlaces)
		in.Subject, in.Preheader = "S {{ first_name }}", "P {{ first_name }}"
		c, err := compile(in, layout(), dynamic)
		if err != nil {
			t.Fatal(err)
		}
		harmlessText, harmlessHTML := full(t, c, Person{FirstName: "Ann"})
		for _, payload := range payloads {
			p := Person{FirstName: payload, LastName: payload, Company: payload}
			if clean(payload) == "" {
				continue
			}
			subject, err := c.Subject(p)
			if err != nil || oneLine("subject", subject) != nil {
				t.Errorf("subject %q, %v", subject, err)
			}
			text, body := full(t, c, p)
			if got, want := shape(t, body), shape(t, harmlessHTML); got != want {
				t.Errorf("%.40q changes the document:\n%s\nwant\n%s", payload, got, want)
			}
			if got, want := strings.Count(text, "\n"), strings.Count(harmlessText, "\n"); got != want {
				t.Errorf("%.40q makes %d lines of text, want %d", payload, got, want)
			}
		}
	}
}

// shape is a document without its words: elements, attribute names and where links lead.
func shape(t *testing.T, body string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		b.WriteString(n.Data)
		for _, a := range n.Attr {
			b.WriteString(" " + a.Key)
			if a.Key == "href" || a.Key == "src" {
				b.WriteString("=" + host(t, a.Val))
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func host(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Errorf("%q is no URL: %v", raw, err)
		return ""
	}
	return u.Scheme + "://" + u.Host + strings.Join(sortedKeys(u.Query()), ",")
}

func sortedKeys(q url.Values) []string {
	var out []string
	for _, k := range []string{"n", "m", "subject"} {
		if q.Has(k) {
			out = append(out, k)
		}
	}
	if len(out) != len(q) {
		out = append(out, "and others")
	}
	return out
}

// TestOwnValuesInjection does the same for what Heed fills in: the reason comes from imported files.
func TestOwnValuesInjection(t *testing.T) {
	c := compiled(t, "Hello")
	_, harmless := full(t, c, ann())
	for _, payload := range payloads {
		l := links()
		l.Reason.Topic, l.Reason.Source = payload, payload
		text, body, err := c.Full(ann(), l)
		if err != nil {
			t.Fatal(err)
		}
		if shape(t, body) != shape(t, harmless) {
			t.Errorf("%.40q changes the document", payload)
		}
		if regexp.MustCompile(`(?m)^Bcc:|^Your account`).MatchString(text) {
			t.Errorf("%.40q begins a line of the text", payload)
		}
	}
}

func TestEscapeURL(t *testing.T) {
	c := compiled(t, "[x](https://example.com/a%20b/{{ company }}?q={{ company }}#ü)")
	text, body := full(t, c, Person{Company: "Söder & Co/?#+"})
	want := "https://example.com/a%20b/S%C3%B6der%20%26%20Co%2F%3F%23%2B?q=S%C3%B6der%20%26%20Co%2F%3F%23%2B#%C3%BC"
	if !strings.Contains(body, `href="`+want+`"`) || !strings.Contains(text, "("+want+")") {
		t.Errorf("the link is not %s in\n%s\n%s", want, text, body)
	}
}

func TestLayoutDataIsEscaped(t *testing.T) {
	l := LayoutData{Sender: "<b>Us & them</b>", PostalAddress: "<i>1</i>\n\n2 [[body]]", PrivacyContact: "<u>"}
	c, err := Compile(campaign("Hello [[footer]] {x}"), l)
	if err != nil {
		t.Fatal(err)
	}
	text, body := full(t, c, ann())
	for _, tag := range []string{"<b>", "<i>", "<u>"} {
		if strings.Contains(body, tag) {
			t.Errorf("%s came through", tag)
		}
	}
	if !strings.Contains(text, "2 [[body]]") || !strings.Contains(text, "Hello [[footer]] {x}") {
		t.Errorf("what looks like a marker was lost:\n%s", text)
	}
}
