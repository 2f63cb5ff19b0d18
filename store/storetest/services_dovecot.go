package storetest

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// DovecotOptions says what a Dovecot serves; the zero value is of use.
type DovecotOptions struct {
	// Users have a mailbox each; empty means one for every role that Heed
	// reads: unsubscribe, privacy, bounces, abuse, reply.
	Users []string
	// Capability replaces what the server says it can do, such as
	// "IMAP4rev1" for a server without IDLE, MOVE and UIDPLUS.
	Capability string
	// Introspect is the URL at which the server asks what an access token is
	// worth (RFC 7662); with it, OAUTHBEARER and XOAUTH2 are offered.
	Introspect string
	// TLS gives the server a certificate of its own making: URL means STARTTLS,
	// URLImplicit another port.
	TLS bool
	// Config is added to the configuration, for what a test alone needs.
	Config string
}

// DovecotServer is an IMAP server on a loopback port, without TLS unless asked. Its
// mailboxes are Maildirs with the folder separator "/".
type DovecotServer struct {
	shop      *workshop
	as        account // who owns the mail
	program   string
	port      int
	tlsPort   int
	roots     *x509.CertPool
	options   DovecotOptions
	process   *process
	delivered atomic.Int64
}

// Dovecot starts an IMAP server with the usual mailboxes; it ends with the test.
func Dovecot(t testing.TB) *DovecotServer {
	t.Helper()
	return DovecotWith(t, DovecotOptions{})
}

// DovecotWith is Dovecot with options.
func DovecotWith(t testing.TB, options DovecotOptions) *DovecotServer {
	t.Helper()
	server, stop, err := StartDovecot(options)
	return started(t, server, stop, err)
}

// StartDovecot starts an IMAP server; the function it returns stops it and
// removes its folder with all mail.
func StartDovecot(options DovecotOptions) (*DovecotServer, func() error, error) {
	if len(options.Users) == 0 {
		options.Users = []string{"unsubscribe", "privacy", "bounces", "abuse", "reply"}
	}
	server, err := twice(func() (*DovecotServer, error) { return newDovecot(options) })
	if err != nil {
		return nil, nil, err
	}
	return server, server.remove, nil
}

func newDovecot(options DovecotOptions) (*DovecotServer, error) {
	program, err := find("dovecot")
	if err != nil {
		return nil, err
	}
	as, err := runAs("nobody")
	if err != nil {
		return nil, err
	}
	shop, err := newWorkshop("dovecot")
	if err != nil {
		return nil, err
	}
	s := &DovecotServer{shop: shop, as: as, program: program, options: options}
	if err := s.build(); err != nil {
		return nil, errors.Join(err, shop.close())
	}
	return s, nil
}

// build writes the configuration, users and mailboxes and starts the server.
func (s *DovecotServer) build() (err error) {
	if s.port, err = freePort(); err != nil {
		return err
	}
	if s.options.TLS {
		if err := s.certify(); err != nil {
			return fmt.Errorf("making Dovecot's certificate: %w", err)
		}
	}
	if s.options.Introspect != "" {
		if err := s.writeOAuth(); err != nil {
			return err
		}
	}
	var users strings.Builder
	for _, name := range s.options.Users {
		if err := s.addUser(name, &users); err != nil {
			return err
		}
	}
	if err := os.WriteFile(s.shop.path("users"), []byte(users.String()), 0o644); err != nil {
		return fmt.Errorf("writing Dovecot's users: %w", err)
	}
	if err := os.WriteFile(s.shop.path("dovecot.conf"), []byte(s.config()), 0o644); err != nil {
		return fmt.Errorf("writing Dovecot's configuration: %w", err)
	}
	return s.Start()
}

// addUser makes a mailbox and a random password, and appends a passwd line.
func (s *DovecotServer) addUser(name string, users *strings.Builder) error {
	if name == "" || strings.ContainsAny(name, "/:. \n") {
		return fmt.Errorf("%q is no user name for the test Dovecot", name)
	}
	password := rand.Text()
	fmt.Fprintf(users, "%s:{PLAIN}%s::::::\n", name, password)
	if err := os.WriteFile(s.PasswordFile(name), []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("writing a password file: %w", err)
	}
	home := s.shop.path("mail", name)
	box := filepath.Join(home, "Maildir")
	return s.as.own(s.shop.path("mail"), home, box, filepath.Join(box, "tmp"), filepath.Join(box, "new"), filepath.Join(box, "cur"))
}

func (s *DovecotServer) config() string {
	text := fmt.Sprintf(`
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:~/Maildir
mail_max_userip_connections = 100
mailbox_idle_check_interval = 1 secs
first_valid_uid = %[3]d
first_valid_gid = %[4]d
shutdown_clients = yes
namespace inbox {
  inbox = yes
  separator = /
}
passdb {
  driver = passwd-file
  args = %[1]s/users
}
userdb {
  driver = static
  args = uid=%[3]d gid=%[4]d home=%[1]s/mail/%%n
}
service imap-login {
  chroot =
  inet_listener imap {
    address = 127.0.0.1
    port = %[2]d
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
`, s.shop.folder, s.port, s.as.uid, s.as.gid)
	if s.options.Capability != "" {
		text += "imap_capability = " + s.options.Capability + "\n"
	}
	return text + s.oauthConfig() + s.tlsConfig() + s.unprivileged() + s.options.Config
}

// unprivileged is what lets an ordinary user run all of it as itself.
func (s *DovecotServer) unprivileged() string {
	me, err := user.LookupId(strconv.Itoa(s.as.uid))
	if s.as.switches || err != nil {
		return ""
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("default_internal_user = %[1]s\ndefault_login_user = %[1]s\ndefault_internal_group = %[2]s\n", me.Username, group.Name)
}

// Start starts the server on the port it always had; mail is kept.
func (s *DovecotServer) Start() (err error) {
	s.process, err = s.shop.run("dovecot", account{}, syscall.SIGTERM, s.program, "-F", "-c", s.shop.path("dovecot.conf"))
	if err != nil {
		return err
	}
	if err := s.process.until(answers(s.port, "* OK ")); err != nil {
		return fmt.Errorf("%w; and its log: %s", err, s.readLog())
	}
	return nil
}

// Stop ends the server. Idle clients are cut off at once.
func (s *DovecotServer) Stop() error { return s.process.stop() }

// Kill ends the server and cuts all connections without a word.
func (s *DovecotServer) Kill() { s.process.kill() }

// Restart stops the server and starts it again.
func (s *DovecotServer) Restart() error { return errors.Join(s.Stop(), s.Start()) }

func (s *DovecotServer) remove() error { return errors.Join(s.process.stop(), s.shop.close()) }

func (s *DovecotServer) readLog() string {
	text, err := os.ReadFile(s.shop.path("dovecot.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// URL is the address of a user's inbox as heed.toml wants it.
func (s *DovecotServer) URL(name string) string {
	return fmt.Sprintf("imap://%s@%s/INBOX?tls=none", url.PathEscape(name), s.Address())
}

// Address is the server's host:port.
func (s *DovecotServer) Address() string { return loopback(s.port) }

// PasswordFile is the path of a file with a user's password.
func (s *DovecotServer) PasswordFile(name string) string { return s.shop.path("password-" + name) }

func (s *DovecotServer) box(name string) string { return s.shop.path("mail", name, "Maildir") }
