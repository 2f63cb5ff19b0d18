package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/mail"
	"time"

	"heed/mailer"
	"heed/store"
)

type campaignTestCommand struct {
	one
	To  string `required:"" help:"Address to send the test to." placeholder:"ADDRESS"`
	For string `help:"Whose values to use; without it those of the first person who would get it." placeholder:"ADDRESS"`
}

// Help shows an example.
func (campaignTestCommand) Help() string {
	return "The test goes through the relay at once. It is no delivery of the campaign and counts nowhere; its links stop nothing.\n\nExample: heed campaign test 12 --to me@example.com"
}

// Run sends the test and tells what the relay said.
func (c *campaignTestCommand) Run(a *app) error {
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	_, to, err := s.Key(c.To)
	if err != nil {
		return err
	}
	relay, message, err := a.trial(s, campaign, c.For, to)
	if err != nil {
		return err
	}
	result, err := hand(a.ctx, relay, mailer.Envelope{From: a.loaded.Sender.From, To: to}, message)
	if err != nil {
		return hinted(fmt.Errorf("reaching the relay: %w", err), "check SMTP_URL, and that the relay runs")
	}
	view := struct {
		To      string `json:"to"`
		Outcome string `json:"outcome"`
		Code    int    `json:"code"`
		Status  string `json:"status"`
	}{to, string(result.Outcome), result.Code, result.Enhanced}
	if err := a.show(view, func() { a.say("the relay answered %d %s: %s", view.Code, view.Status, view.Outcome) }); err != nil {
		return err
	}
	if result.Outcome != mailer.Accepted {
		return hinted(fmt.Errorf("the relay did not take the test: %s", view.Outcome), result.Text)
	}
	return nil
}

// trial makes the test message.
func (a *app) trial(s *store.Store, campaign store.Campaign, whose, to string) (relay mailer.Relay, message []byte, err error) {
	conf := a.loaded
	if err := conf.canSend(); err != nil {
		return relay, nil, err
	}
	if relay, err = conf.relay(); err != nil {
		return relay, nil, err
	}
	c, err := a.compile(s, campaign)
	if err != nil {
		return relay, nil, err
	}
	p, err := a.reader(s, campaign, whose)
	if err != nil {
		return relay, nil, err
	}
	v, err := a.render(c, p)
	if err != nil {
		return relay, nil, err
	}
	message, err = conf.trialMessage(v, c.parsed.From, to)
	return relay, message, err
}

func (c *config) trialMessage(v previewView, from, to string) ([]byte, error) {
	sender := mailer.Address{Name: c.Sender.Name, Addr: c.Sender.From}
	if address, err := mail.ParseAddress(from); from != "" && err == nil {
		sender = mailer.Address{Name: address.Name, Addr: address.Address}
	}
	template, err := mailer.Compile([]mailer.Part{
		{Type: "text/plain", Segments: []mailer.Segment{{Text: v.Text, Field: -1}}},
		{Type: "text/html", Segments: []mailer.Segment{{Text: v.HTML, Field: -1}}}})
	if err != nil {
		return nil, err
	}
	h := mailer.Headers{From: sender, To: mailer.Address{Addr: to}, Subject: "[TEST] " + v.Subject, Date: time.Now(),
		MessageID: "test." + rand.Text() + "@" + c.domain()}
	message, err := template.Message(nil, h, [][]string{nil, nil})
	if err != nil {
		return nil, err
	}
	signer, err := c.signer()
	if err != nil || signer == nil {
		return message, err
	}
	return signer.Sign(nil, message)
}

// hand gives one message to the relay.
func hand(ctx context.Context, relay mailer.Relay, e mailer.Envelope, message []byte) (mailer.Result, error) {
	conn, err := mailer.Dial(ctx, relay)
	if err != nil {
		return mailer.Result{}, err
	}
	defer conn.Close()
	return conn.Send(ctx, e, message, func(context.Context) (bool, error) { return true, nil }), nil
}
