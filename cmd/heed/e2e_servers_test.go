package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/mail"
	"net/smtp"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heed/mailer/mailertest"
	"heed/store/storetest"
)

// setUp says which real servers a story plays with. The zero value is the
// embedded default.
type setUp struct {
	postgres, redis bool
	mail            bool // Postfix as relay in front of the sink, Dovecot for the mailboxes
	apart           bool // the four processes of the Procfile
}

// servers are the real servers of a set-up, for tests that stop and start them.
type servers struct {
	redis   *storetest.RedisServer
	dovecot *storetest.DovecotServer
}

// opener starts the servers of the set-up.
func (u setUp) opener(t *testing.T, real *servers) func(*mailertest.Sink, string) (*stage, error) {
	return func(sink *mailertest.Sink, folder string) (*stage, error) {
		s, err := alone(sink, folder)
		if err != nil {
			return nil, err
		}
		if u.mail {
			s.away()
			s = realMail(t, sink, real)
		}
		if u.postgres {
			s.env = append(s.env, "DATABASE_URL="+storetest.Postgres(t))
		}
		if u.redis {
			real.redis = storetest.OwnRedis(t)
			s.env = append(s.env, "REDIS_URL="+real.redis.URL())
		}
		if u.apart {
			s.processes = []string{"web", "worker", "inbox", "scheduler"}
		}
		return s, nil
	}
}

// realMail is a stage with Postfix and Dovecot.
func realMail(t *testing.T, sink *mailertest.Sink, real *servers) *stage {
	t.Helper()
	real.dovecot = storetest.Dovecot(t)
	postfix := storetest.Postfix(t, storetest.PostfixOptions{Relay: sink.Addr(), Domains: []string{domain}, Mailboxes: real.dovecot,
		Settings: []string{"enable_long_queue_ids = yes"}})
	w := openTap(t, postfix.Address(), real.dovecot)
	return &stage{world: w, processes: []string{"serve"}, env: []string{"SMTP_URL=smtp://" + w.addr + "?tls=none"}, relayed: true,
		mailbox: func(role string) (string, string) {
			return real.dovecot.URL(role), real.dovecot.PasswordFile(role)
		}, away: func() {}}
}

// tap stands between heed and Postfix and notes when each message was complete:
// the last bytes of the client before Postfix says that it has queued it.
type tap struct {
	addr, relay string
	dovecot     *storetest.DovecotServer
	mu          sync.Mutex
	taken       map[string]time.Time // by queue id
}

func openTap(t *testing.T, relay string, dovecot *storetest.DovecotServer) *tap {
	t.Helper()
	listener, err := loopbackListener()
	if err != nil {
		t.Fatal(err)
	}
	w := &tap{addr: listener.Addr().String(), relay: relay, dovecot: dovecot, taken: map[string]time.Time{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { w.pass(client) })
		}
	})
	t.Cleanup(func() { listener.Close(); running.Wait() })
	return w
}

// pass carries one connection.
func (w *tap) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.relay)
	if err != nil {
		return
	}
	defer server.Close()
	var last atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(stamped{server, &last}, client) // ends with the connection
		_ = server.Close()
	}()
	w.replies(server, client, &last)
	_ = client.Close()
	<-ended
}

// stamped notes when it passes bytes on.
type stamped struct {
	to   io.Writer
	last *atomic.Int64
}

func (s stamped) Write(p []byte) (int, error) {
	s.last.Store(time.Now().UnixNano())
	return s.to.Write(p)
}

var queuedAs = regexp.MustCompile(`queued as (\S+)`)

// replies passes the server's lines back and looks for those that end a message.
func (w *tap) replies(server io.Reader, client io.Writer, last *atomic.Int64) {
	lines := bufio.NewReader(server)
	for {
		line, err := lines.ReadString('\n')
		if id := queuedAs.FindStringSubmatch(line); id != nil {
			w.mu.Lock()
			w.taken[id[1]] = time.Unix(0, last.Load())
			w.mu.Unlock()
		}
		if _, failed := io.WriteString(client, line); err != nil || failed != nil {
			return
		}
	}
}

var queueID = regexp.MustCompile(`\bid (\S+?);?\s`)

// queueNumber is what a relay noted in the topmost Received field.
func queueNumber(m mailertest.Record) string {
	found := queueID.FindStringSubmatch(m.Header().Get("Received") + " ")
	if found == nil {
		return ""
	}
	return found[1]
}

// Taken looks up the message by the queue id in its topmost Received field. One
// whose reply was lost in a crash was taken when the relay noted it there.
func (w *tap) Taken(r mailertest.Record) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at, known := w.taken[queueNumber(r)]; known {
		return at
	}
	_, noted, _ := strings.Cut(r.Header().Get("Received"), ";")
	if at, err := mail.ParseDate(strings.TrimSpace(noted)); err == nil {
		return at
	}
	return r.EndAt
}

// Deliver sends through Postfix, which knows the mailboxes of the sender.
func (w *tap) Deliver(from, to string, raw []byte) error {
	return smtp.SendMail(w.relay, nil, from, []string{to}, raw)
}

func (w *tap) Folder(role, folder string) ([][]byte, error) { return w.dovecot.Messages(role, folder) }

// built compiles heed once for all tests, where make build puts it, without the
// race detector.
var built = sync.OnceValues(func() (string, error) {
	binary, err := filepath.Abs(filepath.Join("..", "..", "heed"))
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	if err != nil {
		return "", errors.New("compiling heed: " + strings.TrimSpace(string(out)))
	}
	return binary, nil
})

// testWriter gives a story's lines to the test.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// opening begins a story on a set-up; it ends with the test.
func (u setUp) opening(t *testing.T, sc scenario) (*story, *servers) {
	t.Helper()
	storetest.Long(t)
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	real := &servers{}
	sc.binary, sc.teller, sc.open = binary, &teller{out: testWriter{t}}, u.opener(t, real)
	s, err := sc.begin(t.Context(), t.TempDir())
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Errorf("ending: %v", err)
		}
		if t.Failed() {
			s.logs(t)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, real
}

// logs shows what the processes said last.
func (s *story) logs(t *testing.T) {
	for role, c := range s.children {
		t.Logf("the last words of heed %s: %s", role, c.lastWords())
	}
}
