package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"heed/consent"
)

// simPlan is what a seed says of a course of events: on what it is played, who does
// what and what goes wrong. Only what one goroutine does before another within the
// same moment is left to the machine.
type simPlan struct {
	seed     uint64
	machines int
	apart    bool // Redis is a server of its own; otherwise each machine holds one
	settings string
	rates    [3]float64 // of the campaigns, messages a second; 0: no limit

	chunking, pipelining bool
	farRelay, farRedis   time.Duration
	trouble              map[string]float64 // of the relay, by verb
	replies              []string           // by which it makes trouble
	slowDisk, badDisk    float64            // a commit, a step
	lostTasks            float64            // an answer of Redis with a task in it never arrives
	inFlight             float64            // somebody leaves in the very moment of a claim
	duels                int                // how often that may be

	events []simEvent
	calm   time.Duration // when all trouble is over
}

// simEvent is one thing that happens.
type simEvent struct {
	at   time.Duration
	what string
	long time.Duration
	whom int // a machine, or a person
	id   int64
}

func (e simEvent) String() string {
	return fmt.Sprintf("%v %s %d/%d %v", e.at.Round(time.Millisecond), e.what, e.whom, e.id, e.long.Round(time.Millisecond))
}

func (p simPlan) String() string {
	text := fmt.Sprintf("seed %d: %d machines, Redis apart %v, rates %v, chunking %v, pipelining %v, relay %v, Redis %v away, trouble %v by %q, disk slow %g bad %g, tasks lost %g, in flight %g, calm at %v\n%s",
		p.seed, p.machines, p.apart, p.rates, p.chunking, p.pipelining, p.farRelay, p.farRedis, p.trouble, p.replies, p.slowDisk, p.badDisk, p.lostTasks, p.inFlight, p.calm, p.settings)
	for _, e := range p.events {
		text += fmt.Sprintln("  ", e)
	}
	return text
}

// simRand draws.
type simRand struct{ *rand.Rand }

func (r simRand) chance(p float64) bool { return p > 0 && r.Float64() < p }

func (r simRand) between(least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}

func pick[T any](r simRand, all ...T) T { return all[r.IntN(len(all))] }

// planSim makes the plan of a seed. Each seed has only some of the faults, so that
// each is also met alone.
func planSim(seed uint64) simPlan {
	r := simRand{rand.New(rand.NewPCG(seed, 0x66756c6c))}
	p := simPlan{seed: seed, machines: 1 + r.IntN(2), apart: r.IntN(4) > 0, calm: r.between(4*time.Second, 12*time.Second),
		chunking: r.IntN(3) > 0, pipelining: r.IntN(4) > 0, farRelay: pick(r, time.Millisecond, 5*time.Millisecond, 60*time.Millisecond),
		farRedis: pick(r, 20*time.Millisecond, 60*time.Millisecond), trouble: map[string]float64{}}
	if p.machines > 1 {
		p.apart = true
	}
	p.settings = p.configure(r)
	for i := range p.rates {
		p.rates[i] = pick(r, 0.0, 0, 2, 10, 100)
	}
	p.planRelay(r)
	p.slowDisk, p.badDisk = pick(r, 0.0, 0, 0.01, 0.05), pick(r, 0.0, 0, 0, 0.002)
	p.inFlight, p.duels = pick(r, 0.0, 0.1, 0.3), 3
	p.planPeople(r)
	p.planFaults(r)
	p.lostTasks = pick(r, 0.0, 0, 0.1)
	slices.SortStableFunc(p.events, func(a, b simEvent) int { return int(a.at - b.at) })
	return p
}

