package consent

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
	"time"
)

// Purpose is the one thing that a sealed link can do.
type Purpose byte

// The purposes. Links that stop mail live for ever; a confirmation lives as
// long as the case that it names waits for it, and a copy or a change of address
// for thirty days.
const (
	PurposeOptOut  Purpose = 1 // stop the topic in Scope, or all marketing
	PurposeChoices Purpose = 2 // the page with all choices
	PurposeConfirm Purpose = 3 // confirm the case whose number ends in Scope
	PurposeBounce  Purpose = 4 // our return path; Scope is the end of the campaign's number
	PurposeUndo    Purpose = 5 // take back the opt-out by mail whose ledger row ends in Scope
	PurposeReport  Purpose = 6 // a copy of what is held; Scope is the end of the number of its link
	PurposeMove    Purpose = 7 // one half of a change of address, whose number ends in Scope
	PurposeStatus  Purpose = 8 // where the request stands whose number ends in Scope; it may be withdrawn
	PurposeWeb     Purpose = 9 // the web version of the campaign whose number ends in Scope; it names nobody

	PurposeUnused Purpose = 20 // say that a service is not used any more; Scope is its number
	PurposeSignUp Purpose = 24 // confirm the sign-up whose number ends in Scope
	PurposeAgree  Purpose = 25 // agree to the version of the policy whose number is in Scope

	PurposeLetter Purpose = 16 // marks a letter of ours, so that we know it when it comes back; it does nothing
)

// Link is what a sealed token says.
type Link struct {
	Purpose Purpose
	Address Key
	Scope   uint16
}

// Keyring holds the link keys by their number. Links are sealed with the
// newest and opened with any: a key is never taken out of the ring while a
// message that it sealed may still be read.
type Keyring map[byte][]byte

const (
	macSize   = 16
	linkSize  = 2 + KeySize + 2 + macSize // 31 bytes, 50 characters of base32
	tokenSize = 50

	freshSize  = linkSize + 4 // with the minute until which it is good: 35 bytes
	freshToken = 56
)

// ErrLink means that a token was not made by this ring: forged, cut off or
// changed on its way.
var ErrLink = errors.New("this link is not one of ours, or not whole")

// ErrLate means that a link was good for a while only, and that it is over.
var ErrLate = errors.New("this link was good for a short time only, which is over")

// Seal writes the link as 50 characters of lower-case base32, so that it fits
// the 64 octets of a local part (RFC 5321 §4.5.3.1.1) and survives hops that
// change its case.
func (r Keyring) Seal(l Link) string {
	return r.seal(l, nil)
}

// SealUntil writes a link that is good for some minutes or days only, as 56
// characters: what is handed out to whoever has just shown who they are may do
// more than stop mail, and must not lie around.
func (r Keyring) SealUntil(l Link, until time.Time) string {
	return r.seal(l, binary.BigEndian.AppendUint32(nil, uint32(until.Unix()/60)))
}

func (r Keyring) seal(l Link, until []byte) string {
	newest := -1
	for id := range r {
		newest = max(newest, int(id))
	}
	if newest < 0 {
		panic("consent: sealing a link without a key")
	}
	raw := make([]byte, 0, freshSize)
	raw = append(raw, byte(l.Purpose), byte(newest))
	raw = append(raw, l.Address[:]...)
	raw = binary.BigEndian.AppendUint16(raw, l.Scope)
	raw = append(raw, until...)
	raw = append(raw, mac(r[byte(newest)], raw)...)
	return encoding.EncodeToString(raw)
}

// Open reads a token, in any letter case. Every bit counts: encodings of the
// same bytes in other characters are refused too.
func (r Keyring) Open(token string) (Link, error) {
	l, _, err := r.open(token, tokenSize)
	return l, err
}

// OpenUntil reads what SealUntil wrote. ErrLate means that it is ours, whole and
// good no more.
func (r Keyring) OpenUntil(token string, now time.Time) (Link, error) {
	l, rest, err := r.open(token, freshToken)
	if err != nil {
		return Link{}, err
	}
	if now.Unix()/60 > int64(binary.BigEndian.Uint32(rest)) {
		return l, ErrLate
	}
	return l, nil
}

// open gives the link of a token that has so many characters, and what it says
// besides.
func (r Keyring) open(token string, size int) (Link, []byte, error) {
	token = strings.ToLower(token)
	if len(token) != size {
		return Link{}, nil, fmt.Errorf("%w: it has %d characters, not %d", ErrLink, len(token), size)
	}
	raw, err := encoding.DecodeString(token)
	if err != nil || encoding.EncodeToString(raw) != token {
		return Link{}, nil, ErrLink
	}
	key, known := r[raw[1]]
	body, seal := raw[:len(raw)-macSize], raw[len(raw)-macSize:]
	if !known || subtle.ConstantTimeCompare(mac(key, body), seal) != 1 {
		return Link{}, nil, ErrLink
	}
	l := Link{Purpose: Purpose(raw[0]), Scope: binary.BigEndian.Uint16(raw[2+KeySize:])}
	copy(l.Address[:], raw[2:])
	return l, body[linkSize-macSize:], nil
}

// FindToken looks for a token of ours in a text, such as the address of a
// mail or the lines that it quotes.
func (r Keyring) FindToken(text string) (Link, string, bool) {
	text = strings.ToLower(text)
	for start := 0; start < len(text); {
		if !inAlphabet(text[start]) {
			start++
			continue
		}
		end := start
		for end < len(text) && inAlphabet(text[end]) {
			end++
		}
		if end-start == tokenSize {
			if l, err := r.Open(text[start:end]); err == nil {
				return l, text[start:end], true
			}
		}
		start = end
	}
	return Link{}, "", false
}

func inAlphabet(c byte) bool { return c >= 'a' && c <= 'z' || c >= '2' && c <= '7' }

func mac(key, body []byte) []byte {
	ready := macsOf(key)
	h := ready.Get().(hash.Hash)
	defer ready.Put(h)
	h.Reset()
	h.Write([]byte("link\x00"))
	h.Write(body)
	return h.Sum(make([]byte, 0, sha256.Size))[:macSize]
}

// macs keeps what HMAC makes of a key before it reads anything: a letter has three links.
var macs sync.Map

func macsOf(key []byte) *sync.Pool {
	if ready, ok := macs.Load(string(key)); ok {
		return ready.(*sync.Pool)
	}
	own := bytes.Clone(key)
	ready, _ := macs.LoadOrStore(string(own), &sync.Pool{New: func() any { return hmac.New(sha256.New, own) }})
	return ready.(*sync.Pool)
}
