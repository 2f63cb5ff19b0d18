package main

import (
	"testing"
	"time"

	"heed/mailer/mailertest"
)

// TestBenchPeople measures what grows with the people stored: the time from start
// to the first message, and memory. The first messages show both.
func TestBenchPeople(t *testing.T) {
	n := fromEnv("HEED_BENCH_PEOPLE", benchPeople)
	b := openBench(t, benchPlan{engine: "sqlite", people: n})
	report(t, b.crowd(t, min(n, 2*messages()), "a million"))
}

// TestBenchLargeMillion sends to all of a million, on both engines.
func TestBenchLargeMillion(t *testing.T) {
	benchEngines(t, func(t *testing.T, engine string) {
		n := fromEnv("HEED_BENCH_PEOPLE", benchPeople)
		report(t, openBench(t, benchPlan{engine: engine, people: n}).crowd(t, n, "a million"))
	})
}

// TestBenchLargeTenMillion sends the first 200,000 messages to ten million.
func TestBenchLargeTenMillion(t *testing.T) {
	n := fromEnv("HEED_BENCH_PEOPLE", 10*benchPeople)
	b := openBench(t, benchPlan{engine: "sqlite", people: n})
	report(t, b.crowd(t, min(n, 200_000), "ten million"))
}

// crowd sends a campaign to all, up to so many messages, and cancels the rest.
func (b *benched) crowd(t *testing.T, upTo int, people string) []figure {
	t.Helper()
	b.receive(t, mailertest.Options{})
	b.serve(t, 10)
	defer b.stop(t)
	began := time.Now()
	id := b.draft(t)
	drafted := time.Since(began)
	began = time.Now()
	b.run(t, "campaign", "start", id)
	returned := time.Since(began)
	b.arrives(t, 0, 1)
	first := b.sink.Records()[0].EndAt.Sub(began)
	b.arrives(t, 0, upTo)
	rate := float64(upTo-1) / (time.Since(began) - first).Seconds()
	on := b.engine + ", 10 connections, " + people + " people, "
	figures := []figure{
		measured(t, on+"start called to the first message", first.Seconds()),
		measured(t, on+"start called to its return", returned.Seconds()),
		measured(t, on+"a draft stored", drafted.Seconds()),
		measured(t, on+"rate", rate),
		measured(t, on+"peak memory", peakMemory(t, b.child.cmd.Process.Pid)),
	}
	b.run(t, "campaign", "cancel", id)
	return figures
}
