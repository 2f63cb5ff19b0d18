package templates

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"heed/consent"
)

func example(t *testing.T, name string, parse func([]byte) (Campaign, error)) *Content {
	t.Helper()
	src, err := Examples.ReadFile("examples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parse(src)
	if err != nil {
		t.Fatal(err)
	}
	out, err := Compile(c, layout())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestExamples(t *testing.T) {
	for name, c := range map[string]*Content{
		"newsletter": example(t, "newsletter.md", ParseCampaign),
		"alert":      example(t, "alert.md", ParseAlert),
	} {
		text, html := full(t, c, ann())
		golden(t, name+".txt", text)
		golden(t, name+".html", html)
		if n := strings.Count(html, "<!--[if mso]>"); n != 3 || strings.Count(html, "<![endif]-->") != n {
			t.Errorf("%s: %d of 3 comments for Outlook are left", name, n)
		}
		if w := c.Warnings(); len(w) > 0 {
			t.Errorf("%s: the example is warned about: %q", name, w)
		}
	}
}

func TestAlertHasNoUnsubscribeLink(t *testing.T) {
	text, html := full(t, example(t, "alert.md", ParseAlert), ann())
	for _, part := range []string{text, html} {
		if strings.Contains(part, links().Unsubscribe) || strings.Contains(part, "Unsubscribe") {
			t.Error("the alert offers to unsubscribe, which would not stop it")
		}
		if !strings.Contains(part, "It is sent even if you stopped newsletters.") || !strings.Contains(part, links().Preferences) {
			t.Error("the alert does not say why it comes, or where to choose")
		}
	}
}

func TestSpliceIsFull(t *testing.T) {
	c := example(t, "newsletter.md", ParseCampaign)
	text, html, err := c.Values(ann(), links())
	if err != nil {
		t.Fatal(err)
	}
	wantText, wantHTML := full(t, c, ann())
	if diff := cmp.Diff(wantText, Splice(c.Text, text)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(wantHTML, Splice(c.HTML, html)); diff != "" {
		t.Error(diff)
	}
	if len(c.HTML) > 30 || c.Dynamic() || c.Size() == 0 {
		t.Errorf("%d segments, dynamic %v, size %d", len(c.HTML), c.Dynamic(), c.Size())
	}
}

func TestMissingValue(t *testing.T) {
	for _, body := range []string{"Hi {{ first_name }}", "Hi {{ first_name | upcase }}{% if company %}!{% endif %}"} {
		c := compiled(t, body)
		_, _, err := c.Full(Person{Email: "a@example.com", FirstName: " \t"}, links())
		var missing ErrMissing
		if !errors.As(err, &missing) || missing.Field != "first_name" {
			t.Errorf("%s: error = %v, want ErrMissing{first_name}", body, err)
		}
	}
}

func TestCheck(t *testing.T) {
	people := []Person{ann(), {FirstName: "Bo"}, {}, {Company: "x"}}
	tests := []struct {
		body string
		want map[string]int
	}{
		{"{{ first_name | default: 'you' }}", map[string]int{}},
		{"{{ first_name }} {{ company }}", map[string]int{"first_name": 2, "company": 2}},
		{"{{ first_name }} [x](https://example.com/{{ first_name }})", map[string]int{"first_name": 2}},
		{"{% if company %}{{ company }} {{ first_name }}{% endif %}", map[string]int{"first_name": 1}},
		{"{% if services contains 'files' %}{{ attr.none }}{% endif %}", map[string]int{"attr.none": 1}},
	}
	for _, tt := range tests {
		if got := compiled(t, tt.body).Check(slices.Values(people)); !cmp.Equal(got, tt.want) {
			t.Errorf("%s: Check = %v, want %v", tt.body, got, tt.want)
		}
	}
}

// TestConcurrent is for the race detector: one content serves all connections.
func TestConcurrent(t *testing.T) {
	for _, body := range []string{"{{ first_name }}", "{% if company %}{{ first_name | strip }}{% endif %}"} {
		c := compiled(t, body)
		want, _ := full(t, c, ann())
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 50 {
					if got, _, err := c.Full(ann(), links()); err != nil || got != want {
						t.Errorf("%q, %v", got, err)
					}
				}
			})
		}
		group.Wait()
	}
}

