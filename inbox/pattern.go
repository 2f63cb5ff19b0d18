package inbox

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// pattern is a phrase, place by place.
type pattern struct {
	source   string
	start    bool // of the sentence: "^"
	elements []element
}

// element is one place in a pattern: one of some words, a gap, or the end of
// the sentence.
type element struct {
	gap      int  // up to so many words of any kind
	end      bool // of the sentence, alone or beside words
	optional bool
	words    map[string]bool // single words, the commonest case
	choices  []choice        // all others
}

// choice is a stem ("abonn*" is any word that begins so), or several words.
type choice []stem

type stem struct {
	text string
	open bool
}

// How many words "..." and ".." may stand for.
const (
	wideGap   = 4
	narrowGap = 2
)

// readPattern reads a line of a phrase list. A word that falls apart when it
// is folded ("n'envoyez") becomes several places.
func readPattern(line string) pattern {
	p := pattern{source: line}
	for _, field := range strings.Fields(line) {
		switch field {
		case "^":
			p.start = true
		case "...":
			p.elements = append(p.elements, element{gap: wideGap})
		case "..":
			p.elements = append(p.elements, element{gap: narrowGap})
		case "$":
			p.elements = append(p.elements, element{end: true})
		default:
			p.elements = append(p.elements, readElement(field))
		}
	}
	return p
}

func readElement(field string) element {
	e := element{words: map[string]bool{}}
	field, e.optional = strings.CutSuffix(field, "?")
	for _, written := range strings.Split(field, "|") {
		e.end = e.end || written == "$"
		for _, spelled := range spellings(written) {
			c := readChoice(spelled)
			if len(c) == 1 && !c[0].open {
				e.words[c[0].text] = true
			} else if len(c) > 0 {
				e.choices = append(e.choices, c)
			}
		}
	}
	return e
}

// readChoice reads a word, or several that are joined by "_".
func readChoice(written string) choice {
	var c choice
	for _, part := range strings.Split(written, "_") {
		text, open := strings.CutSuffix(part, "*")
		for _, word := range foldWords(text) {
			c = append(c, stem{word, false})
		}
		if len(c) > 0 {
			c[len(c)-1].open = open
		}
	}
	return c
}

var withoutUmlauts = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "å", "aa", "ø", "oe", "Ä", "ae", "Ö", "oe", "Ü", "ue")

// spellings gives the word as it is written, and as on a keyboard without
// umlauts.
func spellings(word string) []string {
	if other := withoutUmlauts.Replace(word); other != word {
		return []string{word, other}
	}
	return []string{word}
}

var errPattern = errors.New("a phrase must begin with a word, hold no place for any word, and be of at most 60 words")

// check keeps out what would match everything.
func (p pattern) check() error {
	longest := 0
	for i, e := range p.elements {
		empty := len(e.words) == 0 && len(e.choices) == 0 || slices.ContainsFunc(e.choices, func(c choice) bool { return c[0].text == "" })
		if (e.gap > 0 || e.end || e.optional) && i == 0 || e.gap == 0 && !e.end && empty || e.end && i+1 < len(p.elements) {
			return fmt.Errorf("%q: %w", p.source, errPattern)
		}
		longest += e.gap + e.longest()
	}
	if len(p.elements) == 0 || longest > 60 {
		return fmt.Errorf("%q: %w", p.source, errPattern)
	}
	return nil
}

// longest is how many words the place can take.
func (e element) longest() int {
	n := 1
	for _, c := range e.choices {
		n = max(n, len(c))
	}
	return n
}

// find looks for the pattern among the words of a sentence, and gives the
// place of its first word, or -1.
func (p pattern) find(words []string) int {
	for start := range words {
		if p.matchAt(words, start) >= 0 {
			return start
		}
	}
	return -1
}

// matchAt gives the place behind the shortest match that begins at start, or
// -1. It follows all ways through the pattern at once: bit n of reached says
// that n words may have been taken, so that no text costs more than its length.
func (p pattern) matchAt(words []string, start int) int {
	if p.start && start > 0 {
		return -1
	}
	if reached := p.reach(words[start:min(len(words), start+64)]); reached != 0 {
		return start + bits.TrailingZeros64(reached)
	}
	return -1
}

func (p pattern) reach(words []string) uint64 {
	reached := uint64(1)
	for _, e := range p.elements {
		if reached = e.pass(reached, words); reached == 0 {
			break
		}
	}
	return reached
}

// isAll tells whether the pattern is all that is said.
func (p pattern) isAll(words []string) bool {
	return len(words) < 64 && p.reach(words)&(1<<len(words)) != 0
}

// pass takes a place of the pattern from every word that was reached.
func (e element) pass(reached uint64, words []string) uint64 {
	if e.gap > 0 {
		return e.skip(reached, words)
	}
	next := uint64(0)
	if e.end {
		next = reached & (1 << len(words))
	}
	if e.optional {
		next |= reached
	}
	for ; reached != 0; reached &= reached - 1 {
		if at := bits.TrailingZeros64(reached); at < len(words) {
			next |= e.take(words[at:]) << at
		}
	}
	return next
}

// skip passes as many words as the gap is wide.
func (e element) skip(reached uint64, words []string) uint64 {
	next := reached
	for ; reached != 0; reached &= reached - 1 {
		room := e.gap * charactersPerWord
		for at := bits.TrailingZeros64(reached); at < len(words); at++ {
			if room -= cost(words[at]); room < 0 {
				break
			}
			next |= 1 << (at + 1)
		}
	}
	return next
}

// take says with bits how many of the words can fill this place.
func (e element) take(words []string) uint64 {
	taken := uint64(0)
	if e.words[words[0]] || damaged(words[0]) && e.matchesDamaged(words[0]) {
		taken = 1 << 1
	}
	for _, c := range e.choices {
		if c.begins(words) {
			taken |= 1 << len(c)
		}
	}
	return taken
}

func (c choice) begins(words []string) bool {
	if len(c) > len(words) {
		return false
	}
	for i, s := range c {
		if !s.matches(words[i]) {
			return false
		}
	}
	return true
}

func (s stem) matches(word string) bool {
	return word == s.text || s.open && strings.HasPrefix(word, s.text) || damaged(word) && resembles(s, word)
}

// matches compares the place with a single word.
func (e element) matches(word string) bool { return e.take([]string{word}) != 0 }

func damaged(word string) bool { return strings.ContainsRune(word, '\uFFFD') }

func (e element) matchesDamaged(word string) bool {
	for candidate := range e.words {
		if resembles(stem{candidate, false}, word) {
			return true
		}
	}
	return false
}

// resembles compares with a word in which the way here put a replacement
// character where a letter was.
func resembles(s stem, word string) bool {
	want, got := []rune(s.text), []rune(word)
	if len(got) < len(want) || len(got) > len(want) && !s.open || len(want) < 4 {
		return false
	}
	for i, r := range want {
		if got[i] != r && got[i] != '\uFFFD' {
			return false
		}
	}
	return true
}
