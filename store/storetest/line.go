package storetest

import (
	"net"
	"strings"
	"sync"
	"testing"
)

// Line is the network between a program and a server, which a test cuts,
// blocks and mends.
type Line struct {
	listener net.Listener
	to       string

	mu      sync.Mutex
	mended  *sync.Cond
	cut     bool                     // connections are refused
	blocked bool                     // nothing passes, and nobody is told
	match   func(answer []byte) bool // an answer at which the line is cut or blocked
	blocks  bool
	ends    map[net.Conn]bool
	running sync.WaitGroup
	closed  bool
}

// NewLine leads to a server at host:port. It ends with the test.
func NewLine(t testing.TB, to string) *Line {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Line{listener: listener, to: to, ends: map[net.Conn]bool{}}
	l.mended = sync.NewCond(&l.mu)
	l.running.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

// LineTo leads to the server of a URL, and gives the URL of its near end.
func LineTo(t testing.TB, url string) (*Line, string) {
	t.Helper()
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	host = host[strings.LastIndexByte(host, '@')+1:]
	l := NewLine(t, host)
	return l, strings.Replace(url, host, l.Addr(), 1)
}

// Addr is host:port of the near end.
func (l *Line) Addr() string { return l.listener.Addr().String() }

// Cut ends all connections, and refuses new ones.
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	l.hangUp()
}

// Block lets nothing pass any more; neither end is told.
func (l *Line) Block() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blocked = true
}

// Mend lets everything pass again. What was held up on the way arrives.
func (l *Line) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut, l.blocked, l.match = false, false, nil
	l.mended.Broadcast()
}

// CutAt cuts the line in place of the first answer of the server that matches.
func (l *Line) CutAt(match func(answer []byte) bool) { l.at(match, false) }

// BlockAt blocks the line when the first answer comes that matches; it is the
// first thing that arrives when the line is mended.
func (l *Line) BlockAt(match func(answer []byte) bool) { l.at(match, true) }

func (l *Line) at(match func(answer []byte) bool, block bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.match, l.blocks = match, block
}

func (l *Line) hangUp() {
	for end := range l.ends {
		_ = end.Close() // cut
	}
}

func (l *Line) close() {
	_ = l.listener.Close() // ends with the test
	l.mu.Lock()
	l.closed = true
	l.hangUp()
	l.mended.Broadcast()
	l.mu.Unlock()
	l.running.Wait()
}

func (l *Line) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.carry(near) })
	}
}

// carry joins one connection to the server.
func (l *Line) carry(near net.Conn) {
	defer near.Close()
	if !l.holds(near) {
		return
	}
	far, err := net.Dial("tcp4", l.to)
	if err != nil || !l.holds(far) {
		l.drop(near, far)
		return
	}
	l.running.Go(func() { l.pass(near, far, false); l.drop(near, far) })
	l.pass(far, near, true)
	l.drop(near, far)
}

// holds notes an open end, if the line is whole.
func (l *Line) holds(end net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut || l.closed {
		_ = end.Close() // refused
		return false
	}
	l.ends[end] = true
	return true
}

func (l *Line) drop(ends ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, end := range ends {
		if end != nil {
			delete(l.ends, end)
			_ = end.Close() // over
		}
	}
}

// pass carries bytes one way until an end is closed.
func (l *Line) pass(from, to net.Conn, answer bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil || !l.lets(buf[:n], answer) {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// lets waits while the line is blocked, and tells whether bytes may pass.
func (l *Line) lets(p []byte, answer bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if answer && l.match != nil && l.match(p) {
		l.match, l.blocked, l.cut = nil, l.blocks, !l.blocks
		if l.cut {
			l.hangUp()
		}
	}
	for l.blocked && !l.closed && !l.cut {
		l.mended.Wait()
	}
	return !l.closed && !l.cut
}
