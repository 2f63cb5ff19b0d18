package templates

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	east "github.com/yuin/goldmark/extension/ast"
)

// textWriter renders a document into the plain-text part: no wrapping, links behind their words, lists and quotes by
// signs. Errors are not collected here; the HTML writer has seen the same nodes.
type textWriter struct {
	doc    *document
	out    part
	prefix string // of every line: quotes and indents
	first  string // instead of prefix, on the next line only: a list item's sign
	fresh  bool   // at the start of a line
	gap    bool   // a blank line is due before the next text
	depth  int
}

func (d *document) text() part {
	quiet := *d
	w := &textWriter{doc: &quiet, fresh: true}
	w.children(d.root)
	w.endLine()
	return w.out
}

func (w *textWriter) children(n ast.Node) {
	if w.depth++; w.depth <= maxDepth {
		for c := n.FirstChild(); c != nil; c = c.NextSibling() {
			w.node(c)
		}
	}
	w.depth--
}

// start writes what a line begins with, if the line has not begun.
func (w *textWriter) start() {
	if !w.fresh {
		return
	}
	if w.gap && w.first == "" && len(w.out) > 0 {
		w.out.write(strings.TrimRight(w.prefix, " ") + "\n")
	}
	w.gap, w.fresh = false, false
	if w.first != "" {
		w.out.write(w.first)
		w.first = ""
		return
	}
	w.out.write(w.prefix)
}

func (w *textWriter) write(s string) {
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			w.start()
			w.out.write("\n")
			w.fresh = true
		}
		if line != "" {
			w.start()
			w.out.write(line)
		}
	}
}

func (w *textWriter) field(t *token) {
	if t.tag == "" {
		w.start()
	}
	w.out.field(t, inText)
}

func (w *textWriter) endLine() {
	if !w.fresh {
		w.out.write("\n")
		w.fresh = true
	}
}

// block surrounds a block by blank lines.
func (w *textWriter) block(content func()) {
	w.endLine()
	w.gap = true
	content()
	w.endLine()
	w.gap = true
}

func (w *textWriter) node(n ast.Node) {
	if n.Type() == ast.TypeInline {
		w.inline(n)
		return
	}
	switch n := n.(type) {
	case *ast.Heading:
		w.block(func() { w.heading(n) })
	case *ast.Paragraph:
		w.paragraph(n)
	case *ast.TextBlock:
		w.children(n)
		w.endLine()
	case *ast.List:
		w.block(func() { w.list(n) })
	case *ast.Blockquote:
		w.block(func() { w.indented("> ", "> ", func() { w.children(n) }) })
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		w.block(func() { w.indented("    ", "    ", func() { w.code(n) }) })
	case *ast.ThematicBreak:
		w.block(func() { w.write("* * *") })
	case *east.Table:
		w.block(func() { w.children(n) })
	case *east.TableHeader, *east.TableRow:
		w.row(n)
	}
}

func (w *textWriter) paragraph(n ast.Node) {
	if !w.doc.onlyTagsIn(n) {
		w.block(func() { w.children(n) })
		return
	}
	w.flushGap()
	w.doc.split(w.rawText(n), true, func(string) {}, w.field)
}

// flushGap ends the line before a tag, and writes the blank line now, so that it stands outside the condition.
func (w *textWriter) flushGap() {
	w.endLine()
	if w.gap && len(w.out) > 0 {
		w.out.write(strings.TrimRight(w.prefix, " ") + "\n")
	}
	w.gap = false
}

func (w *textWriter) rawText(n ast.Node) []byte {
	var raw []byte
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			raw = append(raw, t.Value(w.doc.source)...)
		}
	}
	return raw
}

func (w *textWriter) heading(n *ast.Heading) {
	w.children(n)
	line := "-"
	if n.Level == 1 {
		line = "="
	}
	width := utf8.RuneCount(placeholders.ReplaceAll(w.rawText(n), []byte("xxxxxxxx")))
	w.write("\n" + strings.Repeat(line, min(max(width, 4), 60)))
}

func (w *textWriter) list(n *ast.List) {
	number := n.Start
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		sign := "- "
		if n.IsOrdered() {
			sign = fmt.Sprintf("%d. ", number)
			number++
		}
		w.endLine()
		w.gap = w.gap && (item == n.FirstChild() || !n.IsTight)
		w.indented(sign, strings.Repeat(" ", len(sign)), func() { w.children(item) })
	}
}

func (w *textWriter) indented(first, rest string, content func()) {
	outer := w.prefix
	w.first, w.prefix = w.linePrefix()+first, outer+rest
	if w.gap && len(w.out) > 0 { // the blank line belongs to the block around
		w.out.write(strings.TrimRight(outer, " ") + "\n")
	}
	w.gap = false
	content()
	w.endLine()
	w.first, w.prefix = "", outer
}

// linePrefix is what the next line would begin with: a list right at the start of a list item keeps the item's sign.
func (w *textWriter) linePrefix() string {
	if w.first != "" {
		return w.first
	}
	return w.prefix
}

func (w *textWriter) code(n ast.Node) {
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		w.doc.split(line.Value(w.doc.source), true, w.write, w.field)
	}
}

func (w *textWriter) row(n ast.Node) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		w.children(c)
		if c.NextSibling() != nil {
			w.write(" | ")
		}
	}
	w.endLine()
}

func (w *textWriter) inline(n ast.Node) {
	switch n := n.(type) {
	case *ast.Text:
		w.doc.split(n.Value(w.doc.source), n.IsRaw() || inCode(n), w.write, w.field)
		if n.SoftLineBreak() || n.HardLineBreak() {
			w.write("\n")
		}
	case *ast.String:
		w.write(string(n.Value))
	case *ast.AutoLink:
		w.write(string(n.Label(w.doc.source)))
	case *ast.Link:
		w.children(n)
		w.address(n, n.Destination)
	case *ast.Image:
		w.write("[")
		w.children(n)
		w.write("]")
	default:
		w.children(n)
	}
}

func inCode(n ast.Node) bool {
	_, ok := n.Parent().(*ast.CodeSpan)
	return ok
}

func (w *textWriter) address(n ast.Node, raw []byte) {
	var url part
	w.doc.link(n, raw, &url, func(s string) string { return s }, inTextURL)
	url = url.merged()
	if len(url) == 1 && url[0].token == nil && string(w.rawText(n)) == url[0].literal {
		return
	}
	if len(url) > 0 && url[0].token == nil {
		url[0].literal = strings.TrimPrefix(strings.TrimPrefix(url[0].literal, "mailto:"), "tel:")
	}
	w.write(" (")
	w.out.embed(url)
	w.write(")")
}
