package mailertest

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// from is MAIL.
func (ss *session) from(rest string) {
	addr, ok := pathOf(rest, "FROM:")
	switch {
	case !ok:
		ss.say(501, "5.5.4", "bad sender")
		return
	case ss.opts.User != "" && !ss.authed:
		ss.say(530, "5.7.0", "authenticate first")
		return
	case ss.hasMail:
		ss.sink.violation("MAIL inside a transaction")
		ss.say(503, "5.5.1", "one at a time")
		return
	}
	if ss.opts.OnMail != nil {
		if r := ss.opts.OnMail(addr); r.Code != 0 {
			ss.answer(r)
			return
		}
	}
	ss.mail = Record{Session: ss.id, From: addr, MailAt: ss.opts.Now()}
	ss.hasMail = true
	ss.say(250, "2.1.0", "sender ok")
}

// to is RCPT.
func (ss *session) to(rest string) {
	addr, ok := pathOf(rest, "TO:")
	switch {
	case !ss.hasMail:
		ss.say(503, "5.5.1", "MAIL first")
		return
	case !ok || addr == "":
		ss.say(501, "5.1.3", "bad recipient")
		return
	}
	if ss.opts.OnRcpt != nil {
		if r := ss.opts.OnRcpt(ss.mail.From, addr); r.Code != 0 {
			ss.answer(r)
			return
		}
	}
	ss.mail.To, ss.hasRcpt = addr, true
	_, ss.mail.Notify, _ = strings.Cut(strings.ToUpper(rest), " NOTIFY=")
	if ss.mail.Notify != "" && !ss.opts.DSN {
		ss.sink.violation("NOTIFY without DSN")
	}
	ss.say(250, "2.1.5", "recipient ok")
}

// pathOf reads <address> after FROM: or TO:, leaving parameters aside.
func pathOf(rest, prefix string) (string, bool) {
	if len(rest) < len(prefix) || !strings.EqualFold(rest[:len(prefix)], prefix) {
		return "", false
	}
	rest = strings.TrimSpace(rest[len(prefix):])
	end := strings.IndexByte(rest, '>')
	if end < 1 || rest[0] != '<' {
		return "", false
	}
	return rest[1:end], true
}

func (ss *session) clear() {
	ss.mail, ss.hasMail, ss.hasRcpt, ss.chunks, ss.failed = Record{}, false, false, 0, false
}

// data is DATA, up to and with the lone dot.
func (ss *session) data() {
	if ss.r.Buffered() > 0 {
		ss.sink.violation("something was sent between DATA and its reply")
	}
	if !ss.hasRcpt || ss.chunks > 0 {
		ss.say(503, "5.5.1", "RCPT first")
		return
	}
	ss.say(354, "", "end with a dot")
	if ss.flush() != nil {
		ss.over = true
		return
	}
	said, lost := ss.body()
	if lost {
		return
	}
	problem, err := ss.readDots()
	if err != nil {
		ss.over = true // the text was never completed
		return
	}
	if said {
		ss.clear() // that was the answer
		return
	}
	ss.finish(problem)
}

// body is the text of a message when its first byte is there. Where the script has the
// server speak in the middle of it, that is its answer to the message: the rest
// is read for nothing.
func (ss *session) body() (said, lost bool) {
	if ss.opts.Script == nil {
		return false, false
	}
	act := ss.sink.script("BODY")
	if act == (Action{}) {
		return false, false
	}
	if _, err := ss.r.Peek(1); err != nil { // in the middle of it, not before
		return false, true
	}
	_ = ss.flush() // what was said before is out
	pause(act.Stall, ss.stopped)
	switch {
	case act.Drop == DropAfter:
		_, _ = ss.r.ReadByte() // some of it came
		fallthrough
	case act.Drop == DropBefore:
		ss.drop()
	case act.Raw != "":
		_, _ = ss.w.WriteString(act.Raw) // goes out with the flush
	case act.Reply.Code != 0:
		ss.answer(act.Reply)
	default:
		return false, false
	}
	if ss.flush() != nil {
		ss.over = true // whoever has gone sends no commands: what is left of the text is none
	}
	return true, ss.over
}

