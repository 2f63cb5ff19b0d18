package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// simRelay is the server that takes the messages. It keeps a record of each
// message that was completed, whatever it answers then.
type simRelay struct {
	w          *world
	chunking   bool
	pipelining bool
	trouble    map[string]float64 // probability of a fault, by verb
	kinds      []string           // of faults
	away       time.Time          // no connection is taken before
	conns      int
	record     []handed
}

// handed is one message whose end reached the relay.
type handed struct {
	campaign  int64
	key, to   string
	messageID string
	step      int
	at        time.Time
	taken     bool // with an answer that says so, or without one
}

// answer is what the relay does at a command.
type answer struct {
	line  string // empty: as usual
	after time.Duration
	drop  string // before | after
}

// at plays the dice for one command. It is called by whoever has the turn.
func (r *simRelay) at(verb string) answer {
	if r.w.calm || r.w.rand.Float64() >= r.trouble[verb] || len(r.kinds) == 0 {
		return answer{after: r.latency()}
	}
	kind := r.kinds[r.w.rand.IntN(len(r.kinds))]
	r.w.gate.note("relay: %s at %s", kind, verb)
	switch kind {
	case "before", "after":
		return answer{drop: kind, after: r.latency()}
	case "slow":
		return answer{after: time.Duration(r.w.rand.Int64N(4e9))}
	case "hang":
		return answer{after: 25*time.Second + r.latency()} // longer than anybody waits
	case "421":
		return answer{line: "421 4.3.2 closing", drop: "after", after: r.latency()}
	case "garbage":
		return answer{line: "garbage", after: r.latency()}
	}
	return answer{line: kind, after: r.latency()}
}

func (r *simRelay) latency() time.Duration {
	return time.Duration(r.w.rand.Int64N(3e6)) // odd, so that no two things happen at the same moment
}

// dial is for mailer.Relay.
func (r *simRelay) dial(p *process) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		if err := r.w.gate.wait(&visitor{at: p, name: r.w.gate.who(), what: "dial"}); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if time.Now().Before(r.away) {
			return nil, errors.New("connection refused")
		}
		r.conns++
		c := &simConn{r: r, at: p, name: fmt.Sprint("conn", r.conns)}
		c.say(c.verb("CONNECT"), "220 relay ready")
		p.conns = append(p.conns, c)
		return c, nil
	}
}

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

// act does the next command of what was written; false where none is whole.
func (c *simConn) act() bool {
	switch {
	case c.over:
		return false
	case c.inChunk:
		return c.takeChunk()
	case c.inData:
		return c.takeData()
	}
	line, whole := c.line()
	if !whole {
		return false
	}
	word, rest, _ := strings.Cut(line, " ")
	c.command(strings.ToUpper(word), rest)
	return true
}

func (c *simConn) line() (string, bool) {
	at := bytes.IndexByte(c.input.Bytes(), '\n')
	if at < 0 {
		return "", false
	}
	return strings.TrimRight(string(c.input.Next(at+1)), "\r\n"), true
}

func (c *simConn) command(verb, rest string) {
	switch verb {
	case "EHLO":
		c.say(c.verb(verb), "250"+strings.Join(c.r.offers(), "\r\n250"))
	case "MAIL":
		if a := c.verb(verb); c.say(a, "250 2.1.0 ok") {
			c.isMail, c.rcpt = true, ""
			c.text.Reset()
		}
	case "RCPT":
		a := c.verb(verb)
		if !c.isMail {
			a.line = "503 5.5.1 MAIL first"
		}
		if c.say(a, "250 2.1.5 ok") {
			c.rcpt = strings.Trim(strings.TrimPrefix(strings.Fields(rest)[0], "TO:"), "<>")
		}
	case "DATA":
		a := c.verb(verb)
		if c.rcpt == "" {
			a.line = "503 5.5.1 RCPT first"
		}
		c.inData = c.say(a, "354 go on")
	case "BDAT":
		c.bdat(rest)
	case "RSET":
		c.isMail, c.rcpt = false, ""
		c.text.Reset()
		c.say(c.verb(verb), "250 2.0.0 ok")
	case "QUIT":
		c.say(answer{drop: "after"}, "221 2.0.0 bye")
	default:
		c.say(answer{}, "500 5.5.2 what")
	}
}

