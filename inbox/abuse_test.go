package inbox

import (
	"strings"
	"testing"

	"heed/consent"
)

// arf writes a spam report about a newsletter of ours, which holds token.
func arf(fields, token string) string {
	return "From: staff@provider.example\nTo: abuse@news.example\nSubject: FW: News of May\nMIME-Version: 1.0\n" +
		"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: text/plain\n\nThis is an email abuse report.\n" +
		"--b\nContent-Type: message/feedback-report\n\n" + fields + "\n--b\nContent-Type: message/rfc822\n\n" + newsletterOf(token) + "--b--\n"
}

func newsletterOf(token string) string {
	return "From: News <news@news.example>\nTo: redacted\nSubject: News of May\nList-Unsubscribe: <https://news.example/u/" + token + ">\n\nHello. To unsubscribe press the link.\n"
}

// TestSpamReports reads each type of RFC 5965 §3.1 and §7.3, in the forms that
// providers send, also with the address blacked out.
func TestSpamReports(t *testing.T) {
	token := testRing.Seal(consent.Link{Purpose: consent.PurposeOptOut, Address: linkOf, Scope: 3})
	fields := func(kind string) string { return "Feedback-Type: " + kind + "\nUser-Agent: Reports/1.0\nVersion: 1\n" }
	attached := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nA complaint.\n--b\nContent-Type: message/rfc822\n\n"
	for name, c := range map[string]struct {
		raw  string
		kind consent.Kind
		link bool
	}{
		"abuse":                     {arf(fields("abuse"), token), consent.KindSpamReport, true},
		"any case":                  {arf("FEEDBACK-TYPE: Abuse\nuser-agent: x\nversion: 0.1\n", token), consent.KindSpamReport, true},
		"blacked out":               {arf(fields("abuse")+"Original-Mail-From: <redacted>\nOriginal-Rcpt-To: redacted@provider.example\n", token), consent.KindSpamReport, true},
		"without link":              {arf(fields("abuse"), "gone"), consent.KindSpamReport, false},
		"fraud":                     {arf(fields("fraud"), token), consent.KindSpamReport, true},
		"virus":                     {arf(fields("virus"), token), consent.KindSpamReport, true},
		"other":                     {arf(fields("other"), token), consent.KindSpamReport, true},
		"opt-out":                   {arf(fields("opt-out"), token), consent.KindSpamReport, true},
		"not spam":                  {arf(fields("not-spam"), token), consent.KindUnrelated, true},
		"auth failure":              {arf(fields("auth-failure"), token), consent.KindUnrelated, true},
		"unknown type":              {arf(fields("x-novel"), token), consent.KindReview, true},
		"outlook":                   {"From: staff@outlook.example\nTo: abuse@news.example\nSubject:  complaint about message from 192.0.2.7\n" + attached + "X-HmXmrOriginalRecipient: gone@outlook.example\n" + newsletterOf(token) + "--b--\n", consent.KindSpamReport, true},
		"outlook, bare":             {"From: staff@outlook.example\nTo: abuse@news.example\nSubject: complaint about message from 192.0.2.7\n" + attached + newsletterOf(token) + "--b--\n", consent.KindSpamReport, true},
		"aol of old":                {"From: scomp@aol.example\nTo: abuse@news.example\nSubject: Client TOS Notification\n" + attached + newsletterOf(token) + "--b--\n", consent.KindSpamReport, true},
		"spamcop":                   {"From: 1234@reports.spamcop.example\nTo: abuse@news.example\nSubject: [SpamCop (192.0.2.7) id:1234]News of May\n\n[ SpamCop V5 ]\nThis message is brief.\n\n" + newsletterOf(token), consent.KindSpamReport, true},
		"amazon":                    {"From: no-reply@sns.example\nTo: abuse@news.example\nSubject: Notification\n\n{\"notificationType\":\"Complaint\",\"complaint\":{\"complaintFeedbackType\":\"abuse\"},\"mail\":{\"headers\":[{\"name\":\"List-Unsubscribe\",\"value\":\"<https://news.example/u/" + token + ">\"}]}}\n", consent.KindSpamReport, true},
		"a person, about our mail":  {"From: ann@example.org\nTo: abuse@news.example\nSubject: FW: News of May\n\nWhat is this?\n\n" + newsletterOf(token), consent.KindReview, true},
		"a person, in hard words":   {"From: ann@example.org\nTo: abuse@news.example\nSubject: Your server\n\nYour server at 192.0.2.7 sends spam to our company. Please look into it.\n", consent.KindReview, false},
		"a person, in German":       {"From: ann@example.org\nTo: abuse@news.example\nSubject: Beschwerde\n\nIhre Werbung ist unerw\u00fcnscht.\n", consent.KindReview, false},
		"a person, about something": {"From: ann@example.org\nTo: abuse@news.example\nSubject: Lunch\n\nShall we meet at noon?\n", consent.KindUnrelated, false},
		"an automatic answer":       {"From: ann@example.org\nTo: abuse@news.example\nSubject: Spam folder\nAuto-Submitted: auto-replied\n\nYour complaint about spam was received.\n", consent.KindAutoReply, false},
	} {
		got := Read([]byte(strings.ReplaceAll(c.raw, "\n", "\r\n")), RoleAbuse, testRing, Ours{Addresses: []string{"news@news.example"}})
		if got.Kind != c.kind || (got.Link != nil) != c.link {
			t.Errorf("%s: %s with link %v, want %s with link %v (%+v)", name, got.Kind, got.Link != nil, c.kind, c.link, got.Evidence)
		}
		if got.Link != nil && (got.Link.Address != linkOf || got.Link.Purpose == consent.PurposeOptOut) {
			t.Errorf("%s: a link in a report says who, never what: %+v", name, got.Link)
		}
	}
}
