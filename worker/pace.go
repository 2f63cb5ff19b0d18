package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"heed/mailer"
	"heed/store"
)

// pace says how many messages may go, and when: over all, by relay, by campaign
// and by who receives them. Where nothing is limited it is not even asked.
type pace struct {
	w       *Worker
	groups  *groups
	tallies map[string]*tally // by group
	limits  map[string]Limit  // by group
	fixed   bool              // something is limited by the configuration
	tokens  *tokens
	cuts    *adapter
	days    *days
	leases  *leases
	quiet   still
	slots   slots
	rooms   map[string]chan struct{}           // for batches that wait for a turn, by queue; they hold no lane
	nudge   chan struct{}                      // a batch that was released has ended
	lines   atomic.Pointer[map[string][]int64] // campaigns that wait for a limit, or use it up in turn

	heardAt time.Time        // of what was cleared; only run uses it, like noted
	noted   []store.PaceNote // last
}

// rooms is how many batches of a queue wait for a turn in memory. All others
// wait in the store.
var rooms = map[string]int{"newsletter": 12, "alert": 4}

func newPace(w *Worker) *pace {
	p := &pace{w: w, groups: newGroups(w.Limits), limits: map[string]Limit{}, tallies: map[string]*tally{}, tokens: newTokens(w.Redis), cuts: newAdapter(w.Redis),
		days: &days{s: w.Store, now: w.Now}, rooms: map[string]chan struct{}{}, nudge: make(chan struct{}, 1), heardAt: w.Now()}
	for _, one := range w.Limits {
		p.limits[one.Group] = one
	}
	p.leases = newLeases(w.Redis, w.id, p.tokens)
	if w.ByMX {
		p.groups.servers = newServers(p.groups, w.FindMX, w.Now)
	}
	p.fixed = w.Rate > 0 || len(p.limits) > 0
	p.bound()
	for _, group := range p.groups.names() {
		p.tallies[group] = p.cuts.of(groupOf + group)
	}
	for _, r := range w.relays.all {
		r.tally = p.cuts.of(relayOf + r.Name)
		p.fixed = p.fixed || r.Rate > 0 || len(r.WarmUp) > 0
	}
	for queue, n := range rooms {
		p.rooms[queue] = make(chan struct{}, n)
	}
	return p
}

// bound tells the leases of which conversations there are few.
func (p *pace) bound() {
	for group, one := range p.limits {
		if one.Connections > 0 {
			p.leases.most[groupOf+group] = one.Connections
		}
	}
	for _, r := range p.w.relays.all {
		if r.bounded(newsletters) {
			p.leases.most[relayOf+r.Name] = r.Connections
		}
	}
}

// free tells that nothing limits a campaign now.
func (p *pace) free(c *content) bool { return !p.fixed && c.Rate == 0 && !p.cuts.any.Load() }

const (
	forAll   = "all"
	groupOf  = "group:"
	relayOf  = "relay:"
	inOrder  = "campaign:"
	alertsBy = "alert:" // before any of them: the same limit, among alerts alone
)

// ceiling is the rate that the configuration sets for a name; 0: none.
func (p *pace) ceiling(name string) float64 {
	switch what, which, _ := strings.Cut(name, ":"); what + ":" {
	case groupOf:
		return p.limits[which].Rate
	case relayOf:
		for _, r := range p.w.relays.all {
			if r.Name == which {
				return r.Rate
			}
		}
	case forAll + ":":
		return p.w.Rate
	}
	return 0
}

// bucket is the limit of a name as it is now; none tells that there is none.
func (p *pace) bucket(name string) (b bucket, none bool) {
	rate, c := p.ceiling(name), p.cuts.cut(name)
	if c.active() {
		if rate == 0 {
			rate = c.base
		}
		rate *= c.share
	}
	return bucket{name, rate}, rate == 0
}

