package templates

import (
	"slices"
	"strings"
)

// Audience is a parsed audience expression. It is safe for use by several goroutines.
type Audience struct {
	source string
	match  func(Person) bool
}

// ParseAudience parses who a campaign is for: `all`, or comparisons joined by and, or, not and parentheses, such as
//
//	language == "de" and (attr.plan == "pro" or services has "files")
//
// A field is email, first_name, last_name, company, language, time_zone or attr.NAME, compared by == or != with a text
// in quotes; an unknown value is the empty text. services and topics are asked by has. Case matters only for attr.NAME
// names and texts. Errors point to the column, counted from 1.
func ParseAudience(expr string) (*Audience, error) {
	p := audienceParser{source: expr}
	if err := p.scan(); err != nil {
		return nil, err
	}
	match, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != endToken {
		return nil, p.errorf(t, "expected and, or, or the end, not %q", t.text)
	}
	return &Audience{source: expr, match: match}, nil
}

// Match says whether p belongs to the audience. It does not ask whether p may be written to.
func (a *Audience) Match(p Person) bool { return a.match(p) }

// String returns the expression as it was written.
func (a *Audience) String() string { return a.source }

func comparison(field, op, want string) func(Person) bool {
	equal := op == "=="
	return func(p Person) bool { return (audienceField(p, field) == want) == equal }
}

func membership(field, want string) func(Person) bool {
	return func(p Person) bool {
		if field == "services" {
			return slices.Contains(p.Services, want)
		}
		return slices.Contains(p.Topics, want)
	}
}

func audienceField(p Person, field string) string {
	if field == "time_zone" {
		return clean(p.TimeZone)
	}
	return p.field(field)
}

func audienceFields() []string {
	return append(fieldNames(), "time_zone", "services", "topics")
}

func isList(field string) bool { return field == "services" || field == "topics" }

func isAudienceField(name string) bool {
	if attr, ok := strings.CutPrefix(name, "attr."); ok {
		return isName(attr)
	}
	return slices.Contains(audienceFields(), name)
}
