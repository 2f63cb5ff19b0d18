package storetest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"heed/store/storetest"
)

const letter = "From: ann@example.org\r\nTo: unsubscribe@brand.example\r\nSubject: stop\r\nMessage-ID: <1@example.org>\r\n\r\nPlease stop.\r\n"

// imapClient speaks IMAP by hand.
type imapClient struct {
	t *testing.T
	*textproto.Conn
	tags int
}

func login(t *testing.T, server *storetest.DovecotServer, user string) *imapClient {
	t.Helper()
	password, err := os.ReadFile(server.PasswordFile(user))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := net.Dial("tcp4", server.Address())
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.SetDeadline(time.Now().Add(20 * time.Second))
	c := &imapClient{t: t, Conn: textproto.NewConn(raw)}
	t.Cleanup(func() { c.Close() })
	if line, err := c.ReadLine(); err != nil || !strings.HasPrefix(line, "* OK") {
		t.Fatalf("greeting %q, %v", line, err)
	}
	c.command("LOGIN %s %s", user, strings.TrimSpace(string(password)))
	return c
}

// command sends a command that has to succeed and returns what was said.
func (c *imapClient) command(format string, words ...any) string {
	c.t.Helper()
	c.tags++
	tag := fmt.Sprintf("a%d ", c.tags)
	if err := c.PrintfLine("%s", tag+fmt.Sprintf(format, words...)); err != nil {
		c.t.Fatal(err)
	}
	said := c.until(tag)
	if !strings.Contains(said, tag+"OK") {
		c.t.Fatalf("%s: %s", fmt.Sprintf(format, words...), said)
	}
	return said
}

// until reads up to the line that begins with prefix.
func (c *imapClient) until(prefix string) string {
	c.t.Helper()
	var said strings.Builder
	for {
		line, err := c.ReadLine()
		if err != nil {
			c.t.Fatalf("waiting for %q: %v; so far: %s", prefix, err, said.String())
		}
		said.WriteString(line + "\n")
		if strings.HasPrefix(line, prefix) {
			return said.String()
		}
	}
}

func TestDovecotIdlesMovesAndKeepsFolders(t *testing.T) {
	server := storetest.Dovecot(t)
	c := login(t, server, "unsubscribe")
	caps := c.command("CAPABILITY")
	for _, want := range []string{" IDLE", " MOVE", " UIDPLUS"} {
		if !strings.Contains(caps, want) {
			t.Errorf("no%s in %s", want, caps)
		}
	}
	c.command("CREATE Processed")
	c.command("SELECT INBOX")
	if err := c.PrintfLine("i IDLE"); err != nil {
		t.Fatal(err)
	}
	c.until("+ ")
	if err := server.Deliver("unsubscribe", []byte(letter)); err != nil {
		t.Fatal(err)
	}
	c.until("* 1 EXISTS")
	if err := c.PrintfLine("DONE"); err != nil {
		t.Fatal(err)
	}
	c.until("i OK")
	c.command("UID MOVE 1 Processed")
	expectMails(t, server, "INBOX", 0)
	if mails := expectMails(t, server, "Processed", 1); string(mails[0]) != letter {
		t.Errorf("the moved mail reads %q", mails[0])
	}
}

func expectMails(t *testing.T, server *storetest.DovecotServer, folder string, want int) [][]byte {
	t.Helper()
	mails, err := server.Messages("unsubscribe", folder)
	if err != nil || len(mails) != want {
		t.Fatalf("%d mails in %s, want %d (%v)", len(mails), folder, want, err)
	}
	return mails
}

func TestDovecotKeepsMailOverARestart(t *testing.T) {
	server := storetest.Dovecot(t)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp4", server.Address()); err == nil {
		t.Error("a stopped server still answers")
	}
	if err := server.Deliver("privacy", []byte(letter)); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	c := login(t, server, "privacy")
	if said := c.command("SELECT INBOX"); !strings.Contains(said, "* 1 EXISTS") {
		t.Errorf("the mail is not there: %s", said)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	login(t, server, "privacy")
}

func TestDovecotCanHideItsCapabilities(t *testing.T) {
	server := storetest.DovecotWith(t, storetest.DovecotOptions{Users: []string{"ann"}, Capability: "IMAP4rev1"})
	if caps := login(t, server, "ann").command("CAPABILITY"); strings.Contains(caps, "IDLE") || strings.Contains(caps, "MOVE") {
		t.Errorf("it still offers %s", caps)
	}
}

