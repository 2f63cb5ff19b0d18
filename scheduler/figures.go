package scheduler

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heed/store"
)

// deskFigures tells what waits for people when metrics are asked for.
type deskFigures struct{ s *Scheduler }

var (
	casesOpen    = prometheus.NewDesc("heed_cases_open", "Cases that have not ended, by kind.", []string{"kind"}, nil)
	casesOverdue = prometheus.NewDesc("heed_cases_overdue", "Cases whose day is past.", nil, nil)
	alarmsOpen   = prometheus.NewDesc("heed_alarms_open", "Alarms whose cause is there, by kind.", []string{"kind"}, nil)
	jobsFailing  = prometheus.NewDesc("heed_jobs_failing", "Jobs that fail again and again, by kind.", []string{"kind"}, nil)
	trayMails    = prometheus.NewDesc("heed_tray_mails", "Mails in the tray for other mail.", nil, nil)
)

// Describe implements prometheus.Collector.
func (d *deskFigures) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{casesOpen, casesOverdue, alarmsOpen, jobsFailing, trayMails} {
		out <- desc
	}
}

// Collect implements prometheus.Collector. A kind that has none is told as 0,
// so that an alarm on the figure sees the end too.
func (d *deskFigures) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	f, err := d.s.Store.Figures(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(casesOverdue, fmt.Errorf("counting cases: %w", err))
		return
	}
	gauge := func(desc *prometheus.Desc, n int, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), labels...)
	}
	for _, kind := range store.CaseKinds() {
		gauge(casesOpen, f.Open[kind], kind)
	}
	for _, kind := range store.AlarmKinds() {
		gauge(alarmsOpen, f.Alarms[kind], kind)
	}
	for kind, n := range f.Failing {
		gauge(jobsFailing, n, kind)
	}
	gauge(casesOverdue, f.Overdue)
	gauge(trayMails, f.Tray)
}
