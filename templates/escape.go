package templates

import (
	"html"
	"net/url"
	"strings"
)

// place is where a value stands, and so how it is escaped.
type place int

const (
	inHeader    place = iota // a subject
	inText                   // the plain-text part
	inTextURL                // a URL of the plain-text part
	inHTML                   // HTML text
	inAttribute              // a quoted HTML attribute
	inURL                    // a URL in a quoted HTML attribute, behind scheme and host
	inWhole                  // a whole URL of our own in a quoted HTML attribute
)

// escape makes a cleaned value safe for its place. Header values are encoded later, by whoever writes the header.
func escape(p place, value string) string {
	switch p {
	case inHTML, inAttribute, inWhole:
		return html.EscapeString(value)
	case inURL, inTextURL:
		// All but letters, digits and -_.~ is percent-encoded, so the value can end neither the URL nor its component.
		return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
	}
	return value
}

// A piece is literal text, already escaped for its part, or a token with its place.
type piece struct {
	literal string
	token   *token
	place   place
}

// A part is a template in pieces: the subject, the plain text or the HTML.
type part []piece

func (p *part) write(literal string) {
	if literal != "" {
		*p = append(*p, piece{literal: literal})
	}
}

func (p *part) field(t *token, where place) {
	*p = append(*p, piece{token: t, place: where})
}

func (p *part) own(which pseudo, where place) {
	p.field(&token{own: which, static: true}, where)
}

// embed adds another part's pieces.
func (p *part) embed(other part) { *p = append(*p, other...) }

// merged joins neighbouring literals into one; writing does not, since it would copy a long part again and again.
func (p part) merged() part {
	var out part
	var literal strings.Builder
	for _, x := range p {
		if x.token == nil {
			literal.WriteString(x.literal)
			continue
		}
		out.write(literal.String())
		literal.Reset()
		out = append(out, x)
	}
	out.write(literal.String())
	return out
}

func (p part) size() int {
	n := 0
	for _, x := range p {
		n += len(x.literal)
	}
	return n
}

// needsLiquid says whether some piece is more than a plain field.
func (p part) needsLiquid() bool {
	for _, x := range p {
		if x.token != nil && !x.token.static {
			return true
		}
	}
	return false
}

const (
	placeholderStart = '\ue000'
	placeholderEnd   = '\ue001'
)
