package store_test

import (
	"context"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"heed/store"
)

// TestProcessesTakeTurns: a process that writes without a pause lets another one
// write too, soon.
func TestProcessesTakeTurns(t *testing.T) {
	folder := t.TempDir()
	options := store.Options{URL: "sqlite:" + filepath.Join(folder, "heed.db"), Keys: filepath.Join(folder, "keys")}
	open := func() *store.Store {
		s, err := store.Open(context.Background(), options)
		must(t, err)
		t.Cleanup(func() { s.Close() })
		return s
	}
	busy, other := open(), open()
	var written atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := busy.Register(context.Background(), "busy", "worker", 1); err != nil {
					t.Error(err)
					return
				}
				written.Add(1)
			}
		})
	}
	const n = 50
	waited := int64(0)
	for range n {
		for from := written.Load(); written.Load() < from+3 && ctx.Err() == nil; {
			runtime.Gosched()
		}
		from := written.Load()
		must(t, other.Register(context.Background(), "other", "worker", 1))
		waited += written.Load() - from
	}
	stop()
	all.Wait()
	if waited > 10*n {
		t.Errorf("%d writes of the other process came before each one of ours", waited/n)
	}
}
