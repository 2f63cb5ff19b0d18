package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"heed/store/storetest"
)

// simRelay is the server that takes the messages. The referee hears of each
// message that was completed, whatever is answered then.
type simRelay struct {
	w          *world
	chunking   bool
	pipelining bool
	trouble    map[string]float64 // probability of a fault, by verb
	kinds      []string           // of faults
	away       time.Time          // no connection is taken before
	conns      int
	handed     int // messages whose end came
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
	h := storetest.Handed{MessageID: header(c.text.String(), "Message-ID"), When: fmt.Sprint("step ", c.r.w.gate.steps),
		Taken: a.drop != "before" && (a.line == "" || a.line == "garbage")}
	c.isMail, c.rcpt = false, ""
	c.text.Reset()
	c.r.handed++
	c.r.w.ender = c.at
	c.r.w.handedOver(h)
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
