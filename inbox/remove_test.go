package inbox

import (
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// confirmed lets the holder of an address click the link of their case.
func confirmed(t *testing.T, s *store.Store) (caseNo int64) {
	t.Helper()
	all, err := s.Cases(t.Context(), true)
	if err != nil || len(all) != 1 {
		t.Fatalf("cases %+v, %v", all, err)
	}
	token, err := s.ConfirmLink(all[0])
	if err != nil {
		t.Fatal(err)
	}
	link, err := s.Keys().Links.Open(token)
	if err == nil {
		_, err = s.Confirm(t.Context(), link)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all[0].ID
}

// TestErasedMailsLeaveTheMailbox: the mails of somebody who was erased go, also
// the one that somebody moved away; those of others stay, also one that another
// program has marked.
func TestErasedMailsLeaveTheMailbox(t *testing.T) {
	for name, capability := range map[string]string{"uidplus": "", "bare": "IMAP4rev1 NAMESPACE"} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t, RolePrivacy, storetest.DovecotOptions{Capability: capability})
			if _, err := p.s.Import(t.Context(), []store.Contact{{Email: "ann@example.org"}}, "test", false); err != nil {
				t.Fatal(err)
			}
			p.stop("bob@example.org")
			p.stop("ann@example.org")
			p.arrives(letter("ann@example.org", "privacy@news.example", "Request", "Please delete all my personal data."))
			run(t, p.poller())
			p.filed(3)
			program := p.program("Processed")
			if err := program.Create("Archive", nil).Wait(); err != nil {
				t.Fatal(err)
			}
			if _, err := program.Copy(imap.UIDSetNum(p.uidOf("ann@example.org", "Processed")), "Archive").Wait(); err != nil {
				t.Fatal(err)
			}
			p.mark(p.uidOf("ann@example.org", "Processed"), true)
			if err := program.Expunge().Close(); err != nil {
				t.Fatal(err)
			}
			p.mark(p.uidOf("bob@example.org", "Processed"), false)
			id := confirmed(t, p.s)
			if err := p.s.Erase(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the end of the case", func() bool {
				c, err := p.s.Case(t.Context(), id)
				return err == nil && c.State == consent.CaseDone
			})
			for _, folder := range []string{"INBOX", "Processed", "Review", "Archive"} {
				mails, err := p.Messages(p.user, folder)
				if err != nil {
					t.Fatal(err)
				}
				for _, raw := range mails {
					if strings.Contains(string(raw), "ann@example.org") {
						t.Errorf("a mail of the erased person is still in %s", folder)
					}
				}
			}
			p.uidOf("bob@example.org", "Processed")
		})
	}
}

// filed waits until n mails were recorded and filed.
func (p *post) filed(n int) {
	p.t.Helper()
	eventually(p.t, "every mail in its folder", func() bool {
		done := 0
		for _, folder := range []string{"Processed", "Review"} {
			mails, err := p.Messages(p.user, folder)
			if err != nil {
				return false
			}
			done += len(mails)
		}
		return done == n
	})
}

// uidOf finds the first mail of somebody in a folder.
func (p *post) uidOf(from, folder string) imap.UID {
	p.t.Helper()
	c := p.program(folder)
	found, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "From", Value: from}}}, nil).Wait()
	if err != nil || len(found.AllUIDs()) == 0 {
		p.t.Fatalf("no mail of %s in %s: %v", from, folder, err)
	}
	return found.AllUIDs()[0]
}

// mark marks a mail of Processed as deleted, as another program would.
func (p *post) mark(uid imap.UID, seen bool) {
	p.t.Helper()
	flags := []imap.Flag{imap.FlagDeleted}
	if seen {
		flags = append(flags, imap.FlagSeen)
	}
	if err := p.program("Processed").Store(imap.UIDSetNum(uid), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: flags}, nil).Close(); err != nil {
		p.t.Fatal(err)
	}
}
