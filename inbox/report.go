package inbox

import (
	"bytes"
	"strings"

	"heed/consent"
)

// report reads spam reports (RFC 5965): somebody pressed "this is spam" on
// what we sent. The link in the returned part says who, since the address is
// often blacked out (RFC 6590).
func (r reading) report() (consent.Request, bool) {
	fields, found := r.feedback()
	if !found {
		return r.complaint()
	}
	kind := strings.ToLower(strings.TrimSpace(fields))
	switch kind {
	case "abuse", "fraud", "virus", "other", "opt-out", "opt-out-list", "miscategorized", "":
		return verdict(consent.KindSpamReport, 1, "feedback-report", kind), true
	case "not-spam", "auth-failure", "dmarc", "dkim": // about us or about nothing, not about a person (RFC 6430, RFC 6591)
		return verdict(consent.KindUnrelated, 1, "feedback-report", kind), true
	}
	return verdict(consent.KindReview, 1, "feedback-report", kind), true
}

// feedback gives the Feedback-Type (RFC 5965 §3.1).
func (r reading) feedback() (string, bool) {
	for _, p := range r.Parts {
		if p.Type == "message/feedback-report" {
			content := strings.ReplaceAll(string(p.Content), "\r\n", "\n")
			return readFields(strings.TrimSpace(content)).Get("Feedback-Type"), true
		}
	}
	if n, found := r.readNotice(); found && n.NotificationType == "Complaint" {
		return strings.ToLower(n.Complaint.ComplaintFeedbackType), true
	}
	if strings.EqualFold(r.Params["report-type"], "feedback-report") {
		return "abuse", true
	}
	return "", false
}

// Reports of providers that carry the mail without the machine part of
// RFC 5965.
var (
	outlookReport  = expression(`(?i)^\s*complaint about message from\b`)
	providerReport = expression(`(?i)^\s*(client tos notification|\[spamcop \(|(e-?mail )?feedback report for ip |abuse report (about|regarding|for) )`)
)

func (r reading) complaint() (consent.Request, bool) {
	returned := false
	marked := r.Header.Get("X-Hmxmroriginalrecipient") != ""
	for _, p := range r.Parts {
		returned = returned || p.Type == "message/rfc822" || p.Type == "text/rfc822-headers"
		marked = marked || bytes.Contains(p.Content, []byte("X-HmXmrOriginalRecipient"))
	}
	switch {
	case outlookReport().MatchString(r.Subject) && (marked || returned):
		return verdict(consent.KindSpamReport, 0.9, "outlook-report", r.Subject), true
	case r.role != RoleBounces && r.role != RoleAbuse:
	case providerReport().MatchString(r.Subject):
		return verdict(consent.KindSpamReport, 0.8, "provider-report", r.Subject), true
	}
	return consent.Request{}, false
}

var abuseWords = expression(`(?i)\b(spam|spamming|unsolicited|junk|abus\w*|phish\w*|malware|virus|scam|fraud\w*|hacked|harass\w*|complain\w*|illegal\w*|lawyer|police|bel[aä]stig\w*|beschwer\w*|unerw[uü]nscht\w*|plainte|ind[eé]sirable\w*|denuncia\w*|no deseado\w*|reclam\w*)`)

// abuse is what a person writes to abuse@: about mail of ours, or in words of
// a complaint. What it means is for a person to say.
func (r reading) abuse() (consent.Request, bool) {
	if r.role != RoleAbuse {
		return consent.Request{}, false
	}
	if r.quotedLink() != nil {
		return verdict(consent.KindReview, 0.5, "about-our-mail", r.Subject), true
	}
	text := r.Subject + "\n" + r.Text
	if word := abuseWords().FindString(text); word != "" {
		return verdict(consent.KindReview, 0.4, "abuse-words", word), true
	}
	return consent.Request{}, false
}
