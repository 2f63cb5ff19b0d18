package worker

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heed/store"
)

// tend does what is due every second: it gives way to deferrals, hears what was
// cleared, keeps what is lent, and tells how things stand where that changed.
func (p *pace) tend(ctx context.Context, elapsed time.Duration) {
	if all, err := p.w.Store.Living(ctx, "worker"); err == nil { // without SQL nothing is sent either
		p.tokens.setWorkers(len(all))
		p.leases.stand(slices.Index(all, p.w.id))
	}
	for _, name := range p.cuts.look(ctx, p.ceiling, p.tokens.living(), elapsed, p.w.Now()) {
		if share := p.cuts.cut(name).share; !isDomain(name) {
			p.w.Log.Info("pace_changed", "limit", name, "share", share)
		} else if share == 1 {
			p.whole(ctx, name)
		}
	}
	p.shareRelays(ctx)
	err := p.days.giveUp(ctx, false)
	if err == nil {
		err = p.hearClears(ctx)
	}
	if err == nil {
		err = p.note(ctx)
	}
	if err == nil {
		err = p.w.crowd.look(ctx, p.w.Store)
	}
	if err != nil && ctx.Err() == nil {
		p.w.Log.Error("pace_failed", "step", "tend", "error", err)
	}
}

// whole lets out all that waits for a domain which takes mail as before.
func (p *pace) whole(ctx context.Context, name string) {
	p.slots.free(name)
	if _, err := p.w.Store.Release(ctx, name, 1<<30); err != nil && ctx.Err() == nil {
		p.w.Log.Error("pace_failed", "step", "release", "error", err)
	}
}

// hearClears forgets the cuts that somebody asked to be forgotten.
func (p *pace) hearClears(ctx context.Context) error {
	now := p.w.Now()
	names, err := p.w.Store.Cleared(ctx, p.heardAt)
	if err != nil {
		return err
	}
	p.heardAt = now
	for _, name := range names {
		p.cuts.forget(ctx, name, now)
		p.quiet.until(name, now)
		if isDomain(name) {
			p.whole(ctx, name)
		}
		for _, r := range p.w.relays.all {
			if relayOf+r.Name == name {
				r.breaker.worked(now)
			}
		}
	}
	return nil
}

// note writes into the store how things stand, where it is news.
func (p *pace) note(ctx context.Context) error {
	notes := p.notes()
	if slices.Equal(notes, p.noted) {
		return nil
	}
	if err := p.w.Store.NotePace(ctx, p.w.id, notes); err != nil {
		return err
	}
	p.noted = notes
	return nil
}

// notes tells of every relay, and of every other limit that there is.
func (p *pace) notes() (all []store.PaceNote) {
	for _, r := range p.w.relays.all {
		one := p.noteOf(relayOf + r.Name)
		one.State = r.breaker.state(p.w.Now())
		if r.bounded(newsletters) {
			one.Open, one.Most = r.seatsHeld(), r.Connections
		}
		all = append(all, one)
	}
	for _, name := range p.names() {
		if one := p.noteOf(name); one.Rate > 0 || len(p.limits[strings.TrimPrefix(name, groupOf)].WarmUp) > 0 {
			all = append(all, one)
		}
	}
	return all
}

// names lists what may be limited beside relays and campaigns; of single domains
// those that are cut most.
func (p *pace) names() []string {
	domains, _ := p.cuts.cutDomains(toldDomains)
	names := append([]string{forAll}, domains...)
	for _, group := range p.groups.names() {
		names = append(names, groupOf+group)
	}
	return names
}

func (p *pace) noteOf(name string) store.PaceNote {
	b, _ := p.bucket(name)
	return store.PaceNote{Name: name, Rate: b.rate, Ceiling: p.ceiling(name), Cut: p.cuts.cut(name).share}
}

// paceFigures tells of limits and relays when metrics are asked for. Groups are
// named, and of domains only those that the configuration names.
type paceFigures struct{ p *pace }

var (
	paceRate    = prometheus.NewDesc("heed_pace_rate", "Messages a second that a limit allows now, over all workers; 0: no limit.", []string{"limit"}, nil)
	paceShare   = prometheus.NewDesc("heed_pace_share", "Share of its full rate that deferrals have left a limit.", []string{"limit"}, nil)
	paceDomains = prometheus.NewDesc("heed_pace_domains_cut", "Single domains that deferrals have cut.", nil, nil)
	paceAnswers = prometheus.NewDesc("heed_answers_total", "Answers of relays by group of the recipient, or for the relay as a whole.", []string{"limit", "answer"}, nil)
	relaySeats  = prometheus.NewDesc("heed_relay_connections", "Connections for newsletters that this worker has the right to, of a relay that bounds them over all workers.", []string{"relay"}, nil)
	relayState  = prometheus.NewDesc("heed_relay_spared", "Whether a relay is spared because it fails: 0 in use, 0.5 being tried, 1 spared.", []string{"relay"}, nil)
)

// Describe implements prometheus.Collector.
func (f *paceFigures) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{paceRate, paceShare, paceDomains, paceAnswers, relaySeats, relayState} {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (f *paceFigures) Collect(out chan<- prometheus.Metric) {
	states := map[string]float64{Closed: 0, HalfOpen: 0.5, Open: 1}
	_, domains := f.p.cuts.cutDomains(0)
	out <- prometheus.MustNewConstMetric(paceDomains, prometheus.GaugeValue, float64(domains))
	for _, n := range f.p.notes() {
		if isDomain(n.Name) {
			continue // no figure names a domain that the operator did not
		}
		out <- prometheus.MustNewConstMetric(paceRate, prometheus.GaugeValue, n.Rate, n.Name)
		out <- prometheus.MustNewConstMetric(paceShare, prometheus.GaugeValue, n.Cut, n.Name)
		if relay, ok := strings.CutPrefix(n.Name, relayOf); ok {
			out <- prometheus.MustNewConstMetric(relayState, prometheus.GaugeValue, states[n.State], relay)
			if n.Most > 0 {
				out <- prometheus.MustNewConstMetric(relaySeats, prometheus.GaugeValue, float64(n.Open), relay)
			}
		}
	}
	for name, totals := range f.p.cuts.totals() {
		for i, n := range totals {
			out <- prometheus.MustNewConstMetric(paceAnswers, prometheus.CounterValue, float64(n), name, answerNames[i])
		}
	}
}

// totals are the answers since the start.
func (a *adapter) totals() map[string][3]int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[string][3]int64{}
	for name, t := range a.tallies {
		if isDomain(name) {
			continue
		}
		var three [3]int64
		for i := range three {
			three[i] = t.total[i].Load()
		}
		all[name] = three
	}
	return all
}
