package inbox

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// What the world's scripts need so that the words of a mail and those of the
// phrase lists fold alike.

// letters are those that no decomposition takes to the letter people type
// instead, or take for it.
var letters = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ħ': "h", 'ə': "e",
	'ı': "i",           // Turkish, where I is no capital i
	'ς': "σ",           // at the end of a Greek word
	'ґ': "г",           // missing on many keyboards
	'ँ': "ं",           // two ways to write one sound in Hindi
	'ى': "ي", 'ی': "ي", // Arabic at the end, Persian anywhere
	'ے': "ي", 'ک': "ك", 'ہ': "ه", 'ھ': "ه", 'ە': "ه", 'ة': "ه", 'ٱ': "ا",
}

// ornament tells of the marks that people leave out: accents, the vowel signs
// and the long line of Arabic, the points of Hebrew, the nukta of the Indian
// scripts, apostrophes that pass for letters, and what has no width (soft
// hyphens, the joiners of Persian, marks of direction). The vowel signs of
// Thai and the Indian scripts are letters, and stay.
func ornament(r rune) bool {
	switch {
	case r < 0xAD:
		return false
	case r >= 0x300 && r < 0x370, r >= 0x2B9 && r <= 0x2BF, r == 0x640:
		return true
	case r >= 0x591 && r < 0x700:
		return unicode.Is(unicode.Mn, r)
	case r == 0x93C, r == 0x9BC, r == 0xA3C, r == 0xABC, r == 0xB3C:
		return true
	}
	return unicode.Is(unicode.Cf, r)
}

// zeros begin the ten digits of a script.
var zeros = []rune{0x660, 0x6F0, 0x966, 0x9E6, 0xBE6, 0xC66, 0xE50}

func digit(r rune) rune {
	if r < 0x660 || !unicode.IsDigit(r) {
		return r
	}
	for _, zero := range zeros {
		if r >= zero && r <= zero+9 {
			return '0' + r - zero
		}
	}
	return r
}

// withoutApostrophes closes up what they stand within in Cyrillic ("зв'язок"),
// in Hebrew abbreviations and in the Catalan "cancel·lar".
func withoutApostrophes(text string) string {
	if !strings.ContainsAny(text, "'’`\"״׳·") {
		return text
	}
	runes := []rune(text)
	out := make([]rune, 0, len(runes))
	for i, r := range runes {
		if i > 0 && i+1 < len(runes) && within(r, runes[i-1], runes[i+1]) {
			continue
		}
		out = append(out, r)
	}
	return string(out)
}

func within(r, before, after rune) bool {
	switch r {
	case '·':
		return unicode.IsLetter(before) && unicode.IsLetter(after)
	case '\'', '’', '`', '"', '״', '׳':
		return unicode.In(before, unicode.Cyrillic, unicode.Hebrew) && unicode.In(after, unicode.Cyrillic, unicode.Hebrew)
	}
	return false
}

// unspaced tells of the scripts that put no spaces between words, and of
// Hangul, where people often leave them out and words carry their particles.
func unspaced(r rune) bool {
	return r >= 0xE00 && (r == 'ー' || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar))
}

// wideLetters brings full and half width letters to the common ones, since a
// half width sound mark is a letter of its own.
func wideLetters(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r >= 0xFF00 && r <= 0xFFEF }) {
		return text
	}
	return norm.NFKC.String(text)
}

// A word is worth charactersPerWord characters of a script without spaces.
const charactersPerWord = 3

// cost is the length of a word in characters of such a script.
func cost(word string) int {
	if r, _ := utf8.DecodeRuneInString(word); unspaced(r) {
		return 1
	}
	return charactersPerWord
}

// wordCount is how many words a reader would count.
func wordCount(words []string) int {
	n := 0
	for _, word := range words {
		n += cost(word)
	}
	return (n + charactersPerWord - 1) / charactersPerWord
}

// asWritten puts the words together again, without spaces where the script has
// none.
func asWritten(words []string) string {
	var out strings.Builder
	for i, word := range words {
		if i > 0 && (cost(word) > 1 || cost(words[i-1]) > 1) {
			out.WriteByte(' ')
		}
		out.WriteString(word)
	}
	return out.String()
}
