package inbox

import (
	"encoding/json"
	"net/textproto"
	"strings"

	"heed/consent"
)

// statusParts reads the machine part of a report (RFC 6522 §3): the part of
// the type made for it (RFC 3464 §2, RFC 6533 §3), or whichever part of a
// report has its fields.
func (r reading) statusParts() []told {
	var all []told
	for _, p := range r.Parts {
		if p.Type == "message/delivery-status" || p.Type == "message/global-delivery-status" {
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

// maxStatus bounds the recipients of one report.
const maxStatus = 200

// readStatus reads the groups of fields (RFC 3464 §2.1): one about the
// message, then one for each recipient.
func readStatus(text string) []told {
	var all []told
	for _, group := range statusGroups(text) {
		fields := readFields(group)
		recipient := addressOf(fields.Get("Final-Recipient"))
		if recipient == "" {
			recipient = addressOf(fields.Get("Original-Recipient"))
		}
		if recipient == "" || len(all) >= maxStatus {
			continue
		}
		words := fields.Get("Diagnostic-Code")
		all = append(all, told{recipient, fields.Get("Action"), consent.Refusal{
			Status: enhancedStatus().FindString(fields.Get("Status")), Words: words, Step: stepOf(words)}})
	}
	return all
}

var blankLine = expression(`\n[ \t]*\n`)

// statusGroups cuts at blank lines, and, for servers that leave them out,
// before the second Final-Recipient of a group.
func statusGroups(text string) []string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	var groups []string
	for _, group := range blankLine().Split(text, -1) {
		for {
			at := finalRecipient().FindAllStringIndex(group, 2)
			if len(at) < 2 {
				break
			}
			groups, group = append(groups, group[:at[1][0]]), group[at[1][0]:]
		}
		groups = append(groups, group)
	}
	return groups
}

var finalRecipient = expression(`(?im)^final-recipient[ \t]*:`)

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
		name = strings.TrimRight(name, " \t")
		if !found || name == "" || strings.ContainsAny(name, " \t") {
			continue
		}
		last = textproto.CanonicalMIMEHeaderKey(name)
		fields[last] = append(fields[last], strings.TrimSpace(value))
	}
	return fields
}

// nested reads the report inside a report: some gateways wrap the one that
// they were given.
func (r reading) nested() []told {
	for _, p := range r.Parts {
		if p.Type != "message/rfc822" || len(p.Content) > maxText {
			continue
		}
		inner := reading{Mail: Parse(p.Content), role: r.role}
		if all := inner.statusParts(); len(all) > 0 {
			return all
		}
	}
	for _, p := range r.Parts {
		if strings.HasPrefix(p.Type, "text/") || p.Type == "" {
			if all := readStatus(string(p.Content)); len(all) > 0 {
				return all
			}
		}
	}
	return nil
}

// notice is the JSON in which Amazon's services tell what became of a mail.
type notice struct {
	NotificationType, EventType string
	Bounce                      struct {
		BounceType        string
		BouncedRecipients []struct{ EmailAddress, Action, Status, DiagnosticCode string }
	}
	Complaint struct{ ComplaintFeedbackType string }
	Delivery  struct {
		Recipients   []string
		SMTPResponse string `json:"smtpResponse"`
	}
}

func (r reading) readNotice() (n notice, found bool) {
	text := strings.TrimSpace(r.Text)
	if !strings.HasPrefix(text, "{") || !strings.Contains(text[:min(len(text), 200)], `Type"`) {
		return n, false
	}
	err := json.NewDecoder(strings.NewReader(text)).Decode(&n)
	if n.NotificationType == "" {
		n.NotificationType = n.EventType
	}
	return n, err == nil && n.NotificationType != ""
}

func (r reading) notice() (all []told, found bool) {
	n, found := r.readNotice()
	switch {
	case !found:
		return nil, false
	case n.NotificationType == "Bounce":
		for _, b := range n.Bounce.BouncedRecipients {
			t := told{addressOf(b.EmailAddress), b.Action, consent.Refusal{Status: b.Status, Words: b.DiagnosticCode}}
			if n.Bounce.BounceType == "Transient" && t.action == "" {
				t.action = "delayed"
			}
			all = append(all, t)
		}
	case n.NotificationType == "Delivery":
		for _, address := range n.Delivery.Recipients {
			all = append(all, told{addressOf(address), "delivered", consent.Refusal{Status: "2.0.0", Words: n.Delivery.SMTPResponse}})
		}
	}
	return all, len(all) > 0
}
