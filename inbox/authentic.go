package inbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"golang.org/x/net/publicsuffix"

	"heed/consent"
)

// What a mail must be to prove who wrote it.
const (
	maxSignatures = 8
	maxAge        = 7 * 24 * time.Hour // between its date and its arrival
)

// Proof is what a mail proves about its writer.
type Proof struct {
	Authenticated bool
	Evidence      []consent.Evidence
	Once          string // names what was signed: the same proof a second time is none
}

// Prove tells whether a mail proves that the holder of its From address wrote
// it: by a signature of the address's domain, or by what a mail server that we
// trust noted of it. It vouches for the domain, whose business the part before
// the @ is (RFC 9989 §4.1), and anybody who has the mail can send it again: it
// spares people a notice, and is never enough to delete or to show data.
//
// Whose mail it is, a signature does not tell by itself. The mail must have
// one From, To, Date and Message-ID each, be written to us, and be of these
// days; the signature must cover what says so.
func Prove(raw []byte, arrived time.Time, ours Ours, keys *Keys) (p Proof) {
	err := guarded(func() error {
		p = prove(raw, arrived, ours, keys)
		return nil
	})
	if err != nil {
		return unproven(err.Error())
	}
	return p
}

func prove(raw []byte, arrived time.Time, ours Ours, keys *Keys) Proof {
	c, why := readClaim(raw, arrived, ours)
	if why != "" {
		return unproven(why)
	}
	signed, why := c.signature(raw, keys)
	if signed != "" {
		return c.proven("dkim", signed)
	}
	if noted := c.noted(ours.Trusted); noted != "" {
		return c.proven("authentication-results", noted)
	}
	return unproven(why)
}

func unproven(why string) Proof {
	return Proof{Evidence: []consent.Evidence{{Rule: "not-authenticated", Text: why}}}
}

// claim is a mail that says whose it is in a way that can be checked.
type claim struct {
	fields []rawField
	domain string // of From
	sum    string
}

func (c claim) proven(rule, by string) Proof {
	return Proof{Authenticated: true, Once: c.sum, Evidence: []consent.Evidence{{Rule: rule, Text: by}}}
}

// readClaim finds what makes the mail unfit to prove anything.
func readClaim(raw []byte, arrived time.Time, ours Ours) (c claim, why string) {
	var fit bool
	if c.fields, fit = rawFields(raw); !fit {
		return c, "its header cannot be read in one way only"
	}
	one := map[string]string{}
	for _, name := range []string{"from", "to", "date", "message-id"} {
		values := c.values(name)
		if len(values) != 1 {
			return c, "it has not exactly one " + name
		}
		one[name] = values[0]
	}
	m := Mail{}
	m.readHeader(raw)
	from := m.From()
	switch {
	case !plainAddress(one["from"], from) || m.Header.Get("From") == "" || unfolded(m.Header.Get("From")) != one["from"]:
		return c, "its From is not one plain address"
	case c.resent(from):
		return c, "it was sent by, or through, somebody else"
	case !reaches(one["to"], ours):
		return c, "its To names none of our addresses"
	case !recent(one["date"], arrived):
		return c, "its date is not of the days in which it came"
	}
	_, c.domain, _ = strings.Cut(from, "@")
	sum := sha256.Sum256([]byte(from + "\x00" + one["to"] + "\x00" + one["date"]))
	c.sum = hex.EncodeToString(sum[:16])
	return c, ""
}

// rawField is a field as it stands there, unfolded.
type rawField struct{ name, value string }

// rawFields reads the header strictly: with a lone CR, a NUL or a line
// without a colon, readers disagree about where fields begin (RFC 5322 §2.2).
func rawFields(raw []byte) (all []rawField, fit bool) {
	header := raw[:headerEnd(raw)]
	if len(header) == 0 || len(header) > maxHeader || bytes.ContainsRune(header, 0) {
		return nil, false
	}
	for line := range strings.Lines(string(header)) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		switch {
		case strings.Contains(line, "\r"):
			return nil, false
		case line == "":
			return all, true
		case line[0] == ' ' || line[0] == '\t':
			if len(all) == 0 {
				return nil, false
			}
			all[len(all)-1].value = unfolded(all[len(all)-1].value + " " + line)
		default:
			name, value, found := strings.Cut(line, ":")
			if !found {
				return nil, false
			}
			all = append(all, rawField{strings.ToLower(strings.TrimSpace(name)), unfolded(value)})
		}
	}
	return all, true
}

