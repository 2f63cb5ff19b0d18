package templates

import (
	"bytes"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// VersionData fills the page with a version of the privacy policy.
type VersionData struct {
	Language  string // BCP 47 of the page; the text itself is in whatever language it was written in
	Sender    string
	Version   string   // empty: none is in force, or none was agreed to
	Text      string   // Markdown
	Hash      string   // SHA-256 in hex
	Purposes  []string // what it lets data be used for, by their short names
	State     string   // announced, in_force, replaced or withdrawn
	Effective time.Time
	Ended     time.Time
	Agreed    time.Time // when whoever opened the page agreed to it; zero: this page is about nobody
	Personal  bool      // the page is about somebody
	Others    []VersionLink
}

// VersionLink leads to another version.
type VersionLink struct{ Path, Version string }

// versionView is the page's part.
type versionView struct {
	Text     template.HTML
	Purposes []string
	Mark     string
	Others   []way
}

// VersionPage writes that page.
func VersionPage(out io.Writer, d VersionData) error {
	w := wordsFor(d.Language)
	fillIn := func(s string) string {
		return fillClean(s, "name", d.Version, "sender", d.Sender, "date", w.date(d.Effective))
	}
	v := newPage(w, d.Sender, fillIn(w.Signup.VersionTitle))
	v.Version, v.Style = &versionView{Mark: clean(d.Hash), Purposes: each(d.Purposes, clean)}, template.CSS(formStyle())
	var err error
	if v.Version.Text, err = policyHTML(d.Text); err != nil {
		return err
	}
	switch {
	case d.Version == "":
		v.Title, v.Lines = w.Signup.VersionNone, []string{w.Signup.VersionNever}
	case d.State == "announced":
		v.Lines = append(v.Lines, fillIn(w.Signup.VersionAnnounced))
	case d.State == "in_force":
		v.Lines = append(v.Lines, fillIn(w.Signup.VersionSince))
	default:
		v.Lines = append(v.Lines, fillClean(w.Signup.VersionPast, "date", w.date(d.Ended)))
	}
	if !d.Agreed.IsZero() {
		v.Lines = append(v.Lines, fillClean(w.Signup.VersionAgreed, "date", w.date(d.Agreed)))
	}
	for _, one := range d.Others {
		v.Version.Others = append(v.Version.Others, way{one.Path, fillClean(w.Signup.VersionTitle, "name", one.Version)})
	}
	return v.write(out, "version.html")
}

// policyHTML renders the text of a policy: Markdown, or plain text, which reads the same. HTML in it is left out, and so
// are images, which would have to be fetched from elsewhere. Its headings stand below the one of the page.
func policyHTML(source string) (template.HTML, error) {
	if source == "" {
		return "", nil
	}
	raw := []byte(source)
	md := goldmark.New(goldmark.WithExtensions(extension.Table, extension.Linkify))
	doc := md.Parser().Parse(text.NewReader(raw))
	var images []ast.Node
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch one := n.(type) {
		case *ast.Heading:
			if entering {
				one.Level = min(one.Level+1, 6)
			}
		case *ast.Image:
			if entering {
				images = append(images, n)
			}
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return "", err
	}
	for _, one := range images {
		replaceByContent(one)
	}
	var b bytes.Buffer
	err = md.Renderer().Render(&b, raw, doc)
	return template.HTML(strings.ReplaceAll(b.String(), "<!-- raw HTML omitted -->", "")), err
}

// replaceByContent puts what describes an image in its place.
func replaceByContent(image ast.Node) {
	parent := image.Parent()
	for child := image.FirstChild(); child != nil; child = image.FirstChild() {
		image.RemoveChild(image, child)
		parent.InsertBefore(parent, image, child)
	}
	parent.RemoveChild(parent, image)
}

// Banner is a line on top of every page while a new version of the privacy policy is announced.
func Banner(language, sender string, at time.Time, path string) string {
	w := wordsFor(language)
	return `<p>` + template.HTMLEscapeString(fillClean(w.Signup.Banner, "sender", sender, "date", w.date(at))) +
		` <a href="` + template.HTMLEscapeString(path) + `">` + template.HTMLEscapeString(w.Signup.BannerLink) + "</a></p>\n"
}

// AgreePage asks somebody to agree to a version. Its form posts confirm=agree.
func AgreePage(out io.Writer, d SignedUpData) error {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, w.Signup.AgreeTitle)
	v.MaskedAddress, v.What, v.After = clean(d.MaskedAddress), d.fill(w.Signup.AgreeText), w.Signup.AgreeKeeps
	v.Version = &versionView{Purposes: each(d.Purposes, clean)}
	v.Way = d.texts(w)
	v.Button = &form{Action: d.Action, Name: "confirm", Value: "agree", Label: w.Signup.AgreeButton}
	return v.write(out, "agree.html")
}

// AgreeWording is what stands on that page, word by word.
func AgreeWording(d SignedUpData) string {
	w := wordsFor(d.Language)
	said := []string{w.Signup.AgreeTitle, d.fill(w.Signup.AgreeText)}
	if len(d.Purposes) > 0 {
		said = append(append(said, w.Signup.VersionPurposes), each(d.Purposes, clean)...)
	}
	return strings.Join(append(said, w.Signup.AgreeKeeps, d.fill(w.Signup.PolicyLink), w.Signup.AgreeButton), "\n")
}

// AgreedPage answers the click; nothing tells that there was nothing to agree to.
func AgreedPage(out io.Writer, d SignedUpData, nothing bool) error {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, w.Signup.AgreedTitle)
	v.What = d.fill(w.Signup.AgreedText)
	if nothing {
		v.What = w.Signup.AgreedNone
	}
	v.Way = &way{d.Way, w.Pages.DoneChoices}
	return v.write(out, "agree.html")
}
