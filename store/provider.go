package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"heed/consent"
)

// ProviderEvent is what a mail provider says became of a message of ours.
type ProviderEvent struct {
	Provider  string
	ID        string // of the event, by which a second copy is known
	Complaint bool   // the recipient called it spam; else it came back
	Message   string // our Message-ID, or what stands in it before the @
	Recipient string
	Hard      bool // there is no such mailbox
	Policy    bool // the receiving side refuses our mail by its policy
	Status    string
}

// RecordEvent does what a report by mail of the same would do, by the same rules:
// it must name a delivery of ours within 14 days after it was handed over, and a
// second copy changes nothing.
func (s *Store) RecordEvent(ctx context.Context, e ProviderEvent) (f Filing, err error) {
	link, named := deliveryNamed(e.Message)
	err = s.inTx(ctx, "recording an event of a mail provider", func(t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO provider_event (digest, at) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
			s.digest("provider event", e.Provider+"\x00"+e.ID), t.now.UnixMicro())
		if err != nil {
			return fmt.Errorf("noting an event: %w", err)
		}
		if f = (Filing{Outcome: "duplicate", Duplicate: true}); n == 0 {
			return nil
		}
		if f = (Filing{Outcome: "no_action"}); !named {
			return nil
		}
		m := Inbound{Mailbox: e.Provider, Digest: e.ID, Received: t.now, Request: consent.Request{Kind: consent.KindBounce, Link: &link, Sure: 1,
			Bounces: []consent.Bounce{{Recipient: e.Recipient, Action: "failed", Status: e.Status, Hard: e.Hard, Policy: e.Policy}}}}
		if !e.Complaint {
			f.Outcome, _, f.Paused, err = t.bounce(ctx, m)
			return err
		}
		m.Request.Kind = consent.KindSpamReport
		f, err = t.complaint(ctx, m, link)
		return err
	})
	if err == nil && (f.Outcome == "spam_report" || f.Paused != 0) {
		s.pokeAll()
	}
	return f, err
}

// complaint is a spam report about a delivery that is not too old.
func (t *tx) complaint(ctx context.Context, m Inbound, link consent.Link) (f Filing, err error) {
	d, found, err := t.sentTo(ctx, link)
	if err != nil || !found || m.Received.Sub(time.UnixMicro(d.endAt)) > BounceAge {
		return Filing{Outcome: "no_action"}, err
	}
	f.Stopped = []consent.Key{link.Address}
	f.Outcome, _, f.Paused, err = t.spamReport(ctx, m)
	return f, err
}

// deliveryNamed reads CAMPAIGN.KEY out of a Message-ID of ours.
func deliveryNamed(id string) (consent.Link, bool) {
	name, _, _ := strings.Cut(strings.Trim(strings.TrimSpace(id), "<>"), "@")
	number, text, found := strings.Cut(name, ".")
	campaign, err := strconv.ParseInt(number, 10, 64)
	if !found || err != nil || campaign < 1 {
		return consent.Link{}, false
	}
	key, err := consent.ParseKey(text)
	return consent.Link{Purpose: consent.PurposeBounce, Address: key, Scope: uint16(campaign)}, err == nil
}
