package mailer

import "strings"

const (
	softBreak = "=\r\n"
	lineLimit = 75 // RFC 2045 §6.7 (5): 76, with the = of a soft break as the last
	upperHex  = "0123456789ABCDEF"
)

// qpPlain marks the bytes that stand for themselves (RFC 2045 §6.7 (2), (3)), space and
// tab among them; where they end a line is seen to separately.
var qpPlain = func() (t [256]bool) {
	for b := ' '; b <= '~'; b++ {
		t[b] = b != '='
	}
	t['\t'] = true
	return t
}()

// appendQP writes s as quoted-printable text that begins a line, and returns the column
// at which it ends. LF is a line break and CR is dropped, so that CRLF and LF mean the
// same; pieces encoded apart then decode to the same as the whole encoded at once. No
// line begins with a dot or with "From ", and none ends in white space, so that
// neither SMTP nor a mail folder nor a careless relay has anything to change.
func appendQP(dst []byte, s string) ([]byte, int) {
	s = strings.ReplaceAll(s, "\r", "") // does not copy where there is none
	col := 0
	for i := 0; i < len(s); {
		start, room := i, i+lineLimit-col
		if col == 0 && atRisk(s[i:]) {
			dst, col = appendHex(dst, s[i]), 3
			i++
			continue
		}
		for i < len(s) && i < room && qpPlain[s[i]] {
			i++
		}
		dst, col = append(dst, s[start:i]...), col+i-start
		switch {
		case i == len(s):
		case s[i] == '\n':
			dst, _ = closeSpace(dst, col)
			dst, col = append(dst, '\r', '\n'), 0
			i++
		case qpPlain[s[i]] || col+3 > lineLimit: // the line is full
			dst, col = append(dst, softBreak...), 0
		default:
			dst, col = appendHex(dst, s[i]), col+3
			i++
		}
	}
	return closeSpace(dst, col)
}

// atRisk tells whether s may not begin a line as it is: SMTP doubles the dot
// (RFC 5321 §4.5.2), mail folders put > before From (RFC 2049 §3).
func atRisk(s string) bool {
	return s[0] == '.' || (s[0] == 'F' && len(s) >= 5 && s[:5] == "From ")
}

func appendHex(dst []byte, b byte) []byte {
	return append(dst, '=', upperHex[b>>4], upperHex[b&15])
}

// closeSpace encodes white space at the end of a line (RFC 2045 §6.7 (3)).
func closeSpace(dst []byte, col int) ([]byte, int) {
	if col == 0 || (dst[len(dst)-1] != ' ' && dst[len(dst)-1] != '\t') {
		return dst, col
	}
	b := dst[len(dst)-1]
	dst = dst[:len(dst)-1]
	if col+2 > lineLimit {
		dst, col = append(dst, softBreak...), 1
	}
	return appendHex(dst, b), col + 2
}
