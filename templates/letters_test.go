package templates

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// optOut is a letter's data with everything in it.
func optOut(lang string) OptOutData {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return OptOutData{Language: lang, Sender: "Harbour Notes", Stopped: Stops{Topics: []string{"Product news"}}, At: pageAt().In(berlin),
		Goes: Stops{Topics: []string{"Events"}}, Undo: "https://news.harbour.example/b/abc234", Until: pageAt().AddDate(0, 0, 7),
		Choices:   "https://news.harbour.example/p/abc234",
		Conflicts: []Conflict{{Topic: "Product news", Yes: pageAt().AddDate(0, -1, 2), No: pageAt(), How: "page", Way: "mail"}}}
}

// letters writes what heed answers by itself, in one language.
func letters(lang string) string {
	var b strings.Builder
	add := func(subject, text string) { fmt.Fprintf(&b, "Subject: %s\n\n%s\n========\n", subject, text) }
	d := optOut(lang)
	add(OptOutNotice(d))
	add(OptOutAnswer(d))
	add(ForgedQuestion(d))
	all := OptOutData{Language: lang, Sender: d.Sender, Stopped: Stops{All: true, Sharing: true}, At: pageAt(), Already: true, Choices: d.Choices}
	add(OptOutAnswer(all))
	add(UnknownAnswer(UnknownData{Language: lang, Sender: d.Sender, Kept: true}))
	add(UnknownAnswer(UnknownData{Language: lang, Sender: d.Sender, Reference: "H-12"}))
	for _, kind := range []string{"rectification", "review"} {
		add(Receipt(ReceiptData{Language: lang, Sender: d.Sender, Kind: kind, Reference: "H-12", Due: pageAt().AddDate(0, 1, 0), Held: true, Besides: OptOutData{Language: lang}}))
	}
	subject, text := ErasureConfirm(ErasureConfirmData{Language: lang, Sender: d.Sender, Link: "https://news.harbour.example/c/abc234", Reference: "H-12"})
	add(subject, Beside(text, pageAt().AddDate(0, 1, 0), OptOutData{Language: lang, Stopped: Stops{All: true}, At: pageAt(), Undo: d.Undo, Until: d.Until}))
	add("", WithStatus(text, lang, "https://news.harbour.example/q/abc234"))
	add(ChoicesLink(ChoicesLinkData{Language: lang, Sender: d.Sender, Link: "https://news.harbour.example/p/abc234", Until: d.Until}))
	return b.String()
}

func TestLettersGolden(t *testing.T) {
	for _, lang := range Languages() {
		golden(t, "letters-"+lang+".txt", letters(lang))
	}
}

// TestLetterValuesStayOnTheirLine: no name makes lines, and so words, of its own.
func TestLetterValuesStayOnTheirLine(t *testing.T) {
	for _, payload := range payloads {
		d, harmless := optOut("en"), optOut("en")
		d.Sender, d.Stopped.Topics, d.Goes.Topics, d.Conflicts[0].Topic = payload, []string{payload}, []string{payload}, payload
		for name, letter := range map[string]func(OptOutData) (string, string){"notice": OptOutNotice, "answer": OptOutAnswer, "forged": ForgedQuestion} {
			subject, text := letter(d)
			_, plain := letter(harmless)
			if oneLine("subject", subject) != nil || strings.Count(text, "\n") != strings.Count(plain, "\n") {
				t.Errorf("%s: %.40q makes lines of its own:\n%s", name, payload, text)
			}
		}
	}
}

// TestLettersAreShort holds the longest letters to 4 KB, whatever stands in them.
func TestLettersAreShort(t *testing.T) {
	many := make([]string, 500)
	for i := range many {
		many[i] = strings.Repeat("Ä", 300)
	}
	for _, lang := range Languages() {
		d := optOut(lang)
		d.Stopped, d.Goes = Stops{All: true, Offers: true, Sharing: true, Topics: []string{many[0]}}, Stops{Offers: true, Sharing: true, Topics: many}
		d.Conflicts = append(d.Conflicts, d.Conflicts...)
		for name, letter := range map[string]func(OptOutData) (string, string){"notice": OptOutNotice, "answer": OptOutAnswer, "forged": ForgedQuestion} {
			if _, text := letter(d); len(text) > 4096 {
				t.Errorf("%s: the longest %s has %d octets", lang, name, len(text))
			}
		}
	}
}
