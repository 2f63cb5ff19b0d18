package mailertest

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// Sink is a running server. All methods may be called at any time.
type Sink struct {
	opts  Options
	cert  tls.Certificate
	caPEM []byte
	addr  string

	mu         sync.Mutex
	changed    *sync.Cond // records grew, or the sink was closed
	listener   net.Listener
	conns      map[net.Conn]bool
	stopped    chan struct{} // closed by Stop
	closed     bool
	records    []Record
	verbs      map[string]int
	violations []string
	sessions   int
	running    *sync.WaitGroup // goroutines since the last Resume
	telling    sync.WaitGroup
}

// Start opens a sink and serves until Close.
func Start(opts Options) (*Sink, error) {
	s := &Sink{opts: opts.withDefaults(), conns: map[net.Conn]bool{}, verbs: map[string]int{}}
	s.changed = sync.NewCond(&s.mu)
	var err error
	if s.opts.STARTTLS || s.opts.ImplicitTLS {
		if s.cert, s.caPEM, err = selfSigned(); err != nil {
			return nil, fmt.Errorf("make a certificate for the sink: %w", err)
		}
	}
	s.addr = s.opts.Addr
	if err := s.Resume(); err != nil {
		return nil, err
	}
	if s.opts.Async && s.opts.OnMessage != nil {
		s.telling.Go(s.tell)
	}
	return s, nil
}

// Resume listens again, on the port of the first time. It does nothing while the sink
// is listening.
func (s *Sink) Resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	listen := s.opts.Listen
	if listen == nil {
		listen = func() (net.Listener, error) { return net.Listen("tcp", s.addr) }
	}
	l, err := listen()
	if err != nil {
		return fmt.Errorf("open the sink: %w", err)
	}
	s.listener, s.addr, s.stopped = l, l.Addr().String(), make(chan struct{})
	s.running = &sync.WaitGroup{}
	s.running.Go(func() { s.accept(l) })
	return nil
}

// Stop closes the port and every connection, as a server that goes away, and waits
// until all is quiet. What was recorded stays.
func (s *Sink) Stop() {
	s.mu.Lock()
	if s.listener != nil {
		_ = s.listener.Close() // going away anyhow
		s.listener = nil
		close(s.stopped)
	}
	for c := range s.conns {
		_ = c.Close() // going away anyhow
	}
	running := s.running
	s.mu.Unlock()
	running.Wait()
}

// Close stops the sink for good; all messages have been told to OnMessage when it returns.
func (s *Sink) Close() {
	s.Stop()
	s.mu.Lock()
	s.closed = true
	s.changed.Broadcast()
	s.mu.Unlock()
	s.telling.Wait()
}

// Addr is host:port.
func (s *Sink) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// URL is the sink as a relay address, without ca.
func (s *Sink) URL() string {
	user, security := "", "none"
	if s.opts.User != "" {
		user = s.opts.User + ":" + s.opts.Password + "@"
	}
	if s.opts.STARTTLS {
		security = "starttls"
	}
	if s.opts.ImplicitTLS {
		security = "implicit"
	}
	return "smtp://" + user + s.Addr() + "?tls=" + security
}

// WriteCA writes the authority of the sink's certificate to a file, in PEM form.
func (s *Sink) WriteCA(path string) error { return os.WriteFile(path, s.caPEM, 0o600) }

// Records are the completed messages so far.
func (s *Sink) Records() []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records)
}

// Count is the number of completed messages.
func (s *Sink) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.records)
}

// Sessions is the number of connections taken so far.
func (s *Sink) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

// Open is the number of connections open now.
func (s *Sink) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Seen is how often a command came, named as in Options.Script.
func (s *Sink) Seen(verb string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.verbs[verb]
}

// Violations are the mistakes in the conversation that clients made.
func (s *Sink) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

func (s *Sink) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed by Stop
		}
		s.mu.Lock()
		if s.listener != l {
			s.mu.Unlock()
			_ = conn.Close() // came while stopping
			return
		}
		s.sessions++
		ss := newSession(s, conn, s.sessions, s.stopped)
		s.conns[conn] = true
		s.running.Go(ss.serve)
		s.mu.Unlock()
	}
}

func (s *Sink) forget(conn net.Conn) {
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	_ = conn.Close() // done with it
}

// script counts the command and asks what is to happen at it.
func (s *Sink) script(verb string) Action {
	s.mu.Lock()
	s.verbs[verb]++
	n := s.verbs[verb]
	s.mu.Unlock()
	if s.opts.Script == nil {
		return Action{}
	}
	return s.opts.Script(verb, n)
}

func (s *Sink) violation(format string, args ...any) {
	s.mu.Lock()
	s.violations = append(s.violations, fmt.Sprintf(format, args...))
	s.mu.Unlock()
}

// complete records a message.
func (s *Sink) complete(r Record) {
	s.mu.Lock()
	r.Seq = len(s.records) + 1
	s.records = append(s.records, r)
	if s.opts.Async {
		s.changed.Signal()
	}
	s.mu.Unlock()
	if s.opts.OnMessage != nil && !s.opts.Async {
		s.opts.OnMessage(r)
	}
}

// tell passes records on in order, until the sink is closed and all are told.
func (s *Sink) tell() {
	for next := 0; ; next++ {
		s.mu.Lock()
		for next == len(s.records) && !s.closed {
			s.changed.Wait()
		}
		if next == len(s.records) {
			s.mu.Unlock()
			return
		}
		r := s.records[next]
		s.mu.Unlock()
		s.opts.OnMessage(r)
	}
}

// pause waits for d, or until the sink is stopped.
func pause(d time.Duration, stopped <-chan struct{}) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stopped:
	}
}
