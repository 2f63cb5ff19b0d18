package web

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heed/consent"
	"heed/store"
)

// Metrics are the figures about opt-outs, from whatever way they came, and
// about requests. One process has one of them; no label holds an address.
type Metrics struct {
	optOuts   *prometheus.CounterVec
	effective *prometheus.HistogramVec
	requests  *prometheus.CounterVec
}

// NewMetrics registers heed_optouts_total{via},
// heed_optout_effective_seconds{via} and heed_http_requests_total{route,code}.
// It fails where they are registered already.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		optOuts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "heed_optouts_total",
			Help: "Opt-outs recorded, by the way they came."}, []string{"via"}),
		effective: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "heed_optout_effective_seconds",
			Help:    "Time from an opt-out's arrival until nothing that it stops can leave any more.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 3, 5, 10, 30, 60, 300}}, []string{"via"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "heed_http_requests_total",
			Help: "HTTP requests answered."}, []string{"route", "code"}),
	}
	var errs []error
	for _, one := range []prometheus.Collector{m.optOuts, m.effective, m.requests} {
		errs = append(errs, registry.Register(one))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	return m, nil
}

// OptedOut counts an opt-out and how long it took to be effective, from its
// arrival at our edge to its acknowledgement.
func (m *Metrics) OptedOut(via consent.Via, took time.Duration) {
	m.optOuts.WithLabelValues(string(via)).Inc()
	m.effective.WithLabelValues(string(via)).Observe(took.Seconds())
}

// How long one count may take, and how long it is good for: the figure is made
// by a query over the ledger, and several servers may scrape it.
const (
	countWithin = 2 * time.Second
	countFor    = 10 * time.Second
)

// sentAfter counts broken promises from what is stored, not from what this
// process believes to have done. The figure must stay zero.
type sentAfter struct {
	store *store.Store
	now   func() time.Time
	desc  *prometheus.Desc

	mu    sync.Mutex
	n     int
	err   error
	asked time.Time
}

func newSentAfter(from *store.Store, now func() time.Time) *sentAfter {
	return &sentAfter{store: from, now: now, desc: prometheus.NewDesc("heed_sends_after_optout_total",
		"Messages completed after the acknowledgement of an opt-out that stops them. Must be 0.", nil, nil)}
}

// Describe is part of prometheus.Collector.
func (c *sentAfter) Describe(out chan<- *prometheus.Desc) { out <- c.desc }

// Collect is part of prometheus.Collector. Where the database is away it gives
// no figure rather than an old one.
func (c *sentAfter) Collect(out chan<- prometheus.Metric) {
	n, err := c.count()
	if err != nil {
		out <- prometheus.NewInvalidMetric(c.desc, fmt.Errorf("counting messages sent after an opt-out: %w", err))
		return
	}
	out <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(n))
}

func (c *sentAfter) count() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); c.asked.IsZero() || now.Sub(c.asked) >= countFor {
		ctx, cancel := context.WithTimeout(context.Background(), countWithin)
		defer cancel()
		c.n, c.err = c.store.SentAfterOptOut(ctx)
		c.asked = now
	}
	return c.n, c.err
}
