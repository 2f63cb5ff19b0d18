package inbox

import (
	"net/textproto"
	"regexp"
	"strings"

	"heed/consent"
)

// bounce reads delivery status notifications (RFC 3464) and the reports of
// mail servers that write them in their own words.
func (r reading) bounce() (consent.Request, bool) {
	fates := r.statusParts()
	rule := "delivery-status"
	if len(fates) == 0 && r.looksReturned() {
		rule, fates = "returned-mail", r.nested()
		if len(fates) == 0 {
			fates = r.fatesFromText()
		}
	} else if len(fates) == 0 {
		return consent.Request{}, false
	}
	request := verdict(consent.KindBounce, 1, rule, r.Subject)
	request.Bounces = fates
	if link, found := r.bounceLink(); found {
		request.Link = &link
	}
	return request, true
}

// bounceLink is the link in our own return path: the address that the report
// was sent to, or what the returned mail notes as its envelope sender.
func (r reading) bounceLink() (consent.Link, bool) {
	if link, found := r.addressLink(); found && link.Purpose == consent.PurposeBounce {
		return link, true
	}
	for _, p := range r.Parts {
		if link, _, found := r.ring.FindToken(returnPaths(p.Content)); found && link.Purpose == consent.PurposeBounce {
			return link, true
		}
	}
	return consent.Link{}, false
}

var returnPath = regexp.MustCompile(`(?im)^(?:return-path|x-envelope-from|envelope-from|x-original-mail-from|original-mail-from|x-postfix-sender|errors-to)[ \t]*:.*$`)

func returnPaths(content []byte) string {
	lines := returnPath.FindAll(content[:min(len(content), maxText)], 20)
	var out strings.Builder
	for _, line := range lines {
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.String()
}

// statusParts reads the machine part of the report.
func (r reading) statusParts() []consent.Bounce {
	var all []consent.Bounce
	for _, p := range r.Parts {
		if p.Type == "message/delivery-status" || p.Type == "message/global-delivery-status" { // RFC 6533 §3
			all = append(all, readStatus(string(p.Content))...)
		}
	}
	kind := strings.ToLower(r.Params["report-type"])
	if len(all) == 0 && r.Type == "multipart/report" && (kind == "delivery-status" || kind == "") {
		for _, p := range r.Parts {
			all = append(all, readStatus(string(p.Content))...)
		}
	}
	return all
}

// readStatus reads the groups of fields (RFC 3464 §2.1): one about the
// message, then one for each recipient.
func readStatus(text string) []consent.Bounce {
	var all []consent.Bounce
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	for _, group := range strings.Split(text, "\n\n") {
		fields := readFields(group)
		recipient := addressOf(fields.Get("Final-Recipient"))
		if recipient == "" {
			recipient = addressOf(fields.Get("Original-Recipient"))
		}
		if recipient == "" {
			continue
		}
		diagnosis := fields.Get("Diagnostic-Code")
		status := enhancedStatus.FindString(fields.Get("Status"))
		all = append(all, fate(recipient, strings.ToLower(strings.TrimSpace(fields.Get("Action"))), status, diagnosis))
	}
	return all
}

func readFields(group string) textproto.MIMEHeader {
	fields := textproto.MIMEHeader{}
	last := ""
	for _, line := range strings.Split(group, "\n") {
		if line != "" && (line[0] == ' ' || line[0] == '\t') && last != "" {
			values := fields[last]
			values[len(values)-1] += " " + strings.TrimSpace(line)
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if !found || strings.ContainsAny(name, " \t") {
			continue
		}
		last = textproto.CanonicalMIMEHeaderKey(name)
		fields[last] = append(fields[last], strings.TrimSpace(value))
	}
	return fields
}

var (
	enhancedStatus = regexp.MustCompile(`\b[245]\.\d{1,3}\.\d{1,3}\b`)
	anyAddress     = regexp.MustCompile(`[\p{L}\p{N}._%+=/!#$&'*~?^{}|-]{1,64}@[\p{L}\p{N}.-]{1,253}[\p{L}\p{N}]`)
)

// addressOf reads "rfc822; <name@domain>" (RFC 3464 §2.3.2).
func addressOf(field string) string {
	if _, value, typed := strings.Cut(field, ";"); typed {
		field = value
	}
	found := anyAddress.FindString(field)
	if address, err := consent.Normalize(found); err == nil {
		return address
	}
	return found
}

// fate fills in what the report leaves out.
func fate(recipient, action, status, diagnosis string) consent.Bounce {
	if told := enhancedStatus.FindString(diagnosis); told != "" && (status == "" || strings.HasSuffix(status, ".0.0")) {
		status = told
	}
	action, _, _ = strings.Cut(action, " ")
	if action == "" {
		action = actionOf(status)
	}
	b := consent.Bounce{Recipient: recipient, Action: action, Status: status}
	b.Hard = action == "failed" && hard(status, diagnosis)
	return b
}

func actionOf(status string) string {
	switch {
	case strings.HasPrefix(status, "2"):
		return "delivered"
	case strings.HasPrefix(status, "4"):
		return "delayed"
	}
	return "failed"
}

var (
	noSuchMailbox = regexp.MustCompile(`(?i)user unknown|unknown user|no such (user|recipient|mailbox|address|person|account|local)|does(n't| not) exist|unknown (recipient|local|address|mailbox|account|virtual)|` +
		`recipient (address )?(unknown|not found|is unknown)|recipnotfound|address (unknown|not found|does not)|mailbox (not found|unknown|does not exist|unavailable or access denied)|not a (known|valid) (user|mailbox|recipient)|` +
		`user (not found|doesn't|does not|is unknown|unavailable)|invalid (recipient|mailbox|user|address)|(no|not have an?) account|unrouteable|undeliverable address|host (unknown|not found|or domain name not found)|unknown host|no longer (valid|available|exist|in use|with|works)|` +
		`has moved|user .{0,60} (not listed|unknown|does not exist)|not listed in|account (has been )?(deleted|closed|disabled|does not exist)|nullmx|null mx|not accept mail|bad destination|no mailbox|nosuchuser|recipient rejected: no|(domain|dns).{0,30}(not exist|nxdomain|not found)|nxdomain|name or service not known`)
	otherCause = regexp.MustCompile(`(?i)spam|block(ed|list)|blacklist|policy|reputation|dmarc|dkim|\bspf\b|authenticat|quota|full|too (large|big|many)|virus|rate|throttl|relay|greylist|temporar|try again|time(d)? ?out|suspend|inactive|filter|content|ptr|reverse dns|rdns|sender (address )?rejected|sender .{0,20}(denied|unknown|not exist)|access denied|end of data`)
)

// hard tells whether the mailbox does not exist, now and later: only that may
// stop an address. A refusal for spam, policy, size or quota says nothing of
// the kind, whatever its number (RFC 3463 §3.2 to §3.8).
func hard(status, diagnosis string) bool {
	if strings.HasPrefix(status, "4") || strings.HasPrefix(status, "2") {
		return false
	}
	named := noSuchMailbox.MatchString(diagnosis)
	other := otherCause.MatchString(diagnosis)
	switch status {
	case "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.4.4":
		return named || !other
	case "5.2.1":
		return named || !other && diagnosis == ""
	case "5.1.0", "5.1.7", "5.1.8", "5.2.2", "5.2.3":
		return named && !other && status == "5.1.0"
	}
	return named && !other && !strings.HasPrefix(status, "5.7")
}
