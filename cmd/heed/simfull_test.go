package main

import (
	"os"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// TestSimulationFull lets machines that run heed serve whole, with asynq, Redis,
// SQLite and SMTP, go through the courses of events of many seeds. HEED_SIM_SEED=n
// shows one of them; HEED_SIM_SEEDS=n is how many are run, from HEED_SIM_FROM on.
func TestSimulationFull(t *testing.T) {
	place := newSimPlace(t)
	if seed, one := simNumber("HEED_SIM_SEED", 0); one {
		simulateFull(t, place, seed, t.Logf).judge(t, seed)
		return
	}
	n, _ := simNumber("HEED_SIM_SEEDS", 10)
	from, _ := simNumber("HEED_SIM_FROM", 0)
	began, messages, passed := time.Now(), 0, time.Duration(0)
	for seed := from; seed < from+n && (!t.Failed() || os.Getenv("HEED_SIM_ALL") != ""); seed++ {
		o := simulateFull(t, place, seed, nil)
		o.judge(t, seed)
		messages, passed = messages+o.messages, passed+o.took
	}
	took := time.Since(began)
	t.Logf("%d seeds, %d messages, %v of their time in %v: %.1f seeds a second", n, messages, passed.Round(time.Minute), took.Round(time.Second), float64(n)/took.Seconds())
}

func simNumber(name string, usual uint64) (n uint64, given bool) {
	n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
	if err != nil {
		return usual, false
	}
	return n, true
}

// simOutcome is what came of a seed.
type simOutcome struct {
	wrong    []string
	messages int
	took     time.Duration
}

func (o simOutcome) judge(t *testing.T, seed uint64) {
	t.Helper()
	for _, one := range o.wrong {
		t.Errorf("seed %d: %s\n\treplay it with: make simulate-full SEED=%d", seed, one, seed)
	}
}

func simulateFull(t *testing.T, place *simPlace, seed uint64, tell func(string, ...any)) simOutcome {
	t.Helper()
	return playSim(t, place, planSim(seed), tell)
}

// playSim plays one course.
func playSim(t *testing.T, place *simPlace, p simPlan, tell func(string, ...any)) (o simOutcome) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that a course comes back nearly as it was
	place.SetBack(t)
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(t, place, p, tell)
		w.run()
		o = simOutcome{wrong: w.wrong, messages: w.count, took: time.Since(w.began)}
	})
	return o
}

// TestSimulationFullInPeace: where nothing goes wrong, everybody is sent everything,
// and nothing of heed is left running.
func TestSimulationFullInPeace(t *testing.T) {
	place := newSimPlace(t)
	for seed := range uint64(3) {
		p := simPlan{seed: seed, machines: 2, apart: true, settings: planSim(seed).settings, chunking: true, pipelining: seed > 0, farRelay: time.Millisecond, farRedis: 20 * time.Millisecond, calm: time.Second}
		for id := range int64(3) {
			p.add("start", 0, 0, 0, id+1)
		}
		o := playSim(t, place, p, t.Logf)
		o.judge(t, seed)
		if o.messages != 3*simCrowd {
			t.Errorf("%d messages, want %d", o.messages, 3*simCrowd)
		}
	}
}

// TestSimulationFullKept plays the seeds that have found something, by what they
// found.
func TestSimulationFullKept(t *testing.T) {
	place := newSimPlace(t)
	for name, seed := range map[string]uint64{
		"Redis hangs while it is told of cuts":             23,
		"the disk is slow while a page looks for a banner": 24,
		"somebody moved while a message was in flight":     1306,
	} {
		t.Run(name, func(t *testing.T) { simulateFull(t, place, seed, nil).judge(t, seed) })
	}
}
