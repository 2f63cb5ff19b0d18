package mailer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Envelope says from whom and to whom the relay is to carry a message. One message
// goes to one person (RFC 5321 §4.5.3.1.10 then never cuts a list short).
type Envelope struct {
	From string // return path; empty for the null path of automatic answers (RFC 3834 §3.3)
	To   string

	Quiet bool // nobody is to be told what becomes of it (RFC 3461 §4.1), where the relay can keep still
}

// Claim is asked when everything but the end of the message is with the relay. It says
// whether the message may be completed, and has recorded durably that it will be when
// it says yes. An error counts as no, and nothing is known of a record.
type Claim func(ctx context.Context) (ok bool, err error)

// Message is one finished message. It must be lines that end in CRLF; it is not
// changed.
type Message struct {
	Envelope
	Text  []byte
	Fixed []Fixed // stands between; in most messages nothing
}

// Send hands one finished message over and tells what became of it.
func (c *Conn) Send(ctx context.Context, env Envelope, msg []byte, claim Claim) Result {
	return c.Carry(ctx, &Message{Envelope: env, Text: msg}, claim, Then{})
}

// Carry hands one message over and tells what became of it, as one of a row: what
// follows may go along.
//
// Until the end of the message is written, the end of ctx aborts: the connection is
// closed and the message given back. Afterwards ctx no longer matters, only
// Timeouts.End does, because an answer that nobody reads is an uncertain message.
//
// A connection found dead before anything was written gives the message back with
// Alive false: dial again and send it at once.
func (c *Conn) Carry(ctx context.Context, m *Message, claim Claim, then Then) Result {
	t, res, refused := c.transaction(ctx, m)
	if !refused {
		c.midway = true
		t.then, t.stop = then, c.watch(ctx)
		res = t.run(claim)
		if !t.ending && !t.stop() { // ctx ended meanwhile and took the socket along
			c.dead = true
		}
		c.quietSince = c.relay.Clock()
	}
	if c.dead {
		c.hangUp()
	}
	res.Alive = !c.dead
	return res
}

// transaction is one message on its way.
type transaction struct {
	c        *Conn
	ctx      context.Context
	stop     func() bool // ends the watch on ctx
	ending   bool        // the watch is over: the end is the next thing written
	m        *Message
	then     Then
	from, to path
	dots     bool      // a line begins with a dot
	waiting  []command // was written already; their replies are to be read
}

// transaction begins a message, or takes up one whose text is with the relay.
func (c *Conn) transaction(ctx context.Context, m *Message) (t *transaction, res Result, refused bool) {
	if t = c.ahead; t != nil && t.m == m && ctx.Err() == nil {
		c.ahead, t.ctx = nil, ctx
		return t, res, false
	}
	if t != nil && ctx.Err() != nil {
		c.hangUp()
	}
	c.Retract()
	t = &transaction{c: c, ctx: ctx, m: m}
	res, refused = t.prepare()
	return t, res, refused
}

func (t *transaction) run(claim Claim) Result {
	if res, failed := t.handOver(); failed {
		return res
	}
	text, next := t.ends()
	began := t.c.relay.Clock() // before the claim: its commit may take long
	ok, err := claim(t.ctx)
	switch {
	case err != nil:
		return t.giveBack(GivenBack, fmt.Errorf("claim the message: %w", err))
	case !ok:
		return t.giveBack(Skipped, nil)
	case t.c.reader.Buffered() > 0: // would be taken for the answer to the end
		t.c.hangUp()
		return t.giveBack(GivenBack, errors.New("the relay spoke out of turn"))
	case !t.stop():
		t.c.hangUp()
		return t.giveBack(GivenBack, context.Cause(t.ctx))
	}
	t.ending = true
	return t.end(began, text, next)
}

