package templates

import (
	"strings"
	"time"
)

type caseWords struct {
	RemindSubject    string `yaml:"remind_subject"`
	Remind           string `yaml:"remind"`
	StaffSubject     string `yaml:"staff_subject"`
	Staff            string `yaml:"staff"`
	ExtendedSubject  string `yaml:"extended_subject"`
	Extended         string `yaml:"extended"`
	OutcomeSubject   string `yaml:"outcome_subject"`
	Outcome          string `yaml:"outcome"`
	RefusedSubject   string `yaml:"refused_subject"`
	Refused          string `yaml:"refused"`
	RefusedAuthority string `yaml:"refused_authority"`
	RefusedAnswer    string `yaml:"refused_answer"`
}

// CaseData fills what is written to a person in a case. Each letter uses what it needs.
type CaseData struct {
	Language  string // BCP 47; English where there are no words
	Sender    string
	Reference string
	Received  time.Time // when their request came, or when we wrote last
	Due       time.Time // the new date, of a letter that it takes longer
	Text      string    // what staff wrote; its paragraphs are kept
	Authority string    // that hears complaints; may be empty
}

// Reminder puts a question that waits for its answer once more.
func Reminder(d CaseData, subject, question string) (string, string) {
	w := wordsFor(d.Language)
	return fillClean(w.Cases.RemindSubject, "subject", subject), fillClean(w.Cases.Remind, "date", w.date(d.Received)) + "\n" + question
}

// StaffLetter is what staff wrote, under the number of the case.
func StaffLetter(d CaseData) (subject, text string) {
	w := wordsFor(d.Language).Cases
	return fillClean(w.StaffSubject, "reference", d.Reference), d.fill(w.Staff)
}

// Extended tells that an answer takes longer, why, and until when (GDPR Art. 12(3)).
func Extended(d CaseData) (subject, text string) {
	w := wordsFor(d.Language).Cases
	return w.ExtendedSubject, d.fill(w.Extended)
}

// Outcome tells how a case ended.
func Outcome(d CaseData) (subject, text string) {
	w := wordsFor(d.Language).Cases
	return w.OutcomeSubject, d.fill(w.Outcome)
}

// Refused tells that a request is refused, why, and where one can complain (GDPR Art. 12(4)).
func Refused(d CaseData) (subject, text string) {
	w := wordsFor(d.Language).Cases
	paragraphs := []string{d.fill(w.Refused)}
	if d.Authority != "" {
		paragraphs = append(paragraphs, d.fill(w.RefusedAuthority))
	}
	return w.RefusedSubject, strings.Join(append(paragraphs, d.fill(w.RefusedAnswer)), "\n")
}

func (d CaseData) fill(text string) string {
	w := wordsFor(d.Language)
	return fill(text, "sender", clean(d.Sender), "reference", clean(d.Reference), "received", w.date(d.Received), "due", w.date(d.Due),
		"text", paragraphs(d.Text), "authority", clean(d.Authority))
}

// paragraphs cleans a text of several lines, line by line.
func paragraphs(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = clean(line)
	}
	return strings.Join(lines, "\n")
}
