package worker_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"heed/consent"
	"heed/mailer"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/worker"
)

// behaviour is one thing that a relay does, at any verb.
type behaviour struct {
	name   string
	action mailertest.Action
	before fate // at a verb before the end of the message
	end    fate // instead of the answer to the end
}

// fate is what a delivery's row must say at last, and what the relay may have.
type fate struct {
	outcome  string
	attempts int // that count against the message
	code     string
	copies   int // at the relay
}

var (
	// later is tried again, and came through; it counts.
	later = fate{"accepted", 2, "250 2.0.0", 1}
	// spared says nothing about the message: it is tried again, and does not count.
	spared = fate{"accepted", 1, "250 2.0.0", 1}
	// unknown: without an answer to the end nobody knows. It is final.
	unknown = fate{"uncertain", 1, "", 0}
)

func refused(code string) fate { return fate{"rejected", 1, code, 0} }

func reply(code int, enhanced string) mailertest.Action {
	return mailertest.Action{Reply: mailertest.Reply{Code: code, Enhanced: enhanced, Text: "no"}}
}

// behaviours: every reply class, timeout and disconnect.
var behaviours = []behaviour{
	{"450", reply(450, "4.2.0"), later, later},
	{"452", reply(452, "4.5.3"), later, later}, // RFC 5321 §4.5.3.1.10
	{"421", reply(421, "4.3.2"), spared, spared},
	{"550", reply(550, "5.1.1"), refused("550 5.1.1"), refused("550 5.1.1")},
	{"554", reply(554, "5.7.1"), refused("554 5.7.1"), refused("554 5.7.1")},
	{"wrong class", mailertest.Action{Raw: "334 more?\r\n"}, spared, unknown},
	{"garbage", mailertest.Action{Raw: "what?\r\n"}, spared, unknown},
	{"two codes", mailertest.Action{Raw: "250-a\r\n550 b\r\n"}, spared, unknown},
	{"timeout", mailertest.Action{Stall: time.Minute, Drop: mailertest.DropBefore}, spared, unknown},
	{"disconnect before", mailertest.Action{Drop: mailertest.DropBefore}, spared, unknown},
	{"disconnect after", mailertest.Action{Drop: mailertest.DropAfter}, spared, fate{"uncertain", 1, "", 1}},
}

// TestScriptedServer: each behaviour at each verb, in each way to hand a message
// over, and what the delivery's row says at last.
func TestScriptedServer(t *testing.T) {
	for name, options := range map[string]mailertest.Options{"chunking": {}, "pipelining": {NoChunking: true}, "plain": {NoChunking: true, NoPipelining: true}} {
		verbs := []string{"MAIL", "RCPT", "BODY", "BDAT", "END"}
		if options.NoChunking {
			verbs[3] = "DATA"
		}
		for _, verb := range verbs {
			t.Run(name+"/"+verb, func(t *testing.T) {
				t.Parallel()
				scriptedAt(t, options, verb)
			})
		}
	}
}

// scripted is a relay that misbehaves once whenever it is asked to.
type scripted struct {
	mu   sync.Mutex
	verb string
	skip int // how often it behaves before
	next *mailertest.Action
}

func (s *scripted) act(verb string, _ int) mailertest.Action {
	s.mu.Lock()
	defer s.mu.Unlock()
	if verb != s.verb || s.next == nil {
		return mailertest.Action{}
	}
	if s.skip > 0 {
		s.skip--
		return mailertest.Action{}
	}
	act := *s.next
	s.next = nil
	return act
}

func (s *scripted) arm(action mailertest.Action, skip int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.skip = &action, skip
}

func scriptedAt(t *testing.T, options mailertest.Options, verb string) {
	relay := &scripted{verb: verb}
	options.Script = relay.act
	b := newBench(t, options)
	b.contacts(len(behaviours))
	stop := b.start(func(o *worker.Options) {
		o.Connections = 1 // messages follow one another on it
		short := 500 * time.Millisecond
		o.Relay.Timeouts = mailer.Timeouts{Dial: 5 * time.Second, Mail: short, Rcpt: short, Data: short, Block: short, End: short}
	})
	defer stop()
	for i, one := range behaviours {
		want := []fate{one.before}
		switch {
		case verb == "END":
			want = []fate{one.end}
		case verb == "BODY" && options.NoChunking: // felt before the end is written, or after
			want = []fate{one.before, one.end, unknown}
			if one.action.Reply.Code != 0 {
				want = []fate{one.end}
			}
		}
		if one.name == "wrong class" && verb == "DATA" {
			one.action.Raw = "250 and then?\r\n"
		}
		relay.arm(one.action, 0)
		if got := b.becomes(fmt.Sprintf("email == \"p%d@example.org\"", i), 1); !slices.Contains(want, got[0]) {
			t.Errorf("%s: %+v, want one of %+v", one.name, got, want)
		}
		relay.arm(one.action, 1) // the second of a row, with others before and behind it
		hit := 0
		for _, got := range b.becomes("all", len(behaviours)) {
			if got == spared {
				continue
			}
			if hit++; hit > 1 || !slices.Contains(want, got) {
				t.Errorf("%s in a row: %+v, want one of %+v once and %+v for all others", one.name, got, want, spared)
			}
		}
	}
	if bad := b.sink.Violations(); len(bad) > 0 {
		t.Error(bad)
	}
}

// becomes sends a campaign to n people, and gives what became of each.
func (b *bench) becomes(audience string, n int) (all []fate) {
	b.t.Helper()
	ctx := context.Background()
	id, _, err := b.store.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: newsletter, Audience: audience})
	if err == nil {
		err = b.store.Start(ctx, id)
	}
	for done := false; err == nil && !done; {
		done, err = b.store.FanOut(ctx, id)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	before := len(b.sink.Records())
	b.until(id, func(a store.Account) bool { return a.Accepted+a.Rejected+a.Uncertain == n && a.InFlight == 0 })
	b.ends(id)
	copies := map[string]int{}
	for _, r := range b.sink.Records()[before:] {
		copies[r.To]++
	}
	err = b.store.Results(ctx, id, func(l store.ResultLine) error {
		all = append(all, fate{outcome: l.Outcome, attempts: l.Attempts, code: l.Code, copies: copies[l.Email]})
		return nil
	})
	if err != nil || len(all) != n {
		b.t.Fatalf("%d results: %v", len(all), err)
	}
	return all
}

// ends waits until a campaign is done: nothing of it is ever sent again.
func (b *bench) ends(id int64) {
	b.t.Helper()
	ctx := context.Background()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		b.carry(ctx)
		if _, err := b.store.FinishCampaigns(ctx); err != nil {
			b.t.Fatal(err)
		}
		if c, err := b.store.Campaign(ctx, id); err != nil || c.State == "done" {
			return
		}
	}
	b.t.Fatal("the campaign does not end")
}
