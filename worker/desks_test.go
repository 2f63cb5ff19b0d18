package worker_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"heed/mailer/mailertest"
	"heed/store"
	"heed/store/storetest"
	"heed/worker"
)

// TestAConnectionWaitsForItsResult: the result of a message that the server took
// cannot be recorded for a while. The lane of another desk, which could claim
// meanwhile, takes a connection of its own: were it the same one, a kill -9 would
// leave two messages of one connection of which nobody knows.
func TestAConnectionWaitsForItsResult(t *testing.T) {
	ctx := context.Background()
	url := storetest.QuickPostgres(t)
	hold, end := storetest.Lock(t, url)
	defer end() // before the worker is stopped, also where the test fails
	var once sync.Once
	b := newBench(t, mailertest.Options{AtEnd: func(mailertest.Record) (usual mailertest.Action) {
		once.Do(func() {
			if err := hold(`SELECT 1 FROM delivery FOR UPDATE`); err != nil {
				t.Error(err)
			}
		})
		return usual
	}})
	var err error
	if b.store, err = store.Open(ctx, store.Options{URL: url, Keys: filepath.Join(t.TempDir(), "keys")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.store.Close() })
	if err := b.store.SyncTopics(ctx, []store.Named{{ID: "product", Name: "Product news"}}, nil); err != nil {
		t.Fatal(err)
	}
	first := b.campaign(1)
	b.start(func(o *worker.Options) { o.Connections = 40 })
	b.holds("the first message", func() bool { return b.sink.Count() == 1 })
	second := b.campaign(2)
	b.holds("the messages of another lane", func() bool { return b.sink.Count() == 3 })
	for _, r := range b.sink.Records()[1:] {
		if r.Session == 1 {
			t.Errorf("the message to %s went over a connection whose last result is not recorded", r.To)
		}
	}
	if a, err := b.store.Account(ctx, first); err != nil || a.Accepted != 0 {
		t.Errorf("the first result did not wait: %+v, %v", a, err)
	}
	end()
	for _, id := range []int64{first, second} {
		b.until(id, func(a store.Account) bool { return a.Accepted > 0 && a.InFlight == 0 && a.Waiting == 0 })
	}
}
