package inbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/mail"
	"net/textproto"
	"strings"
	"time"

	"github.com/jhillyerd/enmime/v2"
	"golang.org/x/net/html/charset"

	"heed/consent"
)

// What is read of one mail, in octets, and for how long.
const (
	maxRaw    = 1 << 20   // a larger mail is read up to firstPart only
	firstPart = 256 << 10 // of an oversize mail: its header and what stands first
	maxHeader = 1 << 20
	maxText   = 256 << 10
	maxField  = 16 << 10 // of a header field that is taken apart: what lies behind names nobody
	maxTime   = 2 * time.Second
)

// Part is a leaf of a mail's MIME tree; its content is decoded.
type Part struct {
	Type    string // lower case: message/delivery-status
	Header  textproto.MIMEHeader
	Content []byte
}

// Mail is a mail as far as it could be read.
type Mail struct {
	Header   textproto.MIMEHeader // raw values, keys in canonical form
	Subject  string               // decoded
	Type     string               // of the whole mail, lower case
	Params   map[string]string    // of Type
	Text     string               // what the writer wrote: without quotation and signature
	Quoted   string               // what is quoted, as far as it was told apart
	Parts    []Part
	Oversize bool   // only the beginning was read
	Broken   string // why the body could not be read; empty when it could
}

// Parse reads a mail within the limits. It never fails: what cannot be read is
// told in Broken, with the header still there, so that a link sealed into the
// address counts whatever the body is.
func Parse(raw []byte) Mail {
	m := Mail{}
	if len(raw) > maxRaw {
		raw, m.Oversize = raw[:firstPart], true
	}
	raw = bytes.TrimLeft(raw, "\r\n")
	if !bytes.Contains(raw, []byte("\n")) && bytes.Contains(raw, []byte("\r")) {
		raw = bytes.ReplaceAll(raw, []byte("\r"), []byte("\n"))
	}
	m.readHeader(raw)
	parts, err := readParts(raw)
	if err != nil {
		m.Broken = err.Error()
		return m
	}
	m.Parts = parts
	m.split()
	return m
}

func (m *Mail) readHeader(raw []byte) {
	m.Header = textproto.MIMEHeader{}
	header := raw[:headerEnd(raw)]
	if len(header) > maxHeader {
		return
	}
	err := guarded(func() error {
		read, err := enmime.ReadHeader(bufio.NewReader(bytes.NewReader(header)), ignored{})
		if read != nil {
			m.Header = read
		}
		return err
	})
	if err != nil {
		m.Broken = "reading the header: " + err.Error()
	}
	m.Subject = decodeHeader(m.Header.Get("Subject"))
	m.Type, m.Params, err = mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil && m.Type == "" {
		m.Type, m.Params = "text/plain", map[string]string{}
	}
}

func headerEnd(raw []byte) int {
	end := len(raw)
	for _, blank := range []string{"\r\n\r\n", "\n\n", "\n\r\n"} {
		if i := bytes.Index(raw[:end], []byte(blank)); i >= 0 {
			end = i + len(blank)
		}
	}
	return end
}

// ignored collects the complaints of the header reader, which nobody reads.
type ignored struct{}

func (ignored) AddError(string, string, ...any)   {}
func (ignored) AddWarning(string, string, ...any) {}

// readParts gives the leaves of the MIME tree, or why there are none.
func readParts(raw []byte) ([]Part, error) {
	if headerEnd(raw) > maxHeader {
		return nil, fmt.Errorf("%w: a header of more than 1 MiB", errLimit)
	}
	if err := checkNesting(raw); err != nil {
		return nil, err
	}
	return withinTime(maxTime, func() ([]Part, error) {
		parser := enmime.NewParser(enmime.SkipMalformedParts(true), enmime.MaxStoredPartErrors(10),
			enmime.MultipartWOBoundaryAsSinglePart(true), enmime.SetReadPartErrorPolicy(keepRead))
		root, err := parser.ReadParts(bytes.NewReader(raw))
		if err != nil {
			return nil, fmt.Errorf("reading the parts: %w", err)
		}
		return leaves(root), nil
	})
}

// keepRead keeps what was decoded before an error: many a real bounce ends in
// the middle of a part.
func keepRead(*enmime.Part, error) bool { return true }

// withinTime runs read on its own, so that a mail that the guards did not stop
// costs no more than the limit of the poller's time.
func withinTime(limit time.Duration, read func() ([]Part, error)) ([]Part, error) {
	type result struct {
		parts []Part
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		err := guarded(func() error {
			r.parts, r.err = read()
			return r.err
		})
		done <- result{r.parts, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.parts, r.err
	case <-timer.C:
		return nil, fmt.Errorf("%w: reading took longer than %s", errLimit, limit)
	}
}

var errPanic = errors.New("the mail broke its reader")

// guarded turns a panic of a library into an error: one poisonous mail must
// not stop the next.
func guarded(read func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v", errPanic, cause)
		}
	}()
	return read()
}

func leaves(root *enmime.Part) []Part {
	var all []Part
	root.DepthMatchAll(func(p *enmime.Part) bool {
		if p.FirstChild == nil && len(all) < maxParts {
			all = append(all, Part{strings.ToLower(p.ContentType), p.Header, p.Content})
		}
		return false
	})
	return all
}

// From gives the one address that the mail says it is from, normalised. It is
// empty where there is no From, more than one header or more than one address:
// readers disagree about whom such a mail is from, and forgers live on that.
func (m Mail) From() string {
	values := m.Header.Values("From")
	if len(values) != 1 || len(values[0]) > maxField {
		return ""
	}
	var list []*mail.Address
	err := guarded(func() (err error) {
		list, err = enmime.ParseAddressList(values[0])
		return err
	})
	if err != nil || len(list) != 1 {
		return ""
	}
	address, err := consent.Normalize(list[0].Address)
	if err != nil {
		return ""
	}
	return address
}

// Written is when a mail says that it was written; zero where it does not say.
func Written(raw []byte) time.Time {
	m := Mail{}
	m.readHeader(raw)
	at, err := mail.ParseDate(m.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}

// field is one field as it was written, or as much of it as is looked at.
func (m Mail) field(name string) string {
	value := m.Header.Get(name)
	return value[:min(len(value), maxField)]
}

func decodeHeader(value string) string {
	value = value[:min(len(value), maxField)]
	words := mime.WordDecoder{CharsetReader: charset.NewReaderLabel}
	decoded, err := words.DecodeHeader(value)
	if err != nil {
		decoded = value
	}
	return strings.ToValidUTF8(decoded, "\uFFFD")
}
