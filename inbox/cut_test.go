package inbox

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heed/inbox/inboxtest"
	"heed/store"
)

// meddler stands between poller and server. It looks at each line that the
// client says and may cut the line, or answer in the server's stead.
type meddler struct {
	listener net.Listener
	backend  string
	judge    func(line string) (verdict string) // "", "cut", "cut after", or a reply without its tag

	mu    sync.Mutex
	conns []net.Conn
}

func meddle(t *testing.T, backend string, judge func(string) string) *meddler {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &meddler{listener: listener, backend: backend, judge: judge}
	t.Cleanup(func() {
		listener.Close()
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, c := range m.conns {
			c.Close()
		}
	})
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go m.serve(client)
		}
	}()
	return m
}

func (m *meddler) serve(client net.Conn) {
	server, err := net.Dial("tcp", m.backend)
	if err != nil {
		client.Close()
		return
	}
	m.mu.Lock()
	m.conns = append(m.conns, client, server)
	m.mu.Unlock()
	var mute sync.Mutex // held while the server's words are kept back
	go func() {
		buffer := make([]byte, 32<<10)
		for {
			n, err := server.Read(buffer)
			mute.Lock()
			_, _ = client.Write(buffer[:n])
			mute.Unlock()
			if err != nil {
				client.Close()
				return
			}
		}
	}()
	m.listen(client, server, &mute)
}

func (m *meddler) listen(client, server net.Conn, mute *sync.Mutex) {
	defer client.Close()
	defer server.Close()
	lines := bufio.NewReader(client)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		switch what := m.judge(line); what {
		case "":
			_, _ = io.WriteString(server, line)
		case "cut":
			return
		case "cut after":
			mute.Lock() // for good
			_, _ = io.WriteString(server, line)
			time.Sleep(100 * time.Millisecond) // the server does what it was told
			return
		default:
			tag, _, _ := strings.Cut(line, " ")
			fmt.Fprintf(client, "%s %s\r\n", tag, what)
		}
	}
}

// once gives the verdict for the nth line that holds the words, and nothing to
// all others. It counts such lines.
func once(words string, nth int32, verdict string) (judge func(string) string, seen *atomic.Int32) {
	seen = &atomic.Int32{}
	return func(line string) string {
		if strings.Contains(strings.ToUpper(line), words) && seen.Add(1) == nth {
			return verdict
		}
		return ""
	}, seen
}

// TestCutAtEachCommand breaks the connection before and after the server gets
// each of the commands, the first or the second time. Both mails have their
// effect once and lie in Processed.
func TestCutAtEachCommand(t *testing.T) {
	commands := []string{"AUTHENTICATE", "CAPABILITY", "NAMESPACE", "CREATE", "SELECT", "NOOP", "UID SEARCH", "HEADER.FIELDS", "BODY.PEEK[]",
		"UID MOVE", "IDLE", "DONE", "UID COPY", "UID STORE", "UID EXPUNGE"}
	for _, command := range commands {
		for _, verdict := range []string{"cut", "cut after"} {
			for nth := int32(1); nth <= 2; nth++ {
				t.Run(fmt.Sprintf("%s %s %d", command, verdict, nth), func(t *testing.T) {
					t.Parallel()
					cutAt(t, command, verdict, nth)
				})
			}
		}
	}
}

func cutAt(t *testing.T, command, verdict string, nth int32) {
	var missing []string
	if command == "UID COPY" || command == "UID STORE" || command == "UID EXPUNGE" {
		missing = []string{"MOVE"}
	}
	s, server := openStore(t), startIMAP(t, missing...)
	judge, seen := once(command, nth, verdict)
	m := meddle(t, server.Addr(), judge)
	p := poller(s, server, RoleUnsubscribe)
	p.Mailbox.URL = "imap://box@" + m.listener.Addr().String() + "/INBOX?tls=none"
	p.Poll = 200 * time.Millisecond
	put(t, server, letter("first@example.org", "unsubscribe@news.example", "stop", ""))
	run(t, p)
	done := func(n int) func() bool {
		return func() bool { return counts(t, server, "INBOX", 0) && processed(t, server) == n }
	}
	eventually(t, "the first mail's end", done(1))
	put(t, server, letter("second@example.org", "unsubscribe@news.example", "stop", ""))
	eventually(t, "the second mail's end", done(2))
	for _, address := range []string{"first@example.org", "second@example.org"} {
		actedOnce(t, s, address)
	}
	if seen.Load() < 1 {
		t.Errorf("the poller never said %s", command)
	}
}

// processed counts the different mails in Processed: a copy whose answer was
// lost is made again.
func processed(t *testing.T, server *inboxtest.Server) int {
	t.Helper()
	mails, err := server.Messages("box", "Processed")
	if err != nil {
		t.Fatal(err)
	}
	different := map[string]bool{}
	for _, raw := range mails {
		different[string(raw)] = true
	}
	return len(different)
}

func actedOnce(t *testing.T, s *store.Store, address string) {
	t.Helper()
	explained, err := s.Explain(t.Context(), address)
	if err != nil || len(explained.Ledger) != 1 {
		t.Errorf("%d rows in the ledger for %s, want 1 (%v)", len(explained.Ledger), address, err)
	}
}

// TestFullAccount: a mail that the server will not move has its effect and
// stays; the others are filed meanwhile, and it follows once there is room. The
// mailbox counts as troubled until then.
func TestFullAccount(t *testing.T) {
	for name, missing := range map[string][]string{"move": nil, "copy": {"MOVE"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, server := openStore(t), startIMAP(t, missing...)
			words := "UID MOVE 1"
			if name == "copy" {
				words = "UID COPY 1"
			}
			var mu sync.Mutex
			full := true
			m := meddle(t, server.Addr(), func(line string) string {
				mu.Lock()
				defer mu.Unlock()
				if full && strings.Contains(line, words) {
					return "NO [OVERQUOTA] the account is full"
				}
				return ""
			})
			p := poller(s, server, RoleUnsubscribe)
			p.Mailbox.URL = "imap://box@" + m.listener.Addr().String() + "/INBOX?tls=none"
			p.Poll = 200 * time.Millisecond
			put(t, server, letter("first@example.org", "unsubscribe@news.example", "stop", ""))
			put(t, server, letter("second@example.org", "unsubscribe@news.example", "stop", ""))
			run(t, p)
			eventually(t, "the second mail in Processed", func() bool { return processed(t, server) == 1 })
			eventually(t, "word of the trouble", func() bool { return troubled(t, s) == store.MailboxCannotFile })
			actedOnce(t, s, "first@example.org")
			mu.Lock()
			full = false
			mu.Unlock()
			eventually(t, "the first mail in Processed", func() bool { return processed(t, server) == 2 && counts(t, server, "INBOX", 0) })
			eventually(t, "the end of the trouble", func() bool { return troubled(t, s) == "" })
			actedOnce(t, s, "first@example.org")
		})
	}
}

// troubled gives the one reason for which a mailbox is troubled, or nothing.
func troubled(t *testing.T, s *store.Store) string {
	t.Helper()
	all, err := s.TroubledMailboxes(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		return ""
	}
	return all[0].Reason
}
