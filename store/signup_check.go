package store

import (
	"context"
	"encoding/hex"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"crypto/hmac"
	"crypto/sha256"

	"heed/consent"
)

// Flaw is one thing that is wrong with a sign-up: the field, and why.
type Flaw struct {
	Field string // email, first_name, last_name, company, topics
	Why   string // one of the Flaw constants
}

// The flaws. Each has its words in templates.
const (
	FlawMissing   = "missing"   // nothing was filled in
	FlawAddress   = "address"   // it is no address
	FlawLookalike = "lookalike" // letters of several scripts that look alike
	FlawSigns     = "signs"     // a link, an address or markup in a name
	FlawLong      = "long"      // longer than a name can be
	FlawUnknown   = "unknown"   // a topic that there is not
)

// Flaws is the error of a sign-up that cannot be taken. Nothing of it depends on
// who is stored.
type Flaws []Flaw

func (f Flaws) Error() string {
	var all []string
	for _, one := range f {
		all = append(all, one.Field+": "+one.Why)
	}
	return "the sign-up cannot be taken: " + strings.Join(all, ", ")
}

// maxName bounds each name, in characters.
const maxName = 100

// checkSignUp finds everything that is wrong with it at once.
func (s *Store) checkSignUp(ctx context.Context, in SignUp) (a asked, key consent.Key, err error) {
	a = asked{FirstName: tidyName(in.FirstName), LastName: tidyName(in.LastName), Company: tidyName(in.Company), Language: in.Language,
		TimeZone: in.TimeZone, Wording: in.Wording, Source: in.Source, Network: in.Network, Received: in.Received.UTC()}
	if in.Received.IsZero() {
		a.Received = s.now().UTC()
	}
	var flaws Flaws
	key, a.Email, err = s.Key(in.Email)
	switch {
	case strings.TrimSpace(in.Email) == "":
		flaws = append(flaws, Flaw{"email", FlawMissing})
	case err != nil || len(a.Email) > 254: // RFC 5321 §4.5.3.1.3, without its brackets
		flaws = append(flaws, Flaw{"email", FlawAddress})
	case consent.Lookalike(a.Email):
		flaws = append(flaws, Flaw{"email", FlawLookalike})
	}
	for _, one := range []struct{ field, value string }{{"first_name", a.FirstName}, {"last_name", a.LastName}, {"company", a.Company}} {
		if why := nameFlaw(one.value, one.field == "company"); why != "" {
			flaws = append(flaws, Flaw{one.field, why})
		}
	}
	if a.Scopes, err = s.scopesAsked(ctx, in, &flaws); err != nil {
		return a, key, err
	}
	if len(flaws) > 0 {
		return a, key, flaws
	}
	return a, key, nil
}

// scopesAsked are the choices of a form, each by its scope.
func (s *Store) scopesAsked(ctx context.Context, in SignUp, flaws *Flaws) (scopes []consent.Scope, err error) {
	names, err := s.loadNames(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, id := range in.Topics {
		number, known := names.topics[id]
		if !known {
			*flaws = append(*flaws, Flaw{"topics", FlawUnknown})
			return nil, nil
		}
		if !seen[id] {
			seen[id], scopes = true, append(scopes, consent.TopicScope(number))
		}
	}
	if in.PartnerOffers {
		scopes = append(scopes, consent.ScopePartner)
	}
	if in.Sharing {
		scopes = append(scopes, consent.ScopeSharing)
	}
	if len(scopes) == 0 {
		*flaws = append(*flaws, Flaw{"topics", FlawMissing})
	}
	return scopes, nil
}

// tidyName takes white space from the ends, and makes one of several within.
func tidyName(name string) string { return strings.Join(strings.Fields(name), " ") }

// nameFlaw refuses what is no name: forms are filled with links for the mail that
// follows to carry, and names stand in newsletters. A company may be called
// example.com.
func nameFlaw(name string, company bool) string {
	low := strings.ToLower(name)
	switch {
	case utf8.RuneCountInString(name) > maxName:
		return FlawLong
	case !utf8.ValidString(name), strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }),
		strings.ContainsAny(name, "<>{}[]|\\@=$%^*"), strings.Contains(low, "://"), strings.Contains(low, "www."), strings.Contains(low, "http"):
		return FlawSigns
	case !company && (strings.ContainsAny(name, "/:;?!#&") || dotted(low)):
		return FlawSigns
	}
	return ""
}

// dotted finds what mail programs make a link of: a dot within a word of which
// both sides have two letters or more. "J.R." is a name.
func dotted(name string) bool {
	for _, word := range strings.Fields(name) {
		parts := strings.Split(word, ".")
		for i := range len(parts) - 1 {
			if utf8.RuneCountInString(parts[i]) > 1 && utf8.RuneCountInString(parts[i+1]) > 1 {
				return true
			}
		}
	}
	return false
}

// Network names the network that an address of the internet lies in, as a keyed
// hash: the /24 of IPv4, the /64 of IPv6.
func (s *Store) Network(from netip.Addr) string {
	bits := 64
	if from = from.Unmap(); from.Is4() {
		bits = 24
	}
	prefix, err := from.WithZone("").Prefix(bits)
	if err != nil {
		return "unknown"
	}
	mac := hmac.New(sha256.New, s.keys.Pepper)
	mac.Write([]byte("network\x00" + prefix.String()))
	return hex.EncodeToString(mac.Sum(nil)[:12])
}
