package inbox

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"heed/consent"
	"heed/store"
)

// Mailbox says what is read and for what.
type Mailbox struct {
	Role         string // unsubscribe | privacy | bounces | abuse | reply
	Address      string // as people write to it; with the folder, its name in the store
	URL          string // see ParseMailboxURL
	PasswordFile string // read at every connection, so that it may change
	Password     string // used where PasswordFile is empty
	Auth         string // AuthPassword where empty, AuthOAuthBearer or AuthXOAuth2
	OAuth        OAuth  // for the latter two
}

// Name is what the store calls the mailbox.
func (m Mailbox) Name() (string, error) {
	where, err := ParseMailboxURL(m.URL)
	return m.nameIn(where), err
}

func (m Mailbox) nameIn(where MailboxURL) string { return m.Address + "/" + where.Folder }

// Poller reads one mailbox: it records what its mails ask for and files them.
type Poller struct {
	Store   *store.Store
	Mailbox Mailbox
	Ours    Ours
	Owner   string           // names this process in the lease; the same after a restart, or a killed process's lease is waited for
	Poll    time.Duration    // how often it looks even if the server says nothing; 0 means 60 s
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: slog.Default()
	TLS     *tls.Config      // nil: the system's roots
	Keys    *Keys            // nil: signatures are not verified

	Read      func(role string, kind consent.Kind)   // called for every mail recorded first; may be nil
	Effective func(role string, after time.Duration) // from INTERNALDATE to the commit of an opt-out; may be nil

	health health
	rest   time.Duration // before the second visit; 0 means minBackOff
}

// How the poller waits.
const (
	leaseTime  = 60 * time.Second
	leaseRenew = 20 * time.Second
	idleTime   = 9 * time.Minute // a dead connection is noticed at the next look
	minBackOff = time.Second
	maxBackOff = 30 * time.Second

	refusedBackOff = 2 * time.Minute
)

var errLeased = errors.New("another process reads this mailbox")

// Run reads the mailbox until ctx ends, whatever the server does meanwhile. It
// returns an error only where the mailbox's configuration cannot work.
func (p *Poller) Run(ctx context.Context) error {
	where, err := ParseMailboxURL(p.Mailbox.URL)
	if err != nil {
		return fmt.Errorf("mailbox %s: %w", p.Mailbox.Role, err)
	}
	v, err := p.begin(where)
	if err != nil {
		return fmt.Errorf("mailbox %s: %w", p.Mailbox.Role, err)
	}
	defer v.release(ctx)
	first := cmp.Or(p.rest, minBackOff)
	for wait := first; ctx.Err() == nil; {
		v.well = false
		err := v.visit(ctx)
		if ctx.Err() != nil {
			break
		}
		if v.well || errors.Is(err, errLeased) {
			wait = first
		}
		v.report(ctx, err)
		pause(ctx, wait/2+rand.N(wait/2))
		wait = min(2*wait, longest(err))
	}
	return nil
}

// longest is the longest wait before the next visit. A server that refuses a
// login may lock out who tries too often.
func longest(err error) time.Duration {
	if errors.Is(err, errRefused) || errors.Is(err, errToken) {
		return refusedBackOff
	}
	return maxBackOff
}

// begin refuses what no server could mend.
func (p *Poller) begin(where MailboxURL) (*visits, error) {
	v := &visits{Poller: p, where: where, name: p.Mailbox.nameIn(where), portion: portion}
	v.remember(0)
	switch p.Mailbox.Auth {
	case "", AuthPassword:
		return v, nil
	case AuthOAuthBearer, AuthXOAuth2:
		v.tokens = newTokens(p.Mailbox.OAuth, p.TLS, p.now, p.log())
		return v, CheckTokenURL(p.Mailbox.OAuth.TokenURL)
	}
	return nil, fmt.Errorf("auth is %q, but must be password, oauthbearer or xoauth2", p.Mailbox.Auth)
}

