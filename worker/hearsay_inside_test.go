package worker

import (
	"testing"
	"time"
)

// TestBreakerHearsay: the word of another worker opens it, but not where the relay
// answered this one a moment ago; one try finds out.
func TestBreakerHearsay(t *testing.T) {
	var b breaker
	now := time.Now()
	b.worked(now)
	if b.told(now.Add(hearsay-time.Second)) || b.state(now) != Closed {
		t.Error("a relay that answers is spared because another worker's line is broken")
	}
	now = now.Add(hearsay)
	if !b.told(now) || b.told(now) || b.state(now) != Open || b.ready(now) {
		t.Errorf("told that the relay is away it is %s", b.state(now))
	}
	now = now.Add(OpenFor)
	if !b.ready(now) {
		t.Error("it is not tried after a while")
	}
	b.begin(now)
	if !b.worked(now) || b.state(now) != Closed {
		t.Error("an answer does not close it")
	}
}
