package templates

import (
	"strings"
	"testing"

	"heed/consent"
)

// TestWebVersion: the same for everybody, and about nobody.
func TestWebVersion(t *testing.T) {
	for name, one := range map[string]struct{ body, want, not string }{
		"fields":     {"Hello {{ first_name | default: \"reader\" }}, {{ company }}of {{ email }}.", "Hello reader, of .", "{{"},
		"conditions": {"{% if company %}For {{ company }}{% else %}For all{% endif %} and {{ last_name }}", "For all and ", "{%"},
		"markup":     {"A & <b", "A &amp; &lt;b", "& <b"},
	} {
		var b strings.Builder
		lang, err := WebVersion(&b, campaign(one.body), layout())
		got := b.String()
		if err != nil || lang != "en" || !strings.Contains(got, one.want) || strings.Contains(strings.SplitN(got, "<body", 2)[1], one.not) {
			t.Errorf("%s: %v, %s\n%s", name, err, lang, got)
		}
		for _, not := range []string{"Unsubscribe", "/u/", "/p/", "You get this because", "Read this in your browser", "<script"} {
			if strings.Contains(got, not) {
				t.Errorf("%s: the web version has %q", name, not)
			}
		}
		for _, want := range []string{"as it is for everybody", "20457 Hamburg", "privacy@harbour.example"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: the web version lacks %q", name, want)
			}
		}
	}
}

// TestLinkToTheWebVersion stands before everything else, in both parts, and only where there is one.
func TestLinkToTheWebVersion(t *testing.T) {
	with := layout()
	with.Web, with.Language = "https://news.harbour.example/w/abc234", "de"
	c, err := Compile(campaign("Hello"), with)
	if err != nil {
		t.Fatal(err)
	}
	text, html := full(t, c, ann())
	if !strings.HasPrefix(text, "Im Browser lesen:\n"+with.Web+"\n\nHello") || strings.Index(html, `href="`+with.Web+`"`) > strings.Index(html, "Hello") {
		t.Errorf("%s\n%s", text, html)
	}
	if text, html := full(t, compiled(t, "Hello"), ann()); strings.Contains(text+html, "browser") {
		t.Error("a mail without a web version speaks of it")
	}
	alert := campaign("Hello")
	alert.Class, alert.Service = consent.Alert, "files"
	if _, err := Compile(alert, layout()); err != nil {
		t.Error(err)
	}
}
