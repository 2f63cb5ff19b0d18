package inbox

import (
	"slices"
	"unicode"
)

// tongue is how much of a text speaks for each language.
type tongue map[string]float64

// spoken says for each word in how many languages' lists it stands; a word of
// many says little.
func spoken(said []sentence) tongue {
	score := tongue{}
	for _, s := range said {
		for i, word := range s.words {
			if codes := vocabularies()[word]; len(codes) > 0 {
				for _, code := range codes {
					score[code] += 1 / float64(len(codes))
				}
			}
			for _, r := range s.written[i] {
				if code := scriptOf(r); code != "" {
					score[code]++
				}
				break
			}
		}
	}
	return score
}

// scripts that one language alone is written in, as far as mails go.
var scripts = []struct {
	script *unicode.RangeTable
	code   string
}{
	{unicode.Hiragana, "ja"}, {unicode.Katakana, "ja"}, {unicode.Hangul, "ko"}, {unicode.Thai, "th"}, {unicode.Greek, "el"},
	{unicode.Hebrew, "he"}, {unicode.Armenian, "hy"}, {unicode.Georgian, "ka"}, {unicode.Tamil, "ta"}, {unicode.Telugu, "te"},
	{unicode.Bengali, "bn"}, {unicode.Gujarati, "gu"}, {unicode.Gurmukhi, "pa"}, {unicode.Kannada, "kn"}, {unicode.Malayalam, "ml"},
	{unicode.Sinhala, "si"}, {unicode.Khmer, "km"}, {unicode.Lao, "lo"}, {unicode.Myanmar, "my"},
}

func scriptOf(r rune) string {
	if r < 0x370 {
		return ""
	}
	for _, s := range scripts {
		if unicode.Is(s.script, r) {
			return s.code
		}
	}
	return ""
}

// best is the language that the text speaks clearly, or nothing.
func (t tongue) best() string {
	code, most, second := "", 0.0, 0.0
	for _, c := range t.codes() {
		if t[c] > most {
			code, most, second = c, t[c], most
		} else if t[c] > second {
			second = t[c]
		}
	}
	if most < 1 || most < 1.25*second {
		return ""
	}
	return code
}

func (t tongue) codes() []string {
	var all []string
	for code := range t {
		all = append(all, code)
	}
	slices.Sort(all)
	return all
}
