package templates

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Person is what a message may say about its recipient, and what its conditions may ask. Empty means unknown. Whether
// somebody belongs to an audience is decided elsewhere, by consent.Audience.
type Person struct {
	Email     string
	FirstName string
	LastName  string
	Company   string
	Language  string // BCP 47, such as "de"
	TimeZone  string // IANA name; no text shows it
	Attr      map[string]string
	Services  []string // ids; for conditions and loops only
	Topics    []string // ids; for conditions and loops only
}

// Links holds what differs from message to message beside the person: where this person can choose, and why they are
// written to. URLs are absolute; Unsubscribe is unused in alerts.
type Links struct {
	Unsubscribe string
	Preferences string
	Unused      string // of an alert: where to say that one uses the service no more
	Policy      string // of a notice or a request about a version of the policy: the version, or the page that asks
	Reason      Reason

	line string // that says the reason, once it is made
}

// reason says why somebody gets a message of the content.
func (l Links) reason(c *Content) string {
	if l.line != "" {
		return l.line
	}
	return reasonText(c.words, c.class, l.Reason)
}

// Reason is the consent behind a message: the topic's name, where it was given ("website form") and when.
// Source and At may be unknown; the footer then says only what is known.
type Reason struct {
	Topic  string
	Source string
	At     time.Time
}

// fieldNames are the merge fields beside attr.NAME.
func fieldNames() []string {
	return []string{"email", "first_name", "last_name", "company", "language"}
}

// field returns a person's value as it is shown: on one line, trimmed, empty where unknown.
func (p Person) field(name string) string {
	if attr, ok := strings.CutPrefix(name, "attr."); ok {
		return clean(p.Attr[attr])
	}
	switch name {
	case "email":
		return clean(p.Email)
	case "first_name":
		return clean(p.FirstName)
	case "last_name":
		return clean(p.LastName)
	case "company":
		return clean(p.Company)
	case "language":
		return clean(p.Language)
	}
	return ""
}

// clean makes a value fit to stand anywhere in a line: no control characters, so that it cannot begin a header or a
// line of its own, no marks that turn the direction of the text around it, no bytes that are not UTF-8.
func clean(s string) string {
	if harmless(s) {
		return strings.TrimSpace(s)
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case turnsText(r), private(r), r == '\ufeff':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	return strings.TrimSpace(s)
}

// harmless is the quick way out for the values that are nearly all: letters of any script, digits and signs.
func harmless(s string) bool {
	for _, r := range s {
		if r < ' ' || r >= 0x7f && (r < 0xa0 || r >= '\u2028' && r < '\u2070' || r >= '\ue000') {
			return false
		}
	}
	return true
}

func turnsText(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// private tells the characters that have no meaning of their own; merge fields travel through Markdown as such.
func private(r rune) bool { return unicode.Is(unicode.Co, r) }

// Mask hides an address so that its owner knows it and nobody else learns it: a••@example.com.
func Mask(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return "••"
	}
	_, size := utf8.DecodeRuneInString(address)
	return clean(address[:size] + "••" + address[at:])
}
