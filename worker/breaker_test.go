package worker

import (
	"testing"
	"time"

	"heed/mailer"
)

// TestBreaker walks it through its states by a clock.
func TestBreaker(t *testing.T) {
	var b breaker
	now := time.Unix(1e9, 0)
	want := func(state string, ready bool) {
		t.Helper()
		if got := b.state(now); got != state || b.ready(now) != ready {
			t.Errorf("it is %s, ready %v; want %s, %v", got, b.ready(now), state, ready)
		}
	}
	b.failed(now)
	b.failed(now)
	want(Closed, true)
	b.worked(now)
	b.failed(now)
	if b.failed(now) || !b.failed(now) {
		t.Error("the third failure in a row opens it, and no other")
	}
	want(Open, false)
	now = now.Add(OpenFor)
	want(Open, true)
	b.begin(now)
	want(HalfOpen, false)
	b.left() // the one who tried found nobody to write to
	want(Open, true)
	b.begin(now)
	b.failed(now)
	want(Open, false)
	now = now.Add(OpenFor)
	b.begin(now)
	now = now.Add(probeTime + time.Second) // whoever tried is lost
	want(HalfOpen, true)
	if !b.worked(now) || b.worked(now) {
		t.Error("the first answer closes it, once")
	}
	want(Closed, true)
}

// TestTrouble: what one recipient or one message is refused for is an answer.
func TestTrouble(t *testing.T) {
	for _, one := range []struct {
		r                mailer.Result
		failed, answered bool
	}{
		{mailer.Result{Outcome: mailer.Accepted, Code: 250}, false, true},
		{mailer.Result{Outcome: mailer.Rejected, Code: 550}, false, true},
		{mailer.Result{Outcome: mailer.Deferred, Code: 451}, false, true},
		{mailer.Result{Outcome: mailer.Deferred, Code: 421}, true, false},
		{mailer.Result{Outcome: mailer.Deferred}, true, false},
		{mailer.Result{Outcome: mailer.Uncertain}, true, false},
		{mailer.Result{Outcome: mailer.Skipped}, false, false},
		{mailer.Result{Outcome: mailer.GivenBack}, false, false},
		{mailer.Result{Outcome: mailer.Rejected}, false, false}, // could never be sent as it is
	} {
		if failed, answered := trouble(one.r); failed != one.failed || answered != one.answered {
			t.Errorf("%+v: failed %v, answered %v", one.r, failed, answered)
		}
	}
}
