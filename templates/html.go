package templates

import (
	"fmt"
	"html"
	"regexp"
	"strings"

	"github.com/yuin/goldmark/ast"
	east "github.com/yuin/goldmark/extension/ast"
)

// The styles stand on each element, since many mail programs drop style sheets. The dark ones are in the layout.
const (
	fontStack    = `-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif`
	headingStyle = `color:#16232f;font-weight:600;`
	linkStyle    = `color:#0b5c8a;text-decoration:underline;`
	codeStyle    = `font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:14px;background-color:#eef1f4;border-radius:4px;`
	maxDepth     = 60
)

// htmlWriter renders a document into the HTML part.
type htmlWriter struct {
	doc   *document
	out   part
	depth int
	open  []openTag
	alone bool   // inside a paragraph of tags only
	side  string // where lines begin: left or right
}

// openTag remembers in which element a block tag stands: it has to end in the same one, or the HTML would be torn.
type openTag struct {
	token *token
	home  ast.Node
}

// html renders for a language that begins its lines on side, left or right.
func (d *document) html(side string) part {
	w := &htmlWriter{doc: d, side: side}
	w.children(d.root)
	return w.out
}

func (w *htmlWriter) children(n ast.Node) {
	if w.depth++; w.depth > maxDepth {
		w.doc.fail(offset(n), "lists, quotes and emphasis are nested too deep")
		w.depth--
		return
	}
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		w.node(c)
	}
	w.depth--
}

func (w *htmlWriter) wrap(n ast.Node, before, after string) {
	w.out.write(before)
	w.children(n)
	w.out.write(after)
}

func (w *htmlWriter) node(n ast.Node) {
	if n.Type() == ast.TypeInline {
		w.inline(n)
		return
	}
	switch n := n.(type) {
	case *ast.Heading:
		w.heading(n)
	case *ast.Paragraph:
		w.paragraph(n)
	case *ast.TextBlock:
		w.children(n)
	case *ast.List:
		w.list(n)
	case *ast.ListItem:
		w.wrap(n, `<li style="margin:0 0 8px;">`, "</li>\n")
	case *ast.Blockquote:
		w.wrap(n, fmt.Sprintf(`<blockquote class="quote" style="margin:0 0 18px;padding:2px 0;padding-%s:18px;border-%[1]s:3px solid #c5d3de;color:#4a5b69;">`, w.side)+"\n", "</blockquote>\n")
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		w.codeBlock(n)
	case *ast.ThematicBreak:
		w.out.write(`<hr class="rule" style="border:0;border-top:1px solid #dde4ea;margin:30px 0;">` + "\n")
	case *ast.HTMLBlock:
		w.doc.fail(offset(n), "raw HTML is not allowed; write Markdown, or &lt; for the character")
	case *ast.LinkReferenceDefinition:
	default:
		w.table(n)
	}
}

func (w *htmlWriter) heading(n *ast.Heading) {
	size := []int{28, 21, 18, 16, 16, 16}[n.Level-1]
	top := 34
	if n.PreviousSibling() == nil {
		top = 0
	}
	w.wrap(n, fmt.Sprintf(`<h%d style="margin:%dpx 0 12px;font-size:%dpx;line-height:1.3;%s">`, n.Level, top, size, headingStyle),
		fmt.Sprintf("</h%d>\n", n.Level))
}

func (w *htmlWriter) paragraph(n ast.Node) {
	switch link := button(n); {
	case w.doc.onlyTagsIn(n):
		w.alone = true
		w.children(n)
		w.alone = false
	case link != nil:
		w.button(link)
	default:
		w.wrap(n, `<p style="`+paragraphRule(n)+`">`, "</p>\n")
	}
}

// paragraphRule leaves no space below the last paragraph of a quote or list item, which has its own.
func paragraphRule(n ast.Node) string {
	if n.NextSibling() == nil && n.Parent().Kind() != ast.KindDocument {
		return "margin:0;"
	}
	return "margin:0 0 18px;"
}

