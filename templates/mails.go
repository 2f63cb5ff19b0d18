package templates

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
