// Package consent holds the rules: who may be sent what, and why.
//
// Everything here is pure: no I/O, no clock, no database. The other packages
// ask it one question in many places, and because they all ask the same
// function, the audience estimate, the send, the explanation and the results
// agree.
//
// A tour: address.go turns an e-mail address into its key; ledger.go holds
// what people decided, and folds it into a State; decide.go is the decision;
// link.go makes the sealed links that stop mail for ever; request.go names
// what a mail may ask for; case.go is the clock of a privacy request.
package consent

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// KeySize is the length of an address key in bytes. 88 bits keep accidental
// collisions below 1e-12 for a hundred million addresses, and leave room for
// a 128-bit MAC in a sealed link of 50 characters.
const KeySize = 11

// Key stands for an address wherever the address itself is not needed: it is
// a keyed hash, so that a list of keys tells nobody who is on it.
type Key [KeySize]byte

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// String writes the key as 18 characters of lower-case base32.
func (k Key) String() string { return encoding.EncodeToString(k[:]) }

// ParseKey reads what Key.String wrote, in any letter case. Every bit counts:
// other spellings of the same octets are refused, so that a key has one text.
func ParseKey(s string) (Key, error) {
	var k Key
	lower := strings.ToLower(s)
	raw, err := encoding.DecodeString(lower)
	if err != nil || len(raw) != KeySize || encoding.EncodeToString(raw) != lower {
		return k, fmt.Errorf("%q is no address key", s)
	}
	copy(k[:], raw)
	return k, nil
}

// ErrAddress is wrapped by every error of Normalize.
var ErrAddress = errors.New("not an e-mail address that can be written to")

// Normalize gives the one form under which an address is known: NFC, lower
// case, the domain as A-labels (RFC 5891). Dots and plus parts stay: two
// addresses that a provider treats alike are still two decisions.
//
// Only addresses without quoting, comments or white space are taken: what is
// left out can be sent by nobody's form.
func Normalize(address string) (string, error) {
	s := norm.NFC.String(strings.TrimSpace(address))
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || at == len(s)-1 {
		return "", fmt.Errorf("%w: it has no name or no domain around the @", ErrAddress)
	}
	local, err := normalizeLocal(s[:at])
	if err != nil {
		return "", err
	}
	domain, err := normalizeDomain(s[at+1:])
	if err != nil {
		return "", err
	}
	return local + "@" + domain, nil
}

func normalizeLocal(local string) (string, error) {
	if len(local) > 64 { // RFC 5321 §4.5.3.1.1
		return "", fmt.Errorf("%w: the part before the @ is longer than 64 octets", ErrAddress)
	}
	if !utf8.ValidString(local) {
		return "", fmt.Errorf("%w: it is not valid UTF-8", ErrAddress)
	}
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return "", fmt.Errorf("%w: a dot stands where none may stand", ErrAddress)
	}
	for _, r := range local {
		if unicode.IsSpace(r) || unicode.IsControl(r) || !unicode.IsGraphic(r) || strings.ContainsRune(`"(),:;<>@[\]`, r) {
			return "", fmt.Errorf("%w: %q may not stand before the @", ErrAddress, r)
		}
	}
	return norm.NFC.String(strings.ToLower(local)), nil
}

func normalizeDomain(domain string) (string, error) {
	ascii, err := idna.Lookup.ToASCII(strings.ToLower(strings.TrimSuffix(domain, ".")))
	if err != nil {
		return "", fmt.Errorf("%w: the domain %q is not valid", ErrAddress, domain)
	}
	if len(ascii) > 253 || !strings.Contains(ascii, ".") && ascii != "localhost" {
		return "", fmt.Errorf("%w: the domain %q is not complete", ErrAddress, domain)
	}
	for _, label := range strings.Split(ascii, ".") {
		if label == "" || len(label) > 63 {
			return "", fmt.Errorf("%w: the domain %q has an empty or too long label", ErrAddress, domain)
		}
	}
	return ascii, nil
}

// KeyOf hashes a normalised address with the pepper, which lies outside the
// database and its backups.
func KeyOf(pepper []byte, normalized string) Key {
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte("address\x00"))
	mac.Write([]byte(normalized))
	var k Key
	copy(k[:], mac.Sum(nil))
	return k
}
