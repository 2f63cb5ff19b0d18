package consent

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	endToken tokenKind = iota
	wordToken
	textToken
	signToken
)

type audienceToken struct {
	kind   tokenKind
	text   string
	column int // in runes, from 1
}

const (
	maxExpression = 4 << 10
	maxNesting    = 50
)

// audienceParser reads by recursive descent: or, and, not, then one comparison.
type audienceParser struct {
	source string
	tokens []audienceToken
	next   int
}

func (p *audienceParser) errorf(t audienceToken, format string, args ...any) error {
	return fmt.Errorf("column %d: %s", t.column, fmt.Sprintf(format, args...))
}

func (p *audienceParser) scan() error {
	if len(p.source) > maxExpression {
		return fmt.Errorf("the expression has %d bytes, at most %d are allowed", len(p.source), maxExpression)
	}
	rest := p.source
	for {
		rest = strings.TrimLeft(rest, " \t")
		t := audienceToken{column: utf8.RuneCountInString(p.source[:len(p.source)-len(rest)]) + 1}
		if rest == "" {
			t.text = "the end"
			p.tokens = append(p.tokens, t)
			return nil
		}
		size, err := p.scanOne(rest, &t)
		if err != nil {
			return err
		}
		p.tokens = append(p.tokens, t)
		rest = rest[size:]
	}
}

// scanOne reads the token at the start of rest into t and returns its length in bytes.
func (p *audienceParser) scanOne(rest string, t *audienceToken) (int, error) {
	switch c := rest[0]; {
	case c == '"' || c == '\'':
		end := strings.IndexByte(rest[1:], c)
		if end < 0 {
			return 0, p.errorf(*t, "the text has no closing %c", c)
		}
		t.kind, t.text = textToken, rest[1:end+1]
		return end + 2, nil
	case c == '(' || c == ')':
		t.kind, t.text = signToken, rest[:1]
		return 1, nil
	case strings.HasPrefix(rest, "==") || strings.HasPrefix(rest, "!="):
		t.kind, t.text = signToken, rest[:2]
		return 2, nil
	case c == '=':
		return 0, p.errorf(*t, "write == to compare")
	}
	size := strings.IndexFunc(rest, func(r rune) bool { return !isWordRune(r) })
	if size == 0 {
		r, _ := utf8.DecodeRuneInString(rest)
		return 0, p.errorf(*t, "%q has no meaning here", r)
	}
	if size < 0 {
		size = len(rest)
	}
	t.kind, t.text = wordToken, rest[:size]
	return size, nil
}

func isWordRune(r rune) bool {
	return r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

func (p *audienceParser) peek() audienceToken { return p.tokens[p.next] }

func (p *audienceParser) take() audienceToken {
	t := p.tokens[p.next]
	if t.kind != endToken {
		p.next++
	}
	return t
}

// word takes the next token if it is the given keyword.
func (p *audienceParser) word(keyword string) bool {
	if t := p.peek(); t.kind != wordToken || t.text != keyword {
		return false
	}
	p.next++
	return true
}

func (p *audienceParser) or(depth int) (func(Traits) bool, error) {
	left, err := p.and(depth)
	for err == nil && p.word("or") {
		var right func(Traits) bool
		right, err = p.and(depth)
		first := left
		left = func(x Traits) bool { return first(x) || right(x) }
	}
	return left, err
}

func (p *audienceParser) and(depth int) (func(Traits) bool, error) {
	left, err := p.not(depth)
	for err == nil && p.word("and") {
		var right func(Traits) bool
		right, err = p.not(depth)
		first := left
		left = func(x Traits) bool { return first(x) && right(x) }
	}
	return left, err
}

func (p *audienceParser) not(depth int) (func(Traits) bool, error) {
	if depth > maxNesting {
		return nil, p.errorf(p.peek(), "the expression is nested too deep")
	}
	if p.word("not") {
		inner, err := p.not(depth + 1)
		return func(x Traits) bool { return !inner(x) }, err
	}
	if t := p.peek(); t.kind == signToken && t.text == "(" {
		p.next++
		return p.group(depth + 1)
	}
	return p.compare()
}

func (p *audienceParser) group(depth int) (func(Traits) bool, error) {
	inner, err := p.or(depth)
	if err != nil {
		return nil, err
	}
	if t := p.take(); t.text != ")" || t.kind != signToken {
		return nil, p.errorf(t, "expected a closing parenthesis, not %s", t.text)
	}
	return inner, nil
}

func (p *audienceParser) compare() (func(Traits) bool, error) {
	field := p.take()
	if field.kind != wordToken {
		return nil, p.errorf(field, "expected a field such as language, not %s", field.text)
	}
	if field.text == "all" {
		return func(Traits) bool { return true }, nil
	}
	if !isAudienceField(field.text) {
		return nil, p.errorf(field, "unknown field %q; known are %s, attr.NAME", field.text, strings.Join(audienceFields(), ", "))
	}
	op := p.take()
	if err := p.checkOperator(field, op); err != nil {
		return nil, err
	}
	value := p.take()
	if value.kind != textToken {
		return nil, p.errorf(value, "expected a text in quotes, not %s", value.text)
	}
	if op.text == "has" {
		return membership(field.text, value.text), nil
	}
	return comparison(field.text, op.text, value.text), nil
}

func (p *audienceParser) checkOperator(field, op audienceToken) error {
	compares := op.kind == signToken && (op.text == "==" || op.text == "!=")
	has := op.kind == wordToken && op.text == "has"
	switch {
	case isList(field.text) && !has:
		return p.errorf(op, "%s is a list: write %s has \"…\"", field.text, field.text)
	case !isList(field.text) && !compares:
		return p.errorf(op, "expected == or !=, not %s", op.text)
	}
	return nil
}
