package mailer

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// DKIMKey is a private key (PKCS #8 or PKCS #1, PEM) and the selector under which its
// public half is published.
type DKIMKey struct {
	Selector string
	PEM      []byte
}

// Signer signs messages for one domain. Many goroutines may use it at once.
type Signer struct {
	domain string
	keys   []signingKey
}

type signingKey struct {
	selector  string
	algorithm string
	key       crypto.Signer
}

// signedFields are the fields that a signature covers, as often as they occur
// (RFC 6376 §5.4.1, RFC 8058 §4). Those marked are named once more than they occur, so
// that a second one added on the way breaks the signature (RFC 6376 §5.4.2, §8.15).
var signedFields = []struct {
	name string
	over bool
}{
	{"From", true}, {"To", true}, {"Subject", true}, {"Date", true}, {"Reply-To", true}, {"Cc", true},
	{"Message-ID", true}, {"In-Reply-To", false}, {"References", false},
	{"MIME-Version", true}, {"Content-Type", true}, {"Content-Transfer-Encoding", true},
	{"List-Unsubscribe", true}, {"List-Unsubscribe-Post", true}, {"List-Id", true},
	{"List-Help", false}, {"List-Post", false}, {"List-Owner", false}, {"List-Subscribe", false}, {"List-Archive", false},
	{"CFBL-Address", true}, // RFC 9477 §3.1
	{"Feedback-ID", false}, {"Auto-Submitted", false}, {"Precedence", false},
}

// NewSigner reads the keys. With more than one, each message gets a signature of each:
// RSA for all receivers, Ed25519 beside it for those that know it (RFC 8463 §5).
func NewSigner(domain string, keys []DKIMKey) (*Signer, error) {
	if len(keys) == 0 {
		return nil, errors.New("DKIM needs at least one key; heed init makes one")
	}
	s := &Signer{}
	for _, k := range keys {
		selector, d, err := checkNames(k.Selector, domain)
		if err != nil {
			return nil, err
		}
		key, err := parseKey(k.PEM)
		if err != nil {
			return nil, fmt.Errorf("DKIM key %s: %w", selector, err)
		}
		algorithm := "rsa-sha256"
		if _, ok := key.(ed25519.PrivateKey); ok {
			algorithm = "ed25519-sha256"
		}
		s.domain = d
		s.keys = append(s.keys, signingKey{selector, algorithm, key})
	}
	return s, nil
}

// Sign appends to dst one DKIM-Signature field for each key and then msg. Header fields
// are signed in relaxed form and the body in simple form: our own bodies have neither
// white space at line ends nor 8-bit bytes that a relay would touch, and the whole body
// is always covered (no l=, RFC 6376 §8.2).
func (s *Signer) Sign(dst, msg []byte) ([]byte, error) {
	m, err := s.SignMessage(dst, Message{Text: msg})
	if err != nil {
		return nil, err
	}
	return m.Text, nil
}

// SignMessage is Sign for a message in pieces. Its own text is copied behind dst, its
// fixed text stays where it is.
func (s *Signer) SignMessage(dst []byte, m Message) (Message, error) {
	own := m.Text
	if len(m.Fixed) > 0 {
		own = own[:m.Fixed[0].at]
	}
	head, _, found := bytes.Cut(own, []byte("\r\n\r\n"))
	if !found {
		return m, errors.New("sign a message: it has no empty line after its header")
	}
	fields, err := splitFields(head)
	if err != nil {
		return m, fmt.Errorf("sign a message: %w", err)
	}
	names, canon := canonicalHeader(fields, len(head))
	bodyHash := base64.StdEncoding.EncodeToString(m.bodyHash(len(head) + 4))
	for _, k := range s.keys {
		if dst, err = k.sign(dst, s.domain, names, bodyHash, canon); err != nil {
			return m, fmt.Errorf("sign a message with key %s: %w", k.selector, err)
		}
	}
	m.Fixed = slices.Clone(m.Fixed)
	for i := range m.Fixed {
		m.Fixed[i].at += len(dst)
	}
	m.Text = append(dst, m.Text...)
	return m, nil
}

// bodyHash is that of the body in simple form; it begins at Text[at].
func (m *Message) bodyHash(at int) []byte {
	last := m.Text[at:]
	if n := len(m.Fixed); n > 0 {
		last = m.Text[m.Fixed[n-1].at:]
	}
	if len(m.Fixed) > 0 && len(bytes.Trim(last, "\r\n")) == 0 { // empty lines at the end may begin in fixed text
		return (&Message{Text: m.appendTo(nil)}).bodyHash(at)
	}
	digest := sha256.New()
	for _, f := range m.Fixed {
		digest.Write(m.Text[at:f.at])
		digest.Write(f.text.text)
		at = f.at
	}
	digest.Write(simpleBody(last))
	return digest.Sum(nil)
}

