package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"heed/inbox"
	"heed/mailer"
	"heed/worker"
)

type doctorCommand struct {
	Wait time.Duration `help:"How long the mail that it sends to itself may take." default:"60s"`
	output
}

// Help tells the exit code and shows an example.
func (doctorCommand) Help() string {
	return `Asks every server that the configuration names, and sends one mail through the relay into each mailbox that is read, to see what becomes of it on its way. Nobody else is written to. Exit code 3 where something does not work; docs/runbook.md explains each line.

Example: heed doctor --wait 2m`
}

// findingView is what one look found.
type findingView struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Says  string `json:"says"`
	Hint  string `json:"hint,omitempty"`
}

// examination looks at one thing after the other; each tells what it finds.
type examination struct {
	*app
	c      *config
	wait   time.Duration
	lookup func(ctx context.Context, name string) ([]string, error) // TXT records
	ways   []worker.Relay                                           // that take connections
	ill    []string

	missing, unsure bool // records of the DNS
}

// Run examines everything.
func (c *doctorCommand) Run(a *app) error {
	conf, err := a.config()
	if err != nil {
		return problem{exitFound, err, hintOf(err)}
	}
	e := &examination{app: a, c: conf, wait: c.Wait, lookup: net.DefaultResolver.LookupTXT}
	return e.run()
}

func (e *examination) run() error {
	for _, look := range []func() error{e.configuration, e.database, e.backups, e.queues, e.records, e.relays, e.mailboxes} {
		if err := look(); err != nil {
			return err
		}
	}
	if len(e.ill) > 0 {
		return found("docs/runbook.md tells what each check means and what to do", "these do not work: %s", strings.Join(e.ill, ", "))
	}
	return nil
}

// well tells of something that works.
func (e *examination) well(check, format string, args ...any) error {
	return e.tellFinding(findingView{Check: check, OK: true, Says: fmt.Sprintf(format, args...)})
}

// unwell tells of something that does not, and remembers it.
func (e *examination) unwell(check string, err error, hint string) error {
	if known := hintOf(err); hint == "" {
		hint = known
	}
	e.ill = append(e.ill, check)
	return e.tellFinding(findingView{check, false, e.scrub(err).Error(), hint})
}

func (e *examination) tellFinding(v findingView) error {
	return e.show(v, func() {
		mark := "ok"
		if !v.OK {
			mark = "NO"
		}
		e.say("%-2s  %-34s %s", mark, v.Check, v.Says)
		if v.Hint != "" {
			e.say("    %-34s %s", "", v.Hint)
		}
	})
}

func (e *examination) configuration() error {
	problems := e.c.problems()
	if len(problems) == 0 {
		return e.well("configuration", "%s can be read, and so can the files that it names", e.c.Path)
	}
	for _, err := range problems {
		if err := e.unwell("configuration", err, ""); err != nil {
			return err
		}
	}
	return nil
}

func (e *examination) database() error {
	s, err := e.store()
	if err == nil {
		err = s.Ping(e.ctx)
	}
	if err != nil {
		return e.unwell("database", err, "")
	}
	return e.well("database", "it answers, and its schema is up to date")
}

func (e *examination) queues() error {
	if e.c.RedisURL == "" {
		return e.well("redis", "it runs inside heed serve")
	}
	t, err := openRedis(e.c.RedisURL)
	if err != nil {
		return e.unwell("redis", err, "")
	}
	defer t.close()
	said := ""
	if err := t.fit(e.ctx, func(text string) { said = "; " + text }); err != nil {
		return e.unwell("redis", err, "")
	}
	return e.well("redis", "it answers%s", said)
}

// records looks for what receivers ask the DNS about the sender's domain.
func (e *examination) records() error {
	domain := e.c.domain()
	if domain == "" {
		return nil // told already
	}
	for _, one := range []struct{ check, name, begins, why string }{
		{"SPF of " + domain, domain, "v=spf1", "receivers ask it whether your relay may send for you (RFC 7208)"},
		{"DMARC of " + domain, "_dmarc." + domain, "v=DMARC1", "Gmail, Yahoo and Microsoft refuse bulk mail of domains without it"},
	} {
		if err := e.record(one.check, one.name, one.begins, one.why); err != nil {
			return err
		}
	}
	for _, key := range e.c.Sender.DKIM {
		name := key.Selector + "._domainkey." + domain
		if err := e.record("DKIM key "+key.Selector, name, "v=DKIM1", "receivers check the signatures with it"); err != nil {
			return err
		}
	}
	return e.keepRecords()
}

