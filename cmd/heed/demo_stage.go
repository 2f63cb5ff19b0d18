package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"heed/inbox/inboxtest"
	"heed/mailer/mailertest"
)

// domain is that of the demo's sender. Nobody can own it (RFC 2606 §3).
const domain = "notes.example"

// demoRoles are the mailboxes of the sender.
func demoRoles() []string { return []string{"unsubscribe", "privacy", "bounces", "abuse"} }

// world is what lies around heed: the mail servers that it talks to.
type world interface {
	// Deliver brings a mail to an address of the sender, whose envelope sender is from.
	Deliver(from, to string, raw []byte) error
	// Folder gives the mails in a folder of a role's mailbox.
	Folder(role, folder string) ([][]byte, error)
	// Taken tells when heed's relay had the whole of a message that the sink then got.
	Taken(r mailertest.Record) time.Time
}

// stage is a set-up of servers and processes to play a story on.
type stage struct {
	world
	processes []string                               // what is started: serve, or the processes of the Procfile
	env       []string                               // NAME=value: the servers, as heed is told of them
	mailbox   func(role string) (url, secret string) // its URL and the file of its password
	relayed   bool                                   // a relay stands between heed and the sink: it tries again and returns mail itself
	away      func()                                 // takes all down
}

// alone is the stage of the embedded default: one process, no service.
func alone(sink *mailertest.Sink, folder string) (*stage, error) {
	secret := rand.Text()
	users := map[string]string{}
	for _, role := range demoRoles() {
		users[role] = secret
	}
	server, err := inboxtest.Start(users)
	if err != nil {
		return nil, fmt.Errorf("starting the IMAP server: %w", err)
	}
	file := filepath.Join(folder, "imap-password")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("writing the IMAP password: %w", err)
	}
	return &stage{world: pillarbox{server}, processes: []string{"serve"}, env: []string{"SMTP_URL=" + sink.URL()},
		mailbox: func(role string) (string, string) { return server.URL(role), file },
		away:    func() { _ = server.Close() }}, nil
}

// pillarbox is the world of the embedded default: mail is filed the moment it
// is written, and the relay is the sink itself.
type pillarbox struct{ server *inboxtest.Server }

func (p pillarbox) Deliver(_, to string, raw []byte) error {
	return p.server.Append(roleOf(to), "INBOX", raw, time.Now())
}

func (p pillarbox) Folder(role, folder string) ([][]byte, error) {
	return p.server.Messages(role, folder)
}

func (p pillarbox) Taken(r mailertest.Record) time.Time { return r.EndAt }

// roleOf reads the mailbox out of an address such as bounces+token@….
func roleOf(address string) string {
	for i, c := range address {
		if c == '+' || c == '@' {
			return address[:i]
		}
	}
	return address
}
