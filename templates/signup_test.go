package templates

import (
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

func pagesOf(d SignUpData) func(io.Writer) error {
	return func(w io.Writer) error { return SignUpPage(w, d) }
}

func pageOfVersion(d VersionData) func(io.Writer) error {
	return func(w io.Writer) error { return VersionPage(w, d) }
}

// TestNothingIsTickedBeforehand: no choice of a fresh form is made for its reader,
// the address alone is required, and all else is marked as optional.
func TestNothingIsTickedBeforehand(t *testing.T) {
	d := signUpData("en", "S", "T")
	d.Topics[1].Chosen = false
	page := written(t, pagesOf(d))
	if strings.Contains(page, " checked") {
		t.Error("something is ticked")
	}
	if n := strings.Count(page, " required"); n != 1 || !strings.Contains(page, `name="email" type="email" autocomplete="email" value="" required`) {
		t.Errorf("%d fields are required", n)
	}
	for _, want := range []string{"First name (optional)", "Last name (optional)", "Company (optional)", `name="partner_offers" value="1"`, `name="sharing" value="1"`, `name="topic" value="product"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the form lacks %s", want)
		}
	}
}

// TestEveryFieldHasItsLabel, and every flaw leads to its field, which names it.
func TestEveryFieldHasItsLabel(t *testing.T) {
	for _, lang := range Languages() {
		d := signUpData(lang, "S", "T")
		d.Flaws = []SignUpFlaw{{"email", "lookalike"}, {"company", "long"}, {"topics", "missing"}, {"email", "changed"}}
		page := written(t, pagesOf(d))
		doc, err := html.Parse(strings.NewReader(page))
		if err != nil {
			t.Fatal(err)
		}
		ids, labels, leads := map[string]bool{}, map[string]bool{}, []string{}
		for n := range doc.Descendants() {
			for _, a := range n.Attr {
				switch {
				case a.Key == "id" && ids[a.Val]:
					t.Errorf("%s: the id %s stands there twice", lang, a.Val)
				case a.Key == "id":
					ids[a.Val] = true
				case a.Key == "for":
					labels[a.Val] = true
				case a.Key == "href" && strings.HasPrefix(a.Val, "#"):
					leads = append(leads, a.Val[1:])
				case a.Key == "aria-describedby":
					leads = append(leads, a.Val)
				}
			}
			if n.Data == "input" {
				id, kind := attribute(n, "id"), attribute(n, "type")
				if kind != "hidden" && !strings.Contains(page, `for="`+id+`"`) {
					t.Errorf("%s: the field %s has no label", lang, id)
				}
			}
		}
		for label := range labels {
			if !ids[label] {
				t.Errorf("%s: a label is for %s, which there is not", lang, label)
			}
		}
		for _, one := range leads {
			if !ids[one] {
				t.Errorf("%s: a flaw leads to %s, which there is not", lang, one)
			}
		}
		if title := "<title>" + fill(wordsFor(lang).Signup.ErrorTitle, "name", wordsFor(lang).Signup.Title); !strings.Contains(page, title) {
			t.Errorf("%s: the title does not begin with the error", lang)
		}
	}
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// TestTheWordingIsWhatTheFormSays: every line of the wording that is kept as proof
// stands on the form, in each language.
func TestTheWordingIsWhatTheFormSays(t *testing.T) {
	for _, lang := range Languages() {
		for _, d := range []SignUpData{signUpData(lang, "Harbour Notes", "Product news"), {Language: lang, Sender: "S", Topics: []SignUpTopic{{ID: "a", Name: "Only"}}}} {
			said := saidOn(t, written(t, pagesOf(d)))
			for _, line := range strings.Split(SignUpWording(d), "\n") {
				if !strings.Contains(said, line) {
					t.Errorf("%s: %q is no part of the form: %s", lang, line, said)
				}
			}
		}
		d := signedUp(lang, "Harbour Notes", "Product news")
		said := saidOn(t, written(t, pages(lang, "Harbour Notes", "Product news", "")["sign-up-confirm"]))
		for _, line := range strings.Split(SignUpConfirmWording(d), "\n") {
			if !strings.Contains(said, line) {
				t.Errorf("%s: %q is no part of the page behind the link: %s", lang, line, said)
			}
		}
		said = saidOn(t, written(t, pages(lang, "Harbour Notes", "Product news", "")["agree"]))
		if !strings.Contains(AgreeWording(d), "\nresearch\n") {
			t.Errorf("%s: the wording names no purpose: %q", lang, AgreeWording(d))
		}
		for _, line := range strings.Split(AgreeWording(d), "\n") {
			if !strings.Contains(said, line) {
				t.Errorf("%s: %q is no part of the page that asks: %s", lang, line, said)
			}
		}
	}
}

// saidOn is the text of a page; hyphens that keep a heading together are plain.
func saidOn(t *testing.T, page string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range doc.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	}
	return strings.ReplaceAll(b.String(), "\u2011", "-")
}

// TestPolicyTextIsHarmless: scripts, raw HTML and images of a policy are left out, its
// headings stand below the page's own, and plain text reads the same.
func TestPolicyTextIsHarmless(t *testing.T) {
	text := "# One\n\n<script>alert(1)</script>\n\n![seal](https://evil.example/x.png) and [link](javascript:alert(1))\n\n<b onclick=x>bold</b>\n\nplain, 5 < 6"
	page := written(t, pageOfVersion(VersionData{Language: "en", Version: "v1", State: "in_force", Effective: time.Now(), Text: text}))
	for _, banned := range []string{"<script", "<img", "javascript:", "onclick", "evil.example", "<h1>One"} {
		if strings.Contains(page, banned) {
			t.Errorf("the page has %s: %s", banned, page)
		}
	}
	for _, want := range []string{"<h2>One</h2>", "seal and", "plain, 5 &lt; 6"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s: %s", want, page)
		}
	}
	if got := Banner("en", "<b>S", time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), `/v/"x`); strings.Contains(got, "<b>") || strings.Contains(got, `"x"`) || !strings.Contains(got, "1 July 2026") {
		t.Errorf("the banner is %s", got)
	}
}

// TestEmbeddedForm: it carries no script, style or image, and posts to us.
func TestEmbeddedForm(t *testing.T) {
	d := signUpData("ar", "S", `"><script>`)
	d.Action, d.Texts, d.Source = "https://news.harbour.example/s", "https://news.harbour.example/v", "footer"
	var b strings.Builder
	if err := SignUpEmbed(&b, d); err != nil {
		t.Fatal(err)
	}
	for _, banned := range []string{"<script", "<style", "<img", "<link", "style=", "onclick"} {
		if strings.Contains(b.String(), banned) {
			t.Errorf("the form has %s", banned)
		}
	}
	for _, want := range []string{`action="https://news.harbour.example/s"`, `name="form" value="footer"`, `name="lang" value="ar"`, `dir="rtl"`, `href="https://news.harbour.example/v"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the form lacks %s: %s", want, b.String())
		}
	}
}
