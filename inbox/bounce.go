package inbox

import (
	"strconv"
	"strings"

	"heed/consent"
)

// bounce reads delivery status notifications (RFC 3464), and the reports of
// mail servers that write them in their own words.
func (r reading) bounce() (consent.Request, bool) {
	told, rule := r.told()
	if rule == "" {
		return consent.Request{}, false
	}
	request := verdict(consent.KindBounce, 1, rule, r.Subject)
	for _, t := range told {
		request.Bounces = append(request.Bounces, t.fate())
	}
	ours := consent.Evidence{Rule: "no-message-of-ours"}
	if link, found := r.bounceLink(); found {
		request.Link, ours.Rule = &link, "message-of-ours"
	}
	request.Evidence = append(request.Evidence, ours)
	return request, true
}

// told gives what the report says, the surest form first, and which form that
// was: none where the mail is no report.
func (r reading) told() (all []told, rule string) {
	if all := r.statusParts(); len(all) > 0 {
		return r.explained(all), "delivery-status"
	}
	if all, found := r.notice(); found {
		return all, "delivery-notice"
	}
	if !r.looksReturned() {
		return nil, ""
	}
	if all := r.nested(); len(all) > 0 {
		return all, "returned-mail"
	}
	return r.fromText(), "returned-mail"
}

// bounceLink is the link in our own return path: the address that the report
// was sent to, or what the returned mail notes as its envelope sender. Our
// Message-ID says the same: campaign, and a keyed hash that nobody guesses.
func (r reading) bounceLink() (consent.Link, bool) {
	if link, found := r.addressLink(); found && link.Purpose == consent.PurposeBounce {
		return link, true
	}
	for _, p := range r.Parts {
		if link, _, found := r.ring.FindToken(returnPaths(p.Content)); found && link.Purpose == consent.PurposeBounce {
			return link, true
		}
	}
	message, found := r.answered()
	campaign, err := strconv.ParseUint(message.campaign, 10, 63)
	if !found || !message.keyed || err != nil {
		return consent.Link{}, false
	}
	return consent.Link{Purpose: consent.PurposeBounce, Address: message.key, Scope: uint16(campaign)}, true
}

var returnPath = expression(`(?im)^(?:return-path|x-envelope-from|envelope-from|x-original-mail-from|original-mail-from|x-postfix-sender|errors-to)[ \t]*:.*$`)

func returnPaths(content []byte) string {
	lines := returnPath().FindAll(content[:min(len(content), maxText)], 20)
	var out strings.Builder
	for _, line := range lines {
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.String()
}

// told is what a report says of one recipient.
type told struct {
	recipient, action string
	consent.Refusal
}

// fate fills in what the report leaves out, and judges.
func (t told) fate() consent.Bounce {
	if said := betterStatus(t.Status, t.Words); said != "" {
		t.Status = said
	}
	action := knownAction().FindString(strings.ToLower(t.action)) // RFC 3464 §2.3.3
	if action == "" {
		action = actionOf(t.Status, t.Words)
	}
	b := consent.Bounce{Recipient: t.recipient, Action: action, Status: t.Status}
	b.Hard = action == "failed" && t.Hard()
	b.Policy = (action == "failed" || action == "delayed") && t.Refusal.Policy()
	return b
}

var (
	knownAction    = expression(`^\s*(failed|delayed|delivered|relayed|expanded)`)
	enhancedStatus = expression(`\b[245]\.\d{1,3}\.\d{1,3}\b`)
	dotted         = expression(`\d{1,3}(\.\d{1,3}){3,}`) // IP addresses, which hold such numbers
	permanent      = expression(`(^|[^\d.])5[0-7]\d[ -]`)
	passing        = expression(`(^|[^\d.])4[0-5]\d[ -]`)
)

// betterStatus prefers what the refusing server said to what the reporting one
// made of it: a general number, or one about the address where the words were
// about policy.
func betterStatus(status, words string) string {
	for i, code := range enhancedStatus().FindAllString(dotted().ReplaceAllString(words, " "), 10) {
		if i == 0 && (status == "" || strings.HasSuffix(status, ".0.0")) || strings.HasPrefix(code[1:], ".7.") {
			return code
		}
	}
	return ""
}

func actionOf(status, words string) string {
	switch {
	case strings.HasPrefix(status, "2"):
		return "delivered"
	case strings.HasPrefix(status, "4"), status == "" && passing().MatchString(words) && !permanent().MatchString(words):
		return "delayed"
	}
	return "failed"
}

var anyAddress = expression(`[\p{L}\p{N}._%+=/!#$&'*~?^{}|-]{1,64}@[\p{L}\p{N}.-]{1,253}[\p{L}\p{N}]`)

// addressOf reads "rfc822; <name@domain>" (RFC 3464 §2.3.2).
func addressOf(field string) string {
	if _, value, typed := strings.Cut(field, ";"); typed {
		field = value
	}
	found := anyAddress().FindString(field)
	if address, err := consent.Normalize(found); err == nil {
		return address
	}
	return found
}