// prepare refuses, before anything is written, what can't be sent.
func (t *transaction) prepare() (Result, bool) {
	if res, refused := t.check(); refused {
		return res, true
	}
	if err := errors.Join(t.ctx.Err(), t.c.ready()); err != nil {
		t.c.dead = t.c.dead || t.ctx.Err() == nil
		return Result{Outcome: GivenBack, Err: err}, true
	}
	return Result{}, false
}

// check refuses what this relay can never be given.
func (t *transaction) check() (Result, bool) {
	refuse := func(status string, err error) (Result, bool) {
		return Result{Outcome: Rejected, Enhanced: status, Err: err}, true
	}
	var err error
	if t.to, err = parsePath(t.m.To); err != nil {
		return refuse("5.1.3", fmt.Errorf("recipient: %w", err))
	}
	if t.m.From != "" {
		if t.from, err = parsePath(t.m.From); err != nil {
			return refuse("5.1.7", fmt.Errorf("return path: %w", err))
		}
	}
	if (t.to.utf8 || t.from.utf8) && !t.c.offers.UTF8 { // RFC 6531 §3.5
		return refuse("5.6.7", errors.New("the address is not ASCII and the relay does not offer SMTPUTF8"))
	}
	if max := t.c.offers.Size; max > 0 && t.m.size() > max {
		return refuse("5.3.4", fmt.Errorf("the message has %d bytes, the relay takes %d", t.m.size(), max))
	}
	if t.dots, err = t.m.checkLines(); err != nil {
		return refuse("5.6.0", err)
	}
	return Result{}, false
}

// command is one command with what it waits for.
type command struct {
	stage Stage
	line  []byte // for BDAT without the text that goes with it
	want  int    // class of the reply that lets the conversation go on
	wait  time.Duration
}

// handOver brings everything but the end of the message to the relay, or reads how
// it liked what went ahead.
func (t *transaction) handOver() (res Result, failed bool) {
	if t.waiting != nil {
		res, failed = t.replies(t.waiting, nil)
	} else {
		res, failed = t.speak(t.commands(t.c.buf[:0]))
	}
	if failed || t.c.offers.Chunking {
		return res, failed
	}
	m := t.m
	if t.dots { // RFC 5321 §4.5.2
		m = &Message{Text: stuffDots(m.appendTo(nil))}
	}
	if err := t.c.write(nil, m, t.c.relay.Timeouts.Block); err != nil {
		return t.broken(StageData, err), true
	}
	return Result{}, false
}

// commands appends to buf all that comes before the message itself.
func (t *transaction) commands(buf []byte) (lines []byte, cmds []command) {
	params := ""
	if t.to.utf8 || t.from.utf8 { // RFC 6531 §3.4, §3.6
		params = " SMTPUTF8"
		if t.c.offers.EightBit {
			params = " BODY=8BITMIME SMTPUTF8"
		}
	}
	limit := t.c.relay.Timeouts
	start := len(buf)
	buf = append(append(append(buf, "MAIL FROM:<"...), t.from.text...), '>')
	buf = append(append(buf, params...), "\r\n"...)
	m := len(buf)
	buf = append(append(append(buf, "RCPT TO:<"...), t.to.text...), '>')
	if t.m.Quiet && t.c.offers.DSN {
		buf = append(buf, " NOTIFY=NEVER"...)
	}
	buf = append(buf, "\r\n"...)
	r := len(buf)
	last := command{StageData, nil, 3, limit.Data}
	if t.c.offers.Chunking { // RFC 3030 §2: preferred, as it can be taken back
		last.want, last.wait = 2, limit.Block
		buf = append(strconv.AppendInt(append(buf, "BDAT "...), int64(t.m.size()), 10), "\r\n"...)
	} else {
		buf = append(buf, "DATA\r\n"...)
	}
	t.c.buf, last.line = buf, buf[r:]
	return buf, []command{{StageMail, buf[start:m], 2, limit.Mail}, {StageRcpt, buf[m:r], 2, limit.Rcpt}, last}
}

