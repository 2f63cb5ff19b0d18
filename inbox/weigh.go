package inbox

import (
	"slices"

	"heed/consent"
)

// weigh chooses among what was found. What is said first is what the mail is
// about; asking to be deleted outweighs the opting out beside it, and a child
// or an unanswered request decides who looks at it.
func (r reading) weigh() (consent.Request, bool) {
	lead, found := r.lead()
	if !found {
		return consent.Request{}, false
	}
	if request, sold := r.sold(lead); sold {
		return request, true
	}
	if r.calledOff(lead) {
		return verdict(consent.KindReview, 0.5, "trade-and-asking", lead.text), true
	}
	request := verdict(lead.kind, r.sureness(lead), lead.rule, lead.text)
	request.Language = lead.language
	for _, f := range r.found {
		if f.kind != lead.kind && !slices.Contains(request.Also, f.kind) && !r.onlyMentions(lead, f) {
			request.Also = append(request.Also, f.kind)
			request.Evidence = append(request.Evidence, consent.Evidence{Rule: f.rule, Text: excerpt(f.text)})
		}
	}
	return r.scoped(request), true
}

// calledOff tells of an opting out that may be from a course, a match or an
// order: the sentence names one, and no mail. At privacy@, where the address
// says nothing, the whole mail counts.
func (r reading) calledOff(lead finding) bool {
	if r.role == RolePrivacy && (lead.rule == "phrase-unsubscribe" || lead.kind == consent.KindGuardian) {
		return r.otherThings() // "my son is ill, take him off tomorrow's list"
	}
	if lead.rule != "phrase-unsubscribe" {
		return false
	}
	trade, mail := false, false
	for place := range r.said[lead.at/maxWords].heard {
		trade = trade || place.section == "trade" && !r.foreign(place.language.code)
		mail = mail || place.section == "about" && !r.foreign(place.language.code)
	}
	return trade && !mail
}

// otherThings tells that the mail speaks of trade or training, and of no mail.
func (r reading) otherThings() bool {
	return len(r.heardOf("trade")) > 0 && len(r.heardOf("about")) == 0
}

// maxOffer is how many words sellers write: nobody reads more.
const maxOffer = 200

// sold knows the letter of a seller, who names rights in what is for sale, and
// says last how to be left alone. Where it is not quite clear a person looks.
func (r reading) sold(lead finding) (consent.Request, bool) {
	offers := slices.DeleteFunc(r.heardOf("offer"), func(at int) bool {
		return !slices.Contains(rights, lead.kind) && at > lead.at
	})
	switch {
	case len(offers) == 0 || r.words() > maxOffer:
		return consent.Request{}, false
	case len(offers) == 1 || len(offers) < len(r.found):
		return verdict(consent.KindReview, 0.5, "offer-and-asking", lead.text), true
	}
	return verdict(consent.KindUnrelated, 0.8, "offer", r.Subject+" "+r.Text), true
}

// onlyMentions tells of what letters say beside their request: that whoever
// does not answer will be complained about, and that they would like to know
// whether an objection leads to a deletion.
func (r reading) onlyMentions(lead, f finding) bool {
	switch f.kind {
	case consent.KindComplaint:
		return slices.Contains(rights, lead.kind) && r.words() > 80 && !f.subject
	case consent.KindUnsubscribe: // "but keep the digest", "or else unsubscribe me"
		return lead.kind == consent.KindPreference
	case consent.KindErasure:
		said := r.said[f.at/maxWords].words[:f.at%maxWords]
		return lead.kind == consent.KindObjection && slices.ContainsFunc(said, conditions.matches)
	}
	return false
}

// conditions are words by which a sentence only supposes something.
var conditions = readPattern("if|whether|unless|falls|wenn|sofern|ob|sollte|si|lorsque|caso|qualora|se|als|indien|mocht|of|jeśli|czy|если|якщо|ли|чи|eğer|если|pokud|zda|ha|dacă|ako|da_li|αν|εάν|hvis|om|jos").elements[0]

