package storetest

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Wire is a connection in memory that behaves as one over a network does: what is
// written is under way for a time, what was written before an end stopped still
// arrives, and it can be cut. It needs no socket, so that a simulation on fake
// time can use it.
type Wire struct {
	there, back *way
	near, far   *End
}

// way is one direction of a wire.
type way struct {
	delay func() time.Duration

	mu      sync.Mutex
	bursts  []burst
	shut    error // what is read behind the last burst; nil: more may come
	changed chan struct{}
}

// burst is what was written at once, and when it arrives.
type burst struct {
	at   time.Time
	text []byte
}

// NewWire makes one. delay gives how long a burst is under way, nil: no time.
func NewWire(delay func() time.Duration) *Wire {
	fresh := func() *way { return &way{delay: delay, changed: make(chan struct{})} }
	w := &Wire{there: fresh(), back: fresh()}
	w.near = &End{in: w.back, out: w.there}
	w.far = &End{in: w.there, out: w.back}
	return w
}

// Near is the end of whoever dialled, Far that of the server.
func (w *Wire) Near() *End { return w.near }

// Far is the other end.
func (w *Wire) Far() *End { return w.far }

// Cut breaks the wire: both ends hear of it, and what was under way is lost.
func (w *Wire) Cut() {
	w.there.end(errCut, true)
	w.back.end(errCut, true)
}

var errCut = errors.New("connection reset by peer")

// send puts something on its way. Nothing overtakes what was sent before.
func (w *way) send(p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shut != nil {
		return errCut
	}
	at := time.Now()
	if w.delay != nil {
		at = at.Add(w.delay())
	}
	if n := len(w.bursts); n > 0 && w.bursts[n-1].at.After(at) {
		at = w.bursts[n-1].at
	}
	w.bursts = append(w.bursts, burst{at, append([]byte(nil), p...)})
	w.wake()
	return nil
}

// end lets nothing more be sent. lose also takes back what is under way.
func (w *way) end(how error, lose bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if lose {
		w.bursts = nil
	}
	if w.shut == nil || lose {
		w.shut = how
	}
	w.wake()
}

func (w *way) wake() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// take reads what has arrived. Where there is nothing yet it gives the moment at
// which the next burst comes, if any, and what to wait for besides.
func (w *way) take(p []byte) (n int, at time.Time, changed <-chan struct{}, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case len(w.bursts) == 0:
		return 0, at, w.changed, w.shut
	case time.Now().Before(w.bursts[0].at):
		return 0, w.bursts[0].at, w.changed, nil
	}
	first := &w.bursts[0]
	n = copy(p, first.text)
	if first.text = first.text[n:]; len(first.text) == 0 {
		w.bursts = w.bursts[1:]
	}
	return n, at, w.changed, nil
}

// End is one end of a wire, a net.Conn.
type End struct {
	// Pass, where it is set, is waited for at each read and write, before and, at a
	// read, also after it: whoever holds this end may be stopped, or dead. It is set
	// before the end is used.
	Pass func() error

	in, out *way

	mu             sync.Mutex
	closed         bool
	readBy, sendBy time.Time
}

func (e *End) pass() error {
	if e.Pass == nil {
		return nil
	}
	return e.Pass()
}

// state tells whether the end is closed, and the deadlines.
func (e *End) state() (closed bool, readBy, sendBy time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed, e.readBy, e.sendBy
}

func past(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }

// Write implements net.Conn. It never waits for the other end.
func (e *End) Write(p []byte) (int, error) {
	if err := e.pass(); err != nil {
		return 0, err
	}
	switch closed, _, sendBy := e.state(); {
	case closed:
		return 0, net.ErrClosed
	case past(sendBy):
		return 0, os.ErrDeadlineExceeded
	}
	if err := e.out.send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Read implements net.Conn.
func (e *End) Read(p []byte) (int, error) {
	for {
		if err := e.pass(); err != nil {
			return 0, err
		}
		closed, readBy, _ := e.state()
		switch {
		case closed:
			return 0, net.ErrClosed
		case past(readBy):
			return 0, os.ErrDeadlineExceeded
		}
		n, at, changed, err := e.in.take(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		wait(changed, at, readBy)
	}
}

// wait waits for a change, or for the first of some moments.
func wait(changed <-chan struct{}, moments ...time.Time) {
	var first time.Time
	for _, at := range moments {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if first.IsZero() {
		<-changed
		return
	}
	timer := time.NewTimer(time.Until(first))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

// Close implements net.Conn. What was written before still arrives.
func (e *End) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.out.end(io.EOF, false)
	e.in.end(errCut, true)
	return nil
}

// SetDeadline implements net.Conn.
func (e *End) SetDeadline(t time.Time) error {
	return errors.Join(e.SetReadDeadline(t), e.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (e *End) SetReadDeadline(t time.Time) error { return e.limit(&e.readBy, t) }

// SetWriteDeadline implements net.Conn.
func (e *End) SetWriteDeadline(t time.Time) error { return e.limit(&e.sendBy, t) }

func (e *End) limit(which *time.Time, t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	*which = t
	e.in.mu.Lock()
	defer e.in.mu.Unlock()
	e.in.wake() // whoever reads looks at the deadline again
	return nil
}

// LocalAddr implements net.Conn.
func (e *End) LocalAddr() net.Addr { return inMemory{} }

// RemoteAddr implements net.Conn.
func (e *End) RemoteAddr() net.Addr { return inMemory{} }

type inMemory struct{}

func (inMemory) Network() string { return "memory" }

func (inMemory) String() string { return "127.0.0.1:25" }

// Port is where wires arrive, in memory: a listener as often as somebody listens.
type Port struct {
	mu   sync.Mutex
	open *portListener
}

var errRefused = errors.New("connection refused")

// Listen opens the port until the listener is closed.
func (p *Port) Listen() (net.Listener, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = &portListener{p: p, come: make(chan net.Conn), over: make(chan struct{})}
	return p.open, nil
}

// Connect brings the far end of a wire to whoever listens.
func (p *Port) Connect(w *Wire) error {
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	if open == nil {
		return errRefused
	}
	select {
	case open.come <- w.Far():
		return nil
	case <-open.over:
		return errRefused
	}
}

type portListener struct {
	p    *Port
	come chan net.Conn
	over chan struct{}
	once sync.Once
}

// Accept implements net.Listener.
func (l *portListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.come:
		return conn, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *portListener) Close() error {
	l.once.Do(func() { close(l.over) })
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if l.p.open == l {
		l.p.open = nil
	}
	return nil
}

// Addr implements net.Listener.
func (l *portListener) Addr() net.Addr { return inMemory{} }
