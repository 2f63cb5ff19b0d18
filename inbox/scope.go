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

func (r reading) stops() []consent.Scope {
	var scopes []consent.Scope
	plain := len(r.found) == 0 // a command
	for _, f := range r.found {
		if f.kind != consent.KindUnsubscribe && f.kind != consent.KindObjection {
			continue
		}
		if f.scope == "" {
			plain = true
		} else if !slices.Contains(scopes, f.scope) {
			scopes = append(scopes, f.scope)
		}
	}
	if !plain {
		return scopes
	}
	topics := r.topics(r.said)
	if len(topics) == 0 || r.meansEverything() {
		return append([]consent.Scope{consent.ScopeMarketing}, scopes...)
	}
	return append(topics, scopes...)
}

// choices is what a wish about topics lets us stop by ourselves: those that it
// names to stop, or all others where it names what to keep. "Less often" stops
// nothing: a person looks.
func (r reading) choices() []consent.Scope {
	return nil
}

// topics are those that the sentences name, by name or id, in the order of
// their numbers.
func (r reading) topics(said []sentence) []consent.Scope {
	text := " "
	for _, s := range said {
		text += strings.Join(s.words, " ") + " . "
	}
	var numbers []int
	for name, number := range r.ours.Topics {
		words := strings.Join(foldWords(name), " ")
		if words != "" && strings.Contains(text, " "+words+" ") && !slices.Contains(numbers, number) {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	var scopes []consent.Scope
	for _, number := range numbers {
		scopes = append(scopes, consent.TopicScope(number))
	}
	return scopes
}

func (r reading) meansEverything() bool {
	_, found := first(r.said, "everything")
	return found
}
