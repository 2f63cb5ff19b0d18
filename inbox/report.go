package inbox

import (
	"bytes"
	"strings"

	"heed/consent"
)

// report reads spam reports (RFC 5965): somebody pressed "this is spam" on
// what we sent. The link in the returned part says who.
func (r reading) report() (consent.Request, bool) {
	fields, found := r.feedback()
	if !found {
		return r.complaint()
	}
	kind := strings.ToLower(strings.TrimSpace(fields))
	switch kind {
	case "abuse", "fraud", "virus", "opt-out", "opt-out-list", "miscategorized", "other", "":
		return verdict(consent.KindSpamReport, 1, "feedback-report", kind), true
	case "not-spam", "auth-failure", "dmarc", "dkim": // about us or about nothing, not about a person
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
	if strings.EqualFold(r.Params["report-type"], "feedback-report") {
		return "abuse", true
	}
	return "", false
}

// complaint knows the reports of Outlook.com, which carry the mail without the
// machine part of RFC 5965.
func (r reading) complaint() (consent.Request, bool) {
	if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(r.Subject)), "complaint about message from") {
		return consent.Request{}, false
	}
	for _, p := range r.Parts {
		if p.Type == "message/rfc822" && bytes.Contains(p.Content, []byte("X-HmXmrOriginalRecipient")) {
			return verdict(consent.KindSpamReport, 0.9, "outlook-report", r.Subject), true
		}
	}
	return consent.Request{}, false
}
