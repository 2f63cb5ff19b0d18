package mailer

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// path is an address as it is written on the wire.
type path struct {
	text string // local@domain, the domain in A-labels; empty for the null path
	utf8 bool   // the local part needs SMTPUTF8 (RFC 6531)
}

var errAddress = errors.New("not an address that SMTP can carry")

// parsePath checks an address and writes its domain as A-labels. Only what can stand
// between angle brackets passes: no control character, no space, no bracket, so that
// no address can end its command and begin another. Errors do not repeat the address.
func parsePath(addr string) (path, error) {
	at := strings.LastIndexByte(addr, '@')
	if at <= 0 || at == len(addr)-1 {
		return path{}, fmt.Errorf("%w: it needs one part before and one after the @", errAddress)
	}
	local, isUTF8, err := localPart(addr[:at])
	if err != nil {
		return path{}, err
	}
	domain, err := domainPart(addr[at+1:])
	if err != nil {
		return path{}, err
	}
	if len(local) > 64 || len(local)+1+len(domain) > 254 { // RFC 5321 §4.5.3.1
		return path{}, fmt.Errorf("%w: it is too long", errAddress)
	}
	if len(local)+1+len(domain) == len(addr) && strings.HasPrefix(addr, local) && strings.HasSuffix(addr, domain) {
		return path{addr, isUTF8}, nil // as nearly all are
	}
	return path{local + "@" + domain, isUTF8}, nil
}

// localPart returns the local part as a dot-atom, or quoted where its dots stand badly,
// as some providers gave out years ago.
func localPart(s string) (wire string, isUTF8 bool, err error) {
	quoted := len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"'
	inner := s
	if quoted {
		inner = s[1 : len(s)-1]
	}
	for _, r := range inner {
		if r < 0x80 && atexts[r] {
			continue
		}
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("<>\"\\\u2028\u2029\uFFFD", r):
			return "", false, fmt.Errorf("%w: a space, control character, bracket or quote before the @", errAddress)
		case r >= 0x80:
			isUTF8 = true
		case !quoted && r != '.':
			return "", false, fmt.Errorf("%w: a character before the @ that needs quotes", errAddress)
		}
	}
	if !quoted && (s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..")) {
		return `"` + s + `"`, isUTF8, nil
	}
	return s, isUTF8, nil
}

// domainPart returns a domain in A-labels (RFC 5891), or an address literal.
func domainPart(s string) (string, error) {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") && onlyBytes(s[1:len(s)-1], literalByte) {
		return s, nil
	}
	if !onlyBytes(s, hostByte) {
		ascii, err := idna.Lookup.ToASCII(s)
		if err != nil || !onlyBytes(ascii, hostByte) {
			return "", fmt.Errorf("%w: the domain is not valid", errAddress)
		}
		s = ascii
	}
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return "", fmt.Errorf("%w: the domain is not valid", errAddress)
	}
	return s, nil
}

func onlyBytes(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return s != ""
}

func alnum(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || digit(b)
}

func hostByte(b byte) bool    { return alnum(b) || b == '-' || b == '.' || b == '_' }
func literalByte(b byte) bool { return alnum(b) || b == '.' || b == ':' }

// atext is RFC 5322 §3.2.3.
func atext(b byte) bool { return atexts[b] }

var atexts = func() (is [256]bool) {
	for b := range is {
		is[b] = alnum(byte(b)) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", byte(b)) >= 0
	}
	return is
}()