// speak sends the commands, in one write where PIPELINING is offered, and checks all
// their replies. DATA and BDAT are last in their group (RFC 2920 §3.1).
func (t *transaction) speak(lines []byte, cmds []command) (res Result, failed bool) {
	if t.c.offers.Pipelining {
		return t.exchange(lines, cmds)
	}
	for _, cmd := range cmds {
		if res, failed = t.exchange(cmd.line, []command{cmd}); failed {
			break
		}
	}
	return res, failed
}

// exchange writes one group, and the text that goes with its last command, and reads
// its replies.
func (t *transaction) exchange(group []byte, cmds []command) (res Result, failed bool) {
	var m *Message
	if cmds[len(cmds)-1].stage == StageData {
		m = t.rides()
	}
	return t.replies(cmds, t.c.write(group, m, t.c.relay.Timeouts.Block))
}

// rides gives the message where it goes in the write of its commands: BDAT does not
// wait to be told, DATA does.
func (t *transaction) rides() *Message {
	if t != nil && t.c.offers.Chunking {
		return t.m
	}
	return nil
}

// replies reads a reply for each command, also after one that refuses: a reply left
// unread would answer the next message's command. The first refusal decides.
func (t *transaction) replies(cmds []command, writeErr error) (res Result, failed bool) {
	for _, cmd := range cmds {
		wait := cmd.wait
		if writeErr != nil { // the relay may have said why before it closed
			wait = min(wait, quitWait)
		}
		rep, err := t.c.read(wait)
		switch {
		case failed && (err != nil || rep.code == 354):
			// RFC 2920 §3.1: 354 although nobody was accepted. An end would make an
			// empty message of it, so the connection goes instead.
			t.c.dead = true
		case failed:
		case err != nil:
			res, failed = t.broken(cmd.stage, errors.Join(writeErr, err)), true
		case !rep.ok(cmd.want):
			res, failed = t.refused(cmd.stage, rep), true
		}
		if t.c.dead {
			break
		}
	}
	if failed {
		t.c.reset()
		return res, true
	}
	if writeErr != nil {
		return t.broken(cmds[len(cmds)-1].stage, writeErr), true
	}
	return res, false
}

// broken is a connection that failed before the end was written: nothing was completed.
func (t *transaction) broken(stage Stage, err error) Result {
	t.c.hangUp()
	if t.ctx.Err() != nil {
		return Result{Outcome: GivenBack, Stage: stage, Err: context.Cause(t.ctx)}
	}
	return Result{Outcome: Deferred, Stage: stage, Err: fmt.Errorf("the connection failed before the message was complete: %w", err)}
}

// refused is a reply that stops the message.
func (t *transaction) refused(stage Stage, rep reply) Result {
	res := t.answered(stage, rep)
	if res.Outcome = rep.outcome(); rep.code < 400 { // a yes of the wrong kind
		res.Outcome, res.Code, res.Err = Deferred, 0, fmt.Errorf("%w to %s", errGarbage, stage)
		t.c.dead = true
	}
	return res
}

func (t *transaction) answered(stage Stage, rep reply) Result {
	return Result{Stage: stage, Code: rep.code, Enhanced: rep.enhanced,
		Text: cleanText(rep.text, t.m.To, t.m.From, t.to.text, t.from.text)}
}

// giveBack leaves the message incomplete. In DATA there is no way back: RSET would be
// a line of the text, so the connection is closed (RFC 5321 §4.1.1.4).
func (t *transaction) giveBack(outcome Outcome, err error) Result {
	if t.c.offers.Chunking {
		t.c.reset()
	} else {
		t.c.hangUp()
	}
	return Result{Outcome: outcome, Stage: StageClaim, Err: err}
}

// stuffDots doubles each dot that begins a line (RFC 5321 §4.5.2).
func stuffDots(msg []byte) []byte {
	out := make([]byte, 0, len(msg)+64)
	if msg[0] == '.' {
		out = append(out, '.')
	}
	return append(out, bytes.ReplaceAll(msg, []byte("\n."), []byte("\n.."))...)
}
