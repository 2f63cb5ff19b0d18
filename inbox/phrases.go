package inbox

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed phrases/*.txt
var phraseFiles embed.FS

// language is one file of phrases/: what a native speaker would look for.
type language struct {
	code     string // ISO 639-1
	sections map[string][]pattern
	prefixes []string // that are written together with the word after them
}

// pattern is a phrase, word by word.
type pattern struct {
	source   string
	elements []element
}

// element is one place in a pattern: one of some words, a gap of up to
// maxGap words, or the end of the sentence.
type element struct {
	gap   bool
	end   bool       // of the sentence
	words []string   // "abonn*" is any word that begins so
	runs  [][]string // choices of several words each
}

const maxGap = 4

var sectionNames = []string{"command", "weak", "polite", "short", "unsubscribe", "everything", "preference", "objection",
	"erasure", "access", "rectification", "complaint", "guardian", "not", "away", "plausible", "prefix"}

// languages gives the phrase lists; they are part of the program, so that a
// list that cannot be read is found by the first test.
var languages = sync.OnceValue(func() []language {
	names, err := fs.Glob(phraseFiles, "phrases/*.txt")
	if err != nil {
		panic(err)
	}
	var all []language
	for _, name := range names {
		text, err := fs.ReadFile(phraseFiles, name)
		if err != nil {
			panic(err)
		}
		l, err := readLanguage(strings.TrimSuffix(path.Base(name), ".txt"), string(text))
		if err != nil {
			panic(err)
		}
		all = append(all, l)
	}
	slices.SortStableFunc(all, func(a, b language) int { return a.rank() - b.rank() })
	return all
})

// rank puts the languages that most people write before those that share words
// with them, so that a word of several is taken for the likelier.
func (l language) rank() int {
	first := []string{"en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "uk", "tr", "ar"}
	if i := slices.Index(first, l.code); i >= 0 {
		return i
	}
	return len(first)
}

func readLanguage(code, text string) (language, error) {
	l := language{code: code, sections: map[string][]pattern{}}
	section := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]")
			if !slices.Contains(sectionNames, section) {
				return l, fmt.Errorf("phrases/%s.txt line %d: no section is called %q", code, i+1, section)
			}
		case section == "":
			return l, fmt.Errorf("phrases/%s.txt line %d: a phrase before the first section", code, i+1)
		case section == "prefix":
			l.prefixes = append(l.prefixes, foldWords(line)...)
		default:
			l.sections[section] = append(l.sections[section], l.prefixed(readPattern(line)))
		}
	}
	return l, nil
}

// prefixed lets each word of the pattern begin with what the language writes
// together with it, as Hebrew and Arabic do with "and", "the" and "from".
func (l language) prefixed(p pattern) pattern {
	for i := range p.elements {
		for _, word := range slices.Clone(p.elements[i].words) {
			for _, prefix := range l.prefixes {
				p.elements[i].words = append(p.elements[i].words, prefix+word)
			}
		}
	}
	return p
}

func readPattern(line string) pattern {
	p := pattern{source: line}
	for _, field := range strings.Fields(line) {
		if field == "..." || field == "$" {
			p.elements = append(p.elements, element{gap: field == "...", end: field == "$"})
			continue
		}
		p.elements = append(p.elements, readElements(field)...)
	}
	return p
}

// readElements folds the words of a field as the words of a mail are folded; a
// word that falls apart there ("n'envoyez") becomes several places.
func readElements(field string) []element {
	if !strings.Contains(field, "|") {
		var all []element
		parts := foldWords(strings.TrimSuffix(field, "*"))
		for i, word := range parts {
			if i == len(parts)-1 && strings.HasSuffix(field, "*") {
				word += "*"
			}
			all = append(all, element{words: []string{word}})
		}
		return all
	}
	e := element{}
	for _, choice := range strings.Split(field, "|") {
		parts := foldWords(strings.TrimSuffix(choice, "*"))
		if n := len(parts); n > 0 && strings.HasSuffix(choice, "*") {
			parts[n-1] += "*"
		}
		if len(parts) > 1 {
			e.runs = append(e.runs, parts)
			continue
		}
		e.words = append(e.words, strings.Join(parts, ""))
	}
	return []element{e}
}

// find looks for the pattern among the words of a sentence, and gives the
// place of its first word, or -1.
func (p pattern) find(words []string) int {
	for start := range words {
		if matchesAt(p.elements, words[start:]) {
			return start
		}
	}
	return -1
}

func matchesAt(elements []element, words []string) bool {
	if len(elements) == 0 {
		return true
	}
	if elements[0].gap {
		return matchesAfterGap(elements[1:], words)
	}
	if elements[0].end {
		return len(words) == 0
	}
	if len(words) > 0 && elements[0].matches(words[0]) && matchesAt(elements[1:], words[1:]) {
		return true
	}
	return slices.ContainsFunc(elements[0].runs, func(run []string) bool {
		return matchesRun(run, words) && matchesAt(elements[1:], words[len(run):])
	})
}

func matchesAfterGap(elements []element, words []string) bool {
	for skip, room := 0, maxGap*charactersPerWord; ; skip++ {
		if matchesAt(elements, words[skip:]) {
			return true
		}
		if skip == len(words) || cost(words[skip]) > room {
			return false
		}
		room -= cost(words[skip])
	}
}

func matchesRun(run, words []string) bool {
	for i, word := range run {
		if i >= len(words) || !(element{words: []string{word}}).matches(words[i]) {
			return false
		}
	}
	return true
}

func (e element) matches(word string) bool {
	for _, candidate := range e.words {
		stem, open := strings.CutSuffix(candidate, "*")
		if open && strings.HasPrefix(word, stem) || candidate == word {
			return true
		}
		if strings.ContainsRune(word, '\uFFFD') && matchesDamaged(stem, word, open) {
			return true
		}
	}
	return false
}

// matchesDamaged compares with a word in which the way here put a replacement
// character where a letter was.
func matchesDamaged(stem, word string, open bool) bool {
	want, got := []rune(stem), []rune(word)
	if len(got) < len(want) || len(got) > len(want) && !open || len(want) < 4 {
		return false
	}
	for i, r := range want {
		if got[i] != r && got[i] != '\uFFFD' {
			return false
		}
	}
	return true
}
