package mailertest

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const bufferSize = 64 << 10

// session is one connection.
type session struct {
	sink    *Sink
	opts    *Options
	raw     net.Conn // TCP, also under TLS
	conn    net.Conn
	id      int
	stopped <-chan struct{}
	r       *bufio.Reader
	w       *bufio.Writer
	far     *distant // the way back, where it takes time

	secure, authed bool
	mail           Record // the message under way
	hasMail        bool
	hasRcpt        bool
	chunks         int // BDAT chunks so far
	failed         bool
	over           bool
}

func newSession(s *Sink, conn net.Conn, id int, stopped <-chan struct{}) *session {
	ss := &session{sink: s, opts: &s.opts, raw: conn, id: id, stopped: stopped}
	ss.use(conn)
	return ss
}

func (ss *session) use(conn net.Conn) {
	ss.conn = conn
	ss.r, ss.w = bufio.NewReaderSize(conn, bufferSize), bufio.NewWriterSize(conn, 4<<10)
	if ss.opts.Latency > 0 {
		ss.arrive()
		ss.far = newDistant(conn, ss.opts.Latency, ss.stopped)
		ss.w.Reset(ss.far)
	}
}

// arrive waits until the client has all that was said; what is said afterwards
// it never hears, before use is called again.
func (ss *session) arrive() {
	if ss.far != nil {
		ss.far.arrive()
		ss.far = nil
		ss.w.Reset(nowhere{})
	}
}

func (ss *session) serve() {
	defer ss.sink.forget(ss.raw)
	defer ss.arrive()
	if ss.opts.ImplicitTLS && !ss.startTLS() {
		return
	}
	ss.do("CONNECT", func() { ss.say(220, "", "sink ready") })
	for !ss.over {
		line, ok := ss.command()
		if !ok {
			return
		}
		ss.dispatch(line)
	}
	ss.lastWords()
}

// lastWords sends what was said and then reads on for a moment: closing a socket with
// unread input resets it, and the client might never see the 421 that explains it.
func (ss *session) lastWords() {
	_ = ss.flush() // the client may be gone
	ss.arrive()
	if tcp, ok := ss.raw.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
		_ = tcp.SetReadDeadline(time.Now().Add(200 * time.Millisecond)) // a dead socket ends the copy
		_, _ = io.Copy(io.Discard, tcp)
	}
}

// command reads the next line, after the replies to all before it are out.
func (ss *session) command() (string, bool) {
	if ss.r.Buffered() == 0 && ss.flush() != nil {
		return "", false
	}
	line, err := ss.r.ReadSlice('\n')
	if err != nil {
		return "", false
	}
	return strings.TrimRight(string(line), "\r\n"), true
}

func (ss *session) flush() error { return ss.w.Flush() }

func (ss *session) dispatch(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	if ss.opts.NoPipelining && verb != "BDAT" && ss.r.Buffered() > 0 {
		ss.sink.violation("%s was followed by more without PIPELINING", verb)
	}
	switch verb {
	case "EHLO", "HELO":
		ss.do("EHLO", func() { ss.hello(verb) })
	case "STARTTLS":
		ss.do(verb, ss.upgrade)
	case "AUTH":
		ss.do(verb, func() { ss.auth(rest) })
	case "MAIL":
		ss.do(verb, func() { ss.from(rest) })
	case "RCPT":
		ss.do(verb, func() { ss.to(rest) })
	case "DATA":
		ss.do(verb, ss.data)
	case "BDAT":
		ss.bdat(rest)
	case "RSET":
		ss.do(verb, func() { ss.clear(); ss.say(250, "2.0.0", "reset") })
	case "NOOP":
		ss.do(verb, func() { ss.say(250, "2.0.0", "ok") })
	case "QUIT":
		ss.do(verb, func() { ss.say(221, "2.0.0", "bye"); ss.over = true })
	case "*": // takes back an AUTH that was refused already
		ss.say(501, "5.7.0", "nothing to take back")
	default:
		ss.sink.violation("unknown command of %d bytes", len(line))
		ss.say(500, "5.5.2", "what")
	}
}

