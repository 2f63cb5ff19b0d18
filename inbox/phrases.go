package inbox

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed phrases/*.txt
var phraseFiles embed.FS

// language is one file of phrases/: what a native speaker would look for.
type language struct {
	code     string // ISO 639
	sections map[string][]pattern
	words    map[string]bool // by which the language is told
	polite   map[string]bool // that do not change a command
	courtesy []pattern       // the same, of several words
	prefixes []string        // that are written together with the word after them
	order    int

	beginnings map[string][]*command // by their first word
	loose      []*command            // whose first place is more than some words
	bare       []*command            // commands as they are, and without those
}

// sectionNames are the sections that a file may have; a kind of request may
// have one more, "not-erasure": what only looks like it.
var sectionNames = []string{"sets", "words", "command", "weak", "polite", "short", "wish", "everything",
	"guardian", "erasure", "objection", "access", "rectification", "complaint", "preference", "unsubscribe",
	"sharing", "partners", "keep", "back", "not", "away", "plausible", "rights", "about", "trade", "offer", "prefix"}

func isSection(name string) bool {
	return slices.Contains(sectionNames, strings.TrimPrefix(name, "not-"))
}

// languages gives the phrase lists; they are part of the program, so that a
// list that cannot be read is found by the first test.
var languages = sync.OnceValue(func() []*language {
	names, err := fs.Glob(phraseFiles, "phrases/*.txt")
	if err != nil {
		panic(err)
	}
	var all []*language
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
	slices.SortStableFunc(all, func(a, b *language) int { return a.rank() - b.rank() })
	for i, l := range all {
		l.order = i
	}
	return all
})

// rank puts the languages that most people write before those that share words
// with them, so that a word of several is taken for the likelier.
func (l *language) rank() int {
	first := []string{"en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "uk", "tr", "ar"}
	if i := slices.Index(first, l.code); i >= 0 {
		return i
	}
	return len(first)
}

func readLanguage(code, text string) (*language, error) {
	l := &language{code: code, sections: map[string][]pattern{}}
	section, sets := "", map[string]string{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		var err error
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			if section = strings.Trim(line, "[]"); !isSection(section) {
				err = fmt.Errorf("no section is called %q", section)
			}
		case section == "":
			err = fmt.Errorf("a phrase before the first section")
		case section == "sets":
			err = readSet(sets, line)
		case section == "prefix":
			l.prefixes = append(l.prefixes, foldWords(line)...)
		default:
			err = l.read(section, line, sets)
		}
		if err != nil {
			return l, fmt.Errorf("phrases/%s.txt line %d: %w", code, i+1, err)
		}
	}
	l.words, l.polite = l.vocabulary("words"), l.vocabulary("polite")
	for _, p := range l.sections["polite"] {
		if len(p.elements[0].choices) > 0 {
			l.courtesy = append(l.courtesy, p)
		}
	}
	l.readCommands()
	return l, nil
}

// readSet reads "list = list|newsletter", which phrases then name as <list>.
func readSet(sets map[string]string, line string) error {
	name, choices, found := strings.Cut(line, "=")
	if !found {
		return fmt.Errorf("a set is written name = word|word, not %q", line)
	}
	choices, err := withSets(strings.ReplaceAll(choices, " ", ""), sets)
	sets["<"+strings.TrimSpace(name)+">"] = choices
	return err
}

// withSets puts the words of sets in the places of their names.
func withSets(text string, sets map[string]string) (string, error) {
	for name, choices := range sets {
		text = strings.ReplaceAll(text, name, choices)
	}
	if at := strings.Index(text, "<"); at >= 0 {
		return text, fmt.Errorf("no set is called %q: it must stand above in [sets]", text[at:])
	}
	return text, nil
}

func (l *language) read(section, line string, sets map[string]string) error {
	filled, err := withSets(line, sets)
	if err != nil {
		return err
	}
	if section == "words" || section == "polite" { // many on a line
		for _, word := range strings.Fields(filled) {
			l.sections[section] = append(l.sections[section], readPattern(word))
		}
		return nil
	}
	p := l.prefixed(readPattern(filled))
	p.source = line
	l.sections[section] = append(l.sections[section], p)
	return p.check()
}

// prefixed lets each word of the pattern begin with what the language writes
// together with it, as Hebrew and Arabic do with "and", "the" and "from".
func (l *language) prefixed(p pattern) pattern {
	for i, e := range p.elements {
		plain := slices.Collect(maps.Keys(e.words))
		for _, prefix := range l.prefixes {
			for _, word := range plain {
				e.words[prefix+word] = true
			}
			for _, c := range e.choices {
				c = slices.Clone(c)
				c[0].text = prefix + c[0].text
				p.elements[i].choices = append(p.elements[i].choices, c)
			}
		}
	}
	return p
}

// vocabulary gives the single words of a section.
func (l *language) vocabulary(section string) map[string]bool {
	all := map[string]bool{}
	for _, p := range l.sections[section] {
		for _, e := range p.elements {
			for word := range e.words {
				all[word] = true
			}
		}
	}
	return all
}
