package inbox

import (
	"slices"
	"strings"

	"heed/consent"
)

// unclear is what no rule understood: a person looks at it, with a clock and a
// hold on marketing, where it may be a request; all else is other mail.
func (r reading) unclear() consent.Request {
	if offers := r.heardOf("offer"); len(offers) > 1 && r.words() <= maxOffer {
		return verdict(consent.KindUnrelated, 0.8, "offer", r.Subject+" "+r.Text)
	}
	if r.role != RoleReply && r.role != RoleBounces && !r.bulky() {
		if rule, words := r.plausible(); rule != "" {
			return verdict(consent.KindReview, 0.4, rule, words)
		}
	}
	return verdict(consent.KindUnrelated, 0.6, "nothing-asked", r.Subject+" "+r.Text)
}

// plausible gives the reason why the mail may be a request. At unsubscribe@
// that is any word of leaving, and a few words in a language that nobody told
// us about; elsewhere a word of data, privacy or law.
func (r reading) plausible() (rule, words string) {
	if tag := r.brokenToken(); tag != "" {
		return "token-unreadable", tag
	}
	if h, s, found := r.unforbidden("back"); found {
		return "asks-to-return", s.excerpt(h)
	}
	if h, s, found := r.unforbidden("rights"); found {
		return "plausible", s.excerpt(h)
	}
	if h, s, found := r.unforbidden("plausible"); found && (r.role == RoleUnsubscribe || r.words() <= 60) {
		return "plausible", s.excerpt(h)
	}
	if lawNamed(r.said) {
		return "law-named", r.Subject + " " + r.Text
	}
	if h, s, found := r.unforbidden("about"); found && r.mayAsk() && !r.overlaps(s, "not-plausible", h) {
		return "about-mail-or-data", s.excerpt(h)
	}
	if n := r.words(); r.role == RoleUnsubscribe && n > 0 && n <= 15 && !r.anyForbidden() && r.isUnknownTongue() {
		return "unknown-language", r.Subject + " " + r.Text
	}
	return "", ""
}

// maxAsking is how many words people use who ask for something of their own.
const maxAsking = 90

// mayAsk tells of a mail that speaks of nothing else for which people write: it
// is short, and about no order, application or offer.
func (r reading) mayAsk() bool {
	if r.role != RoleUnsubscribe && r.role != RolePrivacy || r.words() > maxAsking {
		return false
	}
	return len(r.heardOf("trade")) == 0 && len(r.heardOf("offer")) == 0
}

// heardOf gives where the phrases of a section stand in the mail, in order.
func (r reading) heardOf(section string) (places []int) {
	for i, s := range r.said {
		for place, hits := range s.heard {
			if place.section != section || r.foreign(place.language.code) {
				continue
			}
			for _, h := range hits {
				places = append(places, i*maxWords+h.at)
			}
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}

var tagged = expression(`(?i)\+[a-z2-7]{8,60}@`)

// brokenToken is what is left of a sealed link in the address that the mail was
// sent to: a mail program made that address up from one of our messages.
func (r reading) brokenToken() string {
	if r.role != RoleUnsubscribe {
		return ""
	}
	for _, name := range addressed {
		if tag := tagged().FindString(strings.Join(r.Header.Values(name), " ")); tag != "" {
			return tag
		}
	}
	return ""
}

// unforbidden gives the first phrase of a section in a sentence that does not
// say itself that it asks for nothing.
func (r reading) unforbidden(section string) (hit, sentence, bool) {
	for _, s := range r.said {
		if _, not := first([]sentence{s}, "not"); not && section != "back" {
			continue
		}
		best, found := hit{}, false
		for place, hits := range s.heard {
			if place.section == section && !r.foreign(place.language.code) && (!found || before(hits[0], best)) && !r.overlaps(s, "not-"+section, hits[0]) {
				best, found = hits[0], true
			}
		}
		if found {
			return best, s, true
		}
	}
	return hit{}, sentence{}, false
}

// overlaps tells whether a phrase of the section, in any language that the text
// may be in, shares words with the hit.
func (r reading) overlaps(s sentence, section string, h hit) bool {
	for place, hits := range s.heard {
		if place.section == section && !r.foreign(place.language.code) && slices.ContainsFunc(hits, func(e hit) bool { return s.excuses(e, h) }) {
			return true
		}
	}
	return false
}

// isUnknownTongue tells that the text is in no language whose common words are
// known: then nobody can say that it asks for nothing.
func (r reading) isUnknownTongue() bool {
	if r.spoken[r.tongue] >= 2.5 {
		return false
	}
	common := 0
	for _, s := range r.said {
		for _, word := range s.words {
			codes := vocabularies()[word]
			if slices.Contains(codes, r.tongue) || r.tongue == "" && len(codes) > 0 {
				common++ // where several languages share the words, one of them it is
			}
		}
	}
	return 2*common < r.words()
}

// bulky knows what a program laid out for many readers: no person puts so many
// links into a request, or writes at such length.
func (r reading) bulky() bool {
	return strings.Count(r.Text, "http://")+strings.Count(r.Text, "https://") > 5 || r.words() > 1500
}

func lawNamed(said []sentence) bool {
	for _, s := range said {
		if slices.ContainsFunc(s.words, lawWords.matches) {
			return true
		}
	}
	return false
}
