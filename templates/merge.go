package templates

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A token is one `{{ … }}` or `{% … %}` of the writer, or a field that Heed itself fills in (the footer's links).
type token struct {
	line    int
	source  string // between the delimiters, trimmed
	tag     string // "if", "endfor", …; empty for an output
	field   string // the first name of an output: "first_name", "attr.plan"
	filters []filterCall
	static  bool // a plain field with our own filters, so that it can be a segment
	own     pseudo
}

// A pseudo field is filled in from Links.
type pseudo int

const (
	notPseudo pseudo = iota
	unsubscribeURL
	preferencesURL
	reasonLine
	unusedURL
	policyURL
)

type filterCall struct {
	name string
	arg  string
}

// scope is what the tags of one template have in common: the names that for and assign have made so far.
type scope struct {
	tokens []*token
	names  []string
	open   []*token // blocks that still want their end
}

var (
	delimited = regexp.MustCompile(`\{\{[^\n]*?\}\}|\{%[^\n]*?%\}`)
	loose     = regexp.MustCompile(`\{\{|\{%|%\}`)
	nameRule  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func isName(s string) bool { return nameRule.MatchString(s) }

// protect replaces each merge field of source by a placeholder that Markdown leaves alone, and notes what it stands
// for. where names the place for messages ("subject", "line"); line is the number of source's first line.
func (s *scope) protect(source, where string, line int) (string, error) {
	for _, r := range source {
		if private(r) || r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return "", fmt.Errorf("%s: the character %U is not allowed in a text", where, r)
		}
	}
	var out strings.Builder
	at := 0
	for _, m := range delimited.FindAllStringIndex(source, -1) {
		here := line + strings.Count(source[:m[0]], "\n")
		if err := s.refuseLoose(source[at:m[0]], where, line+strings.Count(source[:at], "\n")); err != nil {
			return "", err
		}
		t, err := s.parse(source[m[0]:m[1]], here)
		if err != nil {
			return "", fmt.Errorf("%s %d: %w", where, here, err)
		}
		out.WriteString(source[at:m[0]])
		out.WriteString(placeholder(s.add(t)))
		at = m[1]
	}
	if err := s.refuseLoose(source[at:], where, line+strings.Count(source[:at], "\n")); err != nil {
		return "", err
	}
	out.WriteString(source[at:])
	return out.String(), nil
}

// finish refuses a block that is never closed.
func (s *scope) finish(where string) error {
	if len(s.open) == 0 {
		return nil
	}
	t := s.open[len(s.open)-1]
	return fmt.Errorf("%s %d: {%% %s %%} is never closed by {%% end%s %%}", where, t.line, t.tag, t.tag)
}

func (s *scope) add(t *token) int {
	s.tokens = append(s.tokens, t)
	return len(s.tokens) - 1
}

func (s *scope) refuseLoose(text, where string, line int) error {
	m := loose.FindStringIndex(text)
	if m == nil {
		return nil
	}
	return fmt.Errorf("%s %d: %q begins or ends no merge field; a field stands on one line, as in {{ first_name }} (for the characters themselves write &#123;)",
		where, line+strings.Count(text[:m[0]], "\n"), text[m[0]:m[1]])
}

func (s *scope) parse(raw string, line int) (*token, error) {
	inner := raw[2 : len(raw)-2]
	if strings.HasPrefix(inner, "-") || strings.HasSuffix(inner, "-") {
		return nil, fmt.Errorf("%s: trimming by - is not supported, leave the - out", raw)
	}
	t := &token{line: line, source: strings.TrimSpace(inner)}
	if strings.HasPrefix(raw, "{%") {
		return t, s.parseTag(t)
	}
	return t, s.parseOutput(t)
}

func (s *scope) parseOutput(t *token) error {
	words, err := lex(t.source)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return fmt.Errorf("{{ }} names no field")
	}
	t.field = words[0].text
	if words[0].kind != nameWord {
		return fmt.Errorf("{{ %s }}: begin with a field, such as first_name", t.source)
	}
	if err := s.checkName(t.field); err != nil {
		return err
	}
	calls, err := parseFilters(words[1:])
	if err != nil {
		return fmt.Errorf("{{ %s }}: %w", t.source, err)
	}
	t.filters = calls
	t.static = isField(t.field) && !slices.ContainsFunc(calls, func(c filterCall) bool { return !isOwnFilter(c.name) })
	return nil
}

// isField says whether name is a merge field of a person, as opposed to a list or a name made by for or assign.
func isField(name string) bool {
	if attr, ok := strings.CutPrefix(name, "attr."); ok {
		return isName(attr)
	}
	return slices.Contains(fieldNames(), name)
}

func (s *scope) checkName(name string) error {
	base, _, _ := strings.Cut(name, ".")
	if isField(name) || isList(name) || slices.Contains(s.names, base) || base == "forloop" && len(s.names) > 0 {
		return nil
	}
	known := append(fieldNames(), "services", "topics")
	return fmt.Errorf("unknown field %q%s; known are %s, attr.NAME", name, didYouMean(name, known), strings.Join(known, ", "))
}

// isList says whether a field is a list of ids, for conditions only.
func isList(field string) bool { return field == "services" || field == "topics" }
