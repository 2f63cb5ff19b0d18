package inbox

import (
	"strconv"
	"strings"

	"heed/consent"
	"heed/store"
)

// describe adds what staff read of a mail, and which letter or case of ours it
// speaks of. What machines send is read by nobody.
func (v *visits) describe(m *store.Inbound, raw []byte) {
	read := Mail{}
	err := guarded(func() error {
		if m.Request.Kind == consent.KindBounce || m.Request.Kind == consent.KindAutoReply {
			raw = raw[:headerEnd(raw)]
		}
		read = Parse(raw)
		return nil
	})
	if err != nil {
		m.Text = "(this mail could not be read; look at it in its mailbox)"
		return
	}
	m.MessageID, m.Subject = read.Header.Get("Message-Id"), read.Subject
	m.Writer = decodeHeader(strings.Join(read.Header.Values("From"), ", "))
	m.Text = readable(read)
	m.Letter = letterOf(read, v.Ours.Domain)
	m.Case = caseOf(read.Subject)
}

// readable is the text of a mail as staff read it: what was written first, then
// what is quoted, since the one is sometimes taken for the other.
func readable(m Mail) string {
	text := strings.TrimSpace(m.Text)
	if quoted := strings.TrimSpace(m.Quoted); quoted != "" {
		text = strings.TrimSpace(text + "\n\n" + quoted)
	}
	if m.Broken != "" {
		text = strings.TrimSpace(text + "\n\n(the rest could not be read; look at the mail in its mailbox)")
	}
	return text
}

var (
	letterID  = expression(`<letter-(\d{1,18})@([^<>@\s]+)>`)
	reference = expression(`\bH-(\d{1,18})\b`)
)

// letterOf finds the letter of ours that a mail answers (RFC 5322 §3.6.4).
func letterOf(m Mail, domain string) int64 {
	fields := strings.Join(append(m.Header.Values("References"), m.Header.Values("In-Reply-To")...), " ")
	found := int64(0)
	for _, id := range letterID().FindAllStringSubmatch(bounded(fields), -1) {
		if domain != "" && strings.EqualFold(id[2], domain) {
			found, _ = strconv.ParseInt(id[1], 10, 64) // digits, at most 18
		}
	}
	return found
}

// caseOf finds the number of a case of ours in a subject.
func caseOf(subject string) int64 {
	found := reference().FindStringSubmatch(bounded(subject))
	if found == nil {
		return 0
	}
	id, _ := strconv.ParseInt(found[1], 10, 64) // digits, at most 18
	return id
}

// bounded keeps a field that somebody blew up from costing time.
func bounded(field string) string { return field[:min(len(field), 16<<10)] }
