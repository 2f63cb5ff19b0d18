package inbox

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"heed/consent"
)

// preferred is the mail's own language where it is one of the codes, or else
// the only one, or English.
func (r reading) preferred(codes []string) string {
	switch {
	case slices.Contains(codes, r.tongue):
		return r.tongue
	case len(codes) > 1 && slices.Contains(codes, "en"):
		return "en"
	}
	return codes[0]
}

// command knows the mail that is a command and little else: all of its text,
// its first line or its subject. Typos are forgiven here alone, where there is
// no other word to mean.
func (r reading) command() (text, language string) {
	if r.bulky() {
		return "", "" // "unsubscribe" is a link above a newsletter
	}
	lines := strings.Split(strings.TrimSpace(repaired(r.Text)), "\n")
	candidates := []string{r.Text, lines[0]}
	if len(lines) > 2 && strings.TrimSpace(lines[1]) == "" {
		candidates = append(candidates, lines[2]) // below "Hello,"
	}
	if len(foldWords(r.Text)) <= 40 || !replyPrefix().MatchString(r.Subject) {
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
	stripped := replyPrefix().ReplaceAllString(r.Subject, "")
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

// commandIn gives the language in which the text is a command, or nothing. The
// mail's own language goes before others that have the same word ("stop").
func (r reading) commandIn(text string) string {
	words := slices.Compact(foldWords(repaired(text))) // "stop stop stop"
	if len(words) == 0 || wordCount(words) > 12 {
		return ""
	}
	for _, typos := range []bool{false, true} {
		if typos && (len(r.found) > 0 || len(r.heardOf("trade")) > 0) {
			break // what is said in words needs no guessing: "Bestellung" is no "Abbestellung"
		}
		codes := []string{}
		for _, l := range languages() {
			if l.commands(words, typos, r.role == RoleUnsubscribe) {
				codes = append(codes, l.code)
			}
		}
		if len(codes) > 0 {
			return r.preferred(codes)
		}
	}
	return ""
}

// command is a phrase that can be a whole mail, without its polite words. The
// weaker ones count where the address leaves no other meaning.
type command struct {
	pattern
	weak bool
}

func (l *language) readCommands() {
	l.beginnings = map[string][]*command{}
	for _, section := range []string{"command", "weak"} {
		for _, p := range l.sections[section] {
			l.addCommand(&command{p, section == "weak"})
			if bare := l.without(p); len(bare.elements) > 0 && len(bare.elements) < len(p.elements) {
				l.addCommand(&command{bare, section == "weak"})
			}
		}
	}
}

// addCommand files a command under its first word, where that is one of a few.
func (l *language) addCommand(c *command) {
	l.bare = append(l.bare, c)
	first := c.elements[0]
	if len(first.choices) > 0 || first.optional {
		l.loose = append(l.loose, c)
		return
	}
	for word := range first.words {
		l.beginnings[word] = append(l.beginnings[word], c)
	}
}

// without leaves the polite words out of a phrase.
func (l *language) without(p pattern) pattern {
	p.elements = slices.DeleteFunc(slices.Clone(p.elements), func(e element) bool {
		return len(e.choices) == 0 && len(e.words) == 1 && !e.optional && l.allPolite(e)
	})
	return p
}

func (l *language) allPolite(e element) bool {
	for word := range e.words {
		if !l.polite[word] {
			return false
		}
	}
	return true
}

// commands tells whether the words are a command in this language, with or
// without what is only polite in them.
func (l *language) commands(words []string, typos, weak bool) bool {
	bare := l.withoutCourtesy(words)
	if len(bare) == len(words) {
		bare = nil
	}
	if typos {
		return l.isNearly(words, weak) || len(bare) > 0 && l.isNearly(bare, weak)
	}
	return l.isExactly(words, weak) || len(bare) > 0 && l.isExactly(bare, weak)
}

func (l *language) isExactly(words []string, weak bool) bool {
	return slices.ContainsFunc(l.beginnings[words[0]], func(c *command) bool { return (weak || !c.weak) && c.isAll(words) }) ||
		slices.ContainsFunc(l.loose, func(c *command) bool { return (weak || !c.weak) && c.isAll(words) })
}

// isNearly lets one typo pass in a word of eight letters and two in a word of
// ten.
func (l *language) isNearly(words []string, weak bool) bool {
	if len(words) > 2 {
		return false
	}
	return slices.ContainsFunc(l.bare, func(c *command) bool { return (weak || !c.weak) && c.resembles(words) })
}

func (c *command) resembles(words []string) bool {
	if len(words) != len(c.elements) {
		return false
	}
	for i, e := range c.elements {
		if e.gap > 0 || e.end || !e.matches(words[i]) && !e.nearly(words[i]) {
			return false
		}
	}
	return true
}

// withoutCourtesy leaves out the words that do not change a command.
func (l *language) withoutCourtesy(words []string) []string {
	var bare []string
	for i := 0; i < len(words); i++ {
		if n := l.courtesyAt(words, i); n > 0 {
			i += n - 1
			continue
		}
		bare = append(bare, words[i])
	}
	return bare
}

// courtesyAt gives how many words from here on are courtesy: several where the
// script makes a word of each character.
func (l *language) courtesyAt(words []string, i int) int {
	if l.polite[words[i]] {
		return 1
	}
	for _, p := range l.courtesy {
		if end := p.matchAt(words, i); end > i {
			return end - i
		}
	}
	return 0
}

func (e element) nearly(word string) bool {
	for candidate := range e.words {
		allowed := 0
		switch n := utf8.RuneCountInString(candidate); {
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

var lawWords = readElement("gdpr*|dsgvo|rgpd*|avg|rodo|gkpd|γκπδ|eudsgvo|2016|regulation|verordnung|verordening|règlement|reglament*|regolamento|" +
	"regulament*|uredb*|уредб*|nařízení*|nariadeni*|rozporządzeni*|κανονισμ*|регламент*|forordning*|dataskyddsförordning*|databeskyttelsesforordning*|" +
	"personvernforordning*|asetuks*|tietosuoja-asetu*|määrus*|iküm|rendelet*|vdar|bdar|rgcs|rxpd|dbeo|орзд|kdg|dsgekd")

// articleWords stand before the number of an article, and articlesAfter behind.
var (
	articleWords = readElement("art|article|articles|artikel|artikels|artikeln|artículo|articolo|artigo|articol*|artykuł*|článek|článk*|článok|čl|" +
		"člank*|članak|člen*|član*|άρθρο*|άρθρου|чл|член*|члан*|ст|статья|статьи|статье|статью|стаття|статті|статтею|artikkel*|artikl*|artikull*|" +
		"airteagal|artikolu|madde*|straipsn*|cikk|grein*|erthygl|điều|pasal|§|paragraph|section|第|제|المادة|للمادة|סעיף|לסעיף|अनुच्छेद|धारा|հոդված*|მუხლ*")
	articlesAfter = readElement("cikk*|artikla*|artikl*|artikkel*|pant*|straipsn*|člen*|člank*|član*|члан*|gr|grein*|madde*|条|條|조|հոդված*|მუხლ*")
)

// articles finds the right that a letter names by its article, in any language
// that writes numbers. It speaks only where no words do: letters name articles
// in passing. Who asks for a copy under one of several is shown it first.
func (r reading) articles(worded []finding) []finding {
	if slices.ContainsFunc(worded, func(f finding) bool { return slices.Contains(rights, f.kind) }) || !lawNamed(r.said) {
		return nil
	}
	var all []finding
	for i, s := range r.said {
		for at := range s.words {
			if kind := articleAt(s.words, at); kind != "" {
				all = append(all, finding{kind: kind, rule: "article", text: s.excerpt(hit{at: at, end: at + 2}), at: i*maxWords + at})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b finding) int { return first15(a) - first15(b) })
	return all
}

var rights = []consent.Kind{consent.KindAccess, consent.KindErasure, consent.KindObjection, consent.KindRectification, consent.KindComplaint}

func first15(f finding) int {
	if f.kind == consent.KindAccess {
		return 0
	}
	return 1
}

// articleAt knows "Article 17" and "17. cikk".
func articleAt(words []string, at int) consent.Kind {
	if at+1 >= len(words) {
		return ""
	}
	number := words[at+1]
	if !articleWords.matches(words[at]) {
		if !articlesAfter.matches(words[at+1]) {
			return ""
		}
		number = words[at]
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return ""
	}
	return articleKinds[n]
}
