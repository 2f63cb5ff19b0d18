package mailer

import (
	"bytes"
	"errors"
	"net"
)

// Fixed is a stretch of a template's fixed text in a message that is not in the
// message's own Text: all messages of a campaign share it, and nothing copies it. Only
// [Template.Splice] makes one, of text that [Compile] has checked and nobody can
// change, so that sending a message needs to look at what is its own alone.
type Fixed struct {
	at   int // stands before Text[at:]
	text *stretch
}

// stretch is whole lines of text, or parts of lines: CR and LF stand only together in it.
type stretch struct {
	text []byte // never written to
	dots bool   // a line within it begins with a dot
}

// worthSharing is the least text that is worth a stretch of its own in a write.
const worthSharing = 512

// newStretch checks the fixed text of a template, once for all messages.
func newStretch(text string) (*stretch, error) {
	s := &stretch{text: []byte(text)}
	var err error
	s.dots, err = wholeLines(s.text)
	return s, err
}

// size is how many bytes the message has.
func (m *Message) size() int {
	n := len(m.Text)
	for _, f := range m.Fixed {
		n += len(f.text.text)
	}
	return n
}

// appendTo appends the whole message.
func (m *Message) appendTo(dst []byte) []byte {
	at := 0
	for _, f := range m.Fixed {
		dst = append(append(dst, m.Text[at:f.at]...), f.text.text...)
		at = f.at
	}
	return append(dst, m.Text[at:]...)
}

// pieces appends the message as it lies in memory.
func (m *Message) pieces(dst net.Buffers) net.Buffers {
	at := 0
	for _, f := range m.Fixed {
		if at < f.at {
			dst = append(dst, m.Text[at:f.at])
		}
		dst, at = append(dst, f.text.text), f.at
	}
	return append(dst, m.Text[at:])
}

// checkLines makes sure that CR and LF stand only together (RFC 5322 §2.3), which is
// what keeps a message from smuggling in another, and that the last line is complete.
// dots tells whether a line begins with a dot.
func (m *Message) checkLines() (dots bool, err error) {
	at, begins := 0, true // a line
	for _, f := range m.Fixed {
		if f.at < at || f.at > len(m.Text) {
			return false, errors.New("the message has fixed text of another one")
		}
		if dots, begins, err = checkPiece(dots, begins, m.Text[at:f.at]); err != nil {
			return false, err
		}
		dots = dots || f.text.dots || begins && bytes.HasPrefix(f.text.text, []byte{'.'})
		begins = endsLine(begins, f.text.text)
		at = f.at
	}
	dots, begins, err = checkPiece(dots, begins, m.Text[at:])
	if err == nil && (!begins || m.size() == 0) {
		err = errors.New("the message is empty or its last line has no CRLF")
	}
	return dots && err == nil, err
}

// checkPiece goes on with a piece of a message, which begins a line or not.
func checkPiece(dots, begins bool, piece []byte) (bool, bool, error) {
	within, err := wholeLines(piece)
	dots = dots || within || begins && bytes.HasPrefix(piece, []byte{'.'})
	return dots, endsLine(begins, piece), err
}

func endsLine(begins bool, piece []byte) bool {
	return len(piece) == 0 && begins || bytes.HasSuffix(piece, []byte{'\n'})
}

// wholeLines makes sure that CR and LF stand only together in a piece of a message, and
// not one of them in the next piece. dots tells whether a line that begins within it
// begins with a dot.
func wholeLines(piece []byte) (dots bool, err error) {
	ends := 0
	for at := 0; ; ends++ {
		n := bytes.IndexByte(piece[at:], '\n')
		if n < 0 {
			break
		}
		if n == 0 || piece[at+n-1] != '\r' {
			return false, errors.New("the message has a line that does not end in CRLF")
		}
		at += n + 1
		dots = dots || at < len(piece) && piece[at] == '.'
	}
	if bytes.Count(piece, []byte{'\r'}) != ends {
		return false, errors.New("the message has a CR without LF")
	}
	return dots, nil
}
