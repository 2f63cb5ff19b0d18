package worker_test

import (
	"context"
	"strings"
	"testing"

	"heed/mailer/mailertest"
	"heed/store"
	"heed/worker"
)

// TestPolicyRefusalsPauseTheCampaign: a relay that refuses us for what we are
// stops the campaign after a few messages, and holds it against nobody.
func TestPolicyRefusalsPauseTheCampaign(t *testing.T) {
	for name, reply := range map[string]mailertest.Reply{
		"by number": {Code: 550, Enhanced: "5.7.26", Text: "unauthenticated mail is not accepted"},
		"by words":  {Code: 550, Enhanced: "5.1.1", Text: "user unknown, and your network is blacklisted"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, mailertest.Options{OnRcpt: func(string, string) mailertest.Reply { return reply }})
			id := b.campaign(100)
			stop := b.start(func(o *worker.Options) { o.Connections = 1 })
			defer stop()
			ctx := context.Background()
			b.until(id, func(store.Account) bool {
				c, err := b.store.Campaign(ctx, id)
				return err == nil && c.State == "paused" && strings.Contains(c.Note, reply.Enhanced)
			})
			a := b.until(id, func(a store.Account) bool { return a.InFlight == 0 && a.Rejected >= store.PolicyLimit })
			if a.Rejected > 6*store.PolicyLimit || a.Waiting == 0 {
				t.Errorf("the campaign went on: %+v", a)
			}
			e, err := b.store.Explain(ctx, "p0@example.org")
			if err != nil || len(e.Ledger) != 1 || e.State.Dead {
				t.Errorf("it was held against a person: %+v, %v", e, err)
			}
		})
	}
}

// TestASingleOddReceiverStopsNobody: refusals by policy that stay rare.
func TestASingleOddReceiverStopsNobody(t *testing.T) {
	b := newBench(t, mailertest.Options{OnRcpt: func(_, to string) mailertest.Reply {
		if to == "p1@example.org" || to == "p2@example.org" || to == "p3@example.org" {
			return mailertest.Reply{Code: 554, Enhanced: "5.7.1", Text: "blocked"}
		}
		return mailertest.Reply{}
	}})
	id := b.campaign(50)
	stop := b.start(nil)
	a := b.until(id, func(a store.Account) bool { return a.Waiting == 0 && a.InFlight == 0 })
	stop()
	if a.Accepted != 47 || a.Rejected != 3 {
		t.Errorf("account %+v", a)
	}
}