func (r reading) lead() (finding, bool) {
	lead := r.found[0]
	if f, found := r.finding(consent.KindUnsubscribe); found && lead.kind == consent.KindComplaint && r.role == RoleUnsubscribe && !lawNamed(r.said) {
		lead = f // who was not heard the first time wants to be heard now
	}
	for _, kind := range []consent.Kind{consent.KindErasure, consent.KindObjection} {
		if f, found := r.finding(kind); found && lead.kind == consent.KindUnsubscribe {
			lead = f
		}
	}
	if i := slices.IndexFunc(r.found, func(f finding) bool { return f.rule == "phrase-keep" }); i >= 0 && lead.kind == consent.KindUnsubscribe {
		lead = r.found[i]
	}
	if lead.kind == consent.KindPreference {
		lead = r.right(r.plainOptOut(lead))
	}
	if f, found := r.finding(consent.KindComplaint); found && f.at/maxWords == lead.at/maxWords && !(r.role == RoleUnsubscribe && lead.kind == consent.KindUnsubscribe) {
		lead = f // "I asked to be deleted and nothing happened"
	}
	if child, named := r.finding(consent.KindGuardian); named {
		return child, r.asksForChild()
	}
	return lead, true
}

// asksForChild tells whether the mail asks for something: naming one's child
// asks for nothing, but next to that name a vague word will do.
func (r reading) asksForChild() bool {
	if slices.ContainsFunc(r.found, func(f finding) bool { return f.kind != consent.KindGuardian }) {
		return true
	}
	if len(r.heardOf("guardian")) > 1 && r.role != RoleReply {
		return true // "my daughter", and "without our consent"
	}
	rule, _ := r.plausible()
	return rule == "plausible" || rule == "about-mail-or-data"
}

// plainOptOut is what somebody wants who finds the mails too many and goes on
// to ask for none at all, and not only for one thing or the other.
func (r reading) plainOptOut(lead finding) finding {
	i := slices.IndexFunc(r.found, func(f finding) bool {
		if f.kind != consent.KindUnsubscribe || f.scope != "" || f.at/maxWords <= lead.at/maxWords {
			return false
		}
		s := r.said[f.at/maxWords]
		return !slices.ContainsFunc(s.words, alternatives.matches) && !slices.ContainsFunc(r.found, func(g finding) bool {
			return g.kind == consent.KindPreference && g.at/maxWords == f.at/maxWords
		})
	})
	if lead.rule != "phrase-preference" || i < 0 {
		return lead
	}
	return r.found[i]
}

// alternatives are words by which a sentence offers another way, or speaks of
// how often.
var alternatives = readElement("or|else|otherwise|alternatively|oder|sonst|andernfalls|ansonsten|ou|sinon|autrement|si_no|sino|altrimenti|oppure|senão|of|anders|" +
	"albo|lub|inaczej|или|иначе|або|інакше|yoksa|aksi|veya|أو|وإلا|daily|weekly|monthly|täglich*|wöchentlich*|monatlich*|quotidien*|hebdo*|mensuel*|" +
	"diari*|semanal*|mensual*|quotidian*|giornalier*|settimanal*|mensil*|diári*|mensal*|dagelijks*|wekelijks*|maandelijks*|codzien*|tygodniow*|" +
	"miesięczn*|ежедневн*|еженедельн*|ежемесячн*|щоденн*|щодня|щотижн*|щомісяч*|günlük|haftalık|aylık|يومي*|اسبوعي*|شهري*")

// right is the first right that the mail claims: it goes before any choice of
// topics.
func (r reading) right(lead finding) finding {
	for _, f := range r.found {
		if slices.Contains(rights, f.kind) {
			return f
		}
	}
	return lead
}

// clearInReplies can be told from the talk of people who answer one another:
// "no answer to my mail yet" and "once a month instead" cannot.
var clearInReplies = []consent.Kind{consent.KindUnsubscribe, consent.KindObjection, consent.KindErasure, consent.KindAccess}

// sureness of a phrase: it says more when another sentence says so too, and
// less in a long text, or when the mail's language is another.
func (r reading) sureness(lead finding) float64 {
	switch lead.rule {
	case "article":
		return 0.6
	case "phrase-guardian":
		return 0.8
	case "phrase-wish":
		return 0.7
	}
	if r.role == RoleReply && !slices.Contains(clearInReplies, lead.kind) {
		return 0.6
	}
	sure := 90 // hundredths
	if slices.ContainsFunc(r.found, func(f finding) bool { return f.kind == lead.kind && f.at/maxWords != lead.at/maxWords }) {
		sure += 5
	}
	if r.tongue != "" && r.tongue != lead.language || r.words() > 300 {
		sure -= 10
	}
	return float64(sure) / 100
}
