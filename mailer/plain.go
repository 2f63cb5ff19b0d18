package mailer

import (
	"encoding/base64"
	"strings"
)

// Plain makes a message of text alone, for correspondence: as quoted-printable, or as
// base64 where that is shorter. Of a Cyrillic or Arabic letter quoted-printable would
// make three times as much (RFC 2045 §6).
func Plain(h Headers, text string) ([]byte, error) {
	t, err := Compile([]Part{{Type: "text/plain", Segments: []Segment{{Text: text, Field: -1}}}})
	if err != nil {
		return nil, err
	}
	if packed := base64Lines(text); len(packed) < t.size {
		return plainBase64(h, packed)
	}
	return t.Message(nil, h, [][]string{nil})
}

func plainBase64(h Headers, packed []byte) ([]byte, error) {
	msg, err := h.append(nil)
	if err != nil {
		return nil, err
	}
	msg = append(msg, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"...)
	return append(msg, packed...), nil
}

// base64Lines encodes text with the line ends of a mail (RFC 2045 §6.8), at most 76
// characters a line. It decodes to the same as what appendQP writes.
func base64Lines(text string) []byte {
	const octets = 57 // which 76 characters hold
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r", ""), "\n", "\r\n") + "\r\n"
	packed := make([]byte, 0, len(text)*3/2)
	for len(text) > 0 {
		line := text[:min(octets, len(text))]
		packed = append(base64.StdEncoding.AppendEncode(packed, []byte(line)), "\r\n"...)
		text = text[len(line):]
	}
	return packed
}
