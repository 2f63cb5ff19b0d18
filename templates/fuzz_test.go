package templates

import (
	"strings"
	"testing"
)

// FuzzFrontMatter: a file is cut into front matter and body, and nothing of it
// is lost.
func FuzzFrontMatter(f *testing.F) {
	f.Add([]byte("---\nsubject: Hello\ntopic: a\n---\nBody\n"))
	f.Add([]byte("\ufeff---\r\nsubject: |\r\n  x\r\n---\r\n"))
	f.Add([]byte("---\nsubject: &a [*a]\n---\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		front, body, line, err := splitFrontMatter(src)
		if err != nil {
			return
		}
		if len(front)+len(body) > len(src) || line < 2 || !strings.HasSuffix(strings.ReplaceAll(string(src), "\r\n", "\n"), strings.ReplaceAll(body, "\r\n", "\n")) {
			t.Errorf("%q is cut into %q and %q (line %d)", src, front, body, line)
		}
		m, err := parseFrontMatter(front, campaignKeys())
		if err != nil {
			return
		}
		_, _ = m.campaign() // must not panic
	})
}

// FuzzLiquid: a body of people's own is refused or renders, never with a tag of
// a reader's own name in it.
func FuzzLiquid(f *testing.F) {
	for _, seed := range []string{"Hello {{ first_name | default: \"you\" }}", "{% if company %}{{ company }}{% else %}x{% endif %}",
		"{% for s in services %}- {{ s }}\n{% endfor %}", "{{ attr.plan | upcase }}", "[a]({{ attr.plan }})", "{{", "{% raw %}"} {
		f.Add(seed)
	}
	evil := ann()
	evil.FirstName, evil.Company = "<script>x</script>", "\"><img src=x onerror=y>"
	f.Fuzz(func(t *testing.T, body string) {
		c, err := ParseCampaign([]byte("---\nsubject: Hello\ntopic: product\n---\n" + body))
		if err != nil {
			return
		}
		out, err := Compile(c, layout())
		if err != nil {
			return
		}
		_, html, err := out.Full(evil, links())
		if err == nil && !strings.Contains(body, "<") && (strings.Contains(html, "<script>x") || strings.Contains(html, "<img src=x onerror")) {
			t.Errorf("%q lets a tag through:\n%s", body, html)
		}
	})
}
