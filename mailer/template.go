package mailer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
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
	text   string
	shared *stretch // text that is not copied into each message; nil where it is short
	field  int
	last   bool
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
		if err := encodePiece(&c.pieces[i], i == len(c.pieces)-1); err != nil {
			return compiled{}, err
		}
	}
	return c, nil
}

// encodePiece encodes fixed text, with a soft break towards what follows.
func encodePiece(p *piece, last bool) (err error) {
	p.last = last
	if p.field >= 0 {
		return nil
	}
	enc, col := appendQP(make([]byte, 0, len(p.text)+len(p.text)/8), p.text)
	if col > 0 && !last {
		enc = append(enc, softBreak...)
	}
	if p.text = string(enc); len(enc) >= worthSharing {
		p.shared, err = newStretch(p.text)
	}
	return err
}

// Message appends one finished message to dst. values holds, for each part in the order
// of Compile, one value for each field, already escaped for where it stands (HTML and
// text need different ones). The error names the header or part at fault.
func (t *Template) Message(dst []byte, h Headers, values [][]string) ([]byte, error) {
	m, err := t.Splice(Message{}, h, values)
	if err != nil {
		return nil, err
	}
	return m.appendTo(slices.Grow(dst, m.size())), nil
}

// Splice makes the message that [Template.Message] makes, without copying long fixed
// text. The memory of room is used again; its envelope is kept.
func (t *Template) Splice(room Message, h Headers, values [][]string) (Message, error) {
	if len(values) != len(t.parts) {
		return room, fmt.Errorf("message has %d parts, values are for %d", len(t.parts), len(values))
	}
	for i, c := range t.parts {
		if len(values[i]) < c.fields {
			return room, fmt.Errorf("part %s needs %d values, there are %d", c.mime, c.fields, len(values[i]))
		}
	}
	text, err := h.append(slices.Grow(room.Text[:0], 4096))
	if err != nil {
		return room, err
	}
	m := Message{room.Envelope, text, room.Fixed[:0]}
	if len(t.parts) == 1 {
		t.parts[0].append(&m, values[0])
		return m, nil
	}
	t.alternatives(&m, boundary(h.MessageID), values)
	return m, nil
}

func (t *Template) alternatives(m *Message, mark string, values [][]string) {
	m.Text = append(append(append(m.Text, "Content-Type: multipart/alternative; boundary=\""...), mark...), "\"\r\n\r\n"...)
	for i := range t.parts {
		m.Text = append(append(append(m.Text, "--"...), mark...), "\r\n"...)
		t.parts[i].append(m, values[i])
	}
	m.Text = append(append(append(m.Text, "--"...), mark...), "--\r\n"...)
}

// append writes the part with its own header fields and a CRLF at the end, which in a
// multipart belongs to the boundary (RFC 2046 §5.1.1).
func (c *compiled) append(m *Message, values []string) {
	m.Text = append(append(append(m.Text, "Content-Type: "...), c.mime...), "; charset=utf-8\r\n"...)
	m.Text = append(m.Text, "Content-Transfer-Encoding: quoted-printable\r\n\r\n"...)
	for _, p := range c.pieces {
		switch {
		case p.shared != nil:
			m.Fixed = append(m.Fixed, Fixed{len(m.Text), p.shared})
		case p.field < 0:
			m.Text = append(m.Text, p.text...)
		default:
			var col int
			if m.Text, col = appendQP(m.Text, values[p.field]); col > 0 && !p.last {
				m.Text = append(m.Text, softBreak...)
			}
		}
	}
	m.Text = append(m.Text, "\r\n"...)
}

// boundary is the same for the same message whenever it is made. It begins with =_,
// which quoted-printable text never contains (RFC 2045 §6.7).
func boundary(messageID string) string {
	sum := sha256.Sum256([]byte(messageID))
	return "=_" + hex.EncodeToString(sum[:12])
}