// button is a table, since Outlook pads a table cell but not a link.
func (w *htmlWriter) button(n *ast.Link) {
	w.out.write(`<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:6px 0 24px;"><tr>` +
		`<td class="button" bgcolor="#0b5c8a" style="border-radius:6px;background-color:#0b5c8a;mso-padding-alt:13px 24px;"><a href="`)
	w.doc.link(n, n.Destination, &w.out, html.EscapeString, inURL)
	w.out.write(`" style="display:inline-block;padding:13px 24px;color:#ffffff;font-weight:600;text-decoration:none;border-radius:6px;">`)
	w.children(n)
	w.out.write("</a></td></tr></table>\n")
}

func (w *htmlWriter) list(n *ast.List) {
	tag, start := "ul", ""
	if n.IsOrdered() {
		tag = "ol"
	}
	if n.IsOrdered() && n.Start != 1 {
		start = fmt.Sprintf(` start="%d"`, n.Start)
	}
	w.wrap(n, fmt.Sprintf(`<%s%s style="margin:0 0 18px;padding:0;padding-%s:24px;">`+"\n", tag, start, w.side), "</"+tag+">\n")
}

func (w *htmlWriter) codeBlock(n ast.Node) {
	w.out.write(`<pre class="code" dir="ltr" style="margin:0 0 18px;padding:14px 16px;text-align:left;white-space:pre-wrap;word-break:break-word;line-height:1.5;` + codeStyle + `"><code>`)
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		w.text(n, line.Value(w.doc.source), true)
	}
	w.out.write("</code></pre>\n")
}

func (w *htmlWriter) table(n ast.Node) {
	switch n := n.(type) {
	case *east.Table:
		w.wrap(n, `<table class="grid" cellpadding="0" cellspacing="0" border="0" style="width:100%;margin:0 0 22px;border-collapse:collapse;font-size:15px;">`+"\n", "</table>\n")
	case *east.TableHeader, *east.TableRow:
		w.wrap(n, "<tr>", "</tr>\n")
	case *east.TableCell:
		w.cell(n)
	default:
		w.doc.fail(offset(n), "%s is not supported in a mail", n.Kind())
	}
}

func (w *htmlWriter) cell(n *east.TableCell) {
	tag, style, scope := "td", "border-bottom:1px solid #dde4ea;", ""
	if _, head := n.Parent().(*east.TableHeader); head {
		tag, style, scope = "th", "border-bottom:2px solid #c5d3de;font-weight:600;", ` scope="col"`
	}
	align, gap := w.side, "12px"
	if n.Alignment == east.AlignLeft || n.Alignment == east.AlignRight || n.Alignment == east.AlignCenter {
		align = n.Alignment.String()
	}
	if n.NextSibling() == nil {
		gap = "0"
	}
	w.wrap(n, fmt.Sprintf(`<%s%s align="%s" style="padding:8px 0;padding-%s:%s;vertical-align:top;%s">`, tag, scope, align, opposite(w.side), gap, style),
		"</"+tag+">")
}

func opposite(side string) string {
	if side == "left" {
		return "right"
	}
	return "left"
}

func (w *htmlWriter) inline(n ast.Node) {
	switch n := n.(type) {
	case *ast.Text:
		w.text(n, n.Value(w.doc.source), n.IsRaw())
		w.lineBreak(n)
	case *ast.String:
		w.out.write(html.EscapeString(string(n.Value)))
	case *ast.CodeSpan:
		w.codeSpan(n)
	case *ast.Emphasis:
		tag := []string{"em", "strong"}[n.Level-1]
		w.wrap(n, "<"+tag+">", "</"+tag+">")
	case *east.Strikethrough:
		w.wrap(n, "<del>", "</del>")
	case *ast.Link:
		w.link(n, n.Destination, func() { w.children(n) })
	case *ast.AutoLink:
		w.autoLink(n)
	case *ast.Image:
		w.image(n)
	case *ast.RawHTML:
		w.doc.fail(offset(n), "raw HTML is not allowed; write Markdown, or &lt; for the character")
	default:
		w.doc.fail(offset(n), "%s is not supported in a mail", n.Kind())
	}
}

func (w *htmlWriter) lineBreak(n *ast.Text) {
	if n.HardLineBreak() {
		w.out.write("<br>\n")
	} else if n.SoftLineBreak() {
		w.out.write("\n")
	}
}

