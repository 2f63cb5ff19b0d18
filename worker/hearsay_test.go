package worker_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"heed/mailer/mailertest"
	"heed/worker"
)

// heardLog keeps what a worker logs.
type heardLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heardLog) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

// tells counts the lines of an event.
func (h *heardLog) tells(event string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Count(h.text.String(), "msg="+event)
}

// TestAWorkerThatBeginsSparesWhatOthersFoundAway: one worker has found that the relay
// is away. Another one that begins does not try it with all its lanes.
func TestAWorkerThatBeginsSparesWhatOthersFoundAway(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	b.campaign(2000)
	b.sink.Stop()
	logs := func(h *heardLog) func(*worker.Options) {
		return func(o *worker.Options) { o.Log = slog.New(slog.NewTextHandler(h, nil)) }
	}
	var first, second heardLog
	defer b.start(logs(&first))()
	b.holds("the first to spare the relay", func() bool { return first.tells("relay_spared") == 1 })
	b.holds("the first to tell others", func() bool { return len(b.redis.Keys(t.Context(), "heed:{pace}:spared:*").Val()) == 1 })
	defer b.start(logs(&second))()
	b.holds("the second to spare it", func() bool { return second.tells("relay_spared") == 1 })
	if n := second.tells("relay_unreachable"); n > 0 {
		t.Errorf("the second worker tried %d times before", n)
	}
}
