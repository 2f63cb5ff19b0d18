package templates

import (
	"embed"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/go-playground/locales"
	"github.com/goccy/go-yaml"
)

//go:embed lang/*.yaml
var langFiles embed.FS

// words are all words of one language. Each field is a key of lang/*.yaml, by its tag; what stands in braces is filled in.
// A field with a number in it is counted, and has a form for each kind of number that the language knows.
type words struct {
	Language string       `yaml:"language"`
	Name     string       `yaml:"name"` // of the language, in itself
	Footer   footerWords  `yaml:"footer"`
	Signup   signupWords  `yaml:"signup"`
	Rights   rightsWords  `yaml:"rights"`
	Sharing  sharingWords `yaml:"sharing"`
	Report   reportWords  `yaml:"report"`
	Pages    pageWords    `yaml:"pages"`
	Centre   centreWords  `yaml:"centre"`
	Cases    caseWords    `yaml:"cases"`
	Mails    mailWords    `yaml:"mails"`
	Letters  letterWords  `yaml:"letters"`

	calendar locales.Translator // how dates are written
}

type footerWords struct {
	Reason           string `yaml:"reason"`
	ReasonDate       string `yaml:"reason_date"`
	ReasonSource     string `yaml:"reason_source"`
	ReasonDateSource string `yaml:"reason_date_source"`
	Newsletter       string `yaml:"newsletter"`
	Offers           string `yaml:"offers"`
	Unsubscribe      string `yaml:"unsubscribe"`
	Preferences      string `yaml:"preferences"`
	Privacy          string `yaml:"privacy"`
	AlertReason      string `yaml:"alert_reason"`
	AlertChoices     string `yaml:"alert_choices"`
}

type pageWords struct {
	StopTitle        string  `yaml:"stop_title"`
	StopTopic        string  `yaml:"stop_topic"`
	StopAll          string  `yaml:"stop_all"`
	StopAddress      string  `yaml:"stop_address"`
	StopButton       string  `yaml:"stop_button"`
	StopEffect       string  `yaml:"stop_effect"`
	Continues        string  `yaml:"continues"`
	DoneTitle        string  `yaml:"done_title"`
	DoneTopic        string  `yaml:"done_topic"`
	DoneAll          string  `yaml:"done_all"`
	DoneSince        string  `yaml:"done_since"`
	DoneInFlight     string  `yaml:"done_in_flight"`
	DoneChoices      string  `yaml:"done_choices"`
	DoneClose        string  `yaml:"done_close"`
	EraseTitle       string  `yaml:"erase_title"`
	EraseText        string  `yaml:"erase_text"`
	EraseKeeps       string  `yaml:"erase_keeps"`
	EraseWaits       string  `yaml:"erase_waits"`
	EraseButton      string  `yaml:"erase_button"`
	Reference        string  `yaml:"reference"`
	ErasedTitle      string  `yaml:"erased_title"`
	ErasedText       string  `yaml:"erased_text"`
	ErasedAfter      string  `yaml:"erased_after"`
	ProblemTitle     string  `yaml:"problem_title"`
	ProblemCut       string  `yaml:"problem_cut"`
	ProblemWrite     string  `yaml:"problem_write"`
	AgainTitle       string  `yaml:"again_title"`
	AgainText        string  `yaml:"again_text"`
	AgainWrite       string  `yaml:"again_write"`
	OftenTitle       string  `yaml:"often_title"`
	OftenText        string  `yaml:"often_text"`
	ChoicesTitle     string  `yaml:"choices_title"`
	ChoicesIn        string  `yaml:"choices_in"`
	ChoicesOut       string  `yaml:"choices_out"`
	ChoicesStop      string  `yaml:"choices_stop"`
	ChoicesAll       string  `yaml:"choices_all"`
	ChoicesAllButton string  `yaml:"choices_all_button"`
	ChoicesNone      string  `yaml:"choices_none"`
	ExpiredTitle     string  `yaml:"expired_title"`
	ExpiredText      counted `yaml:"expired_text"`
	ExpiredAgain     string  `yaml:"expired_again"`
	UsedTitle        string  `yaml:"used_title"`
	UsedText         string  `yaml:"used_text"`
	HomeTitle        string  `yaml:"home_title"`
	HomeText         string  `yaml:"home_text"`
	HomeWrite        string  `yaml:"home_write"`
	ReadOnlyTitle    string  `yaml:"read_only_title"`
	ReadOnlyText     string  `yaml:"read_only_text"`
	ReadOnlyNext     string  `yaml:"read_only_next"`
	Languages        string  `yaml:"languages"`
	Failed           string  `yaml:"failed"`
}

