package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// A round of chaos follows from its seed: on what it is played, and what breaks
// meanwhile. The same seed makes the same plan; what the machine makes of it
// differs by moments.

// chaosPlan is what a seed says.
type chaosPlan struct {
	seed      uint64
	postgres  bool
	redis     bool // a real one; otherwise in the process that serves
	postfix   bool // as relay in front of the sink
	processes []string
	people    int
	rate      int // messages a second
	leavers   int // who opt out while the campaign runs
	faults    []planned

	connections int // of each process that sends
}

// planned is one fault of a plan. What its numbers mean is up to the fault.
type planned struct {
	fault string
	at    float64 // when: the share of the campaign that is sent by then
	long  time.Duration
	whom  string // the process that it hits
	verb  string // the SMTP verb
	after bool   // only when the verb has had its effect
	many  int
}

// whole names what the plan is played on.
func (p chaosPlan) stage() string {
	words := []string{"SQLite"}
	if p.postgres {
		words[0] = "PostgreSQL"
	}
	for name, on := range map[string]bool{"Redis": p.redis, "Postfix": p.postfix} {
		if on {
			words = append(words, name)
		}
	}
	slices.Sort(words[1:])
	return strings.Join(words, "+") + ": " + strings.Join(p.processes, " ")
}

func (p chaosPlan) String() string {
	text := fmt.Sprintf("seed %d, %s, %d connections; %d people at %d/s, %d opt out", p.seed, p.stage(), p.connections, p.people, p.rate, p.leavers)
	for _, f := range p.faults {
		text += fmt.Sprintf("; at %.0f %% %s", 100*f.at, f)
	}
	return text
}

func (f planned) String() string {
	text := f.fault
	if f.whom != "" {
		text += " of " + f.whom
	}
	if f.verb != "" {
		text += fmt.Sprintf(" at %s, %d times", f.verb, f.many)
	}
	if f.long > 0 {
		text += " for " + f.long.String()
	}
	return text
}

// The ways to run heed. Apart needs PostgreSQL and a real Redis.
var (
	inOne  = []string{"serve"}
	inMany = [][]string{
		{"web", "worker", "inbox", "scheduler"},
		{"web", "worker", "worker 2", "inbox", "scheduler"},
		{"serve", "worker"},
		{"serve", "serve 2"},
		{"web", "web 2", "worker", "worker 2", "inbox", "inbox 2", "scheduler", "scheduler 2"},
	}
)

// planRound makes the plan of a seed.
func planRound(seed uint64) chaosPlan {
	r := rand.New(rand.NewPCG(seed, 1870))
	p := chaosPlan{seed: seed, postgres: r.IntN(5) < 3, redis: r.IntN(3) > 0, postfix: r.IntN(4) == 0, processes: inOne,
		people: 200 + r.IntN(200), rate: 100 + 50*r.IntN(3), leavers: 6 + r.IntN(10)}
	if p.postgres && p.redis && r.IntN(4) > 0 {
		p.processes = inMany[r.IntN(len(inMany))]
	}
	for range 1 + r.IntN(3) {
		p.faults = append(p.faults, p.plan(r))
	}
	slices.SortFunc(p.faults, func(a, b planned) int { return int(1000 * (a.at - b.at)) })
	if p.connections = 4; p.postgres && seed%4 == 1 {
		p.connections = 40 // which claim at two desks
	}
	return p
}

// plan draws one fault that can happen on this stage.
func (p chaosPlan) plan(r *rand.Rand) planned {
	var fit []chaosFault
	for _, f := range chaosFaults() {
		if f.fits(p) {
			fit = append(fit, f)
		}
	}
	chosen := fit[r.IntN(len(fit))]
	one := planned{fault: chosen.name, at: 0.05 + 0.8*r.Float64(), many: 1 + r.IntN(6)}
	chosen.draw(p, r, &one)
	return one
}

// sends tells whether a process of the plan hands mail over.
func sends(process string) bool {
	return strings.HasPrefix(process, "serve") || strings.HasPrefix(process, "worker")
}

// senders are the processes that hand mail over.
func (p chaosPlan) senders() []string {
	return slices.DeleteFunc(slices.Clone(p.processes), func(name string) bool { return !sends(name) })
}

// sender draws one of them.
func (p chaosPlan) sender(r *rand.Rand) string { return anyOf(r, p.senders()) }

// has tells whether a plan holds a fault.
func (p chaosPlan) has(fault string) bool {
	return slices.ContainsFunc(p.faults, func(f planned) bool { return f.fault == fault })
}

// TestPlanOfRounds: a seed makes one plan, no plan asks for what its stage does
// not have, and three hundred of them know every stage and every fault.
func TestPlanOfRounds(t *testing.T) {
	seen := map[string]int{}
	for seed := uint64(1); seed <= 300; seed++ {
		p := planRound(seed)
		if again := planRound(seed); again.String() != p.String() {
			t.Fatalf("seed %d plans\n%s\nand\n%s", seed, p, again)
		}
		if len(p.processes) > 1 && !(p.postgres && p.redis) {
			t.Errorf("%s: processes apart need PostgreSQL and Redis", p)
		}
		seen[p.stage()]++
		for _, f := range p.faults {
			if !faultNamed(f.fault).fits(p) {
				t.Errorf("%s: %s does not fit", p, f.fault)
			}
			seen[f.fault]++
		}
	}
	for _, f := range chaosFaults() {
		if seen[f.name] < 5 {
			t.Errorf("%d of 300 rounds have the fault %q", seen[f.name], f.name)
		}
	}
	for _, way := range append(inMany, inOne) {
		if p := (chaosPlan{postgres: true, redis: true, processes: way}); seen[p.stage()] == 0 {
			t.Errorf("no round of 300 is played on %s", p.stage())
		}
	}
}
