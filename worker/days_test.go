package worker

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"heed/store"
	"heed/store/storetest"
)

// TestWarmUpsGoOnWhileTheStoreIsAsked: a batch that has to ask the store keeps no other
// one waiting that need not; two that ask for the same ask once.
func TestWarmUpsGoOnWhileTheStoreIsAsked(t *testing.T) {
	var slow atomic.Bool
	asked, answer := make(chan struct{}, 10), make(chan struct{})
	s := storetest.OpenWith(t, func(o *store.Options) {
		o.Now = func() time.Time {
			if slow.Load() {
				asked <- struct{}{}
				<-answer
			}
			return time.Now()
		}
	})
	ctx, plan := context.Background(), []int{1000}
	d := &days{s: s, now: time.Now}
	got := make(chan int, 3)
	take := func(name string, n int) {
		n, err := d.take(ctx, name, plan, n, false)
		if err != nil {
			t.Error(err)
		}
		got <- n
	}
	gets := func(want int) {
		t.Helper()
		select {
		case n := <-got:
			if n != want {
				t.Errorf("%d may go, want %d", n, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("it waits for a store that is slow")
		}
	}
	go take("relay:one", 10) // and 40 are kept
	gets(10)
	slow.Store(true)
	go take("relay:two", 30)
	<-asked
	go take("relay:two", 20)
	go func() {
		d.giveBack("relay:two", 0)
		take("relay:one", 5)
	}()
	gets(5)
	slow.Store(false)
	close(answer)
	if sum := <-got + <-got; sum != 50 {
		t.Errorf("%d of 50 may go", sum)
	}
	ups, err := s.WarmUps(ctx)
	if err != nil || len(ups) != 2 || ups[0].Used != 50 || ups[1].Used != 50 || len(asked) > 0 {
		t.Errorf("the store gave %+v, %v, and was asked %d times more", ups, err, len(asked))
	}
}