func BenchmarkValues(b *testing.B) {
	src, err := Examples.ReadFile("examples/newsletter.md")
	if err != nil {
		b.Fatal(err)
	}
	parsed, err := ParseCampaign(src)
	if err != nil {
		b.Fatal(err)
	}
	c, err := Compile(parsed, layout())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := c.Values(ann(), links()); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSubject(t *testing.T) {
	in := campaign("Hello")
	for _, tt := range []struct{ subject, want string }{
		{`Hi {{ first_name | default: "you" }}`, "Hi Ann"},
		{`{{ attr.plan | upcase }} & {{ company | downcase }}`, "PRO & söder & co"},
		{`{% if attr.plan == "pro" %}Pro{% else %}Free{% endif %} news`, "Pro news"},
		{`{{ attr.none | default: "Es &amp; ist" }}`, "Es &amp; ist"},
		{`{{ attr.none | default: "élan" | capitalize }}`, "Élan"},
	} {
		in.Subject = tt.subject
		c, err := Compile(in, layout())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Subject(ann()); err != nil || got != tt.want {
			t.Errorf("%s = %q, %v, want %q", tt.subject, got, err, tt.want)
		}
	}
}

func TestDynamic(t *testing.T) {
	c := compiled(t, `# For {{ first_name }}

{% if services contains "files" %}
You use **files**.

{% for s in services %}
- {{ s | upcase }}
{% endfor %}
{% else %}
You use {{ company }}.
{% endif %}

Plan{% if attr.plan == "pro" %} pro{% elsif company %} team{% endif %}.
{% assign greeting = "Bye" %}
{{ greeting }}, {{ first_name | append: "!" }}
`)
	if !c.Dynamic() || c.HTML != nil {
		t.Fatal("the content is not dynamic")
	}
	if _, _, err := c.Values(ann(), links()); err == nil {
		t.Error("Values gave values for content without fields")
	}
	text, html := full(t, c, ann())
	golden(t, "dynamic.txt", text)
	if strings.Contains(html, "<p></p>") || strings.Contains(html, "{%") || strings.Count(html, "<li") != 2 {
		t.Errorf("HTML:\n%s", html)
	}
	other, _ := full(t, c, Person{FirstName: "Bo", Company: "Acme"})
	if !strings.Contains(other, "You use Acme.") || !strings.Contains(other, "Plan team.") || strings.Contains(other, "files") {
		t.Errorf("text for somebody else:\n%s", other)
	}
}

func TestCompileRefuses(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"unknown field", "a\n\n{{ frist_name }}", `line 3: unknown field "frist_name" (did you mean "first_name"?)`},
		{"unknown filter", "{{ email | upcaze }}", `line 1: {{ email | upcaze }}: unknown filter "upcaze" (did you mean "upcase"?)`},
		{"unknown tag", "{% include 'x' %}", `unknown tag "include"`},
		{"range", "{% for i in (1..1000000) %}{% endfor %}", "has no meaning"},
		{"unclosed if", "x\n{% if email %}", "line 2: {% if %} is never closed"},
		{"wrong end", "{% if email %}{% endfor %}", "{% endfor %} stands in no {% for %}"},
		{"else outside", "{% else %}", "stands in no {% if %}"},
		{"torn if", "**{% if email %}** x {% endif %}", "stands in another paragraph or style"},
		{"half a field", "a {{ email", `"{{" begins or ends no merge field`},
		{"empty field", "{{ }}", "names no field"},
		{"trimming", "{{- email }}", "trimming by - is not supported"},
		{"own name", "{{ heed_literal }}", "unknown field"},
		{"taken name", `{% assign email = "x" %}`, "is taken"},
		{"text without end", `{{ email | default: "x }}`, "no closing"},
		{"arguments", `{{ email | append }}`, "append takes 1 to 1 arguments"},
		{"raw HTML block", "ok\n\n<div>x</div>", "line 3: raw HTML is not allowed"},
		{"raw HTML inline", "a <b>x</b>", "line 1: raw HTML is not allowed"},
		{"script", "<script>alert(1)</script>", "raw HTML is not allowed"},
		{"javascript link", "[x](javascript:alert(1))", "does not begin with https://"},
		{"encoded javascript link", "[x](java&#115;cript:alert(1))", "does not begin with https://"},
		{"data link", "[x](data:text/html,x)", "does not begin with https://"},
		{"relative link", "[x](/here)", "does not begin with https://"},
		{"field as link", "[x]({{ attr.url }})", "does not begin with https://"},
		{"field as host", "[x](https://{{ company }}/a)", "does not begin with https://"},
		{"field in host", "[x](https://a{{ company }}/b)", "in the host of a link"},
		{"field as user", "[x](https://a@{{ company }}/b)", "in the host of a link"},
		{"field after bare link", "https://example.com/{{ email }}", "a merge field follows a bare link"},
		{"tag in link", "[x](https://example.com/{%if email%}a{%endif%})", "inside a link's address"},
		{"field in image", "![x](https://example.com/{{ email }}.png)", "would track who opens"},
		{"image by http", "![x](http://example.com/a.png)", "must begin with https://"},
		{"private character", "a \ue0000\ue001", "character U+E000 is not allowed"},
		{"private character as entity", "a &#xE000;0&#xE001; {{ email }}", "not allowed"},
		{"control character", "a\x00b", "character U+0000 is not allowed"},
		{"deep", strings.Repeat("> ", 80) + "x", "nested too deep"},
		{"too big", strings.Repeat("word ", 25<<10), "at most 100 KB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Compile(campaign(tt.body), layout())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want it to hold %q", err, tt.want)
			}
		})
	}
}

