package inbox

import (
	"slices"
	"strings"

	"heed/consent"
)

// scoped says what a request stops: what its phrases name (sharing, partners'
// offers), the topics that the text names, or else all marketing.
func (r reading) scoped(request consent.Request) consent.Request {
	var scopes []consent.Scope
	switch request.Kind {
	case consent.KindUnsubscribe, consent.KindObjection:
		scopes = r.stops()
	case consent.KindPreference:
		scopes = r.choices()
	default:
		if slices.Contains(request.Also, consent.KindUnsubscribe) || slices.Contains(request.Also, consent.KindObjection) {
			scopes = r.stops()
		}
	}
	if len(scopes) > 0 {
		request.Scope = scopes[0]
	}
	if len(scopes) > 1 {
		request.Scopes = scopes
	}
	return request
}

// stops is what an opt-out stops. An objection is to all marketing, and so is
// an opt-out that names no topic, or means everything.
func (r reading) stops() []consent.Scope {
	var scopes []consent.Scope
	plain, all := len(r.found) == 0, r.meansEverything() // nothing was found in a command
	for _, f := range r.found {
		switch {
		case f.kind != consent.KindUnsubscribe && f.kind != consent.KindObjection:
		case f.scope == "":
			plain, all = true, all || f.kind == consent.KindObjection
		case !slices.Contains(scopes, f.scope):
			scopes = append(scopes, f.scope)
		}
	}
	if !plain {
		return scopes
	}
	if topics := r.namedToStop(); len(topics) > 0 && !all {
		return append(topics, scopes...)
	}
	return append([]consent.Scope{consent.ScopeMarketing}, scopes...)
}

// choices is what a wish about topics lets us stop by ourselves: those that it
// names to stop, or all others where it names only what to keep. "Less often"
// stops nothing: a person looks.
func (r reading) choices() []consent.Scope {
	kept, stopped := r.named()
	if len(kept) == 0 {
		return nil
	}
	if len(stopped) > 0 {
		return topicScopes(stopped)
	}
	var rest []int
	for _, number := range r.ours.Topics {
		if !slices.Contains(kept, number) {
			rest = append(rest, number)
		}
	}
	return topicScopes(rest)
}

func (r reading) namedToStop() []consent.Scope {
	_, stopped := r.named()
	return topicScopes(stopped)
}

func topicScopes(numbers []int) []consent.Scope {
	slices.Sort(numbers)
	var scopes []consent.Scope
	for _, number := range slices.Compact(numbers) {
		scopes = append(scopes, consent.TopicScope(number))
	}
	return scopes
}

// named are the topics that the writer names: those behind a phrase of
// keeping ("but keep the digest"), and all others.
func (r reading) named() (kept, others []int) {
	for i, s := range r.said {
		keeps := -1
		for place, hits := range s.heard {
			if place.section == "keep" && (keeps < 0 || hits[0].at < keeps) {
				keeps = hits[0].at
			}
		}
		for _, m := range r.mentions(s, r.asksToStop(i)) {
			if keeps >= 0 && m.at >= keeps {
				kept = append(kept, m.topic)
			} else {
				others = append(others, m.topic)
			}
		}
	}
	return kept, slices.DeleteFunc(others, func(topic int) bool { return slices.Contains(kept, topic) })
}

// asksToStop tells whether the sentence itself does: only there is a topic of
// one word, which may be a common one, taken for a name.
func (r reading) asksToStop(index int) bool {
	return r.said[index].subject || slices.ContainsFunc(r.found, func(f finding) bool {
		return f.at/maxWords == index && (f.kind == consent.KindUnsubscribe || f.kind == consent.KindPreference)
	})
}

func (r reading) meansEverything() bool {
	_, found := first(r.said, "everything")
	return found
}

// mention is a topic and the word where its name begins.
type mention struct{ topic, at int }

// mentions finds the names of topics, the longest first, so that "product
// news" is not also taken for "news".
func (r reading) mentions(s sentence, single bool) []mention {
	taken := make([]bool, len(s.words))
	var all []mention
	for _, name := range r.ours.names() {
		if len(name.words) == 1 && !single {
			continue
		}
		for at := range s.words {
			n := name.lengthAt(s.words[at:])
			if n == 0 || slices.Contains(taken[at:at+n], true) || name.id && !beside(s.words, at, n) {
				continue
			}
			for i := range n {
				taken[at+i] = true
			}
			all = append(all, mention{name.topic, at})
		}
	}
	return all
}

// topicName is a name of a topic, or its id.
type topicName struct {
	words []string
	topic int
	id    bool // of one word: counts only beside a word like "topic"
}

func (o Ours) names() []topicName {
	var all []topicName
	for name, topic := range o.Topics {
		all = append(all, topicName{words: foldWords(name), topic: topic})
	}
	for id, topic := range o.TopicIDs {
		words := foldWords(strings.ReplaceAll(strings.ReplaceAll(id, "-", " "), "_", " "))
		all = append(all, topicName{words: words, topic: topic, id: len(words) == 1})
	}
	all = slices.DeleteFunc(all, func(n topicName) bool { return len(n.words) == 0 })
	slices.SortFunc(all, func(a, b topicName) int {
		if len(a.words) != len(b.words) {
			return len(b.words) - len(a.words)
		}
		return a.topic - b.topic
	})
	return all
}

// lengthAt gives how many of the words are the name: each like its own, or all
// written as one ("product-news").
func (n topicName) lengthAt(words []string) int {
	if alike(words[0], strings.Join(n.words, "")) {
		return 1
	}
	if len(words) < len(n.words) {
		return 0
	}
	for i, word := range n.words {
		if !alike(words[i], word) {
			return 0
		}
	}
	return len(n.words)
}

// alike lets a name stand in the plural or another case.
func alike(a, b string) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	end, found := strings.CutPrefix(a, b)
	return found && (end == "" || len(b) >= 3 && slices.Contains([]string{"s", "es", "e", "n", "en", "er", "x"}, end))
}

var topicWords = readPattern("topic|topics|list|newsletter*|mailing*|digest|thema|themen|liste|verteiler|thème|thèmes|sujet|infolettre|tema|temas|lista|boletín|argomento|tópico|lijst|onderwerp|nieuwsbrief|тема*|рассылк*|розсилк*|konu|bülten*|temat*|biuletyn*").elements[0]

func beside(words []string, at, n int) bool {
	return at > 0 && topicWords.matches(words[at-1]) || at+n < len(words) && topicWords.matches(words[at+n])
}
