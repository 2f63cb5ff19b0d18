package worker

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// simConn is a worker's end of a connection, and the relay's session behind it,
// which acts at once on what is written.
type simConn struct {
	r    *simRelay
	at   *process
	name string

	mu             sync.Mutex
	closed, over   bool // by the worker, by the relay
	overAt         time.Time
	come           []arrival
	readBy, sendBy time.Time

	input   bytes.Buffer
	text    bytes.Buffer // of the message under way
	rcpt    string
	isMail  bool
	inData  bool
	chunk   int // bytes of a BDAT that are missing
	last    bool
	inChunk bool
}

type arrival struct {
	at   time.Time
	text []byte
}

// Write implements net.Conn.
func (c *simConn) Write(p []byte) (int, error) {
	if err := c.r.w.gate.wait(&visitor{at: c.at, what: c.name + " write"}); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case !c.sendBy.IsZero() && !time.Now().Before(c.sendBy):
		return 0, os.ErrDeadlineExceeded
	case c.over:
		return 0, errors.New("connection reset by peer")
	}
	c.input.Write(p)
	for c.act() {
	}
	return len(p), nil
}

// Read implements net.Conn.
func (c *simConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	by := c.readBy
	waits := !c.readable(time.Now())
	c.mu.Unlock()
	if waits {
		v := &visitor{at: c.at, what: c.name + " read", until: func() time.Time { return c.wakes(by) }, ready: func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.readable(time.Now())
		}}
		if err := c.r.w.gate.wait(v); err != nil {
			return 0, err
		}
	}
	return c.take(p)
}

// wakes is when a read has to be looked at again: when something arrives that
// is under way, or at its deadline.
func (c *simConn) wakes(by time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := by
	if len(c.come) > 0 && (at.IsZero() || c.come[0].at.Before(at)) {
		at = c.come[0].at
	}
	if c.over && (at.IsZero() || c.overAt.Before(at)) {
		at = c.overAt
	}
	return at
}

func (c *simConn) readable(now time.Time) bool {
	return c.closed || len(c.come) > 0 && !now.Before(c.come[0].at) || len(c.come) == 0 && c.over && !now.Before(c.overAt)
}

func (c *simConn) take(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case len(c.come) > 0 && !now.Before(c.come[0].at):
		n := copy(p, c.come[0].text)
		if c.come[0].text = c.come[0].text[n:]; len(c.come[0].text) == 0 {
			c.come = c.come[1:]
		}
		return n, nil
	case len(c.come) == 0 && c.over:
		return 0, io.EOF
	}
	return 0, os.ErrDeadlineExceeded
}

// Close implements net.Conn.
func (c *simConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.r.w.gate.knock()
	return nil
}

// LocalAddr implements net.Conn.
func (c *simConn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// RemoteAddr implements net.Conn.
func (c *simConn) RemoteAddr() net.Addr { return c.LocalAddr() }

// SetDeadline implements net.Conn.
func (c *simConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *simConn) SetReadDeadline(t time.Time) error { return c.limit(&c.readBy, t) }

// SetWriteDeadline implements net.Conn.
func (c *simConn) SetWriteDeadline(t time.Time) error { return c.limit(&c.sendBy, t) }

func (c *simConn) limit(which *time.Time, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	*which = t
	return nil
}
