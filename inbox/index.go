package inbox

import "sync"

// index finds the phrases of all languages by their first word, so that a text
// costs as much as it has words, and not more with every language.
type index struct {
	exact map[string][]*indexed
	open  map[string][]*indexed // by the stem
	stems []string              // of both, for damaged words
}

// indexed is a phrase and where it stands.
type indexed struct {
	pattern
	language *language
	section  string
}

// unindexed sections are looked up in other ways.
var unindexed = map[string]bool{"words": true, "polite": true, "command": true, "weak": true}

var phraseIndex = sync.OnceValue(func() *index {
	ix := &index{exact: map[string][]*indexed{}, open: map[string][]*indexed{}}
	for _, l := range languages() {
		for section, patterns := range l.sections {
			for _, p := range patterns {
				if !unindexed[section] {
					ix.add(&indexed{p, l, section})
				}
			}
		}
	}
	for word := range ix.exact {
		ix.stems = append(ix.stems, word)
	}
	for word := range ix.open {
		ix.stems = append(ix.stems, word)
	}
	return ix
})

func (ix *index) add(p *indexed) {
	first := p.elements[0]
	for word := range first.words {
		ix.exact[word] = append(ix.exact[word], p)
	}
	for _, c := range first.choices {
		if c[0].open {
			ix.open[c[0].text] = append(ix.open[c[0].text], p)
		} else {
			ix.exact[c[0].text] = append(ix.exact[c[0].text], p)
		}
	}
}

// hit is a phrase that was found: the words from at to end of a sentence.
type hit struct {
	*indexed
	at, end int
}

// maxHits of one section and language are kept of one sentence: no honest one
// has more.
const maxHits = 8

type shelf struct {
	language *language
	section  string
}

// heard is what was found in one sentence.
type heard map[shelf][]hit

func (ix *index) hear(words []string) heard {
	found := heard{}
	repairs := 20 // damaged words that are compared with all others
	for at, word := range words {
		if damaged(word) {
			if repairs--; repairs >= 0 {
				ix.hearDamaged(found, words, at)
			}
			continue
		}
		found.add(ix.exact[word], words, at)
		for i := range word {
			if i > 0 {
				found.add(ix.open[word[:i]], words, at)
			}
		}
		found.add(ix.open[word], words, at)
	}
	return found
}

func (ix *index) hearDamaged(found heard, words []string, at int) {
	for _, text := range ix.stems {
		if resembles(stem{text, true}, words[at]) {
			found.add(ix.exact[text], words, at)
			found.add(ix.open[text], words, at)
		}
	}
}

func (h heard) add(candidates []*indexed, words []string, at int) {
	for _, p := range candidates {
		if end := p.matchAt(words, at); end >= 0 {
			place := shelf{p.language, p.section}
			if len(h[place]) < maxHits {
				h[place] = append(h[place], hit{p, at, end})
			}
		}
	}
}

// first gives the first phrase of a section in a text, whatever its language.
func first(said []sentence, section string) (hit, bool) {
	for _, s := range said {
		best, found := hit{}, false
		for place, hits := range s.heard {
			if place.section == section && (!found || before(hits[0], best)) {
				best, found = hits[0], true
			}
		}
		if found {
			return best, true
		}
	}
	return hit{}, false
}

// before orders hits by their place, and where two begin together by language,
// so that the same text always gives the same answer.
func before(a, b hit) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.language.order < b.language.order
}

// vocabularies says for each word by which languages are told, of which.
var vocabularies = sync.OnceValue(func() map[string][]string {
	all := map[string][]string{}
	for _, l := range languages() {
		for word := range l.words {
			all[word] = append(all[word], l.code)
		}
	}
	return all
})