// release lets the next process begin at once.
func (v *visits) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if _, err := v.Store.LeaseMailbox(ctx, v.name, v.Owner, 0); err != nil {
		v.log().Warn("mailbox_lease_kept", "role", v.Mailbox.Role, "cause", discreet(err))
	}
}

func (p *Poller) password() (string, error) {
	if p.Mailbox.PasswordFile == "" {
		return p.Mailbox.Password, nil
	}
	text, err := os.ReadFile(p.Mailbox.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("reading password_file: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

func (p *Poller) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

func (p *Poller) log() *slog.Logger {
	if p.Log == nil {
		return slog.Default()
	}
	return p.Log
}

func (p *Poller) every() time.Duration {
	if p.Poll <= 0 {
		return time.Minute
	}
	return p.Poll
}

// visits is what the poller remembers from one connection to the next.
type visits struct {
	*Poller
	where    MailboxURL
	name     string
	tokens   *tokens // nil where a password is used
	validity uint32
	readUpTo imap.UID           // where mail stays: what was looked at in earlier lives
	left     map[imap.UID]bool  // read and meant to stay
	filed    map[imap.UID]filed // has its effect and lies here still
	troubled map[imap.UID]trouble
	filing   filings   // those of this visit
	portion  int       // how many headers are read at once
	alone    bool      // a fetch broke the last visit: mails are fetched one by one
	leased   time.Time // when the lease was last renewed
	retained time.Time // when mails whose time is over were last looked for
	well     bool      // a look came to its end
	noted    note
	paths    bool // this server notes the return path of what it takes
}

// trouble is a mail that failed: tried again, ever less often, so that the
// others go on.
type trouble struct {
	times int
	again time.Time
}

// discreet takes addresses out of what a server or a library said: no log line
// names a person.
func discreet(err error) string {
	if err == nil {
		return ""
	}
	return anyAddress().ReplaceAllString(err.Error(), "(address)")
}

// visit holds the lease, connects, and looks and waits until something fails.
func (v *visits) visit(ctx context.Context) error {
	if err := v.lease(ctx); err != nil {
		return err
	}
	c, err := v.enter(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	stop := context.AfterFunc(ctx, c.close)
	defer stop()
	if err := v.arrive(ctx, c.validity); err != nil {
		return err
	}
	v.log().Info("mailbox_connected", "role", v.Mailbox.Role, "idle", c.caps.Has(imap.CapIdle), "move", c.caps.Has(imap.CapMove))
	for {
		drain(c.news)
		if err := v.reread(ctx, c); err != nil {
			return err
		}
		if err := v.look(ctx, c); err != nil {
			return err
		}
		if err := v.removeErased(ctx, c); err != nil {
			return err
		}
		if err := v.removeOld(ctx, c); err != nil {
			return err
		}
		v.report(ctx, nil)
		if err := v.await(ctx, c); err != nil {
			return err
		}
	}
}

// arrive is told which UIDs these are.
func (v *visits) arrive(ctx context.Context, validity uint32) error {
	v.remember(validity)
	if v.Mailbox.Role != RoleReply {
		return nil
	}
	uid, err := v.Store.MailboxRead(ctx, v.name, validity)
	v.readUpTo = imap.UID(uid)
	return err
}

// remember forgets what was learnt of UIDs that mean other mails now
// (RFC 9051 §2.3.1.1).
func (v *visits) remember(validity uint32) {
	if v.validity != validity || v.left == nil {
		v.left, v.filed, v.troubled = map[imap.UID]bool{}, map[imap.UID]filed{}, map[imap.UID]trouble{}
		v.readUpTo = 0
	}
	v.validity = validity
}

func (v *visits) lease(ctx context.Context) error {
	mine, err := v.Store.LeaseMailbox(ctx, v.name, v.Owner, leaseTime)
	if err == nil && !mine {
		err = errLeased
	}
	if err == nil {
		v.leased = v.now()
	}
	return err
}
