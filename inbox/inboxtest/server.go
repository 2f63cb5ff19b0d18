// Package inboxtest is an IMAP server in memory, for tests and for the demo.
//
// It is the real protocol over a loopback socket, without TLS: IDLE, MOVE and
// UIDPLUS are offered unless they are switched off. Its mailboxes outlive Stop,
// so that a server that goes away for a while can be played. One thing it does
// unlike others: for a range up to "*" it gives nothing where a real server
// always gives the last mail.
package inboxtest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// Server is an IMAP server on a loopback port.
type Server struct {
	addr  string
	caps  imap.CapSet
	mem   *imapmemserver.Server
	users map[string]*imapmemserver.User
	words map[string]string // passwords
	tls   *tls.Config

	mu      sync.Mutex
	running *imapserver.Server
	socket  net.Listener
	serving chan struct{}
}

// Start serves the users, given with their passwords, each with an INBOX, on a
// free port.
func Start(users map[string]string) (*Server, error) {
	return StartWithout(users)
}

// StartWithout is Start with capabilities left out, such as "MOVE" or "IDLE".
func StartWithout(users map[string]string, missing ...string) (*Server, error) {
	s := &Server{addr: "127.0.0.1:0", mem: imapmemserver.New(), users: map[string]*imapmemserver.User{}, words: users, caps: imap.CapSet{
		imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}, imap.CapMove: {}, imap.CapIdle: {}, imap.CapESearch: {}, imap.CapNamespace: {}}}
	for _, name := range missing {
		delete(s.caps, imap.Cap(name))
	}
	for name, password := range users {
		user := imapmemserver.NewUser(name, password)
		if err := user.Create("INBOX", nil); err != nil {
			return nil, fmt.Errorf("making the INBOX of %s: %w", name, err)
		}
		s.users[name] = user
		s.mem.AddUser(user)
	}
	return s, s.Resume()
}

// StartTLS is Start with a certificate: the server offers STARTTLS, and does
// not take a password before it.
func StartTLS(users map[string]string, certificate tls.Certificate) (*Server, error) {
	s, err := Start(users)
	if err != nil {
		return nil, err
	}
	if err := s.Stop(); err != nil {
		return nil, err
	}
	s.tls = &tls.Config{Certificates: []tls.Certificate{certificate}}
	return s, s.Resume()
}

// Addr is host:port; it stays the same over Stop and Resume.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// URL is the mailbox's URL as the configuration takes it.
func (s *Server) URL(user string) string {
	return "imap://" + user + "@" + s.Addr() + "/INBOX?tls=none"
}

// Resume serves again after Stop, with what the mailboxes hold.
func (s *Server) Resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return nil
	}
	listener, err := listen(s.addr)
	if err != nil {
		return err
	}
	s.addr = listener.Addr().String()
	server := imapserver.New(&imapserver.Options{Caps: s.caps, InsecureAuth: s.tls == nil, TLSConfig: s.tls, Logger: log.New(io.Discard, "", 0),
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return s.mem.NewSession(), nil, nil
		}})
	done := make(chan struct{})
	s.running, s.socket, s.serving = server, listener, done
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with Close
	}()
	return nil
}

// listen takes the port again; the system may need a moment to give it back.
func listen(addr string) (net.Listener, error) {
	var err error
	for range 50 {
		var listener net.Listener
		if listener, err = net.Listen("tcp", addr); err == nil {
			return listener, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, fmt.Errorf("listening on %s for IMAP: %w", addr, err)
}

// Stop ends every connection and answers no more; the mails stay.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil
	}
	err := s.running.Close()
	s.socket.Close() // the server closes it itself only once it has begun to serve
	<-s.serving
	s.running = nil
	return err
}

// Close is Stop, for good.
func (s *Server) Close() error { return s.Stop() }

// Append puts a mail into a folder as if it arrived at that time; whoever
// idles there is told.
func (s *Server) Append(user, folder string, raw []byte, at time.Time) error {
	u, known := s.users[user]
	if !known {
		return fmt.Errorf("the IMAP server has no user %q", user)
	}
	_, err := u.Append(folder, literal{bytes.NewReader(raw)}, &imap.AppendOptions{Time: at})
	if err != nil {
		return fmt.Errorf("putting a mail into %s of %s: %w", folder, user, err)
	}
	return nil
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }
