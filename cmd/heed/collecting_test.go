package main

import (
	"runtime/debug"
	"testing"
)

// TestCollecting: a process that serves collects less often, unless its operator said
// how often.
func TestCollecting(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(77))
	for env, want := range map[string]int{"50": 77, "": 200} {
		t.Setenv("GOGC", env)
		debug.SetGCPercent(77)
		lessCollecting()
		if got := debug.SetGCPercent(77); got != want {
			t.Errorf("with GOGC=%q: %d, want %d", env, got, want)
		}
	}
}
