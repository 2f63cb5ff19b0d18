package main

import (
	"testing"
	"time"

	"heed/mailer/mailertest"
)

// TestBenchPeople measures what grows with the people stored: the time from start
// to the first message, memory, and how long an alert takes while they all wait for
// the news. The first messages show it.
func TestBenchPeople(t *testing.T) {
	n := fromEnv("HEED_BENCH_PEOPLE", benchPeople)
	report(t, multitude(t, "sqlite", n, min(n, 2*messages()), "a million"))
}

// TestBenchLargeMillion sends to all of a million, on both engines.
func TestBenchLargeMillion(t *testing.T) {
	benchEngines(t, func(t *testing.T, engine string) {
		n := fromEnv("HEED_BENCH_PEOPLE", benchPeople)
		report(t, multitude(t, engine, n, n, "a million"))
	})
}

// TestBenchLargeTenMillion sends the first 200,000 messages to ten million.
func TestBenchLargeTenMillion(t *testing.T) {
	n := fromEnv("HEED_BENCH_PEOPLE", 10*benchPeople)
	report(t, multitude(t, "sqlite", n, min(n, 200_000), "ten million"))
}

// multitude sends a campaign to n people, up to so many messages, and cancels what is left.
// Meanwhile a program sends alerts.
func multitude(t *testing.T, engine string, n, upTo int, people string) []figure {
	t.Helper()
	alerts := fromEnv("HEED_BENCH_ALERTS", benchAlerts)
	b := openBench(t, benchPlan{engine: engine, people: n + alerts, holders: alerts, config: benchAPI})
	came := &arrivals{at: map[string]chan time.Time{}}
	b.receive(t, mailertest.Options{OnMessage: came.note})
	b.serve(t, 10)
	defer b.stop(t)
	p := b.program(t)
	began := time.Now()
	id := b.draft(t)
	drafted := time.Since(began)
	began = time.Now()
	b.run(t, "campaign", "start", id)
	returned := time.Since(began)
	b.arrives(t, 0, 1)
	first := b.sink.Records()[0].EndAt.Sub(began)
	took := b.alertsMeanwhile(t, p, came, n)
	b.arrives(t, alerts, upTo)
	rate := float64(upTo+alerts-1) / (time.Since(began) - first).Seconds()
	on := b.engine + ", 10 connections, " + people + " people, "
	figures := []figure{
		measured(t, on+"start called to the first message", first.Seconds()),
		measured(t, on+"start called to its return", returned.Seconds()),
		measured(t, on+"a draft stored", drafted.Seconds()),
		measured(t, on+"alert by the API, POST to taken by the relay, p50", percentile(took, 50)),
		measured(t, on+"alert by the API, POST to taken by the relay, p99", percentile(took, 99)),
		measured(t, on+"rate", rate),
		measured(t, on+"peak memory", peakMemory(t, b.child.cmd.Process.Pid)),
	}
	if upTo == n {
		b.run(t, "campaign", "wait", id, "--timeout", "60s")
	} else {
		b.run(t, "campaign", "cancel", id)
	}
	return figures
}

// alertsMeanwhile sends an alert to each holder while the others wait for the news.
func (b *benched) alertsMeanwhile(t *testing.T, p benchProgram, came *arrivals, others int) (took []float64) {
	t.Helper()
	for i := range b.holders {
		took = append(took, p.alert(t, b, came, i).Seconds()*1000)
	}
	if b.sink.Count() >= others {
		t.Fatal("the campaign is too short for alerts")
	}
	return took
}
