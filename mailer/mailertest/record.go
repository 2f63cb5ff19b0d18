package mailertest

import (
	"bufio"
	"bytes"
	"net/textproto"
	"time"
)

// Record is one completed message.
type Record struct {
	Seq      int // from 1, in the order of completion
	Session  int // connection, from 1
	From, To string
	Notify   string // of RCPT (RFC 3461 §4.1); empty where it said nothing
	Data     []byte // as much as Options.Keep asks for, dots unstuffed
	Size     int    // bytes of the whole message
	MailAt   time.Time
	EndAt    time.Time // when the end was read
}

// Header is the header section, field names in canonical form, values unfolded.
func (r Record) Header() textproto.MIMEHeader {
	h, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(r.Data))).ReadMIMEHeader() // what can be read is shown
	return h
}
