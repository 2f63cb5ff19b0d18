package mailer

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Discard is a relay on a loopback port of this process that takes every message
// and keeps none, for messages that must go to nobody. The one thing that it
// refuses is a recipient whose local part begins with "bounce": there is no such
// mailbox (5.1.1), so that a program can see what becomes of one.
type Discard struct {
	listener net.Listener
	mu       sync.Mutex
	open     map[net.Conn]bool
	closed   bool
	all      sync.WaitGroup
}

// NewDiscard opens one.
func NewDiscard() (*Discard, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening a relay that discards: %w", err)
	}
	d := &Discard{listener: l, open: map[net.Conn]bool{}}
	d.all.Go(d.accept)
	return d, nil
}

// URL is its address as that of a relay.
func (d *Discard) URL() string { return "smtp://" + d.listener.Addr().String() + "?tls=none" }

// Close ends it, and every conversation.
func (d *Discard) Close() {
	d.mu.Lock()
	d.closed = true
	_ = d.listener.Close() // going away anyhow
	for conn := range d.open {
		_ = conn.Close() // going away anyhow
	}
	d.mu.Unlock()
	d.all.Wait()
}

func (d *Discard) accept() {
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return // closed
		}
		d.mu.Lock()
		if d.closed {
			_ = conn.Close() // came too late
		} else {
			d.open[conn] = true
			d.all.Go(func() { d.serve(conn) })
		}
		d.mu.Unlock()
	}
}

// discardIdle is how long a client may be silent (RFC 5321 §4.5.3.2.7).
const discardIdle = 5 * time.Minute

func (d *Discard) serve(conn net.Conn) {
	defer func() {
		d.mu.Lock()
		delete(d.open, conn)
		d.mu.Unlock()
		_ = conn.Close() // the conversation is over
	}()
	c := discarding{r: bufio.NewReader(conn), w: bufio.NewWriter(conn)}
	c.say("220 heed.invalid takes everything and keeps nothing")
	for {
		if c.r.Buffered() == 0 && c.w.Flush() != nil {
			return
		}
		_ = conn.SetReadDeadline(time.Now().Add(discardIdle)) // a dead socket shows at the read
		line, err := c.r.ReadSlice('\n')
		if err != nil || !c.answer(string(line)) {
			_ = c.w.Flush() // the last word; the client may be gone
			return
		}
	}
}

// discarding is one conversation.
type discarding struct {
	r *bufio.Reader
	w *bufio.Writer
}

func (c discarding) say(line string) { _, _ = c.w.WriteString(line + "\r\n") } // an error shows at the flush

// answer obeys one command, and tells whether the conversation goes on.
func (c discarding) answer(line string) bool {
	verb, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		c.say("250-heed.invalid\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 ENHANCEDSTATUSCODES")
	case "RCPT":
		if bouncing(rest) {
			c.say("550 5.1.1 there is no such mailbox")
			return true
		}
		c.say("250 2.1.5 ok")
	case "HELO", "MAIL", "RSET", "NOOP":
		c.say("250 2.0.0 ok")
	case "DATA":
		return c.data()
	case "BDAT":
		return c.chunk(rest)
	case "QUIT":
		c.say("221 2.0.0 bye")
		return false
	default:
		c.say("502 5.5.1 no such command here")
	}
	return true
}

func bouncing(rest string) bool {
	_, path, _ := strings.Cut(rest, "<")
	return strings.HasPrefix(strings.ToLower(path), "bounce")
}

// data reads up to the line with the dot (RFC 5321 §4.5.2).
func (c discarding) data() bool {
	c.say("354 go on")
	if c.w.Flush() != nil {
		return false
	}
	for whole := true; ; {
		line, err := c.r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return false
		}
		if whole && bytes.Equal(line, []byte(".\r\n")) {
			c.say("250 2.0.0 discarded")
			return true
		}
		whole = err == nil
	}
}

// chunk reads as many octets as it says (RFC 3030 §2).
func (c discarding) chunk(rest string) bool {
	size, _, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 {
		c.say("501 5.5.4 a chunk has a size")
		return false // where the next command begins nobody knows
	}
	if _, err := io.CopyN(io.Discard, c.r, n); err != nil {
		return false
	}
	c.say("250 2.0.0 discarded")
	return true
}
