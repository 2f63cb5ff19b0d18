package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heed/consent"
	"heed/store"
)

// figures counts what became of messages.
type figures struct {
	deliveries *prometheus.CounterVec
	duration   prometheus.Histogram
	feedAge    prometheus.Histogram
}

func newFigures(registry prometheus.Registerer) *figures {
	f := &figures{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "heed_deliveries_total",
			Help: "Messages by class, outcome and reason."}, []string{"class", "outcome", "reason"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "heed_smtp_duration_seconds",
			Help: "Time from the first command of a message to the relay's answer.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16)}),
		feedAge: newFeedAge(),
	}
	if registry != nil {
		registry.MustRegister(f.deliveries, f.duration, f.feedAge)
	}
	return f
}

func (f *figures) sent(class consent.Class, outcome store.Outcome, took time.Duration) {
	f.deliveries.WithLabelValues(string(class), string(outcome), "").Inc()
	f.duration.Observe(took.Seconds())
}

func (f *figures) skipped(class consent.Class, reason consent.Reason) {
	f.deliveries.WithLabelValues(string(class), "skipped", string(reason)).Inc()
}
