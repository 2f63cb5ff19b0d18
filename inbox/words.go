package inbox

import (
	"encoding/hex"
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// maxWords of a mail are compared with phrases; what a person asks for stands
// before that.
const maxWords = 4000

// sentence is a run of words: folded, and as they were written.
type sentence struct {
	words   []string
	written []string
	pauses  []int // how many words stand before each comma
	subject bool
	heard   heard // phrases
}

var (
	negated    = expression(`(?i)n['’´` + "`" + `]t\b`)
	joinedWord = expression(`(\p{L})[-‐‑](\p{L})`)
	enclitic   = expression(`(?i)[-‐‑](moi|nous|vous|toi|les|le|la|lui|en|y|je|tu|il|on|me|te|se|lhes?|nos|vos|los?|las)\b`)
	damage     = expression("\uFFFD+")
	lostLetter = expression(`(\p{L})\?{1,2}(\p{Ll})`)
)

// foldWords brings a text to the form in which words are compared: no accents,
// lower case, hyphens closed up ("opt-out" is "optout", and "non-stop" is not
// "stop"), everything but letters and digits a gap. Where a script puts no
// spaces between words each character is a word: see script.go.
func foldWords(text string) []string {
	words := splitWords(text)
	for i, word := range words {
		words[i] = fold(word)
	}
	return words
}

// splitWords gives the words as they are written.
func splitWords(text string) []string {
	words, _ := splitPauses(text)
	return words
}

// splitPauses gives the words, and how many stand before each comma.
func splitPauses(text string) (words []string, pauses []int) {
	text = negated().ReplaceAllString(wideLetters(text), "nt")
	text = enclitic().ReplaceAllString(text, " $1") // "retirez-moi" and "deixem-me" are two words
	text = joinedWord().ReplaceAllString(text, "$1$2")
	text = lostLetter().ReplaceAllString(text, "$1\uFFFD$2") // "d?sabonner"
	text = withoutApostrophes(damage().ReplaceAllString(text, "\uFFFD"))
	start := -1
	for i, r := range text {
		alone := unspaced(r)
		if start >= 0 && (alone || !inWord(r)) {
			words, start = append(words, short(text[start:i])), -1
		}
		if r == ',' || r == ':' {
			pauses = append(pauses, len(words))
		}
		if alone {
			words = append(words, string(r))
		} else if start < 0 && inWord(r) && !ornament(r) {
			start = i
		}
	}
	if start >= 0 {
		words = append(words, short(text[start:]))
	}
	return words, pauses
}

// short cuts a word that is none: what is longer than the longest word of any
// language is compared no further.
func short(word string) string {
	const longest = 200 // octets
	if len(word) <= longest {
		return word
	}
	return strings.ToValidUTF8(word[:longest], "")
}

func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r) || r == '\uFFFD' || ornament(r)
}

// fold takes the letters of a word to those by which they are compared; Hangul
// and kana, which the taking apart splits, are put together again.
func fold(text string) string {
	if folded, ok := foldASCII(text); ok {
		return folded
	}
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

// foldASCII spares most words the decomposition.
func foldASCII(text string) (string, bool) {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return "", false
		}
	}
	return strings.ToLower(text), true
}

// repaired undoes the commonest damage: UTF-8 that was taken for Windows-1252
// somewhere on its way ("dÃ©sabonner"), HTML's names of letters and the octets
// of quoted-printable in plain text.
func repaired(text string) string {
	if strings.Contains(text, "&") {
		text = html.UnescapeString(text)
	}
	if strings.Contains(text, "=") {
		text = undoQuotedPrintable(text)
	}
	return mistaken().ReplaceAllStringFunc(text, func(word string) string {
		return undoMistaken(undoMistaken(word)) // some do it twice
	})
}

var mistaken = expression(`\S*[\x{C2}-\x{F4}][\x{80}-\x{BF}\x{152}-\x{2122}]\S*`)

// undoMistaken gives the word whose UTF-8 was taken for Windows-1252 or
// Latin-1, or the word itself.
func undoMistaken(word string) string {
	var raw []byte
	for _, r := range word {
		octet, known := charmap.Windows1252.EncodeRune(r)
		if !known && r > 0xFF {
			return word
		}
		if !known {
			octet = byte(r)
		}
		raw = append(raw, octet)
	}
	if !utf8.Valid(raw) {
		return word
	}
	return string(raw)
}

var quotedOctets = expression(`(=[0-9A-F]{2})+`)

func undoQuotedPrintable(text string) string {
	return quotedOctets().ReplaceAllStringFunc(text, func(run string) string {
		raw, err := hex.DecodeString(strings.ReplaceAll(run, "=", ""))
		if err != nil || raw[0] < utf8.RuneSelf {
			return run
		}
		if utf8.Valid(raw) {
			return string(raw)
		}
		decoded, err := charmap.Windows1252.NewDecoder().Bytes(raw)
		if err != nil {
			return run
		}
		return string(decoded)
	})
}

// sentences cuts the text at its full stops and blank lines. A line break
// alone ends a sentence only where the line was ended by hand: after a short
// line, before a capital letter or one of a script that has no capitals.
func sentences(text string, subject bool) []sentence {
	var all []sentence
	count := 0
	for _, run := range strings.FieldsFunc(markEnds(repaired(text)), func(r rune) bool { return r == '\x00' }) {
		s := newSentence(run, subject)
		if len(s.words) == 0 {
			continue
		}
		if count > maxWords {
			break
		}
		count += len(s.words)
		all = append(all, s)
	}
	return all
}

func newSentence(text string, subject bool) sentence {
	written, pauses := splitPauses(text)
	s := sentence{written: written[:min(len(written), maxWords)], pauses: pauses, subject: subject}
	s.words = make([]string, len(s.written))
	for i, word := range s.written {
		s.words[i] = fold(word)
	}
	s.heard = phraseIndex().hear(s.words)
	return s
}

// sentenceEnd: the last group are the marks after which no space need follow,
// of the scripts of the Far East, of Arabic, Urdu, Hindi and Armenian.
var sentenceEnd = expression(`[.!?;]+(\s|$)|[。｡．！？；؟؛۔।॥։።။။]+`)

// numbered is "Art. 17": no end of a sentence.
var numbered = expression(`\.[ \t]*(\d)`)

// ordinal is "17. cikk" or "3. märz", and none either.
var ordinal = expression(`(\d)\.([ \t]+\p{Ll})`)

func markEnds(text string) string {
	text = ordinal().ReplaceAllString(numbered().ReplaceAllString(text, " $1"), "$1$2")
	lines := strings.Split(text, "\n")
	var out strings.Builder
	for i, line := range lines {
		out.WriteString(sentenceEnd().ReplaceAllString(strings.TrimSpace(line)+" ", "\x00"))
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
