package mailer

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

const (
	maxEncodedWord = 75  // RFC 2047 §2
	maxEncodedLine = 76  // RFC 2047 §2
	foldAt         = 76  // RFC 5322 §2.1.1 would have 78, but a line may hold encoded-words
	maxLine        = 998 // RFC 5322 §2.1.1, must
)

// Phrase writes a name as it may stand before an address or a list id: as it is,
// quoted, or as encoded-words (RFC 5322 §3.2.5, RFC 2047 §5 (3)). It is one line; the
// field that it is put into is folded when it is written.
func Phrase(name string) string {
	const fieldName = 30 // room for the name of the field before the first word
	p := appendPhrase(nil, strings.TrimSpace(name), fieldName)
	return strings.ReplaceAll(string(p), "\r\n ", " ")
}

func appendPhrase(dst []byte, name string, col int) []byte {
	switch {
	case needsWords(name) || len(name) > 200:
		return appendWords(dst, name, col)
	case onlyBytes(name, func(b byte) bool { return atext(b) || b == ' ' }):
		return append(dst, name...)
	}
	dst = append(dst, '"')
	for i := range len(name) {
		if name[i] == '"' || name[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, name[i])
	}
	return append(dst, '"')
}

// needsWords tells whether text must be encoded: what is not ASCII, what a reader would
// take for an encoded-word, what can't be folded, and double spaces, which readers make
// one when they unfold.
func needsWords(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return true
		}
	}
	return strings.Contains(s, "=?") || strings.Contains(s, "  ") || longestWord(s) > maxLine-100
}

func longestWord(s string) int {
	longest := 0
	for len(s) > longest {
		word, rest, _ := strings.Cut(s, " ")
		longest, s = max(longest, len(word)), rest
	}
	return longest
}

// appendWords writes s as encoded-words, each on a line of its own from the second on.
// col is the column at which the first begins. No character is split (RFC 2047 §5).
func appendWords(dst []byte, s string, col int) []byte {
	encode, size := chooseEncoding(s)
	for first := true; s != "" || first; first = false {
		if !first {
			dst, col = append(dst, "\r\n "...), 1
		}
		room := min(maxEncodedWord, maxEncodedLine-col)
		n := fit(s, room-len("=?utf-8?q??="), size)
		dst = encode(dst, s[:n])
		s = s[n:]
	}
	return dst
}

// fit is how many bytes of s, whole characters and at least one, fit into room.
func fit(s string, room int, size func(string) int) int {
	n := 0
	for n < len(s) {
		_, w := utf8.DecodeRuneInString(s[n:])
		if n > 0 && size(s[:n+w]) > room {
			break
		}
		n += w
	}
	return n
}

// chooseEncoding takes Q where most is ASCII, B elsewhere, for the shorter line.
func chooseEncoding(s string) (encode func([]byte, string) []byte, size func(string) int) {
	if sizeQ(s) <= sizeB(s) {
		return appendQWord, sizeQ
	}
	return appendBWord, sizeB
}

func sizeB(s string) int { return base64.StdEncoding.EncodedLen(len(s)) }

func sizeQ(s string) int {
	n := 0
	for i := range len(s) {
		if n++; !qWordByte(s[i]) && s[i] != ' ' {
			n += 2
		}
	}
	return n
}

// qWordByte is what stands for itself even in a phrase (RFC 2047 §5 (3)).
func qWordByte(b byte) bool {
	return alnum(b) || b == '!' || b == '*' || b == '+' || b == '-' || b == '/'
}

func appendQWord(dst []byte, s string) []byte {
	dst = append(dst, "=?utf-8?q?"...)
	for i := range len(s) {
		switch b := s[i]; {
		case b == ' ':
			dst = append(dst, '_')
		case qWordByte(b):
			dst = append(dst, b)
		default:
			dst = appendHex(dst, b)
		}
	}
	return append(dst, "?="...)
}

func appendBWord(dst []byte, s string) []byte {
	dst = append(dst, "=?utf-8?b?"...)
	dst = base64.StdEncoding.AppendEncode(dst, []byte(s))
	return append(dst, "?="...)
}
