package templates

import (
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"golang.org/x/net/html"
)

// speakPseudo gives the tests a language in which every word is the English one in other letters, and longer. What is
// still in plain letters then did not come from a file of words; what breaks does not fit a longer language.
func speakPseudo(t *testing.T) string {
	t.Helper()
	raw, err := langFiles.ReadFile("lang/en.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(pseudoTree(tree))
	if err != nil {
		t.Fatal(err)
	}
	w, err := parseWords(pseudoTag, text)
	if err != nil {
		t.Fatal(err)
	}
	w.Language = pseudoTag
	spoken[pseudoTag] = func() *words { return w }
	t.Cleanup(func() { delete(spoken, pseudoTag) })
	return pseudoTag
}

// pseudoTag is the code for languages that somebody made up (ISO 639-2).
const pseudoTag = "art"

func pseudoTree(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, one := range v {
			v[key] = pseudoTree(one)
		}
		return v
	case string:
		return inPseudo(v)
	}
	return v
}

var pseudoLetters = strings.NewReplacer("a", "áá", "b", "ƀ", "c", "ç", "d", "đ", "e", "éé", "f", "ƒ", "g", "ĝ", "h", "ĥ", "i", "íí", "j", "ĵ", "k", "ķ",
	"l", "ł", "m", "ɱ", "n", "ñ", "o", "óó", "p", "ƥ", "q", "ɋ", "r", "ř", "s", "š", "t", "ŧ", "u", "úú", "v", "ʋ", "w", "ŵ", "x", "ẋ", "y", "ý", "z", "ž")

// inPseudo leaves what stands in braces alone.
func inPseudo(s string) string {
	at, out := 0, ""
	for _, m := range inBraces.FindAllStringIndex(s, -1) {
		out += strings.ToUpper(pseudoLetters.Replace(strings.ToLower(s[at:m[0]]))) + s[m[0]:m[1]]
		at = m[1]
	}
	return out + strings.ToUpper(pseudoLetters.Replace(strings.ToLower(s[at:])))
}

// known are the values that the tests fill in, and what is written the same in every language.
var known = strings.NewReplacer("Harbour Notes", "", "Product news", "", "Events", "", "Harbour Files", "", "Invoices", "", "Payments", "", "a court order", "",
	"§ 147 AO", "", "database", "", "tapes", "", "O’Neill", "", "The address is right after all.", "", "First line.", "", "Second paragraph.", "", "Data Watch, www.example.org", "",
	"topic:news", "", "news", "", "research", "", "plan: pro", "", "C-12", "", "H-12", "", "L-7", "", "UTC", "", "Europe/Berlin", "", "Subject:", "", "footer of an alert", "", "June", "", "July", "", "May", "", "August", "")

var (
	addresses  = regexp.MustCompile(`[^\s(]*@[a-z.]+|https://[^\s]+`)
	plainWords = regexp.MustCompile(`[A-Za-z]+`)
)

func foreignWords(text string) []string {
	return plainWords.FindAllString(known.Replace(addresses.ReplaceAllString(text, "")), -1)
}

// TestEveryWordComesFromTheFiles reads all pages and mails in the made-up language.
func TestEveryWordComesFromTheFiles(t *testing.T) {
	lang := speakPseudo(t)
	for name, write := range allPages(lang) {
		if found := foreignWords(visible(t, written(t, write))); len(found) > 0 {
			t.Errorf("the page %s has words that no file has: %q", name, found)
		}
	}
	for name, text := range map[string]string{"mails": mails(lang), "letters": letters(lang), "rights": rightMails(lang), "cases": caseLetters(lang)} {
		if found := foreignWords(text); len(found) > 0 {
			t.Errorf("the %s have words that no file has: %q", name, found)
		}
	}
}

// allPages are all pages in all their states.
func allPages(lang string) map[string]func(w io.Writer) error {
	all := pages(lang, "Harbour Notes", "Product news", "unsubscribe@harbour.example")
	maps.Copy(all, rightPages(lang, "Harbour Notes"))
	maps.Copy(all, centrePages(lang, "Harbour Notes", "Product news"))
	return all
}

// namesLanguage tells of the links at the foot of a page, each in its own language.
func namesLanguage(n *html.Node) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "hreflang" })
}

// visible is what a page says to the eye and to a screen reader, its title too.
func visible(t *testing.T, page string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range doc.Descendants() {
		switch {
		case n.Type == html.TextNode && n.Parent.Data != "style" && !namesLanguage(n.Parent):
			b.WriteString(n.Data + "\n")
		case n.Type == html.ElementNode:
			for _, a := range n.Attr {
				if slices.Contains([]string{"alt", "title", "placeholder", "aria-label", "aria-roledescription", "label"}, a.Key) {
					b.WriteString(a.Val + "\n")
				}
			}
		}
	}
	return b.String()
}