type mailWords struct {
	EraseConfirmSubject string  `yaml:"erase_confirm_subject"`
	EraseConfirm        string  `yaml:"erase_confirm"`
	ErasedSubject       string  `yaml:"erased_subject"`
	Erased              string  `yaml:"erased"`
	ErasedBy            string  `yaml:"erased_by"`
	ErasedRest          string  `yaml:"erased_rest"`
	ErasedKept          string  `yaml:"erased_kept"`
	ErasedLaw           string  `yaml:"erased_law"`
	ErasedLawUntil      string  `yaml:"erased_law_until"`
	ErasedBackups       string  `yaml:"erased_backups"`
	ErasedCycle         counted `yaml:"erased_cycle"`
	ErasedEnd           string  `yaml:"erased_end"`
	RegisterSubject     string  `yaml:"register_subject"`
	Register            string  `yaml:"register"`
}

// Languages returns the languages that mails and pages exist in, the default first.
func Languages() []string {
	return []string{"en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "uk", "tr", "ar"}
}

// Speaks tells whether there are words in the language of a BCP 47 tag.
func Speaks(tag string) bool { return spoken[baseOf(tag)] != nil }

func baseOf(tag string) string {
	base, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(tag, "_", "-")), "-")
	return base
}

// spoken reads the words of each language when somebody first needs them: a language takes half a megabyte, and most
// installations send in one or two. The files are part of the program, so a bad one is a bug that a test finds.
var spoken = func() map[string]func() *words {
	all := map[string]func() *words{}
	for _, lang := range Languages() {
		all[lang] = sync.OnceValue(func() *words {
			w, err := readWords(lang)
			if err != nil {
				panic(err)
			}
			return w
		})
	}
	return all
}()

// ownNames is what the languages call themselves. They are read without the words, since each page lists them all.
var ownNames = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for _, lang := range Languages() {
		var head struct{ Name string }
		raw, err := langFiles.ReadFile("lang/" + lang + ".yaml")
		if err = errors.Join(err, yaml.Unmarshal(nameLine.Find(raw), &head)); err != nil {
			panic(err)
		}
		all[lang] = head.Name
	}
	return all
})

var nameLine = regexp.MustCompile(`(?m)^name:.*$`)

func readWords(lang string) (*words, error) {
	raw, err := langFiles.ReadFile("lang/" + lang + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("reading the words of %s: %w", lang, err)
	}
	w, err := parseWords(lang, raw)
	if err != nil {
		return nil, fmt.Errorf("reading the words of %s: %w", lang, err)
	}
	return w, nil
}

// unbroken joins the spaces that French puts beside its quotes, colons and question marks to their words, so that no
// line begins with a mark. In the file they are plain spaces, which can be seen and typed.
func unbroken(raw []byte) []byte {
	const joined = "\u00a0"
	return []byte(strings.NewReplacer("« ", "«"+joined, " »", joined+"»", " :", joined+":", " ?", joined+"?").Replace(string(raw)))
}

// foreign are the values that may run the other way than the words around them: names, addresses and times. In a language
// that is read from right to left they are isolated (UAX #9), so that they neither turn the order of the sentence, nor of
// the whole line where one of them begins it. Links are not: a mail program would take the mark for a part of them.
var foreign = regexp.MustCompile(`\{(sender|topic|source|service|contact|authority|name|law|reason|time|old|new|other|child)\}`)

// apart isolates a value of its own in the same way.
func (w *words) apart(value string) string {
	if direction(w.Language) != "rtl" {
		return value
	}
	return "\u2068" + value + "\u2069"
}

// comma joins a list.
func (w *words) comma() string {
	if direction(w.Language) == "rtl" {
		return "، "
	}
	return ", "
}

// wordsFor returns the words of a BCP 47 tag's language, English where there are none.
func wordsFor(tag string) *words {
	if read := spoken[baseOf(tag)]; read != nil {
		return read()
	}
	return spoken["en"]()
}

// fill replaces {name} by value, for pairs of name and value. Values are not looked into again.
func fill(text string, pairs ...string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			out.WriteString(text)
			return out.String()
		}
		out.WriteString(before)
		if value, known := paired(pairs, name); known {
			out.WriteString(value)
			text = after
		} else {
			out.WriteByte('{')
			text = rest
		}
	}
}

func paired(pairs []string, name string) (value string, known bool) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] == name {
			return pairs[i+1], true
		}
	}
	return "", false
}
