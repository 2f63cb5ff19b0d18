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
	end   bool     // of the sentence
	words []string // "abonn*" is any word that begins so
}

const maxGap = 4

var sectionNames = []string{"command", "weak", "polite", "short", "unsubscribe", "everything", "preference", "objection",
	"erasure", "access", "rectification", "complaint", "guardian", "not", "away", "plausible"}

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
	return all
})

func readLanguage(code, text string) (language, error) {
	l := language{code, map[string][]pattern{}}
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
		default:
			l.sections[section] = append(l.sections[section], readPattern(line))
		}
	}
	return l, nil
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
		word := strings.Join(foldWords(strings.TrimSuffix(choice, "*")), "")
		if strings.HasSuffix(choice, "*") {
			word += "*"
		}
		e.words = append(e.words, word)
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
		for skip := 0; skip <= min(maxGap, len(words)); skip++ {
			if matchesAt(elements[1:], words[skip:]) {
				return true
			}
		}
		return false
	}
	if elements[0].end {
		return len(words) == 0
	}
	return len(words) > 0 && elements[0].matches(words[0]) && matchesAt(elements[1:], words[1:])
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
