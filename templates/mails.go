package templates

import (
	"strings"
	"time"
)

// ErasureConfirmData fills the mail that asks whether a request to delete came from the address's owner.
type ErasureConfirmData struct {
	Language  string // BCP 47; English where there are no words
	Sender    string
	Link      string // absolute URL of the page with the button
	Reference string // of the case
}

// ErasureConfirm is that mail: the link, what happens, and what is on hold meanwhile.
func ErasureConfirm(d ErasureConfirmData) (subject, text string) {
	m := wordsFor(d.Language).Mails
	return m.EraseConfirmSubject, fillClean(m.EraseConfirm, "sender", d.Sender, "link", d.Link, "reference", d.Reference)
}

// OptOutNoticeData fills the notice to the address on file after an opt-out mail that could not be authenticated.
type OptOutNoticeData struct {
	Language string
	Sender   string
	Topic    string // name of the topic; empty means all marketing
	At       time.Time
	UndoLink string // absolute URL; empty leaves that paragraph out
}

// OptOutNotice is that notice: what was understood, since when, what continues, and how to undo it.
func OptOutNotice(d OptOutNoticeData) (subject, text string) {
	w := wordsFor(d.Language)
	opening := w.Mails.OptOutTopic
	if d.Topic == "" {
		opening = w.Mails.OptOutAll
	}
	paragraphs := []string{
		fillClean(opening, "topic", d.Topic, "date", w.date(d.At), "time", w.moment(d.At)),
		w.Mails.OptOutRest,
	}
	if d.UndoLink != "" {
		paragraphs = append(paragraphs, fillClean(w.Mails.OptOutUndo, "link", d.UndoLink))
	}
	paragraphs = append(paragraphs, clean(d.Sender)+"\n")
	return w.Mails.OptOutSubject, strings.Join(paragraphs, "\n")
}

// RegistrationData fills the mail that asks whether an address was given by its owner.
type RegistrationData struct {
	Language string
	Sender   string
	Link     string // absolute URL of the confirmation page
}

// Registration is that mail. It holds nothing but the question, so that it is no advertising.
func Registration(d RegistrationData) (subject, text string) {
	m := wordsFor(d.Language).Mails
	return m.RegisterSubject, fillClean(m.Register, "sender", d.Sender, "link", d.Link)
}

// AlertFooter is the closing text of a service alert that is not made from a file: why it comes although newsletters
// are stopped, and where the person can choose.
func AlertFooter(language, service, preferences string) string {
	f := wordsFor(language).Footer
	return fill(f.AlertReason, "service", clean(service)) + "\n\n" + f.AlertChoices + ":\n" + clean(preferences) + "\n"
}

// fillClean is fill with values that stay on their line.
func fillClean(text string, pairs ...string) string {
	cleaned := make([]string, len(pairs))
	for i, s := range pairs {
		cleaned[i] = clean(s)
	}
	return fill(text, cleaned...)
}
