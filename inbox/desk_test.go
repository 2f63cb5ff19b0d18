package inbox

import (
	"strings"
	"testing"

	"heed/store"
	"heed/store/storetest"
)

// TestACaseGrowsInItsMailbox: the words of a request reach the desk, the answer
// to our letter joins the case, and somebody else's answer to it does not.
func TestACaseGrowsInItsMailbox(t *testing.T) {
	p := newPost(t, RolePrivacy, storetest.DovecotOptions{})
	if _, err := p.s.Import(t.Context(), []store.Contact{{Email: "ann@example.org"}, {Email: "eve@example.org"}}, "test", false); err != nil {
		t.Fatal(err)
	}
	poller := p.poller()
	poller.Ours.Domain = "news.example"
	run(t, poller)
	p.arrives(letter("ann@example.org", "privacy@news.example", "My data", "Please delete all my personal data."))
	var f store.CaseFile
	grows := func(what string, ok func() bool) {
		t.Helper()
		eventually(t, what, func() bool {
			all, err := p.s.Cases(t.Context(), true)
			if err != nil || len(all) == 0 {
				return false
			}
			f, err = p.s.CaseFile(t.Context(), all[0].ID)
			return err == nil && ok()
		})
	}
	grows("the case", func() bool { return len(f.Letters) > 0 })
	answer := func(from, text string) []byte {
		raw := string(letter(from, "privacy@news.example", "Re: your question", text))
		return []byte(strings.Replace(raw, "Subject:", "In-Reply-To: <letter-1@news.example>\r\nSubject:", 1))
	}
	p.arrives(answer("eve@example.org", "I am somebody else."))
	p.arrives(answer("ann@example.org", "I have read it, thank you."))
	grows("the answer in the case", func() bool { return len(f.Mails) == 2 })
	if f.Mails[0].Subject != "My data" || !strings.Contains(f.Mails[0].Text, "delete all my personal data") || !strings.Contains(f.Mails[0].Writer, "ann@example.org") ||
		!strings.Contains(f.Mails[1].Text, "thank you") {
		t.Errorf("the desk reads %+v", f.Mails)
	}
	p.filed(3)
	if f, err := p.s.CaseFile(t.Context(), f.ID); err != nil || len(f.Mails) != 2 {
		t.Errorf("the case has %d mails, %v: somebody else's is no part of it", len(f.Mails), err)
	}
}