func (w *htmlWriter) codeSpan(n ast.Node) {
	w.out.write(`<code class="code" style="padding:2px 5px;` + codeStyle + `">`)
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			w.text(t, []byte(strings.ReplaceAll(string(t.Value(w.doc.source)), "\n", " ")), true)
		}
	}
	w.out.write("</code>")
}

func (w *htmlWriter) link(n ast.Node, destination []byte, text func()) {
	w.out.write(`<a href="`)
	w.doc.link(n, destination, &w.out, html.EscapeString, inURL)
	w.out.write(`" style="` + linkStyle + `">`)
	text()
	w.out.write("</a>")
}

func (w *htmlWriter) autoLink(n *ast.AutoLink) {
	if next, ok := n.NextSibling().(*ast.Text); ok && strings.HasPrefix(string(next.Value(w.doc.source)), string(placeholderStart)) {
		w.doc.fail(offset(next), "a merge field follows a bare link; write [text](https://…) so that it is clear where the link ends")
	}
	w.link(n, autoLinkURL(n, w.doc.source), func() { w.text(n, n.Label(w.doc.source), true) })
}

func autoLinkURL(n *ast.AutoLink, source []byte) []byte {
	url := n.URL(source)
	if n.AutoLinkType == ast.AutoLinkEmail && !strings.HasPrefix(strings.ToLower(string(url)), "mailto:") {
		return append([]byte("mailto:"), url...)
	}
	return url
}

var widthTitle = regexp.MustCompile(`^[0-9]{2,3}$`)

// image writes an image of the sender's own. Its address may hold no merge field, for a picture fetched under a name of
// the reader's would tell who opened the mail. A title of digits, ![Logo](https://… "120"), is its width.
func (w *htmlWriter) image(n *ast.Image) {
	width := "536"
	if widthTitle.Match(n.Title) {
		width = string(n.Title)
	}
	if placeholders.Match(n.Destination) {
		w.doc.fail(offset(n), "a merge field stands in the address of an image: that would track who opens the mail")
	}
	if !strings.HasPrefix(string(n.Destination), "https://") {
		w.doc.fail(offset(n), "the address of an image must begin with https://")
	}
	if !n.HasChildren() {
		w.doc.warn(offset(n), "an image has no description: write ![what it shows](https://…)")
	}
	w.out.write(`<img src="`)
	w.doc.link(n, n.Destination, &w.out, html.EscapeString, inURL)
	w.out.write(`" alt="`)
	w.plain(n, func(t *token) { w.attribute(n, t) })
	w.out.write(`" width="` + width + `" style="display:block;max-width:100%;height:auto;border:0;border-radius:6px;">`)
}

// plain writes the words inside n without their markup.
func (w *htmlWriter) plain(n ast.Node, field func(*token)) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			w.doc.split(t.Value(w.doc.source), t.IsRaw(), func(s string) { w.out.write(html.EscapeString(s)) }, field)
			continue
		}
		w.plain(c, field)
	}
}

func (w *htmlWriter) attribute(n ast.Node, t *token) {
	if t.tag != "" {
		w.doc.fail(offset(n), "the tag {%% %s %%} stands inside an image's description", t.source)
	}
	w.out.field(t, inAttribute)
}

func (w *htmlWriter) text(n ast.Node, raw []byte, code bool) {
	w.doc.split(raw, code, func(s string) { w.out.write(html.EscapeString(s)) }, func(t *token) {
		if t.tag != "" {
			w.nest(n, t)
		}
		w.out.field(t, inHTML)
	})
}

// nest checks that a tag closes in the element that it was opened in.
func (w *htmlWriter) nest(n ast.Node, t *token) {
	home := n.Parent()
	switch {
	case n.Type() == ast.TypeBlock: // a code block has no text nodes
		home = n
	case w.alone:
		home = home.Parent()
	}
	switch {
	case t.tag == "assign":
	case t.tag == "if" || t.tag == "unless" || t.tag == "for":
		w.open = append(w.open, openTag{t, home})
	default:
		top := w.open[len(w.open)-1]
		if top.home != home {
			w.doc.fail(offset(n), "{%% %s %%} stands in another paragraph or style than its {%% %s %%} on line %d; put both on lines of their own",
				t.source, top.token.tag, top.token.line)
		}
		if strings.HasPrefix(t.tag, "end") {
			w.open = w.open[:len(w.open)-1]
		}
	}
}
