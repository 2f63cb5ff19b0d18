package inbox

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heed/consent"
	"heed/store/storetest"
)

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
	if took := time.Since(begin); took > 45*time.Second {
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
	if err == nil || time.Since(begin) > 30*time.Second {
		t.Errorf("the silent server held us for %s: %v", time.Since(begin), err)
	}
}

func TestRunRefusesWhatCannotWork(t *testing.T) {
	for _, m := range []Mailbox{{URL: "http://x"}, {URL: "imap://u@mail.example/?tls=none"}, {URL: "imap://u@localhost", Auth: "xoauth2"}, {URL: "imap://u@localhost", Auth: "kerberos"}} {
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
	c, err := dial(t.Context(), proof{where.User, "secret", AuthPassword, where}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := poller(s, server, RoleUnsubscribe)
	p.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	v, err := p.begin(where)
	if err != nil {
		t.Fatal(err)
	}
	v.remember(c.validity)
	uids, err := c.all()
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.envelopes(uids)
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	raws, err := c.fetch(found)
	if err != nil {
		t.Fatal(err)
	}
	raw := raws[found[0].uid]
	if _, err := v.record(t.Context(), found[0], raw, Read(raw, RoleUnsubscribe, s.Keys().Links, Ours{}), ""); err != nil {
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
