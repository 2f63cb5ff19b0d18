package templates

import (
	"bufio"
	"bytes"
	"fmt"
	"html"
	"regexp"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	goldmarkhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// A document is a parsed body whose merge fields are placeholders.
type document struct {
	source   []byte
	root     ast.Node
	tokens   []*token
	line     int   // of the file, where the source begins
	added    []int // offsets of line breaks that the writer did not write
	errs     []error
	warnings []string
}

func placeholder(i int) string {
	return string(placeholderStart) + strconv.Itoa(i) + string(placeholderEnd)
}

var placeholders = regexp.MustCompile("\ue000([0-9]+)\ue001")

func parseMarkdown(body string, tokens []*token, line int) *document {
	source, added := loosenTags(body, tokens)
	md := goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify))
	root := md.Parser().Parse(text.NewReader(source))
	return &document{source: source, root: root, tokens: tokens, line: line, added: added}
}

// loosenTags puts blank lines around a line that holds nothing but tags, so that Markdown takes what stands between two
// such lines as whole blocks. It returns where it did, to keep line numbers right.
func loosenTags(body string, tokens []*token) (source []byte, added []int) {
	fenced := false
	for _, line := range strings.SplitAfter(body, "\n") {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
			fenced = !fenced
		}
		alone := !fenced && onlyTags(trimmed, tokens)
		if alone {
			added = append(added, len(source))
			source = append(source, '\n')
		}
		source = append(source, line...)
		if alone {
			added = append(added, len(source))
			source = append(source, '\n')
		}
	}
	return source, added
}

func onlyTags(s string, tokens []*token) bool {
	found := placeholders.FindAllStringSubmatch(s, -1)
	if len(found) == 0 || strings.TrimSpace(placeholders.ReplaceAllString(s, "")) != "" {
		return false
	}
	for _, m := range found {
		if i, _ := strconv.Atoi(m[1]); tokens[i].tag == "" {
			return false
		}
	}
	return true
}

func (d *document) fail(offset int, format string, args ...any) {
	d.errs = append(d.errs, fmt.Errorf("line %d: %s", d.lineAt(offset), fmt.Sprintf(format, args...)))
}

func (d *document) warn(offset int, format string, args ...any) {
	d.warnings = append(d.warnings, fmt.Sprintf("line %d: %s", d.lineAt(offset), fmt.Sprintf(format, args...)))
}

func (d *document) lineAt(offset int) int {
	n := d.line + bytes.Count(d.source[:min(offset, len(d.source))], []byte("\n"))
	for _, a := range d.added {
		if a < offset {
			n--
		}
	}
	return n
}

// offset finds where a node stands, by itself or by the nearest text in or before it.
func offset(n ast.Node) int {
	for ; n != nil; n = n.Parent() {
		if at := ownOffset(n); at >= 0 {
			return at
		}
	}
	return 0
}

func ownOffset(n ast.Node) int {
	switch t := n.(type) {
	case *ast.Text:
		return t.Segment.Start
	case *ast.RawHTML:
		return t.Segments.At(0).Start
	}
	if n.Type() == ast.TypeBlock && n.Lines() != nil && n.Lines().Len() > 0 {
		return n.Lines().At(0).Start
	}
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if at := ownOffset(c); at >= 0 {
			return at
		}
	}
	return -1
}

// split calls literal and field for what raw consists of. Escapes and entities are resolved unless code is set. It does
// so after taking the placeholders out, so that no entity can be made into one.
func (d *document) split(raw []byte, code bool, literal func(string), field func(*token)) {
	at := 0
	for _, m := range placeholders.FindAllSubmatchIndex(raw, -1) {
		d.literal(raw[at:m[0]], code, literal)
		i, _ := strconv.Atoi(string(raw[m[2]:m[3]]))
		field(d.tokens[i])
		at = m[1]
	}
	d.literal(raw[at:], code, literal)
}

func (d *document) literal(raw []byte, code bool, literal func(string)) {
	if len(raw) == 0 {
		return
	}
	s := string(raw)
	if !code {
		s = resolve(raw)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return private(r) || r < ' ' && r != '\n' && r != '\t' }) {
		d.fail(0, "a character reference such as &#xE000; stands for a character that is not allowed")
	}
	literal(s)
}

// resolve turns Markdown's escapes and HTML's entities into the characters they mean, exactly as goldmark does it.
func resolve(raw []byte) string {
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	goldmarkhtml.DefaultWriter.Write(w, raw)
	_ = w.Flush() // a bytes.Buffer takes everything
	return html.UnescapeString(b.String())
}

// onlyTagsIn says whether a paragraph holds nothing but tags; it then leaves no trace in the message.
func (d *document) onlyTagsIn(n ast.Node) bool {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		t, ok := c.(*ast.Text)
		if !ok {
			return false
		}
		b.Write(t.Value(d.source))
	}
	return onlyTags(b.String(), d.tokens)
}

// button returns the link of a paragraph that is one link in bold, **[Read more](https://…)**, or nil.
func button(n ast.Node) *ast.Link {
	strong, ok := n.FirstChild().(*ast.Emphasis)
	if !ok || strong.Level != 2 || n.ChildCount() != 1 || strong.ChildCount() != 1 {
		return nil
	}
	link, _ := strong.FirstChild().(*ast.Link)
	return link
}

var (
	linkStart  = regexp.MustCompile(`^(https?://[^\s/?#]+|mailto:[^\s?]+|tel:[0-9+() -]+)`)
	fieldStart = regexp.MustCompile(`^(https?://[^\s/?#@]+[/?#]|mailto:[^\s?]+\?)`)
)

// link writes a URL of the body into out. Only http, https, mailto and tel are let through; a merge field may stand
// behind the host only, so that no value chooses where a link leads.
func (d *document) link(n ast.Node, raw []byte, out *part, literalPlace func(string) string, fieldPlace place) {
	first, fields := "", 0
	d.split(raw, false, func(s string) {
		if fields == 0 {
			first += s
		}
		out.write(literalPlace(string(util.URLEscape([]byte(s), false))))
	}, func(t *token) {
		fields++
		if t.tag != "" {
			d.fail(offset(n), "the tag {%% %s %%} stands inside a link's address; put it around the link", t.source)
		}
		out.field(t, fieldPlace)
	})
	switch {
	case !linkStart.MatchString(first):
		d.fail(offset(n), "the link %q does not begin with https://, mailto: or tel:", placeholders.ReplaceAllString(string(raw), "{{ … }}"))
	case fields > 0 && !fieldStart.MatchString(first):
		d.fail(offset(n), "a merge field stands in the host of a link; it may stand behind it, as in https://example.com/?c={{ company }}")
	case strings.HasPrefix(first, "http://"):
		d.warn(offset(n), "the link %s is not https", first)
	}
}
