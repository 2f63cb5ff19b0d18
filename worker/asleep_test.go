package worker_test

import (
	"sync/atomic"
	"testing"
	"time"

	"heed/mailer"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/worker"
)

// TestAWorkerThatSleptAnHourSendsNothingLate: by the clock of one of two workers an
// hour passes between each claim and the end of its message. It completes none of
// them, gives all back, and the other sends to everybody.
func TestAWorkerThatSleptAnHourSendsNothingLate(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	id := b.campaign(250)
	other, err := mailertest.Start(mailertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	asleep := b.start(func(o *worker.Options) {
		if o.Relay, err = mailer.ParseRelay(other.URL()); err != nil {
			t.Fatal(err)
		}
		var hours atomic.Int64
		o.Relay.Clock = func() time.Duration { return time.Duration(hours.Add(1)) * time.Hour }
	})
	for deadline := time.Now().Add(20 * time.Second); other.Seen("RSET") == 0; time.Sleep(5 * time.Millisecond) {
		if b.carry(t.Context()); time.Now().After(deadline) {
			t.Fatal("the worker that sleeps never tried")
		}
	}
	awake := b.start(nil)
	b.until(id, func(a store.Account) bool { return a.Accepted == 250 && a.InFlight == 0 })
	asleep()
	awake()
	if other.Count() != 0 || b.sink.Count() != 250 {
		t.Errorf("the one that slept completed %d messages, the other %d", other.Count(), b.sink.Count())
	}
}