func TestPostfixDeliversAtHomeAndRelaysAbroad(t *testing.T) {
	boxes := storetest.Dovecot(t)
	sink := listen(t)
	relay := storetest.Postfix(t, storetest.PostfixOptions{Relay: sink.address, Domains: []string{"brand.example"}, Mailboxes: boxes})

	send(t, relay, "ann@example.org", "unsubscribe+token@brand.example")
	waitFor(t, "the local mail", func() bool { return holds(t, boxes, "unsubscribe", "Please stop.") })

	sink.answerRcpt("450 4.2.0 try again", "250 2.1.5 ok")
	send(t, relay, "bounces+v1@brand.example", "bob@elsewhere.example")
	waitFor(t, "the relayed mail", func() bool { return strings.Contains(sink.got(), "Please stop.") })

	sink.answerRcpt("550 5.1.1 no such user")
	send(t, relay, "bounces+v2@brand.example", "nobody@elsewhere.example")
	waitFor(t, "the bounce", func() bool { return holds(t, boxes, "bounces", "Status: 5.1.1") })

	if err := smtp.SendMail(relay.Address(), nil, "ann@example.org", []string{"stranger@brand.example"}, []byte(letter)); err == nil {
		t.Error("a mail to a local stranger was taken")
	}
}

func TestPostfixKeepsItsQueueOverARestart(t *testing.T) {
	sink := listen(t)
	sink.answerRcpt("450 4.2.0 try again")
	relay := storetest.Postfix(t, storetest.PostfixOptions{Relay: sink.address})
	send(t, relay, "ann@example.org", "bob@elsewhere.example")
	waitFor(t, "a first try", func() bool { return strings.Contains(relay.Log(), "status=deferred") })
	if err := relay.Stop(); err != nil {
		t.Fatal(err)
	}
	sink.answerRcpt("250 2.1.5 ok")
	if err := relay.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the relayed mail", func() bool { return strings.Contains(sink.got(), "Please stop.") })
}

func send(t *testing.T, relay *storetest.PostfixServer, from, to string) {
	t.Helper()
	if err := smtp.SendMail(relay.Address(), nil, from, []string{to}, []byte(letter)); err != nil {
		t.Fatalf("sending to %s: %v; the relay's log: %s", to, err, relay.Log())
	}
}

func holds(t *testing.T, boxes *storetest.DovecotServer, user, text string) bool {
	t.Helper()
	mails, err := boxes.Messages(user, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(bytes.Join(mails, nil), []byte(text))
}

// sink is a small SMTP listener whose answers to RCPT can be chosen.
type sink struct {
	address string
	mu      sync.Mutex
	answers []string
	mail    strings.Builder
}

func listen(t *testing.T) *sink {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s := &sink{address: listener.Addr().String()}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

// answerRcpt sets the answers to come; the last one stays.
func (s *sink) answerRcpt(answers ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = answers
}

func (s *sink) nextAnswer() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return answer
}

func (s *sink) got() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mail.String()
}

func (s *sink) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewScanner(conn)
	fmt.Fprint(conn, "220 sink ready\r\n")
	for in.Scan() {
		verb, _, _ := strings.Cut(in.Text(), " ")
		fmt.Fprint(conn, s.reply(strings.ToUpper(verb), in, conn)+"\r\n")
	}
}

func (s *sink) reply(verb string, in *bufio.Scanner, conn net.Conn) string {
	switch verb {
	case "RCPT":
		return s.nextAnswer()
	case "DATA":
		fmt.Fprint(conn, "354 go on\r\n")
		for in.Scan() && in.Text() != "." {
			s.mu.Lock()
			s.mail.WriteString(in.Text() + "\n")
			s.mu.Unlock()
		}
	}
	return "250 2.0.0 ok"
}

func TestPostfixOffersWhatTheSenderUses(t *testing.T) {
	relay := storetest.Postfix(t, storetest.PostfixOptions{})
	client, err := smtp.Dial(relay.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, extension := range []string{"PIPELINING", "CHUNKING", "ENHANCEDSTATUSCODES", "DSN"} {
		if offered, _ := client.Extension(extension); !offered {
			t.Errorf("no %s", extension)
		}
	}
}
