package mailer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Address is a name, which may be empty, and an address.
type Address struct {
	Name string
	Addr string
}

// Header is one further header field. Value is ASCII; see [Phrase] for names in it.
type Header struct {
	Name  string
	Value string
}

// Headers are the header fields of one message. From, To, Subject, Date and MessageID
// are needed and written exactly once (RFC 5322 §3.6). Extra follows in the order
// given, each name at most once; names that this type or the MIME structure already
// writes are refused there, as is every control character everywhere.
type Headers struct {
	From      Address
	To        Address
	ReplyTo   Address // zero: none
	Subject   string
	Date      time.Time
	MessageID string // id@domain, without angle brackets
	Extra     []Header
}

// ownFields are written by this package, or would change who gets or signed the mail.
var ownFields = []string{"From", "To", "Subject", "Date", "Message-ID", "Reply-To", "Sender", "Cc", "Bcc",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Return-Path", "Received", "DKIM-Signature"}

// append writes the fields to dst, all but those of the MIME structure.
func (h *Headers) append(dst []byte) ([]byte, error) {
	var err error
	if dst, err = appendAddress(dst, "From", h.From); err != nil {
		return nil, err
	}
	if dst, err = appendAddress(dst, "To", h.To); err != nil {
		return nil, err
	}
	if h.ReplyTo != (Address{}) {
		if dst, err = appendAddress(dst, "Reply-To", h.ReplyTo); err != nil {
			return nil, err
		}
	}
	if dst, err = appendSubject(dst, h.Subject); err != nil {
		return nil, err
	}
	if h.Date.IsZero() {
		return nil, errors.New("header Date: the message has none")
	}
	dst = h.Date.AppendFormat(append(dst, "Date: "...), time.RFC1123Z) // RFC 5322 §3.3
	if dst, err = appendMessageID(append(dst, "\r\n"...), h.MessageID); err != nil {
		return nil, err
	}
	for i, x := range h.Extra {
		if err := checkExtra(x, h.Extra[:i]); err != nil {
			return nil, err
		}
		dst = appendFolded(dst, x.Name, strings.TrimSpace(x.Value))
	}
	return append(dst, "MIME-Version: 1.0\r\n"...), nil
}

// checkText refuses what could end a header field or hide in it.
func checkText(name, value string) error {
	if plain(value) {
		return nil
	}
	if !utf8.ValidString(value) {
		return fmt.Errorf("header %s: the value is not valid UTF-8", name)
	}
	for _, r := range value {
		if r < ' ' || (r >= 0x7f && r < 0xa0) || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("header %s: the value has a control character (%U); take it out of the data it comes from", name, r)
		}
	}
	return nil
}

// plain is the quick way out for what nearly all text is: printable ASCII.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

func appendAddress(dst []byte, field string, a Address) ([]byte, error) {
	if err := checkText(field, a.Name); err != nil {
		return nil, err
	}
	p, err := parsePath(a.Addr)
	if err != nil {
		return nil, fmt.Errorf("header %s: %w", field, err)
	}
	start := len(dst)
	dst = append(append(dst, field...), ": "...)
	name := strings.TrimSpace(a.Name)
	if name == "" {
		return append(append(dst, p.text...), "\r\n"...), nil
	}
	dst = appendPhrase(dst, name, len(dst)-start)
	if column(dst[start:])+len(p.text)+3 > maxEncodedLine {
		dst = append(dst, "\r\n"...)
	}
	// The address stays outside of every encoded-word (RFC 2047 §5).
	return append(append(append(dst, " <"...), p.text...), ">\r\n"...), nil
}

// column is the length of the last line.
func column(b []byte) int {
	return len(b) - 1 - bytes.LastIndexByte(b, '\n')
}

func appendSubject(dst []byte, subject string) ([]byte, error) {
	if err := checkText("Subject", subject); err != nil {
		return nil, err
	}
	subject = strings.TrimSpace(subject)
	if !needsWords(subject) {
		return appendFolded(dst, "Subject", subject), nil
	}
	dst = append(dst, "Subject: "...)
	return append(appendWords(dst, subject, len("Subject: ")), "\r\n"...), nil
}

// appendMessageID writes the id, which must be one token (RFC 5322 §3.6.4).
func appendMessageID(dst []byte, id string) ([]byte, error) {
	p, err := parsePath(id)
	if err != nil || p.utf8 || p.text != id {
		return nil, errors.New("header Message-ID: want id@domain, in ASCII and without angle brackets")
	}
	return append(append(append(dst, "Message-ID: <"...), id...), ">\r\n"...), nil
}

func checkExtra(x Header, before []Header) error {
	if !onlyBytes(x.Name, func(b byte) bool { return b > ' ' && b < 0x7f && b != ':' }) || len(x.Name) > 70 {
		return fmt.Errorf("header %q: that is not a field name", x.Name)
	}
	for _, own := range ownFields {
		if sameName(x.Name, own) {
			return fmt.Errorf("header %s: it can't be given as an extra one", own)
		}
	}
	for _, b := range before {
		if sameName(x.Name, b.Name) { // RFC 2369 §3 for List-*
			return fmt.Errorf("header %s: it is given twice", x.Name)
		}
	}
	if err := checkText(x.Name, x.Value); err != nil {
		return err
	}
	return checkExtraValue(x)
}

// sameName compares names of fields, which are ASCII.
func sameName(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

func checkExtraValue(x Header) error {
	v := strings.TrimSpace(x.Value)
	switch {
	case v == "":
		return fmt.Errorf("header %s: the value is empty", x.Name)
	case !onlyBytes(v, func(b byte) bool { return b < 0x7f }):
		return fmt.Errorf("header %s: the value is not ASCII", x.Name)
	case longestWord(v) > maxLine-len(x.Name)-2:
		return fmt.Errorf("header %s: a part without a space is longer than a line may be", x.Name)
	case sameName(x.Name, "List-Unsubscribe-Post") && v != "List-Unsubscribe=One-Click":
		return fmt.Errorf("header %s: the value must be List-Unsubscribe=One-Click", x.Name) // RFC 8058 §3.1
	}
	return nil
}

// appendFolded writes one field, folded before words that would pass column 78
// (RFC 5322 §2.2.3). The first word stays beside the name: a line of nothing but white
// space is obsolete syntax, and some readers lose the value.
func appendFolded(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, name...), ':'), ' ')
	col := len(name) + 2
	for first := true; value != ""; first = false {
		n := wordEnd(value)
		if !first && col+n > foldAt {
			dst, col = append(dst, "\r\n"...), 0
		}
		dst, col = append(dst, value[:n]...), col+n
		value = value[n:]
	}
	return append(dst, "\r\n"...)
}

// wordEnd is where the first word of s ends, the spaces before it included.
func wordEnd(s string) int {
	i := 0
	for i < len(s) && s[i] == ' ' {
		i++
	}
	for i < len(s) && s[i] != ' ' {
		i++
	}
	return i
}
