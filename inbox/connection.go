package inbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// How long the server may take. The client library waits for ever for an
// answer, so that each command has a watchdog, which closes the connection.
const (
	commandTime = 30 * time.Second
	fetchTime   = 2 * time.Minute
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
	return c.watched(commandTime, "opening "+c.folder, c.choose)
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

// all gives the UIDs of everything in the mailbox. It never asks for a range
// up to "*", which always names the last mail too (RFC 9051 §6.4.9).
func (c *connection) all() ([]imap.UID, error) {
	var uids []imap.UID
	err := c.watched(commandTime, "looking for mail", func() error {
		if err := c.client.Noop().Wait(); err != nil {
			return err
		}
		data, err := c.client.UIDSearch(&imap.SearchCriteria{}, nil).Wait()
		if err == nil {
			uids = data.AllUIDs()
		}
		return err
	})
	return uids, err
}

// above gives the UIDs of what came after the mail with that UID. The range
// ends with the highest number there is.
func (c *connection) above(uid imap.UID) (came []imap.UID, err error) {
	if uid == maxUID {
		return nil, nil
	}
	set := imap.UIDSet{}
	set.AddRange(uid+1, maxUID)
	err = c.watched(commandTime, "looking for new mail", func() error {
		data, err := c.client.UIDSearch(&imap.SearchCriteria{UID: []imap.UIDSet{set}}, nil).Wait()
		if err != nil {
			return err
		}
		for _, found := range data.AllUIDs() {
			if found > uid {
				came = append(came, found)
			}
		}
		return nil
	})
	return came, err
}

const maxUID = imap.UID(1<<32 - 1)

// envelope is what is asked of a mail before its bytes. ENVELOPE and
// BODYSTRUCTURE never are: a malformed one ends the connection, again and
// again.
type envelope struct {
	uid     imap.UID
	size    int64
	arrived time.Time // INTERNALDATE
	deleted bool
	header  []byte // the fields that tell how urgent it is
}

// maxFields is as much of those fields as is kept of one mail.
const maxFields = 16 << 10

func (c *connection) envelopes(uids []imap.UID) (all []envelope, err error) {
	section := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: urgencyFields(), Peek: true}
	err = c.watched(fetchTime, "reading headers", func() error {
		command := c.client.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true, RFC822Size: true, InternalDate: true, Flags: true,
			BodySection: []*imap.FetchItemBodySection{section}})
		for m := command.Next(); m != nil; m = command.Next() {
			e, err := readEnvelope(m)
			if err != nil {
				return err
			}
			if e.uid != 0 {
				all = append(all, e)
			}
		}
		return command.Close()
	})
	return all, err
}

func readEnvelope(m *imapclient.FetchMessageData) (e envelope, err error) {
	for item := m.Next(); item != nil; item = m.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			e.uid = item.UID
		case imapclient.FetchItemDataRFC822Size:
			e.size = item.Size
		case imapclient.FetchItemDataInternalDate:
			e.arrived = item.Time
		case imapclient.FetchItemDataFlags:
			e.deleted = slices.Contains(item.Flags, imap.FlagDeleted)
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil {
				continue
			}
			if e.header, err = io.ReadAll(io.LimitReader(item.Literal, maxFields)); err != nil {
				return e, err
			}
		}
	}
	return e, nil
}

// fetch reads mails without marking them as read, or the beginning of a large
// one. Mails that are gone are left out.
func (c *connection) fetch(mails []envelope) (raws map[imap.UID][]byte, err error) {
	section := &imap.FetchItemBodySection{Peek: true}
	set := imap.UIDSet{}
	for _, e := range mails {
		set.AddNum(e.uid)
		if e.size > maxRaw { // then it is the only one
			section.Partial = &imap.SectionPartial{Size: firstPart}
		}
	}
	raws = make(map[imap.UID][]byte, len(mails))
	err = c.watched(fetchTime, "fetching mails", func() error {
		command := c.client.Fetch(set, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
		for m := command.Next(); m != nil; m = command.Next() {
			if err := readMail(m, raws); err != nil {
				return err
			}
		}
		return command.Close()
	})
	return raws, err
}

// readMail reads one mail of several. A server may tell of flags meanwhile: such
// an answer has no body.
func readMail(m *imapclient.FetchMessageData, raws map[imap.UID][]byte) (err error) {
	var uid imap.UID
	var raw []byte
	for item := m.Next(); item != nil; item = m.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			uid = item.UID
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil {
				continue
			}
			if raw, err = io.ReadAll(io.LimitReader(item.Literal, maxRaw)); err != nil {
				return err
			}
		}
	}
	if raw != nil {
		raws[uid] = raw
	}
	return nil
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
