package inbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// How long the server may take. The client library waits for ever for an
// answer, so that each command has a watchdog, which closes the connection.
const (
	commandTime = 30 * time.Second
	bulkTime    = 2 * time.Minute // of what grows with the mails that are there
)

// connection is a mailbox that is open.
type connection struct {
	client   *imapclient.Client
	folder   string
	prefix   string // of the folders for finished mail
	validity uint32
	caps     imap.CapSet
	news     chan struct{} // holds one mark when the server told of a change
	idling   *imapclient.IdleCommand
}

// What keeps a mailbox from being opened, besides a refused login.
var (
	errReach  = errors.New("the server cannot be reached")
	errFolder = errors.New("the folder cannot be opened")
	errSilent = errors.New("the server does not answer")
)

// dial reaches the server, logs in, makes the folders for finished mail and
// opens the mailbox.
func dial(ctx context.Context, p proof, roots *tls.Config) (*connection, error) {
	c := &connection{folder: p.where.Folder, news: make(chan struct{}, 1)}
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	if err := c.reach(ctx, p.where, roots); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errReach, p.where.Addr, err)
	}
	if err := c.open(p); err != nil {
		c.client.Close()
		return nil, err
	}
	return c, nil
}

func (c *connection) reach(ctx context.Context, where MailboxURL, roots *tls.Config) error {
	config := &tls.Config{}
	if roots != nil {
		config = roots.Clone()
	}
	config.ServerName = where.Host
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", where.Addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	options := &imapclient.Options{TLSConfig: config, UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) { c.mark(data.NumMessages != nil) },
	}}
	switch where.TLS {
	case tlsStart:
		c.client, err = imapclient.NewStartTLS(conn, options)
	case tlsImplicit:
		secure := tls.Client(conn, config)
		if err = secure.HandshakeContext(ctx); err == nil {
			c.client = imapclient.New(secure, options)
		}
	default:
		c.client = imapclient.New(conn, options)
	}
	if err != nil {
		conn.Close()
		return err
	}
	return c.client.WaitGreeting()
}

func (c *connection) mark(changed bool) {
	if !changed {
		return
	}
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// watched runs a command under a watchdog.
func (c *connection) watched(limit time.Duration, doing string, run func() error) error {
	watchdog := time.AfterFunc(limit, func() { c.client.Close() })
	err := run()
	if !watchdog.Stop() && err != nil {
		return fmt.Errorf("%s: %w: nothing within %s: %w", doing, errSilent, limit, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

func (c *connection) open(p proof) error {
	hint := "logging in (check the user and password_file)"
	if p.auth != AuthPassword {
		hint = "logging in with an access token"
	}
	if err := c.watched(commandTime, hint, func() error { return c.present(p) }); err != nil {
		return err
	}
	if err := c.watched(commandTime, "asking what the server can do", c.capabilities); err != nil {
		return err
	}
	if err := c.watched(commandTime, "asking where folders lie", c.namespace); err != nil {
		return err
	}
	for _, folder := range []string{"Processed", "Review"} {
		if err := c.create(folder); err != nil {
			return err
		}
	}
	return c.watched(bulkTime, "opening "+c.folder, c.choose)
}

// choose opens the folder that is read.
func (c *connection) choose() error {
	data, err := c.client.Select(c.folder, nil).Wait()
	if err != nil {
		return fmt.Errorf("%w: %w", errFolder, err)
	}
	c.validity = data.UIDValidity
	return nil
}

// namespace learns what the names of the account's own folders begin with:
// some servers keep all of them below INBOX (RFC 2342 §5).
func (c *connection) namespace() error {
	if !c.caps.Has(imap.CapNamespace) {
		return nil
	}
	spaces, err := c.client.Namespace().Wait()
	if refusal := (*imap.Error)(nil); errors.As(err, &refusal) {
		return nil
	}
	if err == nil && len(spaces.Personal) > 0 {
		c.prefix = spaces.Personal[0].Prefix
	}
	return err
}

func (c *connection) capabilities() error {
	caps, err := c.client.Capability().Wait()
	c.caps = caps
	return err
}

// create makes a folder; the server's no means that it is there already.
func (c *connection) create(folder string) error {
	return c.watched(commandTime, "making the folder "+folder, func() error {
		err := c.client.Create(c.prefix+folder, nil).Wait()
		if refusal := (*imap.Error)(nil); errors.As(err, &refusal) {
			return nil
		}
		return err
	})
}

// idle asks the server to tell of new mail (RFC 2177).
func (c *connection) idle() error {
	command, err := c.client.Idle()
	c.idling = command
	return err
}

// wake ends idle, and waits for the server's word before anything else is sent.
func (c *connection) wake() error {
	if err := c.idling.Close(); err != nil {
		return err
	}
	return c.idling.Wait()
}

func (c *connection) close() { c.client.Close() }
