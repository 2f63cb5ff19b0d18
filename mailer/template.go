package mailer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// Segment is a piece of a part: fixed text (Field -1), or the place of a value (Field
// is its index, Text is empty).
type Segment struct {
	Text  string
	Field int
}

// Part is one form of a message. Type is text/plain or text/html.
type Part struct {
	Type     string
	Segments []Segment
}

// Template is a message with its fixed text already encoded. It is not changed after
// [Compile], so that many goroutines may use it at once.
type Template struct {
	parts []compiled
	size  int // bytes of all fixed text
}

// compiled is a part: its pieces in order.
type compiled struct {
	mime   string
	pieces []piece
	fields int
}

// piece is encoded text, or where it has none a field.
type piece struct {
	text  string
	field int
	last  bool
}

// Compile encodes the fixed text of a message. There is one text/plain part, or one and
// after it one text/html: readers show the last form that they understand
// (RFC 2046 §5.1.4), and not all understand HTML.
func Compile(parts []Part) (*Template, error) {
	if err := checkParts(parts); err != nil {
		return nil, err
	}
	t := &Template{}
	for _, p := range parts {
		c, err := compilePart(p)
		if err != nil {
			return nil, fmt.Errorf("part %s: %w", p.Type, err)
		}
		for _, piece := range c.pieces {
			t.size += len(piece.text)
		}
		t.parts = append(t.parts, c)
	}
	return t, nil
}

func checkParts(parts []Part) error {
	ok := len(parts) > 0 && parts[0].Type == "text/plain" &&
		(len(parts) == 1 || (len(parts) == 2 && parts[1].Type == "text/html"))
	if !ok {
		return errors.New("a message has a text/plain part, and after it at most a text/html part")
	}
	return nil
}

func compilePart(p Part) (compiled, error) {
	c := compiled{mime: p.Type}
	literal := ""
	flush := func() {
		if literal != "" {
			c.pieces = append(c.pieces, piece{text: literal, field: -1})
			literal = ""
		}
	}
	for _, s := range p.Segments {
		if s.Field < 0 {
			literal += s.Text
			continue
		}
		if s.Text != "" {
			return compiled{}, fmt.Errorf("segment for field %d has a text too", s.Field)
		}
		flush()
		c.fields = max(c.fields, s.Field+1)
		c.pieces = append(c.pieces, piece{field: s.Field})
	}
	flush()
	for i := range c.pieces {
		encodePiece(&c.pieces[i], i == len(c.pieces)-1)
	}
	return c, nil
}

// encodePiece encodes fixed text, with a soft break towards what follows.
func encodePiece(p *piece, last bool) {
	p.last = last
	if p.field >= 0 {
		return
	}
	enc, col := appendQP(make([]byte, 0, len(p.text)+len(p.text)/8), p.text)
	if col > 0 && !last {
		enc = append(enc, softBreak...)
	}
	p.text = string(enc)
}

// Message appends one finished message to dst. values holds, for each part in the order
// of Compile, one value for each field, already escaped for where it stands (HTML and
// text need different ones). The error names the header or part at fault.
func (t *Template) Message(dst []byte, h Headers, values [][]string) ([]byte, error) {
	if len(values) != len(t.parts) {
		return nil, fmt.Errorf("message has %d parts, values are for %d", len(t.parts), len(values))
	}
	for i, c := range t.parts {
		if len(values[i]) < c.fields {
			return nil, fmt.Errorf("part %s needs %d values, there are %d", c.mime, c.fields, len(values[i]))
		}
	}
	if need := t.size + 4096; cap(dst)-len(dst) < need {
		dst = append(make([]byte, 0, len(dst)+need), dst...)
	}
	dst, err := h.append(dst)
	if err != nil {
		return nil, err
	}
	if len(t.parts) == 1 {
		return t.parts[0].append(dst, values[0]), nil
	}
	return t.alternatives(dst, boundary(h.MessageID), values), nil
}

func (t *Template) alternatives(dst []byte, mark string, values [][]string) []byte {
	dst = append(append(append(dst, "Content-Type: multipart/alternative; boundary=\""...), mark...), "\"\r\n\r\n"...)
	for i := range t.parts {
		dst = append(append(append(dst, "--"...), mark...), "\r\n"...)
		dst = t.parts[i].append(dst, values[i])
	}
	return append(append(append(dst, "--"...), mark...), "--\r\n"...)
}

// append writes the part with its own header fields and a CRLF at the end, which in a
// multipart belongs to the boundary (RFC 2046 §5.1.1).
func (c *compiled) append(dst []byte, values []string) []byte {
	dst = append(append(append(dst, "Content-Type: "...), c.mime...), "; charset=utf-8\r\n"...)
	dst = append(dst, "Content-Transfer-Encoding: quoted-printable\r\n\r\n"...)
	for _, p := range c.pieces {
		if p.field < 0 {
			dst = append(dst, p.text...)
			continue
		}
		var col int
		if dst, col = appendQP(dst, values[p.field]); col > 0 && !p.last {
			dst = append(dst, softBreak...)
		}
	}
	return append(dst, "\r\n"...)
}

// boundary is the same for the same message whenever it is made. It begins with =_,
// which quoted-printable text never contains (RFC 2045 §6.7).
func boundary(messageID string) string {
	sum := sha256.Sum256([]byte(messageID))
	return "=_" + hex.EncodeToString(sum[:12])
}
