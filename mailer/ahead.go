package mailer

// Then is what comes behind a message on its connection.
type Then struct {
	// Next is the message that [Conn.Carry] will be called for next. Where the relay
	// takes pipelined commands, all of it but its end is written together with the end
	// of the message before, so that a message costs one round trip. It is not ended
	// before the answer to the message before was read and its own claim was granted:
	// whatever happens, one message of a connection at most is without a clear answer.
	Next *Message
	// Meanwhile runs while the answer to the end is awaited.
	Meanwhile func()
}

// mostAhead bounds what goes along with an end: it is written within the claim's
// window, so it should fit what the socket takes without waiting.
const mostAhead = 128 << 10

// ends gives what completes the message and, behind it, as much of the next one as
// may go along. It is made before the claim, which nothing should keep waiting.
func (t *transaction) ends() (text []byte, next *transaction) {
	text = append(t.c.buf[:0], t.endText()...)
	t.c.buf = text
	m := t.then.Next
	if m == nil || !t.c.offers.Pipelining || m.size() > mostAhead {
		return text, nil
	}
	next = &transaction{c: t.c, ctx: t.ctx, m: m}
	if _, refused := next.check(); refused { // it is told when its turn comes
		return text, nil
	}
	text, next.waiting = next.commands(text)
	return text, next
}

// Retract takes back a message that went ahead and is not to be ended now. BDAT can be
// taken back by RSET. After DATA the relay waits for the text, and the only way out is
// to close the connection (RFC 5321 §4.1.1.4).
func (c *Conn) Retract() {
	t := c.ahead
	if t == nil {
		return
	}
	c.ahead = nil
	if c.dead || !c.offers.Chunking {
		c.hangUp()
		return
	}
	for _, cmd := range t.waiting {
		if _, err := c.read(min(cmd.wait, quitWait)); err != nil || c.dead {
			c.hangUp()
			return
		}
	}
	c.reset()
}
