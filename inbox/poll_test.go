package inbox

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"heed/consent"
	"heed/inbox/inboxtest"
	"heed/store"
	"heed/store/storetest"
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

func poller(s *store.Store, server *inboxtest.Server, role string) *Poller {
	return &Poller{Store: s, Poll: time.Minute, Mailbox: Mailbox{Role: role, Address: role + "@news.example", URL: server.URL("box"), Password: "secret"}}
}

func letter(from, to, subject, text string) []byte {
	return fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%x@example.net>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n", from, to, subject, from+subject+text, text)
}

// eventually waits for a condition as long as a slow machine may need.
func eventually(t *testing.T, what string, holds func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for time.Since(begin) < 15*time.Second {
		if holds() {
			return time.Since(begin)
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("waited 15 s in vain: %s", what)
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

func TestPollerWakesAtOnce(t *testing.T) {
	s, server := openStore(t), startIMAP(t)
	run(t, poller(s, server, RoleUnsubscribe))
	put(t, server, letter("first@example.org", "unsubscribe@news.example", "stop", "stop"))
	eventually(t, "the first mail", func() bool { return counts(t, server, "Processed", 1) })
	time.Sleep(50 * time.Millisecond) // until it idles
	who := key(t, s, "second@example.org")
	put(t, server, letter("second@example.org", "unsubscribe@news.example", "stop", "stop"))
	took := eventually(t, "the second opt-out", func() bool { return optedOut(t, s, who) })
	t.Logf("from arrival to effect: %s", took)
	if took > 2*time.Second {
		t.Errorf("it took %s although the server tells of new mail", took)
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

func TestPollerOutlivesTheServer(t *testing.T) {
	s, server := openStore(t), startIMAP(t)
	run(t, poller(s, server, RoleUnsubscribe))
	put(t, server, letter("a@example.org", "unsubscribe@news.example", "stop", ""))
	eventually(t, "the first mail", func() bool { return counts(t, server, "Processed", 1) })
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	put(t, server, letter("b@example.org", "unsubscribe@news.example", "stop", ""))
	time.Sleep(100 * time.Millisecond)
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mail that came meanwhile", func() bool { return counts(t, server, "Processed", 2) })
}

func TestPollerPassesPoison(t *testing.T) {
	s, server := openStore(t), startIMAP(t)
	put(t, server, nested(2000))
	put(t, server, append(letter("big@example.org", "unsubscribe@news.example", "", "Look at this.\r\n"), strings.Repeat("x", 2<<20)...))
	put(t, server, []byte("\x00\xff\xfe no header at all"))
	put(t, server, letter("good@example.org", "unsubscribe@news.example", "stop", ""))
	begin := time.Now()
	run(t, poller(s, server, RoleUnsubscribe))
	eventually(t, "every mail's end", func() bool { return counts(t, server, "INBOX", 0) })
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("four mails took %s", took)
	}
	if !optedOut(t, s, key(t, s, "good@example.org")) {
		t.Error("the good mail was not acted on")
	}
}

// TestPollerActsOnce puts the same mail there twice, as a server does whose
// mailbox was made anew, and lets two pollers read.
func TestPollerActsOnce(t *testing.T) {
	s, server := openStore(t), startIMAP(t)
	raw := letter("once@example.org", "unsubscribe@news.example", "stop", "")
	var recorded atomic.Int32
	for _, owner := range []string{"one", "two"} {
		p := poller(s, server, RoleUnsubscribe)
		p.Owner, p.Read = owner, func(string, consent.Kind) { recorded.Add(1) }
		run(t, p)
	}
	put(t, server, raw)
	put(t, server, raw)
	eventually(t, "both copies in Processed", func() bool { return counts(t, server, "Processed", 2) })
	if n := recorded.Load(); n != 1 {
		t.Errorf("the mail was recorded %d times", n)
	}
	explained, err := s.Explain(t.Context(), "once@example.org")
	if err != nil || len(explained.Ledger) != 1 {
		t.Errorf("%d rows in the ledger, want 1 (%v)", len(explained.Ledger), err)
	}
}

// TestPollerHandsOver: whoever ends lets the next one begin at once.
func TestPollerHandsOver(t *testing.T) {
	s, server := openStore(t), startIMAP(t)
	for i, owner := range []string{"first", "second"} {
		p := poller(s, server, RoleUnsubscribe)
		p.Owner = owner
		stop := run(t, p)
		put(t, server, letter(owner+"@example.org", "unsubscribe@news.example", "stop", ""))
		eventually(t, "the mail for the "+owner, func() bool { return counts(t, server, "Processed", i+1) })
		stop()
	}
}

// TestWatchdog: a server that takes a command and never answers.
func TestWatchdog(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			fmt.Fprint(conn, "* OK ready\r\n")
			_, _ = io.Copy(io.Discard, conn)
		}
	}()
	where := MailboxURL{Host: "127.0.0.1", Addr: listener.Addr().String(), TLS: tlsNone}
	c := &connection{news: make(chan struct{}, 1)}
	if err := c.reach(t.Context(), where, nil); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	err = c.watched(50*time.Millisecond, "doing nothing", func() error { return c.client.Noop().Wait() })
	if err == nil || time.Since(begin) > 5*time.Second {
		t.Errorf("the silent server held us for %s: %v", time.Since(begin), err)
	}
}

func TestRunRefusesWhatCannotWork(t *testing.T) {
	for _, m := range []Mailbox{{URL: "http://x"}, {URL: "imap://u@mail.example/?tls=none"}, {URL: "imap://u@localhost", PasswordFile: "/does/not/exist"}} {
		if err := (&Poller{Mailbox: m}).Run(t.Context()); err == nil {
			t.Errorf("%+v was taken", m)
		}
	}
}

// TestDovecot reads the mailbox of a real server, which is restarted and whose
// INBOX already holds mail that another program has read.
func TestDovecot(t *testing.T) {
	for name, options := range map[string]storetest.DovecotOptions{"all": {}, "plain": {Capability: "IMAP4rev1"}} {
		t.Run(name, func(t *testing.T) {
			server := storetest.DovecotWith(t, options)
			s := openStore(t)
			deliver := func(raw []byte) {
				if err := server.Deliver("unsubscribe", raw); err != nil {
					t.Fatal(err)
				}
			}
			inFolder := func(folder string, want int) func() bool {
				return func() bool {
					mails, err := server.Messages("unsubscribe", folder)
					return err == nil && len(mails) == want
				}
			}
			deliver(letter("one@example.org", "unsubscribe@news.example", "Re: October", "Bitte nehmen Sie mich aus dem Verteiler."))
			deliver(nested(2000))
			p := &Poller{Store: s, Poll: 500 * time.Millisecond, Mailbox: Mailbox{Role: RoleUnsubscribe, Address: "unsubscribe@news.example",
				URL: server.URL("unsubscribe"), PasswordFile: server.PasswordFile("unsubscribe")}}
			run(t, p)
			eventually(t, "the request in Processed", inFolder("Processed", 1))
			eventually(t, "the bomb in Review", inFolder("Review", 1))
			if err := server.Restart(); err != nil {
				t.Fatal(err)
			}
			deliver(letter("two@example.org", "unsubscribe@news.example", "", "désabonnez-moi"))
			eventually(t, "the mail after the restart", inFolder("Processed", 2))
			for _, address := range []string{"one@example.org", "two@example.org"} {
				if !optedOut(t, s, key(t, s, address)) {
					t.Errorf("%s is not opted out", address)
				}
			}
		})
	}
}

// TestPollerAfterACrash: the effect was recorded and the process died before
// the mail was moved. The next one files it, and nothing happens twice.
func TestPollerAfterACrash(t *testing.T) {
	s, server := openStore(t), startIMAP(t)
	put(t, server, letter("crash@example.org", "unsubscribe@news.example", "stop", ""))
	where, err := ParseMailboxURL(server.URL("box"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := dial(t.Context(), where, "secret", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := poller(s, server, RoleUnsubscribe)
	p.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	v := &visits{Poller: p, where: where, name: "unsubscribe@news.example/INBOX", troubled: map[imap.UID]trouble{}}
	v.remember(c.validity)
	uids, err := c.all()
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.envelopes(uids)
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	raw, err := c.fetch(found[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.record(t.Context(), found[0], raw, Read(raw, RoleUnsubscribe, s.Keys().Links, Ours{})); err != nil {
		t.Fatal(err)
	}
	c.close() // and here it died
	run(t, p)
	eventually(t, "the mail in Processed", func() bool { return counts(t, server, "Processed", 1) })
	explained, err := s.Explain(t.Context(), "crash@example.org")
	if err != nil || len(explained.Ledger) != 1 {
		t.Errorf("%d rows in the ledger, want 1 (%v)", len(explained.Ledger), err)
	}
}
