package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"heed/mailer/mailertest"
	"heed/store"
)

const benchKills = 10

// TestBenchKills kills heed at random moments of a campaign at full speed, and
// starts it again at once. At the end everybody has one message, or is listed as
// one of whom nobody knows.
func TestBenchKills(t *testing.T) {
	benchEngines(t, func(t *testing.T, engine string) {
		const connections = 10
		b := openBench(t, benchPlan{engine: engine, people: messages()})
		b.receive(t, mailertest.Options{})
		b.serve(t, connections)
		id, kills := b.draft(t), fromEnv("HEED_BENCH_KILLS", benchKills)
		b.run(t, "campaign", "start", id)
		var away []float64
		most, known := 0, 0
		for i := range kills {
			b.arrives(t, 0, i*b.people/(kills+1)+1+rand.IntN(b.people/(kills+1)/2))
			away = append(away, b.killed(t, connections))
			v, err := b.status(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			most, known = max(most, v.Uncertain-known), v.Uncertain
		}
		b.run(t, "campaign", "wait", id, "--timeout", "5m")
		lost, doubled := b.reckon(t, id)
		name := engine + ", 10 connections, kill -9"
		report(t, []figure{
			measured(t, name+", lost", float64(lost)),
			measured(t, name+", sent twice", float64(doubled)),
			measured(t, name+", uncertain, most of one kill", float64(most)),
			measured(t, name+", restart to the first message, p50", percentile(away, 50)),
			measured(t, name+", restart to the first message, max", percentile(away, 100)),
		})
	})
}

// killed kills heed and gives the seconds from the start of the next one to its
// first message.
func (b *benched) killed(t *testing.T, connections int) float64 {
	t.Helper()
	b.child.kill()
	before, began := b.sink.Count(), time.Now()
	b.serve(t, connections)
	b.arrives(t, before, 1)
	return time.Since(began).Seconds()
}

// reckon holds the record of the sink against what heed says of each person.
func (b *benched) reckon(t *testing.T, id string) (lost, doubled int) {
	t.Helper()
	got := map[string]int{}
	for _, r := range b.sink.Records() {
		got[r.To]++
	}
	said, err := askAll[store.ResultLine](t.Context(), b.heed, "campaign", "results", id)
	if err != nil {
		t.Fatal(err)
	}
	if len(said) != b.people {
		t.Errorf("%d results of %d people", len(said), b.people)
	}
	for _, one := range said {
		n := got[one.Email]
		if n == 0 && one.Outcome != "uncertain" {
			lost++
		}
		doubled += max(0, n-1)
	}
	return lost, doubled
}
