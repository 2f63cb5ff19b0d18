package inbox

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// maxWords of a mail are compared with phrases; what a person asks for stands
// before that.
const maxWords = 4000

// sentence is a run of folded words.
type sentence struct {
	words   []string
	subject bool
}

var (
	negated    = regexp.MustCompile(`(?i)n['’´` + "`" + `]t\b`)
	joinedWord = regexp.MustCompile(`(\p{L})[-‐‑](\p{L})`)
	enclitic   = regexp.MustCompile(`(?i)[-‐‑](moi|nous|vous|toi|les|le|la|lui|en|y|je|tu|il|on)\b`)
	damage     = regexp.MustCompile("\uFFFD+")
)

// foldWords brings a text to the form in which words are compared: no accents,
// lower case, hyphens closed up ("opt-out" is "optout", and "non-stop" is not
// "stop"), everything but letters and digits a gap. Where a script puts no
// spaces between words each character is a word: see script.go.
func foldWords(text string) []string {
	text = negated.ReplaceAllString(text, "nt")
	text = enclitic.ReplaceAllString(text, " $1") // "retirez-moi" is two words
	text = joinedWord.ReplaceAllString(text, "$1$2")
	text = damage.ReplaceAllString(text, "\uFFFD")
	return takeApart(strings.FieldsFunc(fold(withoutApostrophes(text)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.M, r) && r != '\uFFFD'
	}))
}

// fold takes the letters of a text to those by which they are compared; Hangul
// and kana, which the taking apart splits, are put together again.
func fold(text string) string {
	var out strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(text)) {
		if ornament(r) {
			continue
		}
		if plain, other := letters[r]; other {
			out.WriteString(plain)
			continue
		}
		out.WriteRune(digit(r))
	}
	return norm.NFC.String(out.String())
}

// repaired undoes the commonest damage: UTF-8 that was taken for Windows-1252
// somewhere on its way ("dÃ©sabonner").
func repaired(text string) string {
	if !strings.ContainsAny(text, "ÃÂâ") {
		return text
	}
	raw, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil || !utf8.ValidString(raw) {
		return text
	}
	return raw
}

// sentences cuts the text at its full stops and blank lines. A line break
// alone ends a sentence only where the line was ended by hand: after a short
// line, before a capital letter or one of a script that has no capitals.
func sentences(text string, subject bool) []sentence {
	var all []sentence
	count := 0
	for _, run := range strings.FieldsFunc(markEnds(repaired(text)), func(r rune) bool { return r == '\x00' }) {
		words := foldWords(run)
		if len(words) == 0 || count > maxWords {
			continue
		}
		count += len(words)
		all = append(all, sentence{words, subject})
	}
	return all
}

// sentenceEnd: the last group are the marks after which no space need follow,
// of the scripts of the Far East, of Arabic, Urdu, Hindi and Armenian.
var sentenceEnd = regexp.MustCompile(`[.!?;]+(\s|$)|[。｡．！？；؟؛۔।॥։።။។]+`)

// numbered is "Art. 17": no end of a sentence.
var numbered = regexp.MustCompile(`\.[ \t]*(\d)`)

func markEnds(text string) string {
	text = numbered.ReplaceAllString(text, " $1")
	lines := strings.Split(text, "\n")
	var out strings.Builder
	for i, line := range lines {
		out.WriteString(sentenceEnd.ReplaceAllString(strings.TrimSpace(line)+" ", "\x00"))
		if i+1 < len(lines) && endsHere(line, lines[i+1]) {
			out.WriteByte('\x00')
		}
		out.WriteByte(' ')
	}
	return out.String()
}

func endsHere(line, next string) bool {
	next = strings.TrimSpace(next)
	if next == "" || strings.TrimSpace(line) == "" {
		return true
	}
	first, _ := utf8.DecodeRuneInString(next)
	if unspaced(first) {
		return utf8.RuneCountInString(line) < 20
	}
	return utf8.RuneCountInString(line) < 40 && (unicode.IsUpper(first) || unicode.Is(unicode.Lo, first))
}

// distance is the edit distance of two words, transpositions counting one
// (Damerau-Levenshtein, restricted); it gives up above limit.
func distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) > limit || len(y)-len(x) > limit {
		return limit + 1
	}
	before, last, now := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		now[0] = i
		for j := 1; j <= len(y); j++ {
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+differ(x[i-1], y[j-1]))
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(y)]
}

func differ(a, b rune) int {
	if a == b {
		return 0
	}
	return 1
}
