package inbox

import (
	"slices"
	"strings"

	"heed/consent"
)

// finding is a phrase that asks for something, and where it stands.
type finding struct {
	kind     consent.Kind
	scope    consent.Scope // where the phrase itself says what is to stop
	rule     string
	text     string // the writer's words
	language string
	subject  bool
	at, end  int // sentences before it, times maxWords, and words
}

// asking are the sections that say what a person wants.
var asking = map[string]finding{
	"guardian": {kind: consent.KindGuardian}, "erasure": {kind: consent.KindErasure}, "objection": {kind: consent.KindObjection},
	"access": {kind: consent.KindAccess}, "rectification": {kind: consent.KindRectification},
	"complaint": {kind: consent.KindComplaint}, "preference": {kind: consent.KindPreference},
	"keep":        {kind: consent.KindPreference},
	"unsubscribe": {kind: consent.KindUnsubscribe},
	"wish":        {kind: consent.KindUnsubscribe},
	"sharing":     {kind: consent.KindUnsubscribe, scope: consent.ScopeSharing},
	"partners":    {kind: consent.KindUnsubscribe, scope: consent.ScopePartner},
}

var replyPrefix = expression(`(?i)^\s*(re|aw|fw|fwd|wg|tr|rv|antw|sv|vs|odp|ref|res|doorst|enc|vb|ynt|rif|r|i|hs|βλ|απ|ha|pd|vá|答复|回复|转发|返信|답장|回覆|轉寄|轉發|bls|atb|vl|ats|отв|відп|пер|ilt|vast|πρθ|σχετ|رد|تحويل|השב|העברה)\.?\s*(\[\d+\])?\s*[:：]\s*`)

// sentences gives what the writer wrote: the text, and the subject unless it is
// an answer's, which repeats ours.
func (r reading) sentences() []sentence {
	var all []sentence
	if !replyPrefix().MatchString(r.Subject) {
		all = sentences(r.Subject, true)
	}
	return append(all, sentences(strings.ToValidUTF8(r.Text[:min(len(r.Text), maxWritten)], ""), false)...)
}

// maxWritten is how much of the text is compared with phrases, in octets: what
// a person asks for stands before that.
const maxWritten = 32 << 10

// maxPreference is how long a wish about topics can be, in words.
const maxPreference = 120

// findings gives every phrase that asks for something, in the order of the
// mail. A sentence with a phrase that forbids it ("to unsubscribe click here")
// asks for nothing.
func (r reading) findings() []finding {
	var all []finding
	grown := onlyGrown(r.said)
	for i, s := range r.said {
		for place, hits := range s.heard {
			f, asks := asking[place.section]
			if place.section == "wish" && r.role != RoleUnsubscribe {
				continue // "how do I unsubscribe?" is enough only where nothing else is asked
			}
			if place.section == "complaint" && r.role == RoleAbuse {
				continue // who complains there is heard by abuse
			}
			if place.section == "guardian" && grown {
				continue // "my daughter of 20 years", "I am 81, and my grandson says"
			}
			if f.kind == consent.KindPreference && r.words() > maxPreference {
				continue // a long letter that also says "only" and "except"
			}
			if !asks || place.section != "wish" && r.forbidden(s, place.language.code) || r.foreign(place.language.code) {
				continue
			}
			if h, found := r.unexcused(s, hits); found {
				f.rule, f.text, f.language = "phrase-"+place.section, s.excerpt(h), place.language.code
				f.at, f.end, f.subject = i*maxWords+h.at, i*maxWords+h.end, s.subject
				all = append(all, f)
			}
		}
	}
	slices.SortFunc(all, func(a, b finding) int {
		if a.at != b.at {
			return a.at - b.at
		}
		if a.rule != b.rule {
			return strings.Compare(a.rule, b.rule)
		}
		return r.strangeness(a.language) - r.strangeness(b.language)
	})
	all = withoutOverlaps(all)
	return append(all, r.articles(all)...)
}

// withoutOverlaps leaves of two rights that are claimed in the same words the
// one that begins first ("delete all data that you hold about me"), save that a
// complaint stays ("for the third time I ask you to correct"), and of two
// things to stop the one that says more ("no more offers from partners").
func withoutOverlaps(found []finding) []finding {
	return slices.DeleteFunc(slices.Clone(found), func(f finding) bool {
		return slices.ContainsFunc(found, func(g finding) bool {
			if f.kind == consent.KindUnsubscribe && f.scope == "" && g.scope != "" {
				return f.at < g.end && g.at < f.end
			}
			return g.kind != f.kind && f.kind != consent.KindComplaint && slices.Contains(rights, f.kind) && slices.Contains(rights, g.kind) && f.at > g.at && f.at < g.end
		})
	})
}

// strangeness puts the mail's own language before those that share a phrase
// with it.
func (r reading) strangeness(code string) int {
	if code == r.tongue {
		return -1
	}
	return slices.IndexFunc(languages(), func(l *language) bool { return l.code == code })
}

