package inbox

import (
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"heed/store"
	"heed/store/storetest"
)

// TestOldMailsLeaveOurFolders: what heed filed goes when its time is over, what
// somebody else put there stays, and so does what others have marked.
func TestOldMailsLeaveOurFolders(t *testing.T) {
	for name, tt := range map[string]struct {
		capability string
		left       int
	}{"uidplus": {"", 3}, "no uid expunge": {"IMAP4rev1 NAMESPACE MOVE", 5}} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t, RoleUnsubscribe, storetest.DovecotOptions{Capability: tt.capability})
			p.s = storetest.OpenWith(t, func(o *store.Options) { o.Retention.Mails = 90 * 24 * time.Hour })
			old := time.Now().AddDate(0, 0, -100).Truncate(time.Second)
			p.dated("INBOX", "ann@example.org", old)
			p.dated("INBOX", "bob@example.org", old.Add(time.Second))
			p.dated("INBOX", "young@example.org", time.Now().AddDate(0, 0, -80))
			program := p.program("INBOX")
			if err := program.Create("Processed", nil).Wait(); err != nil {
				t.Fatal(err)
			}
			p.dated("Processed", "theirs@example.org", old.Add(-time.Hour))
			p.dated("Processed", "marked@example.org", old.Add(-2*time.Hour))
			p.mark(p.uidOf("marked@example.org", "Processed"), false)
			run(t, p.poller())
			p.has("INBOX", 0)
			p.has("Processed", tt.left)
			mails, err := p.Messages(p.user, "Processed")
			if err != nil {
				t.Fatal(err)
			}
			all := ""
			for _, raw := range mails {
				all += string(raw)
			}
			for _, from := range []string{"young@", "theirs@", "marked@"} {
				if !strings.Contains(all, from) {
					t.Errorf("the mail of %s is gone", from)
				}
			}
		})
	}
}

// dated puts a mail that asks to stop into a folder, as if it had come then.
func (p *post) dated(folder, from string, at time.Time) {
	p.t.Helper()
	raw := letter(from, p.user+"@news.example", "stop", "Please unsubscribe me.")
	program := p.program("INBOX")
	put := program.Append(folder, int64(len(raw)), &imap.AppendOptions{Time: at})
	_, err := put.Write(raw)
	if err == nil {
		err = put.Close()
	}
	if err == nil {
		_, err = put.Wait()
	}
	if err != nil {
		p.t.Fatal(err)
	}
}
