package inbox

import (
	"regexp"
	"slices"
	"strings"

	"heed/consent"
)

// finding is a phrase that was found, and where.
type finding struct {
	kind     consent.Kind
	rule     string
	text     string
	language string
	at       int // sentences before it, times 1000, and words
}

// asking are the sections that say what a person wants.
var asking = []struct {
	section string
	kind    consent.Kind
}{
	{"guardian", consent.KindGuardian}, {"erasure", consent.KindErasure}, {"objection", consent.KindObjection},
	{"access", consent.KindAccess}, {"rectification", consent.KindRectification}, {"complaint", consent.KindComplaint},
	{"preference", consent.KindPreference}, {"unsubscribe", consent.KindUnsubscribe},
}

var replyPrefix = regexp.MustCompile(`(?i)^\s*(re|aw|fw|fwd|wg|tr|rv|antw|sv|vs|odp|ref|res)\s*(\[\d+\])?\s*[:：]\s*`)

// sentences gives what the writer wrote: the text, and the subject unless it is
// an answer's, which repeats ours.
func (r reading) sentences() []sentence {
	var all []sentence
	if !replyPrefix.MatchString(r.Subject) {
		all = sentences(r.Subject, true)
	}
	return append(all, sentences(strings.ToValidUTF8(r.Text[:min(len(r.Text), maxWritten)], ""), false)...)
}

// maxWritten is how much of the text is compared with phrases, in octets: what
// a person asks for stands before that.
const maxWritten = 32 << 10

// findings gives every phrase that asks for something, in the order of the
// mail. A sentence with a phrase that forbids it ("to unsubscribe click here")
// asks for nothing.
func findings(said []sentence) []finding {
	var all []finding
	for i, s := range said {
		for _, l := range languages() {
			if firstMatch(l.sections["not"], s.words) != "" {
				continue
			}
			all = append(all, l.findIn(s, i)...)
		}
	}
	all = append(all, articles(said)...)
	slices.SortStableFunc(all, func(a, b finding) int { return a.at - b.at })
	return all
}

func (l language) findIn(s sentence, index int) []finding {
	var found []finding
	for _, a := range asking {
		for _, p := range l.sections[a.section] {
			if at := p.find(s.words); at >= 0 {
				found = append(found, finding{a.kind, "phrase-" + a.section, p.source, l.code, index*1000 + at})
				break
			}
		}
	}
	return found
}

// asked reads what a person wants.
func (r reading) asked() (consent.Request, bool) {
	if r.Broken != "" {
		return consent.Request{}, false
	}
	if text, language := r.command(); text != "" {
		request := r.optOut("command", text)
		request.Language, request.Scope = language, r.scope(false)
		return request, true
	}
	if request, known := r.empty(); known {
		return request, true
	}
	found := r.found
	if len(found) == 0 {
		return r.short()
	}
	return r.weigh(found)
}

// empty is the mail without a word: at unsubscribe@ the address says it all.
func (r reading) empty() (consent.Request, bool) {
	if strings.TrimSpace(r.Text) != "" || r.Oversize {
		return consent.Request{}, false
	}
	if r.role != RoleUnsubscribe || len(r.found) > 0 || len(foldWords(r.Subject)) > 0 && !replyPrefix.MatchString(r.Subject) && !noSubject.MatchString(r.Subject) {
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

var noSubject = regexp.MustCompile(`(?i)^\W*(no subject|kein betreff|ohne betreff|sans objet|aucun objet|sin asunto|<none>)\W*$`)

// weigh chooses among what was found. What is said first is what the mail is
// about; asking to be deleted outweighs the opting out beside it, and a child
// or an unanswered request decides who looks at it.
func (r reading) weigh(found []finding) (consent.Request, bool) {
	lead := found[0]
	for _, kind := range []consent.Kind{consent.KindErasure, consent.KindObjection} {
		if i := slices.IndexFunc(found, func(f finding) bool { return f.kind == kind }); i >= 0 && lead.kind == consent.KindUnsubscribe {
			lead = found[i]
		}
	}
	rest := slices.DeleteFunc(slices.Clone(found), func(f finding) bool { return f.kind == lead.kind })
	if lead.kind == consent.KindGuardian && len(rest) == 0 {
		return consent.Request{}, false // naming one's child asks for nothing
	}
	if len(rest) > 0 && slices.ContainsFunc(found, func(f finding) bool { return f.kind == consent.KindGuardian }) {
		lead = found[slices.IndexFunc(found, func(f finding) bool { return f.kind == consent.KindGuardian })]
	}
	request := verdict(lead.kind, 0.9, lead.rule, lead.text)
	request.Language = lead.language
	for _, f := range found {
		if f.kind != lead.kind && !slices.Contains(request.Also, f.kind) {
			request.Also = append(request.Also, f.kind)
			request.Evidence = append(request.Evidence, consent.Evidence{Rule: f.rule, Text: f.text})
		}
	}
	switch lead.kind {
	case consent.KindUnsubscribe:
		request.Scope = r.scope(true)
	case consent.KindObjection:
		request.Scope = consent.ScopeMarketing
	}
	return request, true
}

// scope is what an opt-out stops: all marketing, or the one topic that the
// text names, unless it means everything.
func (r reading) scope(mayNameTopic bool) consent.Scope {
	if !mayNameTopic && r.Text == "" {
		return consent.ScopeMarketing
	}
	topic, named := 0, 0
	words := " " + strings.Join(foldWords(r.Subject+" . "+r.Text), " ") + " "
	for name, id := range r.ours.Topics {
		if folded := strings.Join(foldWords(name), " "); folded != "" && strings.Contains(words, " "+folded+" ") {
			topic, named = id, named+1
		}
	}
	if named != 1 || r.meansEverything() {
		return consent.ScopeMarketing
	}
	return consent.TopicScope(topic)
}

func (r reading) meansEverything() bool {
	for _, s := range r.said {
		for _, l := range languages() {
			if firstMatch(l.sections["everything"], s.words) != "" {
				return true
			}
		}
	}
	return false
}

// short takes one word as enough in a mail of a few words.
func (r reading) short() (consent.Request, bool) {
	said := r.said
	count := 0
	for _, s := range said {
		count += wordCount(s.words)
	}
	if count > 12 || r.role == RoleReply || r.role == RoleBounces {
		return consent.Request{}, false
	}
	for _, s := range said {
		for _, l := range languages() {
			if firstMatch(l.sections["not"], s.words) != "" {
				return consent.Request{}, false
			}
			if p := firstMatch(l.sections["short"], s.words); p != "" {
				request := r.optOut("short-mail", p)
				request.Language, request.Sure = l.code, 0.8
				return request, true
			}
		}
	}
	return consent.Request{}, false
}
