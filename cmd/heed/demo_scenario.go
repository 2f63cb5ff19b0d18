package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"heed/mailer/mailertest"
)

// scenario says which story is told: how large, how fast, and on which stage.
// The demo and the end-to-end tests differ in nothing else.
type scenario struct {
	binary      string
	people      []resident
	rate        int // messages a second of the campaign, 0 for as fast as it goes
	connections int // to the relay
	keep        mailertest.Keep
	open        func(sink *mailertest.Sink, folder string) (*stage, error)
	teller      *teller
}

// story is a scenario that is being played.
type story struct {
	scenario
	*recipients
	*stage
	heed   *driver
	folder string
	web    string            // where the pages are
	site   *site             // the sender's own web site
	dns    map[string]string // the records that heed init asked to be published

	mu       sync.Mutex
	children map[string]*child
	acks     []ack
}

// begin sets the stage: servers, a configuration, running children. Whatever
// was opened is closed by end, also after an error.
func (sc scenario) begin(ctx context.Context, folder string) (s *story, err error) {
	s = &story{scenario: sc, folder: folder, children: map[string]*child{}}
	if s.site, err = openSite(); err != nil {
		return s, err
	}
	if s.recipients, err = openRecipients(sc.keep); err != nil {
		return s, err
	}
	if s.stage, err = sc.open(s.sink, folder); err != nil {
		return s, err
	}
	if err := s.configure(ctx); err != nil {
		return s, err
	}
	for _, role := range s.processes {
		if err := s.launch(ctx, role); err != nil {
			return s, err
		}
	}
	if len(s.processes) == 0 { // they are started later
		return s, nil
	}
	return s, responds(ctx, s.web+"/readyz", 30*time.Second)
}

// end stops the children and takes the stage down.
func (s *story) end() error {
	var problems []error
	for _, c := range s.children {
		problems = append(problems, c.stop(30*time.Second))
	}
	if s.stage != nil {
		s.stage.away()
	}
	if s.recipients != nil && s.sink != nil {
		s.sink.Close()
	}
	if s.site != nil {
		s.site.close()
	}
	return errors.Join(problems...)
}

// configure says where everything is, and lets heed make its configuration,
// its keys and its database.
func (s *story) configure(ctx context.Context) error {
	listen, err := freeAddress()
	if err != nil {
		return err
	}
	s.web = "http://" + listen
	s.heed = &driver{binary: s.binary, folder: s.folder, env: append([]string{
		"HEED_CONFIG=" + filepath.Join(s.folder, "heed.toml"), "HEED_DATA=" + filepath.Join(s.folder, "data"), "PUBLIC_URL=" + s.web, "LISTEN=" + listen,
		fmt.Sprintf("SMTP_CONNECTIONS=%d", s.connections), "POLL=1s", "LOG_FORMAT=json"}, s.env...)}
	if err := s.init(ctx); err != nil {
		return err
	}
	_, err = s.heed.run(ctx, "migrate")
	return err
}

// init lets heed write a configuration and make keys, publishes the records
// that it asks for, and completes the configuration.
func (s *story) init(ctx context.Context) error {
	made, err := ask[struct {
		Config string
		DNS    []struct{ Name, TXT string }
	}](ctx, s.heed, "init", "--domain", domain, "--from", "notes@"+domain, "--name", "Harbour Notes", "--postal-address", "Harbour Notes, Pier 1, 12345 Seatown")
	if err != nil {
		return err
	}
	s.dns = map[string]string{}
	for _, record := range made.DNS {
		s.dns[record.Name] = record.TXT
	}
	file, err := os.OpenFile(made.Config, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("completing the configuration: %w", err)
	}
	_, err = file.WriteString(configEnd(s.mailbox))
	return errors.Join(err, file.Close())
}

// launch starts a process and waits until it works.
func (s *story) launch(ctx context.Context, role string) error {
	c, err := s.heed.start(role)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.children[role] = c
	s.mu.Unlock()
	return c.await(ctx, 30*time.Second)
}

// sender is the process that sends.
func (s *story) sender() string {
	for _, role := range s.processes {
		if role == "worker" {
			return role
		}
	}
	return s.processes[0]
}

// lookup is the DNS of the demo: the records that heed init printed.
func (s *story) lookup(name string) ([]string, error) {
	record, found := s.dns[strings.TrimSuffix(name, ".")]
	if !found {
		return nil, fmt.Errorf("nothing is published at %s", name)
	}
	return []string{record}, nil
}

// write puts a file for heed into the folder.
func (s *story) write(name string, text []byte) (string, error) {
	path := filepath.Join(s.folder, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("writing %s: %w", name, err)
	}
	return path, nil
}

// acknowledged notes an opt-out that heed has acknowledged.
func (s *story) acknowledged(a ack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acks = append(s.acks, a)
}

// site is the sender's own web site, which the newsletter links to.
type site struct {
	url    string
	server *http.Server
}

func openSite() (*site, error) {
	listener, err := loopbackListener()
	if err != nil {
		return nil, err
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Harbour Notes: this page stands for the sender's own web site.")
	})}
	go func() { _ = server.Serve(listener) }() // ends with close
	return &site{"http://" + listener.Addr().String() + "/", server}, nil
}

func (s *site) close() { _ = s.server.Close() }