// configure writes heed.toml.
func (p *simPlan) configure(r simRand) string {
	var b strings.Builder
	fmt.Fprintf(&b, "public_url = %q\nsmtp_connections = \"%d\"\nrate = \"%d\"\n", simPublic, 1+r.IntN(3), pick(r, 0, 0, 0, 20))
	b.WriteString(`[sender]
name = "News"
from = "news@example.com"
domain = "example.com"
postal_address = "Street 1"
return_path = "bounces@example.com"
[delivery]
retry_first = "1s"
[[topic]]
id = "product"
name = "Product news"
[[topic]]
id = "events"
name = "Events"
[[service]]
id = "files"
name = "Files"
`)
	warm := pick(simRand{rand.New(rand.NewPCG(p.seed, 0x7761726d))}, "", "", "warm_up = [400]\n") // more than anybody can use up
	relay := func(name string, more string) {
		fmt.Fprintf(&b, "[[relay]]\nname = %q\nurl = \"smtp://127.0.0.1:25\"\n%s", name, more+warm)
	}
	switch r.IntN(4) {
	case 0:
		relay("one", "connections = 1\n")
		relay("two", "rate = \"20/s\"\n")
	case 1:
		relay("one", "rate = \"5/s\"\n")
	default:
		relay("one", "")
	}
	if r.IntN(2) == 0 {
		fmt.Fprintf(&b, "[[limit]]\ngroup = \"few\"\ndomains = [\"example.net\"]\n%s", pick(r, "connections = 1\n", "rate = \"3/s\"\n", "rate = \"4/s\"\nconnections = 1\n"))
	}
	return b.String()
}

// planRelay lets the relay make trouble at some verbs.
func (p *simPlan) planRelay(r simRand) {
	if r.IntN(3) == 0 {
		return
	}
	for _, verb := range []string{"CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY", "BDAT", "END", "RSET"} {
		p.trouble[verb] = pick(r, 0.0, 0, 0.05, 0.2)
	}
	all := []string{"before", "after", "slow", "hang", "421 4.3.2 closing", "421 4.3.2 closing", "garbage", "451 4.3.0 later", "452 4.2.2 full", "450 4.7.0 slower",
		"550 5.1.1 nobody", "554 5.6.0 no"}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	p.replies = all[:1+r.IntN(4)]
}

func (p *simPlan) add(what string, at, long time.Duration, whom int, id int64) {
	p.events = append(p.events, simEvent{at, what, long, whom, id})
}

// planPeople begins campaigns and lets people act.
func (p *simPlan) planPeople(r simRand) {
	for _, id := range r.Perm(3)[:1+r.IntN(3)] {
		p.add("start", r.between(0, time.Second), 0, 0, int64(id+1))
	}
	what := []string{"leave", "leave", "leave", "leave all", "pause", "cancel", "erase", "move", "resend"}
	for range r.IntN(6) {
		p.add(pick(r, what...), r.between(200*time.Millisecond, p.calm), r.between(0, 3*time.Second), r.IntN(simCrowd), 1+r.Int64N(3))
	}
}

// planFaults draws what goes wrong.
func (p *simPlan) planFaults(r simRand) {
	for _, f := range []struct {
		what        string
		least, most time.Duration
	}{
		{"crash", 0, 4 * time.Second}, {"restart", 0, time.Second}, {"stop", 300 * time.Millisecond, 15 * time.Second}, {"stop all", time.Second, time.Hour},
		{"clock", 0, 1}, {"flush", 0, 1}, {"cut Redis", 0, 1}, {"Redis away", 100 * time.Millisecond, 8 * time.Second},
		{"Redis hangs", 100 * time.Millisecond, 6 * time.Second}, {"relay away", 200 * time.Millisecond, 5 * time.Second}, {"cut relay", 0, 1}, {"relay hangs", 500 * time.Millisecond, 5 * time.Second},
	} {
		if r.IntN(4) > 0 {
			continue
		}
		for range 1 + r.IntN(3) {
			long := f.most
			if f.most > f.least+1 {
				long = r.between(f.least, min(f.most, pick(r, f.least+2*time.Second, f.most)))
			}
			p.add(f.what, r.between(0, p.calm), long, r.IntN(p.machines), r.Int64N(3))
		}
	}
}

// The crowd of a course, and where its members read.
const (
	simCrowd  = 8
	simPublic = "https://news.example.com"
	simAlert  = 3 // the campaign that is an alert
)

func simAddress(i int) string {
	return fmt.Sprintf("p%d@%s", i, []string{"example.org", "example.net"}[i%2])
}

var (
	simPolicy = consent.NewPolicyVersion("2000-01", []byte("the policy"))
	simLimits = consent.Policy{AlertCap: 4}
)
