package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"heed/store/storetest"
)

// TestChaosRounds plays rounds of chaos: HEED_CHAOS_ROUNDS of them, or the one
// of HEED_CHAOS_SEED. HEED_CHAOS_JSON names the file that keeps the count.
func TestChaosRounds(t *testing.T) {
	storetest.Long(t)
	storetest.Need(t, "redis-server", "postgres", "postfix")
	yard := &chaosYard{postgres: storetest.OwnPostgres(t, storetest.PostgresOptions{}), redis: storetest.OwnRedis(t)}
	if text := os.Getenv("HEED_CHAOS_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("HEED_CHAOS_SEED is %q, but must be the number that a failed round printed", text)
		}
		playRound(t, yard, &chaosCount{Stages: map[string]int{}, Faults: map[string]int{}, LeftOut: map[string]int{}}, seed)
		return
	}
	count, err := openCount(os.Getenv("HEED_CHAOS_JSON"), chaosRounds(t))
	if err != nil {
		t.Fatal(err)
	}
	for count.Run < count.Goal {
		run := count.Run
		if playRound(t, yard, count, count.Next); count.Run == run {
			t.Fatal("a round could not be played to its end; it is not counted")
		}
	}
	t.Logf("%d rounds in all, %d since the last violation", count.Rounds, count.Clean)
	if page := os.Getenv("HEED_CHAOS_PAGE"); page != "" {
		if err := count.tell(page); err != nil {
			t.Error(err)
		}
	}
}

// chaosRounds is how many rounds a run plays.
func chaosRounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("HEED_CHAOS_ROUNDS")
	if text == "" {
		return 3
	}
	rounds, err := strconv.Atoi(text)
	if err != nil || rounds < 1 {
		t.Fatalf("HEED_CHAOS_ROUNDS is %q, but must be a number of rounds", text)
	}
	return rounds
}

func playRound(t *testing.T, yard *chaosYard, count *chaosCount, seed uint64) {
	t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
		plan := planRound(seed)
		t.Log(plan)
		began := time.Now()
		r := newRound(t, yard, plan)
		if r.short != "" {
			t.Log("left out: " + r.short)
		}
		r.play(t)
		p, broken := r.judge(t)
		took := time.Since(began).Seconds()
		if err := count.add(r, p, took, broken); err != nil {
			t.Fatal(err)
		}
		if len(broken) > 0 {
			t.Errorf("%s\nbroke:\n  %s", r.plan, strings.Join(broken, "\n  "))
		}
		t.Logf("%.1f s, %d messages, %d opt-outs of which %d declared a message in flight, %d uncertain (at most %d)",
			took, p.Messages, p.OptOuts, p.InFlight, p.Uncertain, p.Allowed)
	})
}
