package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heed/inbox"
	"heed/mailer"
	"heed/worker"
)

// roundTrip sends a mail of ours through the relay into a mailbox of ours, and
// looks at what comes out: whether it is signed as one-click needs it, and
// whether a forged Authentication-Results is taken away.
func (e *examination) roundTrip(way worker.Relay, box inbox.Mailbox, visit *inbox.Visit) error {
	check, by := "round trip to "+box.Role, ""
	if way.Name != "" {
		by = " by " + way.Name
		check += by
	}
	mark := strings.ToLower(rand.Text())
	message, err := e.c.probe(box.Address, mark)
	if err != nil {
		return e.unwell(check, err, "")
	}
	r, err := hand(e.ctx, way.Relay, mailer.Envelope{From: e.c.Sender.From, To: box.Address}, message)
	if err == nil && r.Outcome != mailer.Accepted {
		err = fmt.Errorf("the relay did not take a mail to %s: %s %d %s", box.Address, r.Outcome, r.Code, r.Enhanced)
	}
	if err != nil {
		return e.unwell(check, err, "")
	}
	return e.awaitProbe(check, by, mark, visit)
}

func (e *examination) awaitProbe(check, by, mark string, visit *inbox.Visit) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(e.ctx, e.wait)
	defer cancel()
	raw, err := visit.Await(ctx, e.c.probeID(mark))
	if errors.Is(err, context.DeadlineExceeded) {
		return e.unwell(check, fmt.Errorf("the relay took a mail, which did not come within %s", e.wait), "does url name the mailbox in which mail to its address arrives? Is it held as spam? A longer --wait may help")
	}
	if err != nil {
		return e.unwell(check, err, "")
	}
	if err := e.well(check, "a mail came within %s", time.Since(began).Round(100*time.Millisecond)); err != nil {
		return err
	}
	return e.judgeProbe(by, mark, raw)
}

// probeFields are what a signature must cover for one-click (RFC 8058 §4), and
// so that nobody passes an altered mail off as ours.
func probeFields() []string {
	return []string{"From", "To", "Subject", "Date", "List-Unsubscribe", "List-Unsubscribe-Post"}
}

func (e *examination) judgeProbe(by, mark string, raw []byte) error {
	a := inbox.ReadArrival(raw, e.c.domain(), probeFields(), &inbox.Keys{Lookup: e.lookup})
	if err := e.judgeSignature("signature"+by, a); err != nil {
		return err
	}
	server := e.c.Inbox.TrustedAuthservID
	if server == "" {
		return nil
	}
	if slices.ContainsFunc(a.Foreign, func(value string) bool { return strings.Contains(value, mark) }) {
		return e.unwell("trusted_authserv_id", fmt.Errorf("a forged Authentication-Results of %s came through", server),
			"take trusted_authserv_id out until your mail server removes such fields from what comes in (RFC 8601 §5): as it is, anybody can pass for anybody")
	}
	return e.well("trusted_authserv_id", "a forged Authentication-Results of %s was taken away", server)
}

func (e *examination) judgeSignature(check string, a inbox.Arrival) error {
	if s, err := e.store(); err == nil && len(e.c.Sender.DKIM) == 0 {
		if err := s.NoteSignature(e.ctx, a.Signed != "" && len(a.Missing) == 0); err != nil {
			return err
		}
	}
	if a.Signed != "" && len(a.Missing) == 0 {
		return e.well(check, "%s, and it covers what one-click needs", a)
	}
	hint := "let the relay sign with all List- fields, or give heed a key ([[sender.dkim]], heed init makes one): without it mail programs show no unsubscribe button (RFC 8058 §4)"
	if len(e.c.Sender.DKIM) > 0 && a.Signed == "" {
		hint = "heed signs: publish the key's record (heed init prints it), and see that the relay does not change mails"
	}
	return e.unwell(check, errors.New(a.String()), hint)
}

func (c *config) probeID(mark string) string { return "doctor." + mark + "@" + c.domain() }

// probe is a mail like a newsletter's, which says that a program wrote it, so
// that whoever reads the mailbox files it as such. Its own forged verdict
// stands on top, where that of a server would.
func (c *config) probe(to, mark string) ([]byte, error) {
	h := mailer.Headers{From: mailer.Address{Name: c.Sender.Name, Addr: c.Sender.From}, To: mailer.Address{Addr: to},
		Subject: "A mail to itself", Date: time.Now(), MessageID: c.probeID(mark), Extra: []mailer.Header{
			{Name: "Auto-Submitted", Value: "auto-generated"}, // RFC 3834 §5
			{Name: "List-Unsubscribe", Value: "<" + c.linkBase() + "/u/" + mark + ">"},
			{Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"}}}
	message, err := mailer.Plain(h, "heed doctor sent this mail to itself, to see what becomes of it on its way. It asks for nothing.\r\n")
	if err != nil {
		return nil, err
	}
	signer, err := c.signer()
	if err != nil {
		return nil, err
	}
	if signer != nil {
		if message, err = signer.Sign(nil, message); err != nil {
			return nil, err
		}
	}
	if server := c.Inbox.TrustedAuthservID; server != "" {
		message = append(fmt.Appendf(nil, "Authentication-Results: %s; dmarc=pass header.from=%s;\r\n\tdkim=none reason=\"%s\"\r\n", server, c.domain(), mark), message...)
	}
	return message, nil
}
