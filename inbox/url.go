package inbox

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// The ways of a connection's protection.
const (
	tlsNone     = "none"
	tlsStart    = "starttls"
	tlsImplicit = "implicit"
)

// MailboxURL is where a mailbox lies:
// imap://user@host:port/INBOX?tls=none|starttls|implicit.
type MailboxURL struct {
	User   string
	Host   string // without port, for the certificate
	Addr   string // host:port
	Folder string // INBOX where none is named
	TLS    string // none, starttls or implicit
}

// ParseMailboxURL reads a mailbox's URL. imaps:// means TLS from the first
// byte (RFC 8314 §3.2), imap:// STARTTLS; none is taken for loopback hosts
// only, since a password would cross the network in the clear.
func ParseMailboxURL(text string) (MailboxURL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "imap" && u.Scheme != "imaps" || u.Hostname() == "" {
		return MailboxURL{}, fmt.Errorf("a mailbox's url reads imap://user@host:port/INBOX?tls=starttls, or imaps://…")
	}
	if u.User.Username() == "" {
		return MailboxURL{}, fmt.Errorf("the mailbox's url names no user: imap://user@%s/INBOX", u.Host)
	}
	if _, has := u.User.Password(); has {
		return MailboxURL{}, fmt.Errorf("the mailbox's url holds a password: put it into password_file")
	}
	m := MailboxURL{User: u.User.Username(), Host: u.Hostname(), Folder: strings.Trim(u.Path, "/"), TLS: u.Query().Get("tls")}
	if m.Folder == "" {
		m.Folder = "INBOX"
	}
	return m.complete(u)
}

func (m MailboxURL) complete(u *url.URL) (MailboxURL, error) {
	port := "143"
	switch {
	case u.Scheme == "imaps" && (m.TLS == "" || m.TLS == tlsImplicit):
		m.TLS, port = tlsImplicit, "993"
	case u.Scheme == "imaps":
		return m, fmt.Errorf("imaps:// is tls=implicit; write imap:// for tls=%s", m.TLS)
	case m.TLS == "":
		m.TLS = tlsStart
	case m.TLS == tlsImplicit:
		port = "993"
	case m.TLS != tlsNone && m.TLS != tlsStart:
		return m, fmt.Errorf("tls is none, starttls or implicit, not %q", m.TLS)
	}
	if m.TLS == tlsNone && !loopback(m.Host) {
		return m, fmt.Errorf("tls=none is for loopback hosts only, and %s is none: use starttls or implicit", m.Host)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	m.Addr = net.JoinHostPort(m.Host, port)
	return m, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