func unfolded(value string) string { return strings.Join(strings.Fields(value), " ") }

func (c claim) values(name string) (all []string) {
	for _, f := range c.fields {
		if f.name == name {
			all = append(all, f.value)
		}
	}
	return all
}

// plainAddress refuses groups (RFC 5322 §3.4) and letters that look like
// others: the value must read as the same address to a strict reader.
func plainAddress(value, address string) bool {
	if address == "" || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false
	}
	outside := quoted().ReplaceAllString(value, "")
	if strings.ContainsAny(outside, ":;") {
		return false
	}
	strict, err := mail.ParseAddress(value)
	if err != nil {
		return false
	}
	normal, err := consent.Normalize(strict.Address)
	return err == nil && normal == address
}

// resent tells of another sender, or of somebody who passed the mail on
// (RFC 5322 §3.6.2, §3.6.6).
func (c claim) resent(from string) bool {
	for _, f := range c.fields {
		if strings.HasPrefix(f.name, "resent-") || f.name == "sender" && !plainAddress(f.value, from) {
			return true
		}
	}
	return false
}

// reaches tells whether To names us, with or without a sealed link behind a
// separator (RFC 5233 §4).
func reaches(to string, ours Ours) bool {
	list, err := mail.ParseAddressList(to)
	if err != nil {
		return false
	}
	for _, one := range list {
		address, err := consent.Normalize(one.Address)
		if err == nil && slices.ContainsFunc(ours.Addresses, func(our string) bool { return sameMailbox(address, our) }) {
			return true
		}
	}
	return false
}

func sameMailbox(address, our string) bool {
	local, domain, _ := strings.Cut(address, "@")
	ourLocal, ourDomain, _ := strings.Cut(our, "@")
	detail, found := strings.CutPrefix(local, ourLocal)
	return found && domain == ourDomain && (detail == "" || strings.ContainsAny(detail[:1], "+-=_"))
}

func recent(date string, arrived time.Time) bool {
	written, err := mail.ParseDate(date)
	return err == nil && arrived.Sub(written).Abs() <= maxAge
}

// signature gives the domain of a good signature of From's organisation that
// covers what must not change, or why there is none.
func (c claim) signature(raw []byte, keys *Keys) (domain, why string) {
	found, why := c.signatures(raw, keys)
	for _, v := range found {
		if covers(v.HeaderKeys) {
			return strings.ToLower(v.Domain), ""
		}
	}
	return "", why
}

// signatures verifies those of From's organisation and gives the good ones;
// why says what to think where none proves enough.
func (c claim) signatures(raw []byte, keys *Keys) (good []*dkim.Verification, why string) {
	if len(c.values("dkim-signature")) == 0 {
		return nil, "it is not signed"
	}
	if keys == nil || keys.Lookup == nil {
		return nil, "no public keys are looked up"
	}
	found, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{MaxVerifications: maxSignatures, LookupTXT: c.lookup(keys)})
	if err != nil && len(found) == 0 {
		return nil, "its signature cannot be read"
	}
	why = "no good signature of its writer's domain"
	for _, v := range found {
		switch {
		case dkim.IsTempFail(v.Err):
			why = "the public key cannot be looked up at present"
		case v.Err == nil && aligned(v.Domain, c.domain):
			good = append(good, v)
		}
	}
	return good, why
}

// lookup asks only for keys that could prove something.
func (c claim) lookup(keys *Keys) func(string) ([]string, error) {
	return func(name string) ([]string, error) {
		_, domain, found := strings.Cut(name, "._domainkey.")
		if !found || len(name) > 253 || !aligned(domain, c.domain) || strings.ContainsFunc(name, oddInName) {
			return nil, nil
		}
		return keys.find(strings.ToLower(name))
	}
}

func oddInName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
}

func covers(signed []string) bool {
	for _, name := range []string{"from", "to", "date"} {
		if !slices.ContainsFunc(signed, func(s string) bool { return strings.EqualFold(s, name) }) {
			return false
		}
	}
	return true
}

// aligned compares by organisation, as mail policies do unless they say
// otherwise (RFC 9989 §4.4).
func aligned(a, b string) bool {
	a, b = strings.ToLower(strings.TrimSuffix(a, ".")), strings.ToLower(b)
	return a != "" && organisation(a) == organisation(b)
}

func organisation(domain string) string {
	if one, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return one
	}
	return domain
}