func (r *simRelay) offers() []string {
	all := []string{"relay", "ENHANCEDSTATUSCODES", "8BITMIME"}
	if r.pipelining {
		all = append(all, "PIPELINING")
	}
	if r.chunking {
		all = append(all, "CHUNKING")
	}
	for i := range all[:len(all)-1] {
		all[i] = "-" + all[i]
	}
	all[len(all)-1] = " " + all[len(all)-1]
	return all
}

// verb asks what is to happen, and closes where it is to happen before.
func (c *simConn) verb(verb string) answer {
	a := c.r.at(verb)
	if a.drop == "before" {
		c.hangUp(a.after)
	}
	return a
}

// say answers; yes tells that the command had its effect.
func (c *simConn) say(a answer, usual string) (yes bool) {
	if c.over {
		return false
	}
	text := usual
	if a.line != "" {
		text = a.line
	}
	if a.drop != "after" || a.line != "" || strings.HasPrefix(usual, "221") {
		c.send(text, a.after)
	}
	if a.drop == "after" {
		c.hangUp(a.after)
	}
	return a.line == ""
}

func (c *simConn) send(text string, after time.Duration) {
	at := time.Now().Add(after)
	if n := len(c.come); n > 0 && c.come[n-1].at.After(at) {
		at = c.come[n-1].at
	}
	c.come = append(c.come, arrival{at, []byte(text + "\r\n")})
}

func (c *simConn) hangUp(after time.Duration) {
	c.over, c.overAt = true, time.Now().Add(after)
	if n := len(c.come); n > 0 && c.come[n-1].at.After(c.overAt) {
		c.overAt = c.come[n-1].at
	}
}

func (c *simConn) bdat(rest string) {
	size, more, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(size)
	if err != nil {
		c.say(answer{}, "501 5.5.4 how many")
		return
	}
	c.inChunk, c.chunk, c.last = true, n, more == "LAST"
}

func (c *simConn) takeChunk() bool {
	if c.input.Len() < c.chunk {
		return false
	}
	c.text.Write(c.input.Next(c.chunk))
	c.inChunk = false
	if c.rcpt == "" {
		c.say(answer{}, "503 5.5.1 RCPT first")
		return true
	}
	if c.last {
		c.end()
		return true
	}
	if !c.say(c.verb("BDAT"), "250 2.0.0 ok") {
		c.rcpt = ""
	}
	return true
}

func (c *simConn) takeData() bool {
	at := bytes.Index(c.input.Bytes(), []byte("\r\n.\r\n"))
	if at < 0 {
		return false
	}
	c.text.Write(c.input.Next(at + 2))
	c.input.Next(3)
	c.inData = false
	c.end()
	return true
}

// end completes a message. It is on record whatever is answered; a relay that
// closes before it has done with the end has not taken the message.
func (c *simConn) end() {
	a := c.verb("END")
	m := handed{to: c.rcpt, step: c.r.w.gate.steps, at: time.Now(), messageID: header(c.text.String(), "Message-ID"),
		taken: a.drop != "before" && (a.line == "" || a.line == "garbage")}
	m.campaign, m.key = named(m.messageID)
	c.isMail, c.rcpt = false, ""
	c.text.Reset()
	c.r.record = append(c.r.record, m)
	c.r.w.ender = c.at
	c.r.w.handedOver(m)
	c.say(a, "250 2.0.0 taken")
}

func header(text, name string) string {
	for _, line := range strings.Split(text, "\r\n") {
		if rest, found := strings.CutPrefix(line, name+": "); found {
			return strings.Trim(rest, "<> ")
		}
	}
	return ""
}

// named reads the campaign and the address key out of a Message-ID.
func named(id string) (campaign int64, key string) {
	number, rest, _ := strings.Cut(id, ".")
	key, _, _ = strings.Cut(rest, "@")
	campaign, _ = strconv.ParseInt(number, 10, 64)
	return campaign, key
}

// troubles makes a relay that has its own faults by the dice of a seed.
func troubles(rand *rand.Rand) (map[string]float64, []string) {
	all := []string{"before", "after", "slow", "hang", "421", "garbage", "451 4.3.0 later", "452 4.2.2 full", "550 5.1.1 nobody",
		"550 5.7.1 policy", "554 5.6.0 no"}
	trouble := map[string]float64{}
	if rand.IntN(3) == 0 {
		return trouble, nil
	}
	for _, verb := range []string{"CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BDAT", "END", "RSET"} {
		trouble[verb] = []float64{0, 0, 0.05, 0.2}[rand.IntN(4)]
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return trouble, all[:1+rand.IntN(4)]
}
