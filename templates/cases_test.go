package templates

import (
	"fmt"
	"strings"
	"testing"
)

// caseLetters writes what staff send in a case, in one language.
func caseLetters(lang string) string {
	d := CaseData{Language: lang, Sender: "Harbour Notes", Reference: "H-12", Received: pageAt(), Due: pageAt().AddDate(0, 2, 0),
		Text: "First line.\r\n\r\nSecond paragraph."}
	var b strings.Builder
	add := func(subject, text string) { fmt.Fprintf(&b, "Subject: %s\n\n%s\n========\n", subject, text) }
	question, ask := ErasureConfirm(ErasureConfirmData{Language: lang, Sender: d.Sender, Link: "https://news.harbour.example/c/abc234", Reference: "H-12"})
	add(Reminder(d, question, ask))
	add(StaffLetter(d))
	add(Extended(d))
	add(Outcome(d))
	add(Refused(d))
	d.Authority = "Data Watch, www.example.org"
	add(Refused(d))
	return b.String()
}

func TestCaseLettersGolden(t *testing.T) {
	for _, lang := range Languages() {
		golden(t, "cases-"+lang+".txt", caseLetters(lang))
	}
}

// TestStaffTextStaysText: what staff paste can bring no control characters and
// no turned text into a letter, and no values of ours are filled into it.
func TestStaffTextStaysText(t *testing.T) {
	for _, payload := range payloads {
		for _, letter := range []func(CaseData) (string, string){StaffLetter, Extended, Outcome, Refused} {
			subject, text := letter(CaseData{Sender: payload, Reference: "H-1", Text: payload + "\n{sender}", Received: pageAt(), Due: pageAt()})
			if oneLine("subject", subject) != nil || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' || r == '\u202e' }) {
				t.Errorf("%.40q comes through:\n%q", payload, text)
			}
			if !strings.Contains(text, "\n{sender}\n") {
				t.Errorf("the text of staff was filled in:\n%s", text)
			}
		}
	}
}