// do runs one command as the script has it. It reports whether the usual was done.
func (ss *session) do(verb string, usual func()) bool {
	if ss.over {
		return false
	}
	return ss.act(verb, ss.sink.script(verb), usual)
}

func (ss *session) act(verb string, act Action, usual func()) bool {
	if act.Drop == DropAfter && (verb == "DATA" || verb == "STARTTLS") {
		act.Drop = DropBefore // their effect is nothing but the reply
	}
	if act.Stall > 0 {
		_ = ss.flush() // what was said before is out
		pause(act.Stall, ss.stopped)
	}
	switch {
	case act.Drop == DropBefore:
		ss.drop()
	case act.Raw != "":
		_, _ = ss.w.WriteString(act.Raw) // seen at the next flush
	case act.Reply.Code != 0:
		ss.answer(act.Reply)
	default:
		held := ss.w
		if act.Drop == DropAfter {
			ss.w = bufio.NewWriter(nowhere{})
		}
		usual()
		if act.Drop == DropAfter {
			ss.w = held
			ss.drop()
		}
		return true
	}
	return false
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

func (ss *session) drop() {
	ss.over = true
	_ = ss.w.Flush() // replies to earlier commands
	ss.arrive()
	_ = ss.raw.Close() // without a TLS goodbye, as a lost line
}

func (ss *session) answer(r Reply) {
	_, _ = ss.w.WriteString(r.line(!ss.opts.NoEnhanced)) // seen at the next flush
	ss.over = ss.over || r.Code == 421
}

func (ss *session) say(code int, enhanced, text string) { ss.answer(Reply{code, enhanced, text}) }

func (ss *session) hello(verb string) {
	if verb == "HELO" {
		ss.say(250, "", "sink")
		return
	}
	lines := []string{"sink", fmt.Sprintf("SIZE %d", ss.opts.Size), "8BITMIME"}
	add := func(on bool, name string) {
		if on {
			lines = append(lines, name)
		}
	}
	add(!ss.opts.NoPipelining, "PIPELINING")
	add(!ss.opts.NoChunking, "CHUNKING")
	add(!ss.opts.NoEnhanced, "ENHANCEDSTATUSCODES")
	add(ss.opts.SMTPUTF8, "SMTPUTF8")
	add(ss.opts.DSN, "DSN")
	add(ss.opts.STARTTLS && !ss.secure, "STARTTLS")
	add(ss.opts.User != "", "AUTH PLAIN")
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		_, _ = ss.w.WriteString("250" + sep + l + "\r\n") // seen at the next flush
	}
}

func (ss *session) upgrade() {
	if !ss.opts.STARTTLS || ss.secure {
		ss.say(502, "5.5.1", "no TLS here")
		return
	}
	ss.say(220, "2.0.0", "go on")
	if ss.flush() != nil || !ss.startTLS() {
		ss.over = true
	}
}

func (ss *session) startTLS() bool {
	ss.arrive()
	conn := tls.Server(ss.raw, &tls.Config{Certificates: []tls.Certificate{ss.sink.cert}, MinVersion: tls.VersionTLS12})
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil || conn.Handshake() != nil {
		return false
	}
	_ = conn.SetDeadline(time.Time{}) // a dead socket shows at the next read
	ss.secure = true
	ss.use(conn)
	return true
}

func (ss *session) auth(rest string) {
	want := "\x00" + ss.opts.User + "\x00" + ss.opts.Password
	given, found := strings.CutPrefix(rest, "PLAIN ")
	got, err := base64.StdEncoding.DecodeString(given)
	if !found || err != nil || ss.opts.User == "" || string(got) != want {
		ss.say(535, "5.7.8", "no")
		return
	}
	ss.authed = true
	ss.say(235, "2.7.0", "welcome")
}