func TestCompileNeedsSenderAndAddress(t *testing.T) {
	if _, err := Compile(campaign("x"), LayoutData{Sender: "a"}); err == nil || !strings.Contains(err.Error(), "postal_address") {
		t.Errorf("without postal address: %v", err)
	}
	if _, err := Compile(campaign("x"), LayoutData{PostalAddress: "a"}); err == nil || !strings.Contains(err.Error(), "no name") {
		t.Errorf("without name: %v", err)
	}
	if _, err := Compile(campaign("x"), LayoutData{Sender: "a", PostalAddress: "b", Language: `en" onload="x`}); err == nil {
		t.Error("a language tag that is none was taken")
	}
	alert := Campaign{Subject: "a", Class: consent.Alert, Service: "files", Audience: "all", Body: "x"}
	if _, err := Compile(alert, LayoutData{Sender: "a"}); err != nil {
		t.Errorf("an alert without postal address: %v", err)
	}
}

func TestRightToLeft(t *testing.T) {
	for tag, foot := range map[string]string{"ar-EG": `class="foot" align="right" lang="ar" dir="rtl"`, "he": `class="foot" align="left" lang="en" dir="ltr"`} {
		rightToLeft(t, tag, foot)
	}
}

// rightToLeft wants the content to run that way, and the footer the way of the words that there are.
func rightToLeft(t *testing.T, tag, foot string) {
	l := layout()
	l.Language = tag
	c, err := Compile(campaign("- a\n\n> b\n\n    c\n\n| d |\n|---|\n| e |\n"), l)
	if err != nil {
		t.Fatal(err)
	}
	_, body := full(t, c, ann())
	for _, want := range []string{`<html lang="` + tag + `" dir="rtl"`, "padding-right:24px", "border-right:3px", `<pre class="code" dir="ltr"`,
		`<th scope="col" align="right"`, foot} {
		if !strings.Contains(body, want) {
			t.Errorf("%s: the page lacks %s", tag, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	c := compiled(t, "x\n\n[a](http://example.com)\n\n![](https://example.com/a.png)\n\n"+strings.Repeat("word ", 16<<10))
	got := strings.Join(c.Warnings(), "\n")
	for _, want := range []string{"line 3: the link http://example.com is not https", "line 5: an image has no description", "mail programs cut it"} {
		if !strings.Contains(got, want) {
			t.Errorf("warnings %q lack %q", got, want)
		}
	}
}
