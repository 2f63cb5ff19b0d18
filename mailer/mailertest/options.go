package mailertest

import (
	"fmt"
	"net"
	"time"
)

// Keep says how much of each message is recorded.
type Keep int

// The amounts to keep. KeepNone does not look at the text at all with BDAT.
const (
	KeepAll Keep = iota
	KeepHeader
	KeepNone
)

// Reply is a reply to give; the zero value means the usual one.
type Reply struct {
	Code     int
	Enhanced string
	Text     string
}

// Drop is a moment at which to close the connection.
type Drop int

// The moments: never, before the command has its effect, or after, without a reply.
const (
	DropNever Drop = iota
	DropBefore
	DropAfter
)

// Action is what happens at one command, in this order: Stall, Drop before, Raw or
// Reply instead of acting, the usual action, Drop after. The zero value is the usual.
type Action struct {
	Stall time.Duration // wait; Close and Stop end it
	Drop  Drop
	Raw   string // bytes to write in place of a reply
	Reply Reply
}

// Options configures a [Sink]. The zero value is a plain, willing server.
type Options struct {
	Addr         string                       // default 127.0.0.1:0
	Listen       func() (net.Listener, error) // where connections come from; nil: TCP, on Addr
	NoPipelining bool
	NoChunking   bool
	NoEnhanced   bool
	SMTPUTF8     bool
	DSN          bool
	Size         int // largest message in bytes, default 64 MiB
	STARTTLS     bool
	ImplicitTLS  bool
	User         string // with Password: AUTH PLAIN is offered, and needed for MAIL
	Password     string

	Keep     Keep
	Latency  time.Duration // of each burst of replies, as a round trip takes: the sink reads on meanwhile
	EndDelay time.Duration // before the reply to the end of a message: the sink does nothing else meanwhile
	Async    bool          // OnMessage runs in a goroutine of its own, in order, after the reply

	OnMail    func(from string) Reply     // asked at MAIL
	OnRcpt    func(from, to string) Reply // asked at RCPT
	OnEnd     func(Record) Reply          // asked when the end was read
	OnMessage func(Record)                // told of each completed message, before its 250 unless Async

	// Script is asked first at each command: CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT,
	// DATA, BODY (the text, before it is read), BDAT (a chunk that is not the last), END
	// (the dot, or the last chunk), RSET, NOOP, QUIT. n counts the command over the whole sink, from 1.
	Script func(verb string, n int) Action
	AtEnd  func(Record) Action // asked in place of Script at END, with the message as far as it is kept
	Now    func() time.Time    // default time.Now
}

func (o Options) withDefaults() Options {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Size == 0 {
		o.Size = 64 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// line writes the reply as the wire has it.
func (r Reply) line(enhanced bool) string {
	text := r.Text
	if text == "" {
		text = "as asked"
	}
	if r.Enhanced != "" && enhanced {
		text = r.Enhanced + " " + text
	}
	return fmt.Sprintf("%d %s\r\n", r.Code, text)
}