// readDots reads lines up to the lone dot (RFC 5321 §4.5.2).
func (ss *session) readDots() (problem string, err error) {
	for {
		line, err := ss.r.ReadSlice('\n')
		if err != nil {
			return "", err // a line longer than the buffer ends it too
		}
		if len(line) == 3 && line[0] == '.' && line[1] == '\r' {
			return problem, nil
		}
		if n := len(line); n < 2 || bytes.IndexByte(line, '\r') != n-2 {
			problem = "bare CR or LF"
		}
		if line[0] == '.' {
			line = line[1:]
		}
		ss.take(line)
	}
}

// take counts a piece of the text, and keeps of it what is to be kept.
func (ss *session) take(p []byte) {
	m := &ss.mail
	m.Size += len(p)
	if ss.opts.Keep == KeepNone || m.Size > ss.opts.Size {
		return
	}
	if ss.opts.Keep == KeepHeader && bytes.HasSuffix(m.Data, []byte("\r\n\r\n")) {
		return
	}
	m.Data = append(m.Data, p...)
}

// bdat is BDAT with its chunk (RFC 3030 §2). The chunk is read whatever the answer.
func (ss *session) bdat(rest string) {
	count, last, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || (last != "" && !strings.EqualFold(last, "LAST")) {
		ss.say(501, "5.5.4", "bad chunk")
		ss.over = true
		return
	}
	said, lost := false, false
	if n > 0 {
		said, lost = ss.body()
	}
	if lost {
		return
	}
	problem, err := ss.readChunk(n)
	if err != nil {
		ss.over = true
		return
	}
	if said {
		ss.failed = true
		return
	}
	if last != "" {
		ss.lastChunk(problem)
		return
	}
	done := ss.do("BDAT", func() {
		switch ss.chunks++; {
		case !ss.hasRcpt || ss.failed:
			ss.say(503, "5.5.1", "RCPT first")
		case problem != "":
			ss.failed = true
			ss.say(554, "5.6.0", problem)
		default:
			ss.say(250, "2.0.0", "chunk ok")
		}
	})
	ss.failed = ss.failed || !done
}

func (ss *session) lastChunk(problem string) {
	if !ss.hasRcpt || ss.failed {
		ss.say(503, "5.5.1", "RCPT first")
		return
	}
	ss.finish(problem)
}

func (ss *session) readChunk(n int) (problem string, err error) {
	if ss.opts.Keep == KeepNone || !ss.hasRcpt {
		ss.mail.Size += n
		_, err := io.CopyN(io.Discard, ss.r, int64(n))
		return "", err
	}
	if n > ss.opts.Size {
		return "", errors.New("chunk too large")
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(ss.r, p); err != nil {
		return "", err
	}
	crlf := bytes.Count(p, []byte("\r\n"))
	if bytes.Count(p, []byte{'\n'}) != crlf || bytes.Count(p, []byte{'\r'}) != crlf {
		problem = "bare CR or LF"
	}
	ss.keepChunk(p)
	return problem, nil
}

func (ss *session) keepChunk(p []byte) {
	if i := bytes.Index(p, []byte("\r\n\r\n")); ss.opts.Keep == KeepHeader && i >= 0 {
		ss.take(p[:i+4])
		ss.mail.Size += len(p) - i - 4
		return
	}
	ss.take(p)
}

// finish is the end of a message: the moment that counts.
func (ss *session) finish(problem string) {
	ss.mail.EndAt = ss.opts.Now()
	r := ss.mail
	ss.atEnd(r, func() {
		switch {
		case problem != "":
			ss.sink.violation("a message with %s", problem)
			ss.say(554, "5.6.0", problem)
			return
		case r.Size > ss.opts.Size:
			ss.say(552, "5.3.4", "too large")
			return
		}
		pause(ss.opts.EndDelay, ss.stopped)
		if ss.opts.OnEnd != nil {
			if rep := ss.opts.OnEnd(r); rep.Code != 0 {
				ss.answer(rep)
				return
			}
		}
		ss.sink.complete(r)
		ss.say(250, "2.0.0", "taken")
	})
	ss.clear()
}

func (ss *session) atEnd(r Record, usual func()) {
	if ss.opts.AtEnd == nil || ss.over {
		ss.do("END", usual)
		return
	}
	ss.act("END", ss.opts.AtEnd(r), usual)
}
