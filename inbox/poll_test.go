package inbox

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"heed/consent"
	"heed/inbox/inboxtest"
	"heed/store"
)

func openStore(t *testing.T) *store.Store {
	t.Helper()
	folder := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(folder, "heed.db"), Keys: filepath.Join(folder, "keys")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func startIMAP(t *testing.T, missing ...string) *inboxtest.Server {
	t.Helper()
	server, err := inboxtest.StartWithout(map[string]string{"box": "secret"}, missing...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

// run polls until the test ends, or until the returned function is called.
func run(t *testing.T, p *Poller) (stop func()) {
	t.Helper()
	p.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	if p.Owner == "" {
		p.Owner = "test"
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// poller reads a mailbox of the in-memory server, which says nothing in IDLE of
// what came just before it, as real servers do: the look at every Poll finds it.
func poller(s *store.Store, server *inboxtest.Server, role string) *Poller {
	return &Poller{Store: s, Poll: 5 * time.Second, rest: 50 * time.Millisecond, Mailbox: Mailbox{Role: role, Address: role + "@news.example", URL: server.URL("box"), Password: "secret"}}
}

func letter(from, to, subject, text string) []byte {
	return fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%x@example.net>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n", from, to, subject, from+subject+text, text)
}

// eventually waits for a condition as long as a slow machine may need.
func eventually(t *testing.T, what string, holds func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for time.Since(begin) < time.Minute {
		if holds() {
			return time.Since(begin)
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("waited a minute in vain: %s", what)
	return 0
}

func counts(t *testing.T, server *inboxtest.Server, folder string, want int) bool {
	t.Helper()
	n, err := server.Count("box", folder)
	if err != nil {
		t.Fatal(err)
	}
	return n == want
}

func key(t *testing.T, s *store.Store, address string) consent.Key {
	t.Helper()
	k, _, err := s.Key(address)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func optedOut(t *testing.T, s *store.Store, k consent.Key) bool {
	t.Helper()
	state, err := s.State(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return state.Marketing.Choice == consent.Out
}

func put(t *testing.T, server *inboxtest.Server, raw []byte) {
	t.Helper()
	if err := server.Append("box", "INBOX", raw, time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestPollerActsAndFiles(t *testing.T) {
	s, server := openStore(t), startIMAP(t)
	sealed := key(t, s, "sealed@example.org")
	token := s.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeOptOut, Address: sealed})
	put(t, server, letter("other@example.org", "unsubscribe+"+token+"@news.example", "", ""))
	put(t, server, letter("phrase@example.org", "unsubscribe@news.example", "Hello", "Please take me off your list."))
	put(t, server, letter("away@example.org", "unsubscribe@news.example", "Automatic reply: unsubscribe", "I am out of office."))
	put(t, server, letter("delete@example.org", "unsubscribe@news.example", "Request", "Please delete all my personal data."))
	put(t, server, letter("riddle@example.org", "unsubscribe@news.example", "A question", "Would it be possible for you to call?"))
	if _, err := s.Import(t.Context(), []store.Contact{{Email: "delete@example.org"}}, "test", false); err != nil {
		t.Fatal(err)
	}
	var effective atomic.Int32
	p := poller(s, server, RoleUnsubscribe)
	p.Effective = func(string, time.Duration) { effective.Add(1) }
	run(t, p)
	eventually(t, "an empty INBOX", func() bool { return counts(t, server, "INBOX", 0) })
	if !counts(t, server, "Processed", 4) || !counts(t, server, "Review", 1) {
		t.Error("not 4 mails in Processed and 1 in Review")
	}
	for address, want := range map[string]bool{"sealed@example.org": true, "phrase@example.org": true,
		"away@example.org": false, "other@example.org": false} {
		if got := optedOut(t, s, key(t, s, address)); got != want {
			t.Errorf("%s opted out: %v, want %v", address, got, want)
		}
	}
	state, err := s.State(t.Context(), key(t, s, "delete@example.org"))
	if err != nil || state.Hold == 0 || state.Erased != 0 {
		t.Errorf("who asks to be deleted is on hold until they confirm: %+v, %v", state, err)
	}
	if effective.Load() < 2 {
		t.Errorf("%d effects were measured", effective.Load())
	}
}

// TestPollerWakesAtOnce: with a minute between two looks only the server's word
// can be what makes mail have its effect. The server in memory does not tell of a
// mail that came between a look and the wait for news, hence the next one.
func TestPollerWakesAtOnce(t *testing.T) {
	s, server := openStore(t), startIMAP(t)
	p := poller(s, server, RoleUnsubscribe)
	p.Poll = time.Minute
	run(t, p)
	sent := 0
	effective := func() int {
		n := 0
		for i := range sent {
			if optedOut(t, s, key(t, s, fmt.Sprintf("m%d@example.org", i))) {
				n++
			}
		}
		return n
	}
	began := time.Now()
	for effective() < 3 {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%d of %d mails had their effect in %s", effective(), sent, time.Since(began))
		}
		put(t, server, letter(fmt.Sprintf("m%d@example.org", sent), "unsubscribe@news.example", "stop", "stop"))
		sent++
		for waited := time.Now(); effective() < sent && time.Since(waited) < 2*time.Second; {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func TestPollerWithoutIdleLooksEveryPoll(t *testing.T) {
	s, server := openStore(t), startIMAP(t, "IDLE")
	p := poller(s, server, RoleUnsubscribe)
	p.Poll = 50 * time.Millisecond
	run(t, p)
	for i := range 3 {
		put(t, server, letter(fmt.Sprintf("p%d@example.org", i), "unsubscribe@news.example", "stop", ""))
		eventually(t, "a mail in Processed", func() bool { return counts(t, server, "Processed", i+1) })
	}
}

// flagForeign marks the first mail of INBOX as another mail program would.
func flagForeign(t *testing.T, server *inboxtest.Server) {
	t.Helper()
	c, err := imapclient.DialInsecure(server.Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("box", "secret").Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	flags := imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted, imap.FlagSeen}}
	if err := c.Store(imap.SeqSetNum(1), &flags, nil).Close(); err != nil {
		t.Fatal(err)
	}
}

// TestPollerNeverExpungesOthersMail: in the reply mailbox a person's mail lies
// marked as deleted; filing another mail without MOVE must leave it.
func TestPollerNeverExpungesOthersMail(t *testing.T) {
	for name, missing := range map[string][]string{"uidplus": {"MOVE"}, "neither": {"MOVE", "UIDPLUS"}} {
		t.Run(name, func(t *testing.T) {
			s, server := openStore(t), startIMAP(t, missing...)
			put(t, server, letter("friend@example.org", "reply@news.example", "Lunch?", "Shall we meet at noon?"))
			flagForeign(t, server)
			put(t, server, letter("reader@example.org", "reply@news.example", "Your newsletter", "Please unsubscribe me."))
			stop := run(t, poller(s, server, RoleReply))
			eventually(t, "the copy in Processed", func() bool { return counts(t, server, "Processed", 1) })
			want := 1
			if name == "neither" {
				want = 2 // it stays, marked
			}
			eventually(t, "the original's end", func() bool { return counts(t, server, "INBOX", want) })
			stop()
			p := poller(s, server, RoleReply)
			p.Poll = 30 * time.Millisecond
			run(t, p)
			time.Sleep(300 * time.Millisecond)
			if !counts(t, server, "Processed", 1) || !counts(t, server, "INBOX", want) {
				t.Error("a second look filed a mail again, or removed one that is not ours")
			}
		})
	}
}
