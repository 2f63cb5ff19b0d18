package consent

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// Lookalike tells whether a normalised address seems to be written in letters
// that it is not written in: scripts are mixed within a word, or a word consists
// of nothing but letters that look like Latin ones (UTS #39 §5.1, §5.2). A form that
// anybody fills in refuses such an address; one that is stored is another address
// than the one it looks like, and stays so.
func Lookalike(address string) bool {
	local, domain, _ := strings.Cut(address, "@")
	labels := strings.Split(domain, ".")
	for i, label := range labels {
		if shown, err := idna.Display.ToUnicode(label); err == nil {
			labels[i] = shown
		}
	}
	ownScript := foreign(labels[len(labels)-1]) // .рф is no place to look Latin in
	for _, word := range labels {
		if mixed(word) || !ownScript && pretends(word) {
			return true
		}
	}
	for _, word := range strings.FieldsFunc(local, func(r rune) bool { return strings.ContainsRune(".-_+", r) }) {
		if mixed(word) {
			return true
		}
	}
	return false
}

// mixed tells whether a word holds letters of scripts that nobody writes together.
func mixed(word string) bool {
	seen := map[string]bool{}
	for _, r := range word {
		if script := scriptOf(r); script != "" {
			seen[script] = true
		}
	}
	return len(seen) > 1
}

// scriptOf names the script of a letter; digits and signs have none. Japanese,
// Korean and Chinese are written in several, also beside Latin ones (UTS #39 §5.2,
// highly restrictive).
func scriptOf(r rune) string {
	if !unicode.IsLetter(r) || unicode.Is(unicode.Common, r) {
		return ""
	}
	for _, east := range []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo} {
		if unicode.Is(east, r) {
			return ""
		}
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return name
		}
	}
	return ""
}

func foreign(label string) bool {
	return strings.ContainsFunc(label, func(r rune) bool { return r > unicode.MaxASCII })
}

// likeLatin are letters of other scripts that look like Latin ones.
const likeLatin = "асԁеһіјӏорԛѕԝхуъьҽпгѵѡ" + "αεικνορτυχϲϳ" + "օոսցհյզ"

// pretends tells whether a word beyond ASCII could be read as a Latin one.
func pretends(word string) bool {
	return foreign(word) && !strings.ContainsFunc(word, func(r rune) bool {
		return r > unicode.MaxASCII && !strings.ContainsRune(likeLatin, r) || r <= unicode.MaxASCII && unicode.IsLetter(r)
	})
}