// ask is what n messages of a campaign to a group need, by a relay. Alerts go
// first: among themselves they keep to the same limits, and what they use the
// newsletters lack.
func (p *pace) ask(c *content, queue, group string, r *relay, n int) ask {
	a := ask{n: n}
	for _, name := range []string{forAll, relayOf + r.Name, named(group)} {
		b, none := p.bucket(name)
		switch {
		case none:
		case queue == "alert":
			a.owes = append(a.owes, b)
			b.name = alertsBy + b.name
			a.needs = append(a.needs, b)
		default:
			a.needs = append(a.needs, b)
		}
	}
	if c.Rate > 0 {
		a.needs = append(a.needs, bucket{inOrder + fmt.Sprint(c.ID), c.Rate})
	}
	return a
}

// heard counts an answer for its relay and its group, or its domain.
func (p *pace) heard(r *relay, email string, said mailer.Result) {
	if said.Code == 0 || r == nil {
		return
	}
	slow, byRelay := slows(said)
	r.tally.count(slow && byRelay, said)
	group := p.groups.of(email)
	if !byRelay {
		p.tallies[group].count(slow, said)
	}
	if group == Other && (!byRelay || slowsDomain(said)) {
		p.heardDomain(email, slow, said)
	}
}

// run tends the pace until ctx ends: releases what waits in the store, gives way
// to deferrals, and tells how things stand.
func (p *pace) run(ctx context.Context) {
	if p.groups.servers != nil {
		go p.groups.servers.run(ctx)
	}
	if len(p.leases.most) > 0 {
		var renewing sync.WaitGroup
		defer renewing.Wait()
		renewing.Go(func() { p.leases.run(ctx, p.offer) })
	}
	tick := time.NewTicker(releaseTime)
	defer tick.Stop()
	last := time.Now()
	p.tend(ctx, time.Second)
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.nudge:
		case <-tick.C:
		}
		if elapsed := time.Since(last); elapsed >= time.Second {
			last = time.Now()
			p.tend(ctx, elapsed)
		}
		if err := p.release(ctx); err != nil && ctx.Err() == nil {
			p.w.Log.Error("pace_failed", "step", "release", "error", err)
		}
	}
}

// releaseTime is how often it is looked whether something that waits may go.
const releaseTime = 250 * time.Millisecond

// release lets as many batches out of the store as a limit keeps busy.
func (p *pace) release(ctx context.Context) error {
	names, err := p.w.Store.ParkedLimits(ctx)
	if err != nil || len(names) == 0 && p.lines.Load() == nil {
		return err
	}
	lines, err := p.w.Store.Released(ctx)
	if err != nil {
		return err
	}
	lanes, err := p.w.Store.Capacity(ctx, "worker")
	if err != nil {
		return err
	}
	for _, name := range names {
		if isDomain(name) || p.quiet.now(name, p.w.Now()) {
			continue // what waits for a domain comes by itself
		}
		campaigns, err := p.w.Store.Release(ctx, name, p.busy(name, lanes))
		if err != nil {
			return err
		}
		lines[name] = append(lines[name], campaigns...)
	}
	if p.lines.Store(&lines); len(lines) == 0 {
		p.lines.Store(nil)
	}
	return nil
}

// line names the limit for which messages of another campaign wait already. A batch
// that comes from the fan-out then takes no turn before them: of those that wait
// each campaign is let out in turn.
func (p *pace) line(b batch, r *relay, group string) (limit string) {
	lines := p.lines.Load()
	if lines == nil || b.j.Pace != "" {
		return ""
	}
	for _, name := range []string{forAll, relayOf + r.Name, named(group)} {
		if b.j.Queue == "alert" {
			name = alertsBy + name
		}
		if slices.ContainsFunc((*lines)[name], func(campaign int64) bool { return campaign != b.c.ID }) {
			return name
		}
	}
	return ""
}

// busy is how many batches at once use up a limit.
func (p *pace) busy(name string, lanes int) int {
	name = strings.TrimPrefix(name, alertsBy)
	b, none := p.bucket(name)
	most := lanes
	if group, ok := strings.CutPrefix(name, groupOf); ok && p.limits[group].Connections > 0 {
		most = min(most, p.limits[group].Connections)
	}
	if none {
		return most
	}
	return min(most, max(2, int(b.rate/20)))
}
