package templates

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/osteele/liquid"
	"github.com/osteele/liquid/expressions"
)

// A program renders one part: as segments with a table of fields, or as a Liquid template.
type program struct {
	segments []Segment
	fields   []piece // the field of each index

	template *liquid.Template
	literals []string
	tagged   bool // has conditions or loops, so that blank lines may be left over
	nobody   bool // for no person: what is unknown is left out
}

func newProgram(p part, dynamic bool) (*program, error) {
	p = p.merged()
	if dynamic {
		return newTemplate(p)
	}
	out := &program{}
	for _, x := range p {
		if x.token == nil {
			out.segments = append(out.segments, Segment{x.literal, -1})
			continue
		}
		out.segments = append(out.segments, Segment{"", out.index(x)})
	}
	return out, nil
}

// index finds the field that shows the same value in the same place, or makes one.
func (g *program) index(x piece) int {
	for i, f := range g.fields {
		if f.place == x.place && f.token.own == x.token.own && f.token.source == x.token.source {
			return i
		}
	}
	g.fields = append(g.fields, x)
	return len(g.fields) - 1
}

func (g *program) values(c *Content, p Person, l Links) ([]string, error) {
	out := make([]string, len(g.fields))
	for i, f := range g.fields {
		v, err := g.finish(f, c.value(f.token, p, l))
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// missing notes the fields that p has no value for.
func (g *program) missing(c *Content, p Person, into map[string]bool) {
	if g.template != nil {
		if _, err := g.execute(c, p, Links{}); err != nil {
			var m ErrMissing
			errors.As(err, &m) // anything else counts under the empty name
			into[m.Field] = true
		}
		return
	}
	for _, f := range g.fields {
		if _, err := finish(f, c.value(f.token, p, Links{})); err != nil {
			into[f.token.field] = true
		}
	}
}

// value is a token's value before it is escaped.
func (c *Content) value(t *token, p Person, l Links) string {
	switch t.own {
	case unsubscribeURL:
		return l.Unsubscribe
	case preferencesURL:
		return l.Preferences
	case unusedURL:
		return l.Unused
	case policyURL:
		return l.Policy
	case reasonLine:
		return l.reason(c)
	}
	return apply(p.field(t.field), t.filters)
}

// finish escapes a value for its place; an unknown one is an error, but for links, which a preview may lack.
func finish(x piece, value string) (string, error) {
	value = clean(value)
	if value == "" && x.token.own == notPseudo {
		return "", ErrMissing{x.token.field}
	}
	return escape(x.place, value), nil
}

func (g *program) finish(x piece, value string) (string, error) {
	if g.nobody && clean(value) == "" {
		return "", nil
	}
	return finish(x, value)
}

func (g *program) render(c *Content, p Person, l Links) (string, error) {
	if g.template != nil {
		return g.execute(c, p, l)
	}
	values, err := g.values(c, p, l)
	if err != nil {
		return "", err
	}
	return Splice(g.segments, values), nil
}

// newTemplate writes a part as a Liquid template. Literal text is bound to names rather than written into it, so that
// none of it can be taken for a tag. Each output ends in a filter that knows its place.
func newTemplate(p part) (*program, error) {
	out := &program{}
	var source strings.Builder
	for _, x := range p {
		switch {
		case x.token == nil:
			fmt.Fprintf(&source, "{{ heed_literal[%d] }}", len(out.literals))
			out.literals = append(out.literals, x.literal)
		case x.token.tag != "":
			out.tagged = true
			source.WriteString("{% " + x.token.source + " %}")
		case x.token.own != notPseudo:
			fmt.Fprintf(&source, "{{ heed_own[%d] | heed_finish: %d }}", x.token.own, out.keep(x))
		default:
			fmt.Fprintf(&source, "{{ %s | heed_finish: %d }}", x.token.source, out.keep(x))
		}
	}
	var err error
	out.template, err = out.engine().ParseString(source.String())
	if err != nil {
		return nil, fmt.Errorf("the conditions of the content do not fit together: %w", err)
	}
	return out, nil
}

func (g *program) keep(x piece) int {
	g.fields = append(g.fields, x)
	return len(g.fields) - 1
}

// engine replaces those filters of Liquid that segments have too, so that both do the same.
func (g *program) engine() *liquid.Engine {
	e := liquid.NewEngine()
	for _, name := range []string{"upcase", "downcase", "capitalize"} {
		calls := []filterCall{{name: name}}
		e.RegisterFilter(name, func(v any) any { return onText(v, calls) })
	}
	e.RegisterFilter("default", func(v any, instead string) any {
		if v == nil || v == "" {
			return instead
		}
		return v
	})
	e.RegisterFilter("heed_finish", func(v any, i int) (string, error) {
		if v == nil {
			return g.finish(g.fields[i], "")
		}
		return g.finish(g.fields[i], fmt.Sprint(v))
	})
	return e
}

func onText(v any, calls []filterCall) any {
	if s, ok := v.(string); ok {
		return apply(s, calls)
	}
	return v
}

var manyBlankLines = regexp.MustCompile(`\n{3,}`)

// execute runs the template. Liquid panics on some operations that its grammar allows; that spoils one message only.
func (g *program) execute(c *Content, p Person, l Links) (out string, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = "", fmt.Errorf("rendering the content: %v", r)
		}
	}()
	names := bindings(p)
	names["heed_literal"] = g.literals
	names["heed_own"] = []string{"", l.Unsubscribe, l.Preferences, l.reason(c), l.Unused}
	out, err = g.template.RenderString(names)
	if err != nil {
		return "", renderError(err)
	}
	if g.tagged {
		out = manyBlankLines.ReplaceAllString(out, "\n\n")
	}
	return out, nil
}

// renderError digs an ErrMissing out of Liquid's errors, which wrap by Cause.
func renderError(err error) error {
	for e := err; e != nil; {
		var filter expressions.FilterError
		var missing ErrMissing
		if errors.As(e, &filter) && errors.As(filter.Err, &missing) {
			return missing
		}
		caused, ok := e.(interface{ Cause() error })
		if !ok {
			break
		}
		e = caused.Cause()
	}
	return fmt.Errorf("rendering the content: %w", err)
}

// bindings gives a person's values to Liquid. What is unknown is absent, so that {% if company %} asks what it seems to.
func bindings(p Person) liquid.Bindings {
	out := liquid.Bindings{"services": p.Services, "topics": p.Topics}
	for _, name := range fieldNames() {
		if v := p.field(name); v != "" {
			out[name] = v
		}
	}
	attr := map[string]any{}
	for name := range p.Attr {
		if v := p.field("attr." + name); v != "" {
			attr[name] = v
		}
	}
	out["attr"] = attr
	return out
}
