package mailer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	mail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// Offers is what the relay announced in its answer to EHLO, after TLS.
type Offers struct {
	Pipelining bool   // RFC 2920
	Chunking   bool   // RFC 3030
	EightBit   bool   // RFC 6152
	Enhanced   bool   // RFC 2034
	UTF8       bool   // RFC 6531
	DSN        bool   // RFC 3461
	Size       int    // largest message in bytes, 0 when not told (RFC 1870)
	Auth       string // mechanisms, separated by spaces
	TLS        string // protocol version in use, empty without TLS
}

// Dial connects to the relay, starts TLS and authenticates, all within Timeouts.Dial.
// The connection is meant to be kept for many messages; it is for one goroutine at a
// time. ctx ends the dialling only. Errors never contain the password.
func Dial(ctx context.Context, r Relay) (*Conn, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	r = r.withDefaults()
	d := &dialer{relay: r}
	client, err := d.dial(ctx)
	if err != nil {
		return nil, dialError(r, err)
	}
	c := &Conn{relay: r, raw: d.raw, reader: client.Text.R, writer: client.Text.W, offers: offersOf(client)}
	c.quietSince = r.Clock()
	return c, nil
}

// dialer keeps hold of the TCP connection under go-mail's client, which does not show
// it and does not close it when a later step of dialling fails.
type dialer struct {
	relay Relay
	tls   *tls.Config
	given context.Context // the caller's, which go-mail heeds only until TCP stands
	stop  func() bool     // ends the watch on it
	raw   net.Conn
}

func (d *dialer) dial(ctx context.Context) (*smtp.Client, error) {
	var err error
	if d.tls, err = tlsConfig(d.relay); err != nil {
		return nil, err
	}
	opener, err := mail.NewClient(d.relay.Host, d.options()...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.relay.Timeouts.Dial)
	defer cancel()
	d.given = ctx
	client, err := opener.DialToSMTPClientWithContext(ctx)
	if d.stop != nil && !d.stop() {
		err = fmt.Errorf("%w while dialling", context.Cause(ctx))
	}
	if err == nil {
		err = d.raw.SetDeadline(time.Time{}) // go-mail leaves its dialling deadline on
	}
	if err != nil && d.raw != nil {
		_ = d.raw.Close() // already failing
	}
	return client, err
}

func (d *dialer) options() []mail.Option {
	r := d.relay
	opts := []mail.Option{mail.WithPort(r.Port), mail.WithTimeout(r.Timeouts.Dial),
		mail.WithDialContextFunc(d.open), mail.WithTLSConfig(d.tls), mail.WithoutSMTPUTF8()}
	switch r.Security {
	case SecurityNone:
		opts = append(opts, mail.WithTLSPolicy(mail.NoTLS))
	case SecurityStartTLS:
		opts = append(opts, mail.WithTLSPolicy(mail.TLSMandatory))
	case SecurityImplicit:
		opts = append(opts, mail.WithSSL())
	}
	if r.Hello != "" {
		opts = append(opts, mail.WithHELO(r.Hello))
	}
	if r.User != "" { // PLAIN and LOGIN refuse to speak without TLS off loopback (RFC 4954 §4)
		opts = append(opts, mail.WithUsername(r.User), mail.WithPassword(r.Password),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthPlain, mail.SMTPAuthLogin,
				mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthCramMD5))
	}
	return opts
}

// open makes the TCP connection, and the TLS one on it where TLS comes first. Go sets
// TCP_NODELAY by itself: each step of the conversation leaves at once.
func (d *dialer) open(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := d.relay.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.raw = conn
	d.stop = context.AfterFunc(d.given, func() { _ = conn.Close() })
	if d.relay.Security != SecurityImplicit {
		return conn, nil
	}
	secure := tls.Client(conn, d.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // already failing
		return nil, err
	}
	return secure, nil
}

func tlsConfig(r Relay) (*tls.Config, error) {
	// One full record for each 16 KiB from the start: a message is one burst.
	cfg := &tls.Config{ServerName: r.Host, MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true}
	if r.CAFile == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(r.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the authority given as ca=: %w", err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the file given as ca= holds no certificate in PEM form: %s", r.CAFile)
	}
	return cfg, nil
}

// dialError says where and, where one can tell, what to do. An error text that
// repeats the password, which some relays do in their answers, loses it.
func dialError(r Relay, err error) error {
	hint := ""
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		hint = "; if the relay has a certificate of your own authority, add ca=FILE to its address"
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		hint = "; if the relay speaks TLS from the first byte, use tls=implicit"
	}
	if r.Password != "" && strings.Contains(err.Error(), r.Password) {
		err = errors.New(strings.ReplaceAll(err.Error(), r.Password, "***"))
	}
	return fmt.Errorf("connect to %s: %w%s", r, err, hint)
}

func offersOf(c *smtp.Client) Offers {
	has := func(name string) bool { ok, _ := c.Extension(name); return ok }
	o := Offers{Pipelining: has("PIPELINING"), Chunking: has("CHUNKING"), EightBit: has("8BITMIME"),
		Enhanced: has("ENHANCEDSTATUSCODES"), UTF8: has("SMTPUTF8"), DSN: has("DSN")}
	_, size := c.Extension("SIZE")
	o.Size, _ = strconv.Atoi(size) // "SIZE" alone tells no limit
	_, o.Auth = c.Extension("AUTH")
	if state, ok := c.TLSConnectionState(); ok {
		o.TLS = tls.VersionName(state.Version)
	}
	return o
}