// keepRecords has campaigns know what is missing, unless the DNS said nothing.
func (e *examination) keepRecords() error {
	s, err := e.store()
	if err != nil || e.unsure && !e.missing {
		return nil // told already
	}
	return s.NoteRecords(e.ctx, e.missing)
}

func (e *examination) record(check, name, begins, why string) error {
	ctx, cancel := context.WithTimeout(e.ctx, 10*time.Second)
	defer cancel()
	records, err := e.lookup(ctx, name+".")
	var dns *net.DNSError
	switch {
	case err != nil && !(errors.As(err, &dns) && dns.IsNotFound):
		e.unsure = true
		return e.unwell(check, fmt.Errorf("the DNS does not answer for %s", name), "try again; "+why)
	case !slices.ContainsFunc(records, func(r string) bool { return strings.HasPrefix(r, begins) }):
		e.missing = true
		return e.unwell(check, fmt.Errorf("%s has no TXT record that begins with %s", name, begins), why+"; heed init prints the records")
	}
	return e.well(check, "published at %s", name)
}

// relays dials each, and looks which of our own addresses the first takes
// (RFC 2142).
func (e *examination) relays() error {
	all, err := e.c.relays()
	if err != nil {
		return e.unwell("relay", err, "")
	}
	for _, one := range all {
		well, err := e.relay(one)
		if err != nil {
			return err
		}
		if well {
			e.ways = append(e.ways, one)
		}
	}
	if len(e.ways) == 0 {
		return nil
	}
	for _, address := range e.c.ownAddresses() {
		if err := e.address(e.ways[0].Relay, address); err != nil {
			return err
		}
	}
	return nil
}

func (e *examination) relay(one worker.Relay) (well bool, err error) {
	check := strings.TrimSpace("relay " + one.Name)
	conn, err := mailer.Dial(e.ctx, one.Relay)
	if err != nil {
		return false, e.unwell(check, err, "check SMTP_URL or the url of this [[relay]], and that the relay runs")
	}
	offers := conn.Offers()
	conn.Close()
	return true, e.well(check, "%s takes connections%s: TLS %s, pipelining %s, chunking %s, DSN %s", one.Addr(), atMost(one.Connections), orNo(offers.TLS),
		yesNo(offers.Pipelining), yesNo(offers.Chunking), yesNo(offers.DSN))
}

func atMost(connections int) string {
	if connections == 0 {
		return ""
	}
	return fmt.Sprintf(", and gets %d at most for newsletters, over all workers", connections)
}

func orNo(text string) string {
	if text == "" {
		return "no"
	}
	return text
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// ownAddresses are those that people are told to write to, and the two that
// every domain must have.
func (c *config) ownAddresses() []string {
	var all []string
	if c.domain() != "" {
		all = append(all, "postmaster@"+c.domain(), "abuse@"+c.domain())
	}
	for _, box := range c.Mailbox {
		all = append(all, box.Address)
	}
	if path := c.returnPath(); path != "" {
		all = append(all, path)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// address asks the relay for a recipient and then gives the message back.
func (e *examination) address(relay mailer.Relay, address string) error {
	check := "address " + address
	conn, err := mailer.Dial(e.ctx, relay)
	if err != nil {
		return e.unwell(check, err, "")
	}
	defer conn.Close()
	r := conn.Send(e.ctx, mailer.Envelope{From: e.c.Sender.From, To: address}, []byte("Subject: heed doctor\r\n\r\nNever completed.\r\n"),
		func(context.Context) (bool, error) { return false, nil })
	if r.Outcome != mailer.Skipped {
		return e.unwell(check, fmt.Errorf("the relay does not take mail for it: %s %d %s", r.Outcome, r.Code, r.Enhanced), "people are told to write there, or may (RFC 2142): make the mailbox, or an alias")
	}
	return e.well(check, "the relay takes mail for it")
}

// mailboxes logs in to each that is read, and sends a mail there.
func (e *examination) mailboxes() error {
	for _, box := range e.c.Mailbox {
		if box.URL == "" {
			continue
		}
		if err := e.mailbox(e.c.mailboxOf(box)); err != nil {
			return err
		}
	}
	return nil
}

func (e *examination) mailbox(box inbox.Mailbox) error {
	check := "mailbox " + box.Role
	visit, err := inbox.VisitMailbox(e.ctx, box, nil)
	if err != nil {
		return e.unwell(check, err, "check url, user and password_file of this [[mailbox]]")
	}
	defer visit.Close()
	if err := e.well(check, "it can be read"); err != nil {
		return err
	}
	ways := e.ways
	e.ways = ways[:min(1, len(ways))] // the other mailboxes need not be reached by each
	for _, way := range ways {
		if err := e.roundTrip(way, box, visit); err != nil {
			return err
		}
	}
	return nil
}
