package mailer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Security says how a connection to the relay is protected.
type Security string

// The ways to protect a connection. SecurityNone is for loopback only.
const (
	SecurityNone     Security = "none"
	SecurityStartTLS Security = "starttls"
	SecurityImplicit Security = "implicit"
)

// Relay is where messages are handed over. [ParseRelay] makes one; the fields below
// the address may be set afterwards, and their zero values are sensible.
type Relay struct {
	Host     string
	Port     int
	Security Security
	User     string // empty: no AUTH
	Password string
	CAFile   string // PEM file with the only authorities to trust; empty: the system's

	Hello    string               // name given in EHLO; empty: the host's name
	Timeouts Timeouts             // zero fields take the defaults of RFC 5321
	Clock    func() time.Duration // a clock that runs on through suspend; nil: [BootTime]
	Now      func() time.Time     // wall time for results; nil: time.Now

	// Dial makes the TCP connection; nil: [net.Dialer]. Tests talk to servers that
	// are no sockets.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Timeouts bounds each wait for the relay. The defaults are those that
// RFC 5321 §4.5.3.2 asks for at least; shorter ones cause duplicates elsewhere.
type Timeouts struct {
	Dial  time.Duration // connect, TLS, greeting, EHLO and AUTH together: 30 s
	Mail  time.Duration // reply to MAIL: 5 min
	Rcpt  time.Duration // reply to RCPT: 5 min
	Data  time.Duration // reply to DATA: 2 min
	Block time.Duration // each block of the text: 3 min
	End   time.Duration // reply to the end of the message: 10 min
}

const relayForm = "smtp://[user:password@]host:port?tls=none|starttls|implicit"

// errURL quotes nothing of the URL: a password that was not percent-encoded can end
// up in any part of it, and net/url repeats the whole in its errors.
var errURL = errors.New("relay address cannot be read: write it as " + relayForm +
	", with special characters of user and password percent-encoded (@ as %40, / as %2F)")

// ParseRelay reads a relay from smtp://[user:pass@]host:port?tls=none|starttls|implicit
// with an optional ca=FILE for a private authority. Without tls, loopback hosts take
// none and all others starttls. No error ever repeats a part of the password.
func ParseRelay(s string) (Relay, error) {
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/") {
		return Relay{}, errURL
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Hostname() == "" {
		return Relay{}, errURL
	}
	for key := range query {
		if key != "tls" && key != "ca" {
			return Relay{}, errors.New("relay address has an unknown setting after the question mark: only tls and ca are known")
		}
	}
	if u.Scheme != "smtp" {
		return Relay{}, errors.New("relay address must begin with smtp:// (for TLS from the first byte add ?tls=implicit)")
	}
	r := Relay{Host: u.Hostname(), User: u.User.Username(), CAFile: query.Get("ca")}
	r.Password, _ = u.User.Password()
	if r.Security, err = chooseSecurity(query.Get("tls"), r.Host); err != nil {
		return Relay{}, err
	}
	if r.Port, err = choosePort(u.Port(), r.Security); err != nil {
		return Relay{}, err
	}
	return r, nil
}

func chooseSecurity(asked, host string) (Security, error) {
	switch s := Security(asked); {
	case s == "" && isLoopback(host):
		return SecurityNone, nil
	case s == "", s == SecurityStartTLS:
		return SecurityStartTLS, nil
	case s == SecurityImplicit:
		return s, nil
	case s == SecurityNone && isLoopback(host):
		return s, nil
	case s == SecurityNone:
		return "", errors.New("tls=none is only for a relay on loopback (localhost, 127.0.0.1, ::1): use tls=starttls or tls=implicit")
	}
	return "", errors.New("tls must be none, starttls or implicit")
}

func choosePort(port string, s Security) (int, error) {
	if port == "" {
		return map[Security]int{SecurityNone: 25, SecurityStartTLS: 587, SecurityImplicit: 465}[s], nil
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 {
		return 0, errors.New("relay port must be a number from 1 to 65535")
	}
	return n, nil
}

// isLoopback goes by the name as written: a name that merely resolves to loopback
// today may resolve elsewhere tomorrow.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Addr is host:port, as one dials it.
func (r Relay) Addr() string { return net.JoinHostPort(r.Host, strconv.Itoa(r.Port)) }

// String names the relay for people, without user and password.
func (r Relay) String() string { return fmt.Sprintf("smtp://%s?tls=%s", r.Addr(), r.Security) }

// GoString is String, so that %#v shows no password either.
func (r Relay) GoString() string { return r.String() }

// LogValue is String, for log/slog.
func (r Relay) LogValue() slog.Value { return slog.StringValue(r.String()) }

// check refuses what a hand-made Relay could still get wrong.
func (r Relay) check() error {
	if r.Host == "" || r.Port == 0 {
		return errors.New("relay has no host or no port")
	}
	_, err := chooseSecurity(string(r.Security), r.Host)
	return err
}

func (r Relay) withDefaults() Relay {
	if r.Security == "" {
		r.Security, _ = chooseSecurity("", r.Host)
	}
	if r.Clock == nil {
		r.Clock = BootTime
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Dial == nil {
		r.Dial = (&net.Dialer{}).DialContext
	}
	r.Timeouts = r.Timeouts.withDefaults()
	return r
}

func (t Timeouts) withDefaults() Timeouts {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&t.Dial, 30*time.Second)
	set(&t.Mail, 5*time.Minute)  // RFC 5321 §4.5.3.2.2
	set(&t.Rcpt, 5*time.Minute)  // RFC 5321 §4.5.3.2.3
	set(&t.Data, 2*time.Minute)  // RFC 5321 §4.5.3.2.4
	set(&t.Block, 3*time.Minute) // RFC 5321 §4.5.3.2.5
	set(&t.End, 10*time.Minute)  // RFC 5321 §4.5.3.2.6
	return t
}