// sign appends one DKIM-Signature field. It is folded only between tags and after a
// colon of h= or inside b=, where RFC 6376 §3.5 allows it, and what is signed is the
// canonical form of the very bytes written (§3.7).
func (k signingKey) sign(dst []byte, domain string, names []string, bodyHash string, canon []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, "DKIM-Signature: v=1; a="+k.algorithm+"; c=relaxed/simple;\r\n\td="+domain+"; s="+k.selector+";\r\n\th="...)
	dst = appendNames(dst, names)
	dst = append(dst, ";\r\n\tbh="+bodyHash+";\r\n\tb="...)
	digest := sha256.New()
	digest.Write(canon)
	own := appendRelaxed(nil, field{"DKIM-Signature", dst[start+len("DKIM-Signature:"):]})
	digest.Write(own[:len(own)-2]) // RFC 6376 §3.7: without the last CRLF
	hashed := digest.Sum(nil)
	var opts crypto.SignerOpts = crypto.SHA256
	if _, ok := k.key.(*rsa.PrivateKey); !ok {
		opts = crypto.Hash(0) // RFC 8463 §3: Ed25519 signs the digest as it is
	}
	sig, err := k.key.Sign(nil, hashed, opts)
	if err != nil {
		return nil, err
	}
	return appendFoldedBase64(dst, sig), nil
}

func appendNames(dst []byte, names []string) []byte {
	col := len("\th=")
	for i, name := range names {
		if i > 0 {
			dst, col = append(dst, ':'), col+1
		}
		if col+len(name)+1 > foldAt {
			dst, col = append(dst, "\r\n\t "...), 2
		}
		dst, col = append(dst, name...), col+len(name)
	}
	return dst
}

func appendFoldedBase64(dst, sig []byte) []byte {
	text := base64.StdEncoding.EncodeToString(sig)
	for len(text) > 72 {
		dst = append(append(dst, text[:72]...), "\r\n\t "...)
		text = text[72:]
	}
	return append(append(dst, text...), "\r\n"...)
}

// field is a header field: its name and all after the colon, folds included.
type field struct {
	name  string
	value []byte
}

func splitFields(head []byte) ([]field, error) {
	var fields []field
	for len(head) > 0 {
		end := fieldEnd(head)
		name, value, ok := bytes.Cut(head[:end], []byte{':'})
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t\r\n") {
			return nil, errors.New("its header has a line that is no field")
		}
		fields = append(fields, field{string(name), value})
		head = bytes.TrimPrefix(head[end:], []byte("\r\n"))
	}
	return fields, nil
}

// fieldEnd is where the first field ends: the first CRLF that no white space follows.
func fieldEnd(head []byte) int {
	for at := 0; ; {
		n := bytes.Index(head[at:], []byte("\r\n"))
		if n < 0 {
			return len(head)
		}
		at += n + 2
		if at == len(head) || (head[at] != ' ' && head[at] != '\t') {
			return at - 2
		}
	}
}

// canonicalHeader returns the names for h= and the canonical form of the fields that
// they stand for, of one name the last first (RFC 6376 §5.4.2).
func canonicalHeader(fields []field, size int) (names []string, canon []byte) {
	canon = make([]byte, 0, size)
	for _, want := range signedFields {
		for i := len(fields) - 1; i >= 0; i-- {
			if sameName(fields[i].name, want.name) {
				names = append(names, want.name)
				canon = appendRelaxed(canon, fields[i])
			}
		}
		if want.over {
			names = append(names, want.name)
		}
	}
	return names, canon
}

// appendRelaxed writes a field in relaxed form (RFC 6376 §3.4.2): the name in lower
// case, unfolded, each run of white space as one space, none at the ends.
func appendRelaxed(dst []byte, f field) []byte {
	dst = append(append(dst, strings.ToLower(f.name)...), ':')
	start, gap := len(dst), false
	for _, b := range f.value {
		switch b {
		case ' ', '\t', '\r', '\n':
			gap = true
			continue
		}
		if gap && len(dst) > start {
			dst = append(dst, ' ')
		}
		dst, gap = append(dst, b), false
	}
	return append(dst, "\r\n"...)
}

// simpleBody is the body with the empty lines at its end reduced to one CRLF
// (RFC 6376 §3.4.3).
func simpleBody(body []byte) []byte {
	for bytes.HasSuffix(body, []byte("\r\n\r\n")) {
		body = body[:len(body)-2]
	}
	if !bytes.HasSuffix(body, []byte("\r\n")) { // an empty body too is one CRLF
		return append(bytes.Clone(body), "\r\n"...)
	}
	return body
}
