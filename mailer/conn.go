package mailer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// ClaimWindow is how long after the claim was begun the end of a message may still be
// written, by the relay's Clock. Whoever waits for open claims waits as long.
const ClaimWindow = 2 * time.Second

const (
	quietTooLong = time.Second      // a connection at rest for so long is looked at first
	resetWait    = 30 * time.Second // reply to RSET
	quitWait     = 2 * time.Second  // reply to QUIT
	blockSize    = 256 << 10        // most bytes written under one Block timeout
)

// Conn is an open connection to a relay, kept for many messages. One goroutine uses
// it at a time; only [Conn.Abort] may be called by another.
type Conn struct {
	relay  Relay
	raw    net.Conn // TCP, for deadlines and closing, also under TLS
	reader *bufio.Reader
	writer *bufio.Writer
	offers Offers

	buf        []byte        // the lines of one step, reused
	whole      []byte        // a step with its message in one piece, reused
	pieces     [][]byte      // a step as it lies in memory, reused
	queue      net.Buffers   // of them, what is still to be written
	ahead      *transaction  // whose text went along with the end of the message before
	quietSince time.Duration // when the last conversation ended, by Clock
	sent       int
	midway     bool // a transaction is open: QUIT would be part of it
	dead       bool
}

// Offers is what the relay announced.
func (c *Conn) Offers() Offers { return c.offers }

// Sent counts the messages whose end was written on this connection.
func (c *Conn) Sent() int { return c.sent }

// Alive tells whether the connection can carry another message, as far as known.
func (c *Conn) Alive() bool { return !c.dead }

// Abort closes the socket at once; a Send that is under way fails.
func (c *Conn) Abort() { _ = c.raw.Close() }

// Close says QUIT where that is safe, waits shortly for the answer and closes the
// socket in any case.
func (c *Conn) Close() error {
	if !c.dead && !c.midway {
		_ = c.raw.SetDeadline(time.Now().Add(quitWait)) // a socket already closed fails below
		if c.write([]byte("QUIT\r\n"), nil, quitWait) == nil {
			_, _ = readReply(c.reader) // its answer changes nothing
		}
	}
	c.dead = true
	return c.raw.Close()
}

// hangUp closes the socket and reports it as unusable.
func (c *Conn) hangUp() {
	c.dead, c.ahead = true, nil
	_ = c.raw.Close() // nothing is left to be done with it
}

// write sends one step, and m behind it unless that is nil, in one write, or in blocks
// where it is long, each bounded by wait.
func (c *Conn) write(p []byte, m *Message, wait time.Duration) error {
	if m != nil && len(p)+m.size() > blockSize {
		p, m = m.appendTo(append([]byte(nil), p...)), nil
	}
	for len(p) > 0 || m != nil {
		n := min(len(p), blockSize)
		if err := c.raw.SetWriteDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
		if _, err := c.pushed(p[:n], m); err != nil {
			return err
		}
		p, m = p[n:], nil
	}
	return nil
}

// pushed tells how many bytes the socket took; under TLS a failure leaves that open.
// go-mail's buffered writer passes long writes straight through.
func (c *Conn) pushed(p []byte, m *Message) (n int, err error) {
	if m != nil {
		if tcp, ok := c.raw.(*net.TCPConn); ok && c.offers.TLS == "" {
			return c.gathered(tcp, p, m)
		}
		c.whole = m.appendTo(append(c.whole[:0], p...))
		p = c.whole
	}
	if n, err = c.writer.Write(p); err == nil {
		err = c.writer.Flush()
	}
	return n - c.writer.Buffered(), err
}

// gathered writes the pieces of a step from where they lie (writev).
func (c *Conn) gathered(tcp *net.TCPConn, p []byte, m *Message) (n int, err error) {
	c.pieces = m.pieces(append(c.pieces[:0], p))
	c.queue = c.pieces // WriteTo shortens it
	took, err := c.queue.WriteTo(tcp)
	return int(took), err
}

// read waits for one reply. After 421 the relay closes (RFC 5321 §3.8), and after a
// failure no later reply could be matched to its command: so do we.
func (c *Conn) read(wait time.Duration) (reply, error) {
	if !replyWaits(c.reader) {
		if err := c.raw.SetReadDeadline(time.Now().Add(wait)); err != nil {
			c.dead = true
			return reply{}, err
		}
	}
	rep, err := readReply(c.reader)
	if err != nil || rep.code == 421 {
		c.dead = true
	}
	return rep, err
}

// ready looks whether a kept connection is still good: one that rested may have been
// closed by the relay, with a 421 before, and unread bytes would shift every reply
// that follows by one.
func (c *Conn) ready() error {
	if c.dead {
		return errors.New("the connection is closed")
	}
	if c.reader.Buffered() > 0 {
		return errors.New("the relay said more than it was asked")
	}
	if c.relay.Clock()-c.quietSince < quietTooLong {
		return nil
	}
	if err := c.raw.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return err
	}
	switch _, err := c.reader.Peek(1); {
	case err == nil:
		return errors.New("the relay has ended the connection while it rested")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	default:
		return fmt.Errorf("the relay has closed the connection while it rested: %w", err)
	}
}

// reset ends an open transaction without a message (RFC 5321 §4.1.1.5). The
// connection stays good only if the relay agrees.
func (c *Conn) reset() {
	if c.dead {
		return
	}
	err := c.write([]byte("RSET\r\n"), nil, resetWait)
	if err == nil {
		var rep reply
		if rep, err = c.read(resetWait); err == nil && !rep.ok(2) {
			err = errGarbage
		}
	}
	if err != nil {
		c.hangUp()
		return
	}
	c.midway = false
}

// watch closes the socket when ctx ends, until stop is called. stop reports false when
// the socket was closed.
func (c *Conn) watch(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, c.Abort)
}
