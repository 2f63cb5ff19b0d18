package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heed/mailer/mailertest"
)

// The story of `heed demo`, on four set-ups.

func TestE2EStoryEmbedded(t *testing.T) { tellStory(t, setUp{}) }

func TestE2EStorySQLiteAndRedis(t *testing.T) { tellStory(t, setUp{redis: true}) }

func TestE2EStoryPostgresInOneProcess(t *testing.T) {
	tellStory(t, setUp{postgres: true, redis: true, mail: true})
}

func TestE2EStoryProcfile(t *testing.T) {
	tellStory(t, setUp{postgres: true, redis: true, mail: true, apart: true})
}

func tellStory(t *testing.T, u setUp) {
	s, _ := u.opening(t, scenario{people: people(1, 1000), rate: 120, connections: 10, keep: mailertest.KeepAll})
	p, err := s.play(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !p.OK {
		t.Errorf("the proof failed: %q", p.Problems)
	}
}

// Opt-outs against a running campaign, at full speed.

func TestE2EOptOutsSQLite(t *testing.T) { optOuts(t, setUp{}) }

func TestE2EOptOutsPostgres(t *testing.T) { optOuts(t, setUp{postgres: true, redis: true}) }

const (
	optOutReaders = 10000
	optOutLeavers = 2000
)

func optOuts(t *testing.T, u setUp) {
	s, _ := u.opening(t, scenario{people: crowd(optOutReaders, optOutReaders/optOutLeavers), connections: 10, keep: mailertest.KeepHeader})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	addresses := leavers(ctx, t, s)
	offered, others := halves(addresses)
	allLeft := s.leaveWhenOffered(ctx, t, offered)
	id := s.starts(ctx, t, newsFile(s.site.url, 0))
	before := s.leave(ctx, t, others)
	allLeft()
	p := s.finishes(ctx, t, id)
	p.expectWhole(t, 0)
	if p.SentAfter != 0 || p.OptOuts != optOutLeavers {
		t.Errorf("%d messages were handed over after one of %d acknowledged opt-outs", p.SentAfter, p.OptOuts)
	}
	got := 0
	for _, m := range s.handed() {
		if _, left := addresses[m.to]; left && m.kind == kindNews {
			got++
		}
	}
	t.Logf("%d of %d leavers got the campaign before they left; the campaign had reached %d when the last one left; %d were declared in flight", got, optOutLeavers, before, p.InFlight)
	if got == optOutLeavers || got == 0 {
		t.Errorf("%d of %d leavers got the campaign: the opt-outs did not meet it while it ran", got, optOutLeavers)
	}
}

// crowd is a list on which every nth person belongs to the first circle.
func crowd(n, nth int) []resident {
	all := make([]resident, n)
	for i := range all {
		all[i] = resident{email: fmt.Sprintf(box, i, i%7), first: "Reader", topics: []string{topicNews}, consented: true}
		if i%nth == 0 {
			all[i].circle = "first"
		}
	}
	return all
}

// leavers are the people of the first circle: they got a mail before, and with
// it the address that their provider posts to.
func leavers(ctx context.Context, t *testing.T, s *story) map[string]string {
	t.Helper()
	s.arrives(ctx, t)
	s.finishes(ctx, t, s.starts(ctx, t, helloFile(s.site.url)))
	addresses := map[string]string{}
	for _, m := range s.sink.Records() {
		url, ok := oneClick(m.Header())
		if !ok {
			t.Fatal("a message has no one-click headers")
		}
		addresses[m.To] = url
	}
	if len(addresses) != optOutLeavers {
		t.Fatalf("%d people got the first mail, want %d", len(addresses), optOutLeavers)
	}
	return addresses
}

// arrives imports the list of people.
func (s *story) arrives(ctx context.Context, t *testing.T) {
	t.Helper()
	text, err := contactsCSV(s.people)
	if err != nil {
		t.Fatal(err)
	}
	path, err := s.write("people.csv", text)
	if err != nil {
		t.Fatal(err)
	}
	counts, err := ask[imported](ctx, s.heed, "contact", "import", path)
	if err != nil || counts.Added != len(s.people) {
		t.Fatalf("imported %+v of %d: %v", counts, len(s.people), err)
	}
}

// starts makes a campaign and begins to send it.
func (s *story) starts(ctx context.Context, t *testing.T, text string) string {
	t.Helper()
	id, err := s.campaign(ctx, "campaign.md", text)
	if err == nil {
		_, err = s.heed.run(ctx, "campaign", "start", id)
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// finishes waits for the end of a campaign and counts.
func (s *story) finishes(ctx context.Context, t *testing.T, id string) proof {
	t.Helper()
	if _, err := s.heed.run(ctx, "campaign", "wait", id, "--timeout", "300s"); err != nil {
		t.Fatal(err)
	}
	p, err := s.tally(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// expectWhole fails unless nothing was lost or doubled and the account adds up.
func (p proof) expectWhole(t *testing.T, uncertain int) {
	t.Helper()
	if p.Duplicates != 0 || p.Lost != 0 || p.Unlisted != 0 || !p.Balanced || !p.Verified || p.Uncertain > uncertain || len(p.Problems) > 0 {
		t.Errorf("duplicates %d, lost %d, unlisted %d, balanced %v, verified %v, uncertain %d (at most %d), %q",
			p.Duplicates, p.Lost, p.Unlisted, p.Balanced, p.Verified, p.Uncertain, uncertain, p.Problems)
	}
}

// halves parts the leavers into two groups of the same size.
func halves(addresses map[string]string) (one, other map[string]string) {
	one, other = map[string]string{}, map[string]string{}
	for who, url := range addresses {
		if len(one) < len(other) {
			one[who] = url
		} else {
			other[who] = url
		}
	}
	return one, other
}

// hands is how many people opt out at the same time.
const hands = 16

// leave lets everybody in addresses opt out about when it is their turn. It
// gives how many messages the campaign had sent when the last one was through.
func (s *story) leave(ctx context.Context, t *testing.T, addresses map[string]string) int {
	t.Helper()
	leaving := make(chan string)
	finish := s.leaving(ctx, t, addresses, leaving)
	for i, p := range s.people {
		if addresses[p.email] != "" {
			s.awaitTurn(ctx, i)
			leaving <- p.email
		}
	}
	finish()
	return s.got(kindNews)
}

// leaving lets those opt out who are named, until finish is called.
func (s *story) leaving(ctx context.Context, t *testing.T, addresses map[string]string, named chan string) (finish func()) {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 2 * hands
	var running sync.WaitGroup
	for range hands {
		running.Go(func() {
			for who := range named {
				a, err := optOut(ctx, addresses[who], who)
				if err != nil {
					t.Errorf("opting out: %v", err)
					continue
				}
				s.acknowledged(a)
			}
		})
	}
	return func() { close(named); running.Wait() }
}

// leaveWhenOffered lets everybody in addresses opt out at the very moment at
// which a message to them is offered to the relay, so that opt-outs and claims
// meet. What it gives waits until all have left.
func (s *story) leaveWhenOffered(ctx context.Context, t *testing.T, addresses map[string]string) (allLeft func()) {
	t.Helper()
	named := make(chan string, len(addresses))
	finish := s.leaving(ctx, t, addresses, named)
	waiting := maps.Clone(addresses)
	var left atomic.Int64
	s.offers(func(to string) {
		if waiting[to] != "" {
			delete(waiting, to)
			named <- to
			left.Add(1)
		}
	})
	return func() {
		err := eventually(ctx, 3*time.Minute, "every leaver to be offered a message", func() (bool, error) { return left.Load() == int64(len(addresses)), nil })
		if err != nil {
			t.Error(err)
		}
		s.offers(nil)
		finish()
	}
}

// awaitTurn waits until the campaign comes near the ith of the list: sometimes
// a little before, sometimes a little after. About one in ten is skipped.
func (s *story) awaitTurn(ctx context.Context, i int) {
	near := i*9/10 + rand.IntN(300) - 200
	_ = eventually(ctx, 3*time.Second, "the turn", func() (bool, error) { return s.got(kindNews) >= near, nil }) // then it is late
}
