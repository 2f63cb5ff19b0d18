package templates

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"heed/consent"
)

// Limits of the HTML part. Gmail cuts a message near 102 KB, and with it the way out at its end.
const (
	maxHTML  = 100 << 10
	warnHTML = 80 << 10
)

// Segment is a stretch of a part: literal Text, or where Field is not -1, the place of that field's value.
type Segment struct {
	Text  string
	Field int
}

// ErrMissing says that a person has no value for a merge field that has no default. Such a message is not sent.
type ErrMissing struct {
	Field string
}

// Error names the field and the remedy.
func (e ErrMissing) Error() string {
	return fmt.Sprintf("no %s is known; write {{ %s | default: \"…\" }} to say what stands there instead", e.Field, e.Field)
}

// Content is a compiled campaign. It is safe for use by several goroutines.
type Content struct {
	Text []Segment // the plain-text part; nil where Dynamic
	HTML []Segment // the HTML part; nil where Dynamic

	Language string // of the text, as the file says; may be empty

	class    consent.Class
	words    *words
	subject  *program
	text     *program
	html     *program
	size     int
	warnings []string
}

// Compile renders a campaign once for all its recipients. An error tells, with the line, what in the campaign or the
// layout's data has to change; all that is wrong with the Markdown comes in one error.
func Compile(c Campaign, layout LayoutData) (*Content, error) {
	return compile(c, layout, false)
}

func compile(c Campaign, layout LayoutData, liquid bool) (*Content, error) {
	if err := errors.Join(layout.validate(c.Class), c.validate(), c.unsubscribes()); err != nil {
		return nil, err
	}
	if c.Language != "" {
		layout.Language = c.Language
	}
	if layout.ServiceName == "" {
		layout.ServiceName = c.Service
	}
	subject, err := compileLine("subject: line", c.Subject)
	if err != nil {
		return nil, err
	}
	preheader, err := compileLine("preheader: line", c.Preheader)
	if err != nil {
		return nil, err
	}
	doc, err := compileBody(c)
	if err != nil {
		return nil, err
	}
	f := frame{class: c.Class, notice: c.Notice, layout: layout, words: wordsFor(layout.Language), subject: subject, preheader: preheader}
	if err := doc.advertises(c); err != nil {
		return nil, err
	}
	html, text := f.html(doc.html(start(layout.language()))), f.text(doc.text())
	if err := errors.Join(doc.errs...); err != nil {
		return nil, err
	}
	out := &Content{Language: c.Language, class: c.Class, words: f.words, warnings: doc.warnings, size: html.size()}
	if err := out.weigh(); err != nil {
		return nil, err
	}
	return out, out.build(subject, text, html, liquid)
}

// compileLine compiles a subject or preheader: plain text with merge fields.
func compileLine(where, line string) (part, error) {
	var s scope
	protected, err := s.protect(line, where, 1)
	if err != nil {
		return nil, err
	}
	if err := s.finish(where); err != nil {
		return nil, err
	}
	var out part
	doc := &document{tokens: s.tokens}
	doc.split([]byte(protected), true, out.write, func(t *token) { out.field(t, inHeader) })
	return out, nil
}

func compileBody(c Campaign) (*document, error) {
	var s scope
	line := max(c.BodyLine, 1)
	protected, err := s.protect(c.Body, "line", line)
	if err != nil {
		return nil, err
	}
	if err := s.finish("line"); err != nil {
		return nil, err
	}
	return parseMarkdown(protected, s.tokens, line), nil
}

func (c *Content) weigh() error {
	if c.size > maxHTML {
		return fmt.Errorf("the HTML part has %d KB, at most %d KB are allowed: mail programs cut longer ones and hide the way to unsubscribe", c.size>>10, maxHTML>>10)
	}
	if c.size > warnHTML {
		c.warnings = append(c.warnings, fmt.Sprintf("the HTML part has %d KB; mail programs cut it at about %d KB", c.size>>10, maxHTML>>10))
	}
	return nil
}

func (c *Content) build(subject, text, html part, liquid bool) error {
	liquid = liquid || text.needsLiquid() || html.needsLiquid()
	var err error
	if c.subject, err = newProgram(subject, liquid || subject.needsLiquid()); err != nil {
		return err
	}
	if c.text, err = newProgram(text, liquid); err != nil {
		return err
	}
	if c.html, err = newProgram(html, liquid); err != nil {
		return err
	}
	c.Text, c.HTML = c.text.segments, c.html.segments
	return nil
}

// Subject renders the subject for one person, on one line, not yet encoded for a header.
func (c *Content) Subject(p Person) (string, error) {
	s, err := c.subject.render(c, p, Links{})
	return clean(s), err
}

// Dynamic says whether the content has conditions, loops or other filters, so that only Full can render it.
func (c *Content) Dynamic() bool { return c.html.template != nil }

// Plain says whether the content, its subject too, asks for values and nothing else, so that whether one is missing
// depends on nothing but which are known.
func (c *Content) Plain() bool {
	return c.subject.template == nil && c.text.template == nil && c.html.template == nil
}

// Values returns the values of one person's fields, escaped for their places: text[i] goes where a segment of Text has
// Field i, html[i] likewise. The error is an ErrMissing where a value is unknown and has no default.
func (c *Content) Values(p Person, l Links) (text, html []string, err error) {
	if c.Dynamic() {
		return nil, nil, errors.New("the content has conditions, so it has no fields: use Full")
	}
	l.line = l.reason(c) // once for both parts
	if text, err = c.text.values(c, p, l); err != nil {
		return nil, nil, err
	}
	html, err = c.html.values(c, p, l)
	return text, html, err
}

// Full renders both parts for one person, whether the content is dynamic or not.
func (c *Content) Full(p Person, l Links) (text, html string, err error) {
	if text, err = c.text.render(c, p, l); err != nil {
		return "", "", err
	}
	html, err = c.html.render(c, p, l)
	return text, html, err
}

// Check counts, by merge field, for how many people a value is missing. Conditions are followed, so a field that is not
// reached is not missing; of several missing inside them only the first is counted. The key "" counts those for whom
// rendering fails otherwise. An empty map means that all can be written to.
func (c *Content) Check(people iter.Seq[Person]) map[string]int {
	count := map[string]int{}
	for p := range people {
		missing := map[string]bool{}
		for _, g := range []*program{c.subject, c.text, c.html} {
			g.missing(c, p, missing)
		}
		for field := range missing {
			count[field]++
		}
	}
	return count
}

// Size returns the length in bytes of the HTML part without its fields' values.
func (c *Content) Size() int { return c.size }

// Warnings returns what is allowed but unwise, a sentence each, with the line where it has one.
func (c *Content) Warnings() []string { return c.warnings }

// Splice puts values into segments.
func Splice(segments []Segment, values []string) string {
	var b strings.Builder
	for _, s := range segments {
		if s.Field < 0 {
			b.WriteString(s.Text)
		} else {
			b.WriteString(values[s.Field])
		}
	}
	return b.String()
}