// forbidden tells whether the sentence only looks like a wish, as the language
// itself says, or one that the text speaks no less.
func (r reading) forbidden(s sentence, code string) bool {
	for place := range s.heard {
		other := place.language.code
		if place.section == "not" && (other == code || r.spoken[other] > 0 && r.spoken[other] >= r.spoken[code]) {
			return true
		}
	}
	return false
}

// foreign tells whether the text is clearly not in this language, so that its
// phrases mean something else. English is understood in any text.
func (r reading) foreign(code string) bool {
	return r.tongue != "" && code != r.tongue && code != "en" && r.spoken[r.tongue] >= 3 && r.spoken[r.tongue] > 2*r.spoken[code]
}

// unexcused is the first phrase that no phrase of the section "not-" of the same
// name, in any language that the text may be in, shares words with.
func (r reading) unexcused(s sentence, hits []hit) (hit, bool) {
	for _, h := range hits {
		if !r.overlaps(s, "not-"+h.section, h) {
			return h, true
		}
	}
	return hit{}, false
}

// excuses tells whether a phrase says in the same breath that another asks for
// nothing: a comma within it parts the two ("not in use, remove me").
func (s sentence) excuses(e, h hit) bool {
	return e.at < h.end && h.at < e.end && !slices.ContainsFunc(s.pauses, func(p int) bool { return e.at < p && p < e.end })
}

// excerpt gives the words that were found as they were written, with what
// stands around them.
func (s sentence) excerpt(h hit) string {
	return asWritten(s.written[max(0, h.at-2):min(len(s.written), h.end+3)])
}

// asked reads what a person wants.
func (r reading) asked() (consent.Request, bool) {
	if r.Broken != "" {
		return consent.Request{}, false
	}
	if text, language := r.command(); text != "" && r.role == RolePrivacy && r.otherThings() {
		return verdict(consent.KindReview, 0.5, "trade-and-asking", text), true
	} else if text != "" {
		request := r.optOut("command", text)
		request.Language = language
		return r.scoped(request), true
	}
	if request, known := r.empty(); known {
		return request, true
	}
	if len(r.found) > 0 {
		return r.weigh()
	}
	return r.short()
}

// empty is the mail without a word: at unsubscribe@ the address says it all.
func (r reading) empty() (consent.Request, bool) {
	if strings.TrimSpace(r.Text) != "" || r.Oversize {
		return consent.Request{}, false
	}
	if r.role != RoleUnsubscribe || len(r.found) > 0 || len(foldWords(r.Subject)) > 0 && !replyPrefix().MatchString(r.Subject) && !noSubject().MatchString(r.Subject) {
		return consent.Request{}, false
	}
	for _, p := range r.Parts {
		if !strings.HasPrefix(p.Type, "text/") && len(p.Content) > 0 && p.Type != "" {
			return consent.Request{}, false // something is attached: not empty
		}
	}
	request := r.optOut("empty-mail", r.Subject)
	request.Sure = 0.8
	return request, true
}

var noSubject = expression(`(?i)^\W*(no subject|kein betreff|ohne betreff|sans objet|aucun objet|pas d.objet|sin asunto|nessun oggetto|senza oggetto|sem assunto|geen onderwerp|brak tematu|без темы|без теми|konu yok|<none>)\W*$`)

func (r reading) finding(kind consent.Kind) (finding, bool) {
	i := slices.IndexFunc(r.found, func(f finding) bool { return f.kind == kind })
	if i < 0 {
		return finding{}, false
	}
	return r.found[i], true
}

// words is how many the writer wrote.
func (r reading) words() (n int) {
	for _, s := range r.said {
		n += wordCount(s.words)
	}
	return n
}

// short takes one word as enough in a mail of a few words.
func (r reading) short() (consent.Request, bool) {
	if r.words() > 12 || r.role == RoleReply || r.role == RoleBounces {
		return consent.Request{}, false
	}
	h, s, found := r.unforbidden("short")
	if found && !s.denied(h) && !r.overlaps(s, "not-unsubscribe", h) && !r.foreign(h.language.code) {
		if r.otherThings() {
			return verdict(consent.KindReview, 0.5, "trade-and-asking", s.excerpt(h)), true
		}
		request := r.optOut("short-mail", s.excerpt(h))
		request.Language, request.Sure = h.language.code, 0.8
		return r.scoped(request), true
	}
	return consent.Request{}, false
}

// negations are words before a word that turn it round, in many languages.
var negations = readPattern("dont|not|never|no|nicht|kein|ne|pas|non|não|niet|geen|nunca|nie|не|nu|ei|ikke|inte|nem").elements[0]

// denied tells whether one of the two words before says no.
func (s sentence) denied(h hit) bool {
	return slices.ContainsFunc(s.words[max(0, h.at-2):h.at], negations.matches)
}

func (r reading) anyForbidden() bool {
	_, found := first(r.said, "not")
	return found
}

func (r reading) optOut(rule, text string) consent.Request {
	request := verdict(consent.KindUnsubscribe, 0.95, rule, text)
	request.Scope = consent.ScopeMarketing
	return request
}
