package storetest

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// PostfixOptions says what a Postfix does with the mail it takes.
type PostfixOptions struct {
	// Relay is the host:port to which mail for all other domains goes. The
	// server there speaks SMTP. Empty: such mail is returned as undeliverable.
	Relay string
	// Domains are delivered to the Maildirs of Mailboxes: user@domain, and
	// user+anything@domain, to the user of that name. A mail to a name that
	// has no user is refused at RCPT.
	Domains []string
	// Mailboxes is needed where there are Domains.
	Mailboxes *DovecotServer
	// Settings are lines for main.cf that come last and so win.
	Settings []string
}

// PostfixServer is a mail relay on a loopback port. It asks no DNS and tries
// deferred mail again after one to two seconds.
type PostfixServer struct {
	shop    *workshop
	program string
	port    int
	options PostfixOptions
	process *process
}

// Postfix starts a relay that ends with the test. It needs root.
func Postfix(t testing.TB, options PostfixOptions) *PostfixServer {
	t.Helper()
	server, stop, err := StartPostfix(options)
	return started(t, server, stop, err)
}

// StartPostfix starts a relay; the function it returns stops it and removes its
// queue.
func StartPostfix(options PostfixOptions) (*PostfixServer, func() error, error) {
	if len(options.Domains) > 0 && options.Mailboxes == nil {
		return nil, nil, errors.New("starting Postfix: local domains need Mailboxes to deliver to")
	}
	server, err := twice(func() (*PostfixServer, error) { return newPostfix(options) })
	if err != nil {
		return nil, nil, err
	}
	return server, server.remove, nil
}

func newPostfix(options PostfixOptions) (*PostfixServer, error) {
	if _, err := find("postfix"); err != nil {
		return nil, err
	}
	program, err := find("master")
	if err != nil {
		return nil, missing{"postfix"}
	}
	if os.Getuid() != 0 {
		return nil, errNotRoot
	}
	shop, err := newWorkshop("postfix")
	if err != nil {
		return nil, err
	}
	s := &PostfixServer{shop: shop, program: program, options: options}
	if err := s.build(); err != nil {
		return nil, errors.Join(err, shop.close())
	}
	return s, nil
}

// build writes the configuration and makes the queue, then starts the server.
func (s *PostfixServer) build() (err error) {
	if s.port, err = freePort(); err != nil {
		return err
	}
	if err := s.makeQueue(); err != nil {
		return err
	}
	files := map[string]string{"main.cf": s.mainConfig(), "master.cf": s.masterConfig(), "boxes": s.boxes()}
	for name, text := range files {
		if err := os.WriteFile(s.shop.path("etc", name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing Postfix's %s: %w", name, err)
		}
	}
	return s.Start()
}

// makeQueue makes the folders that `postfix start` would make, which takes two
// seconds there.
func (s *PostfixServer) makeQueue() error {
	us, them := account{}, account{}
	them, err := runAs("postfix")
	if err != nil {
		return err
	}
	if err := us.own(s.shop.path("etc"), s.shop.path("spool", "pid")); err != nil {
		return err
	}
	if err := them.own(s.shop.path("data")); err != nil {
		return err
	}
	for _, name := range strings.Fields("active bounce corrupt defer deferred flush hold incoming maildrop private public saved trace") {
		folder := s.shop.path("spool", name)
		if err := errors.Join(them.own(folder), os.Chmod(folder, 0o700)); err != nil {
			return err
		}
	}
	return nil
}

func (s *PostfixServer) mainConfig() string {
	relay := "error:5.4.4 this relay reaches no other host"
	if s.options.Relay != "" {
		host, port, _ := strings.Cut(s.options.Relay, ":")
		relay = fmt.Sprintf("smtp:[%s]:%s", host, port)
	}
	return fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/spool
data_directory = %[1]s/data
maillog_file = %[1]s/mail.log
maillog_file_prefixes = %[1]s
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.test
mynetworks = 127.0.0.0/8
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
relay_domains =
recipient_delimiter = +
default_transport = %[2]s
virtual_mailbox_domains = %[3]s
virtual_mailbox_base = /
virtual_mailbox_maps = texthash:%[1]s/etc/boxes
virtual_uid_maps = static:%[4]d
virtual_gid_maps = static:%[5]d
virtual_mailbox_limit = 0
mailbox_size_limit = 0
message_size_limit = 104857600
queue_minfree = 0
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 100
smtpd_tls_security_level = none
smtp_tls_security_level = none
disable_dns_lookups = yes
smtp_host_lookup = native
default_process_limit = 100
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
transport_retry_time = 1s
in_flow_delay = 0
notify_classes =
biff = no
append_dot_mydomain = no
%[6]s
`, s.shop.folder, relay, strings.Join(s.options.Domains, ", "), s.mailUser().uid, s.mailUser().gid,
		strings.Join(s.options.Settings, "\n"))
}

// mailUser owns the mailboxes.
func (s *PostfixServer) mailUser() account {
	if s.options.Mailboxes == nil {
		return account{uid: os.Getuid(), gid: os.Getgid()}
	}
	return s.options.Mailboxes.as
}

// boxes maps each local address to its Maildir.
func (s *PostfixServer) boxes() string {
	var lines strings.Builder
	for _, domain := range s.options.Domains {
		for _, user := range s.options.Mailboxes.options.Users {
			fmt.Fprintf(&lines, "%s@%s %s/\n", user, domain, s.options.Mailboxes.box(user))
		}
	}
	return lines.String()
}

func (s *PostfixServer) masterConfig() string {
	return loopback(s.port) + ` inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`
}

// Start starts the relay on the port it always had; queued mail goes on.
func (s *PostfixServer) Start() (err error) {
	s.process, err = s.shop.run("postfix", account{}, syscall.SIGTERM, s.program, "-s", "-c", s.shop.path("etc"))
	if err != nil {
		return err
	}
	if err := s.process.until(answers(s.port, "220 ")); err != nil {
		return fmt.Errorf("%w; and its log: %s", err, s.Log())
	}
	return nil
}

// Stop ends the relay; its queue stays.
func (s *PostfixServer) Stop() error { return s.process.stop() }

// Kill ends the relay and all that it is doing at once; its queue stays.
func (s *PostfixServer) Kill() { s.process.kill() }

// Restart stops the relay and starts it again.
func (s *PostfixServer) Restart() error { return errors.Join(s.Stop(), s.Start()) }

func (s *PostfixServer) remove() error { return errors.Join(s.process.stop(), s.shop.close()) }

// Address is the relay's host:port.
func (s *PostfixServer) Address() string { return loopback(s.port) }

// URL is the relay's address as SMTP_URL wants it.
func (s *PostfixServer) URL() string { return "smtp://" + s.Address() + "?tls=none" }

// Log is what the relay has logged so far, one line an event.
func (s *PostfixServer) Log() string {
	text, err := os.ReadFile(s.shop.path("mail.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}
