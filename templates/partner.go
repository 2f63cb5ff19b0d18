package templates

import "fmt"

// PartnerData fills the mail that tells a partner what it must stop. Partners are told in English, like staff.
type PartnerData struct {
	Partner, Sender string
	Email           string // of the person
	Reference       string
	Erased          bool // all is to be deleted, and not only no more used
}

// PartnerMail is that mail.
func PartnerMail(d PartnerData) (subject, text string) {
	what, want := "no longer agrees that we share their data with you", "Please stop using what you have from us about this address, and take it out of whatever you passed on."
	if d.Erased {
		what, want = "has had their data deleted", "Please delete what you have from us about this address, and tell whoever you passed it on to."
	}
	subject = fmt.Sprintf("Please act: data of one person (%s)", clean(d.Reference))
	return subject, fmt.Sprintf("To %s,\n\na person whose data you have from %s %s:\n\n    %s\n\n%s\n\nReply to this mail when it is done, with the reference %s. We ask again until you have.\n\n%s\n",
		clean(d.Partner), clean(d.Sender), what, clean(d.Email), want, clean(d.Reference), clean(d.Sender))
}
