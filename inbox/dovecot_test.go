package inbox

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// post is a Dovecot with a poller's view of one of its mailboxes.
type post struct {
	*storetest.DovecotServer
	t    *testing.T
	s    *store.Store
	user string
}

func newPost(t *testing.T, user string, options storetest.DovecotOptions) *post {
	t.Helper()
	return &post{storetest.DovecotWith(t, options), t, openStore(t), user}
}

func (p *post) poller() *Poller {
	return &Poller{Store: p.s, Poll: 300 * time.Millisecond, rest: 50 * time.Millisecond, Mailbox: Mailbox{Role: p.user,
		Address: p.user + "@news.example", URL: p.URL(p.user), PasswordFile: p.PasswordFile(p.user)}}
}

func (p *post) arrives(raw []byte) {
	p.t.Helper()
	if err := p.Deliver(p.user, raw); err != nil {
		p.t.Fatal(err)
	}
}

func (p *post) stop(from string) {
	p.t.Helper()
	p.arrives(letter(from, p.user+"@news.example", "stop", "Please unsubscribe me."))
}

func (p *post) has(folder string, n int) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%d mails in %s", n, folder), func() bool { return p.Count(p.user, folder) == n })
}

// program logs in as any mail program would, to the folder.
func (p *post) program(folder string) *imapclient.Client {
	p.t.Helper()
	c, err := imapclient.DialInsecure(p.Address(), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	if err := c.Login(p.user, contents(p.t, p.PasswordFile(p.user))).Wait(); err != nil {
		p.t.Fatal(err)
	}
	if _, err := c.Select(folder, nil).Wait(); err != nil {
		p.t.Fatal(err)
	}
	return c
}

// TestDovecotNewUIDs: the server forgot its UIDs, so that every mail looks new.
// Nobody is acted on a second time.
func TestDovecotNewUIDs(t *testing.T) {
	p := newPost(t, RoleReply, storetest.DovecotOptions{Capability: "IMAP4rev1 NAMESPACE IDLE"}) // finished mail stays, marked
	p.arrives(letter("friend@example.org", "reply@news.example", "Lunch?", "Shall we meet at noon?"))
	p.stop("reader@example.org")
	var recorded []consent.Kind
	poller := p.poller()
	poller.Read = func(_ string, kind consent.Kind) { recorded = append(recorded, kind) }
	end := run(t, poller)
	p.has("Processed", 1)
	eventually(t, "the mark of a copied mail", func() bool { return strings.Contains(flags(t, p.program("INBOX")), "Deleted") })
	end()
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := p.ForgetUIDs(p.user); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	run(t, poller)
	p.stop("later@example.org")
	p.has("Processed", 2)
	actedOnce(t, p.s, "reader@example.org")
	actedOnce(t, p.s, "later@example.org")
	if len(recorded) != 2 {
		t.Errorf("recorded as new: %v", recorded)
	}
}

// TestDovecotFoldersGo: somebody deletes the folder of finished mail, and
// renames the one that is read, while the poller reads.
func TestDovecotFoldersGo(t *testing.T) {
	p := newPost(t, RolePrivacy, storetest.DovecotOptions{})
	c := p.program("INBOX")
	if err := c.Create("Letters", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	poller := p.poller()
	poller.Mailbox.URL = strings.Replace(poller.Mailbox.URL, "/INBOX", "/Letters", 1)
	into := func(from string) {
		t.Helper()
		raw := letter(from, "privacy@news.example", "stop", "Please unsubscribe me.")
		cmd := c.Append("Letters", int64(len(raw)), nil)
		_, _ = cmd.Write(raw)
		_ = cmd.Close()
		if _, err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	run(t, poller)
	into("one@example.org")
	p.has("Processed", 1)
	if err := c.Delete("Processed").Wait(); err != nil {
		t.Fatal(err)
	}
	into("two@example.org")
	p.has("Processed", 1)
	if err := c.Rename("Letters", "Elsewhere", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "word of the missing folder", func() bool { return troubled(t, p.s) == store.MailboxFolderMissing })
	if err := c.Rename("Elsewhere", "Letters", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	into("three@example.org")
	p.has("Processed", 2)
	eventually(t, "the end of the trouble", func() bool { return troubled(t, p.s) == "" })
	for _, address := range []string{"one@example.org", "two@example.org", "three@example.org"} {
		actedOnce(t, p.s, address)
	}
}

// TestDovecotLoginRefused: the password is missing, then wrong, then right.
func TestDovecotLoginRefused(t *testing.T) {
	p := newPost(t, RoleUnsubscribe, storetest.DovecotOptions{})
	right := contents(t, p.PasswordFile(p.user))
	if err := os.Remove(p.PasswordFile(p.user)); err != nil {
		t.Fatal(err)
	}
	log := runNoted(t, p.poller())
	p.stop("one@example.org")
	eventually(t, "word of the missing password", func() bool { return troubled(t, p.s) == store.MailboxNoSecret })
	write(t, p.PasswordFile(p.user), "not-it\n")
	eventually(t, "word of the refusal", func() bool { return troubled(t, p.s) == store.MailboxLoginRefused })
	write(t, p.PasswordFile(p.user), right+"\n")
	p.has("Processed", 1)
	eventually(t, "the end of the trouble", func() bool { return troubled(t, p.s) == "" })
	if text := log.String(); strings.Contains(text, "not-it") || strings.Contains(text, right) || !strings.Contains(text, "check the user and password_file") {
		t.Errorf("the log says %s", text)
	}
}

// TestDovecotFoldersBelowInbox: a server that keeps all folders below INBOX.
func TestDovecotFoldersBelowInbox(t *testing.T) {
	p := newPost(t, RoleUnsubscribe, storetest.DovecotOptions{Config: "namespace inbox {\n  prefix = INBOX/\n}\n"})
	p.stop("one@example.org")
	run(t, p.poller())
	p.has("Processed", 1)
	if !optedOut(t, p.s, key(t, p.s, "one@example.org")) {
		t.Error("the mail had no effect")
	}
}

// TestDovecotReplyStaysUnread: people read the reply mailbox too. Heed acts on
// a clear request; all else keeps its place, its UID and its flags, also when
// another poller begins later.
func TestDovecotReplyStaysUnread(t *testing.T) {
	p := newPost(t, RoleReply, storetest.DovecotOptions{})
	for i, text := range []string{"Thank you, I liked the picture of the pier.", "Can you call me tomorrow?", "Are you still at Pier 1?"} {
		p.arrives(letter(fmt.Sprintf("friend%d@example.org", i), "reply@news.example", "Re: News", text))
	}
	before := flags(t, p.program("INBOX"))
	p.stop("reader@example.org")
	end := run(t, p.poller())
	p.has("Processed", 1)
	p.has("INBOX", 3)
	c := p.program("INBOX")
	if after := flags(t, c); after != before || strings.Contains(after, "Seen") {
		t.Errorf("before: %s, after: %s", before, after)
	}
	flag := imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagSeen, imap.FlagFlagged}}
	if err := c.Store(imap.SeqSetNum(2), &flag, nil).Close(); err != nil {
		t.Fatal(err)
	}
	marked := flags(t, c)
	end()
	eventually(t, "the mark of how far it was read", func() bool {
		uid, err := p.s.MailboxRead(t.Context(), "reply@news.example/INBOX", validityOf(t, c))
		return err == nil && uid == 4
	})
	run(t, p.poller())
	p.stop("second@example.org")
	p.has("Processed", 2)
	if after := flags(t, p.program("INBOX")); after != marked {
		t.Errorf("before: %s, after: %s", marked, after)
	}
}

// flags lists UIDs and flags of the folder that is open. \Recent belongs to
// whoever looks first.
func flags(t *testing.T, c *imapclient.Client) string {
	t.Helper()
	found, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{UID: true, Flags: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, m := range found {
		text += fmt.Sprintf("%d:", m.UID)
		for _, flag := range m.Flags {
			if flag != "\\Recent" {
				text += string(flag)
			}
		}
		text += " "
	}
	return text
}

func validityOf(t *testing.T, c *imapclient.Client) uint32 {
	t.Helper()
	data, err := c.Status("INBOX", &imap.StatusOptions{UIDValidity: true}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	return data.UIDValidity
}

// TestDovecotAmongOthers: two pollers, and a mail program that flags, moves and
// deletes in the same mailbox meanwhile. Each request has its effect once.
func TestDovecotAmongOthers(t *testing.T) {
	p := newPost(t, RoleUnsubscribe, storetest.DovecotOptions{})
	const n = 40
	c := p.program("INBOX")
	if err := c.Create("Sorted", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		p.stop(fmt.Sprintf("reader%d@example.org", i))
	}
	for _, owner := range []string{"one", "two"} {
		poller := p.poller()
		poller.Owner = owner
		run(t, poller)
	}
	meddled := make(chan struct{})
	go func() {
		defer close(meddled)
		for range 10 {
			flag := imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagSeen, imap.FlagDeleted}}
			_ = c.Store(imap.SeqSet{{Start: 1, Stop: 0}}, &flag, nil).Close()
			_, _ = c.Move(imap.SeqSetNum(1), "Sorted").Wait()
			_ = c.Noop().Wait()
		}
	}()
	mails := func(folders ...string) map[string]bool {
		different := map[string]bool{} // both may have moved a mail at the same moment
		for _, folder := range folders {
			all, err := p.Messages(p.user, folder)
			if err != nil {
				t.Fatal(err)
			}
			for _, raw := range all {
				different[string(raw)] = true
			}
		}
		return different
	}
	eventually(t, "every mail in a folder", func() bool { return len(mails("INBOX")) == 0 && len(mails("Processed", "Sorted")) == n })
	<-meddled
	t.Logf("%d were moved by the mail program before heed had them", len(mails("Sorted")))
	for i := range n {
		explained, err := p.s.Explain(t.Context(), fmt.Sprintf("reader%d@example.org", i))
		if err != nil || len(explained.Ledger) > 1 {
			t.Errorf("reader%d: %d rows in the ledger (%v)", i, len(explained.Ledger), err)
		}
	}
	for raw := range mails("Processed") {
		if from := Parse([]byte(raw)).From(); !optedOut(t, p.s, key(t, p.s, from)) {
			t.Errorf("%s lies in Processed without effect", from)
		}
	}
}
