package consent

import (
	"slices"
	"strings"
)

// Traits is what an audience may ask about a person. Empty means unknown.
type Traits struct {
	Email, FirstName, LastName, Company, Language, TimeZone string

	Attrs    map[string]string
	Services []string // ids
	Topics   []string // ids of the topics they said yes to
}

// Audience is a parsed audience expression, safe for use by many goroutines.
type Audience struct {
	source string
	match  func(Traits) bool
}

// ParseAudience parses who a campaign is for: `all`, or comparisons joined by
// and, or, not and parentheses, such as
//
//	language == "de" and (attr.plan == "pro" or services has "files")
//
// A field is email, first_name, last_name, company, language, time_zone or
// attr.NAME, compared by == or != with a text in quotes; an unknown value is
// the empty text. services and topics are asked by has. Errors point to the
// column, counted from 1.
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

// Match says whether somebody belongs to the audience. It does not ask whether
// they may be written to.
func (a *Audience) Match(t Traits) bool { return a.match(t) }

// All tells whether the audience is everybody, so that nobody need be asked.
func (a *Audience) All() bool { return strings.TrimSpace(a.source) == "all" }

// NeedsLists tells whether services or topics must be known to match.
func (a *Audience) NeedsLists() bool {
	return strings.Contains(a.source, "services") || strings.Contains(a.source, "topics")
}

func comparison(field, op, want string) func(Traits) bool {
	equal := op == "=="
	return func(t Traits) bool { return (strings.TrimSpace(t.field(field)) == want) == equal }
}

func membership(field, want string) func(Traits) bool {
	return func(t Traits) bool {
		if field == "services" {
			return slices.Contains(t.Services, want)
		}
		return slices.Contains(t.Topics, want)
	}
}

func (t Traits) field(name string) string {
	if attr, ok := strings.CutPrefix(name, "attr."); ok {
		return t.Attrs[attr]
	}
	switch name {
	case "email":
		return t.Email
	case "first_name":
		return t.FirstName
	case "last_name":
		return t.LastName
	case "company":
		return t.Company
	case "language":
		return t.Language
	}
	return t.TimeZone
}

func audienceFields() []string {
	return []string{"email", "first_name", "last_name", "company", "language", "time_zone", "services", "topics"}
}

func isList(field string) bool { return field == "services" || field == "topics" }

func isAudienceField(name string) bool {
	if attr, ok := strings.CutPrefix(name, "attr."); ok {
		return attr != "" && !strings.Contains(attr, ".")
	}
	return slices.Contains(audienceFields(), name)
}
