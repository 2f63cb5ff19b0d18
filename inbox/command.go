package inbox

import (
	"slices"
	"strconv"
	"strings"

	"heed/consent"
)

// command knows the mail that is a command and little else: all of its text,
// its first line or its subject. Typos are forgiven here alone, where there is
// no other word to mean.
func (r reading) command() (text, language string) {
	lines := strings.Split(strings.TrimSpace(repaired(r.Text)), "\n")
	candidates := []string{r.Text, lines[0]}
	if len(lines) > 2 && strings.TrimSpace(lines[1]) == "" {
		candidates = append(candidates, lines[2]) // below "Hello,"
	}
	if len(foldWords(r.Text)) <= 40 || !replyPrefix.MatchString(r.Subject) {
		candidates = append(candidates, r.plainSubject())
	}
	for _, candidate := range candidates {
		if code := r.commandIn(candidate); code != "" && !r.contradicted() {
			return candidate, code
		}
	}
	return "", ""
}

// plainSubject is the subject where it can be a command: not "Re: Stop the
// press", which repeats ours, but "Re: unsubscribe" still is one word.
func (r reading) plainSubject() string {
	stripped := replyPrefix.ReplaceAllString(r.Subject, "")
	if stripped != r.Subject && (r.role != RoleUnsubscribe || len(foldWords(stripped)) > 1) {
		return ""
	}
	return stripped
}

// contradicted tells whether the mail goes on to ask for more than a command:
// then its phrases decide.
func (r reading) contradicted() bool {
	return slices.ContainsFunc(r.found, func(f finding) bool { return f.kind != consent.KindUnsubscribe })
}

// commandIn gives the language in which the text is a command, or nothing.
func (r reading) commandIn(text string) string {
	words := foldWords(repaired(text))
	if len(words) == 0 || wordCount(words) > 12 {
		return ""
	}
	for _, l := range languages() {
		bare := l.withoutCourtesy(words)
		for _, p := range r.commands(l) {
			if p.isCommand(words) || len(bare) > 0 && l.bare(p).isCommand(bare) {
				return l.code
			}
		}
	}
	return ""
}

// commands takes the weaker ones where the address leaves no other meaning.
func (r reading) commands(l language) []pattern {
	if r.role == RoleUnsubscribe {
		return slices.Concat(l.sections["command"], l.sections["weak"])
	}
	return l.sections["command"]
}

// withoutCourtesy leaves out the words that do not change a command.
func (l language) withoutCourtesy(words []string) []string {
	var bare []string
	for i := 0; i < len(words); {
		if n := l.courtesy(words[i:]); n > 0 {
			i += n
			continue
		}
		bare = append(bare, words[i])
		i++
	}
	return bare
}

// courtesy gives how many words from here on are courtesy: several where the
// script makes a word of each character.
func (l language) courtesy(words []string) int {
	for _, p := range l.sections["polite"] {
		if n := len(p.elements); n <= len(words) && len(words) > 0 && p.isExactly(words[:n]) {
			return n
		}
	}
	return 0
}

// bare is the pattern without them.
func (l language) bare(p pattern) pattern {
	p.elements = slices.DeleteFunc(slices.Clone(p.elements), func(e element) bool {
		return !e.gap && !e.end && slices.ContainsFunc(e.words, l.polite)
	})
	return p
}

func (l language) polite(word string) bool {
	return slices.ContainsFunc(l.sections["polite"], func(p pattern) bool {
		return len(p.elements) == 1 && p.elements[0].matches(word)
	})
}

// isCommand compares the whole with the words, letting one typo pass in a word
// of eight letters and two in a word of ten.
func (p pattern) isCommand(words []string) bool {
	if p.isExactly(words) {
		return true
	}
	if len(words) != len(p.elements) || len(words) > 2 {
		return false
	}
	for i, e := range p.elements {
		if e.gap || e.end || !e.matches(words[i]) && !e.nearly(words[i]) {
			return false
		}
	}
	return true
}

// isExactly tells whether the pattern, which has no gaps, is all that the words
// say.
func (p pattern) isExactly(words []string) bool {
	for _, e := range p.elements {
		n := e.length(words)
		if n == 0 {
			return false
		}
		words = words[n:]
	}
	return len(words) == 0
}

// length gives how many of the words the element takes, the longest choice of
// several words first; none where it does not match.
func (e element) length(words []string) int {
	n := 0
	if len(words) > 0 && !e.gap && !e.end && e.matches(words[0]) {
		n = 1
	}
	for _, run := range e.runs {
		if len(run) > n && matchesRun(run, words) {
			n = len(run)
		}
	}
	return n
}

func (e element) nearly(word string) bool {
	for _, candidate := range e.words {
		allowed := 0
		switch n := len([]rune(candidate)); {
		case n >= 10:
			allowed = 2
		case n >= 8:
			allowed = 1
		}
		if allowed > 0 && distance(candidate, word, allowed) <= allowed {
			return true
		}
	}
	return false
}

// articleKinds are the rights of the GDPR by the number of their article.
var articleKinds = map[int]consent.Kind{15: consent.KindAccess, 16: consent.KindRectification,
	17: consent.KindErasure, 21: consent.KindObjection}

var lawWords = readPattern("gdpr*|dsgvo|rgpd*|avg|rodo|gkpd|γκπδ|eudsgvo|2016 |regulation|verordnung|verordening|règlement|reglamento|regolamento|regulamento|uredb*|nařízení*|rozporządzeni*|κανονισμ*|регламент*|forordning*|asetuks*|rendelet*|kdg|dsgekd").elements[0]

var articleWords = readPattern("art|article|articles|artikel|artikels|artikeln|artículo|articolo|artigo|art|artykuł|artykułu|článek|článku|čl|člank*|članak|άρθρο*|άρθρου|чл|член|artikla|artikkel|artikkeli|artikla|cikk|§|paragraph|section|第").elements[0]

// articles finds the right that a letter names by its article, in any language
// that writes numbers.
func articles(said []sentence) []finding {
	var all []finding
	law := false
	for i, s := range said {
		for at, word := range s.words {
			law = law || lawWords.matches(word)
			if kind := articleAt(s.words, at); kind != "" {
				all = append(all, finding{kind, "article", strings.Join(s.words[at:at+2], " "), "", i*1000 + at})
			}
		}
	}
	if !law {
		return nil
	}
	return all
}

func articleAt(words []string, at int) consent.Kind {
	if at+1 >= len(words) || !articleWords.matches(words[at]) {
		return ""
	}
	number, err := strconv.Atoi(words[at+1])
	if err != nil {
		return ""
	}
	return articleKinds[number]
}

// unclear is what no rule understood: a person looks at it where it may be a
// request, and only there.
func (r reading) unclear() consent.Request {
	text := r.Subject + " " + r.Text
	if r.role == RoleUnsubscribe {
		return verdict(consent.KindReview, 0.3, "unclear", text)
	}
	if r.role == RoleReply || r.role == RoleBounces {
		return verdict(consent.KindUnrelated, 0.5, "nothing-asked", text)
	}
	for _, s := range r.said {
		for _, l := range languages() {
			if p := firstMatch(l.sections["plausible"], s.words); p != "" {
				return verdict(consent.KindReview, 0.4, "plausible", p)
			}
		}
	}
	if lawNamed(r.said) {
		return verdict(consent.KindReview, 0.4, "law-named", text)
	}
	return verdict(consent.KindUnrelated, 0.6, "nothing-asked", text)
}

func lawNamed(said []sentence) bool {
	for _, s := range said {
		if slices.ContainsFunc(s.words, lawWords.matches) {
			return true
		}
	}
	return false
}
