package worker

import (
	"context"
	"sync"
	"time"

	"heed/store"
)

// days keeps what warm-up plans allow. It takes some of a day's messages out of
// the store at a time, and gives back what it did not use. Nobody waits for the lock
// while the store is asked.
type days struct {
	s   *store.Store
	now func() time.Time

	mu   sync.Mutex
	held map[string]*held
}

// held is what this worker has taken of a day.
type held struct {
	n       int
	taken   time.Time
	whole   bool          // the plan is over: no limit
	nothing time.Time     // is left; it is not asked again before
	used    time.Time     // last
	asking  chan struct{} // closed when an answer of the store is there; nil: it is not asked
}

// some is how much is taken at a time at most beyond what is needed.
const some = 100

// take gives how many of n messages today allows for a name. Alerts get all
// that they need, and count.
func (d *days) take(ctx context.Context, name string, plan []int, n int, alert bool) (int, error) {
	for {
		h, asking, got := d.own(name, n, alert)
		switch {
		case h == nil:
			return got, nil
		case asking == nil:
			return d.fetch(ctx, h, name, plan, n, alert)
		}
		select { // another batch asks already: what comes may do for both
		case <-asking:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// own takes n from what is held, where that tells what there is. Otherwise h is to be
// filled first: by the caller, or by who is asking for it.
func (d *days) own(name string, n int, alert bool) (h *held, asking chan struct{}, got int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch h = d.of(name); {
	case h.whole:
		return nil, nil, n
	case !alert && d.now().Before(h.nothing):
		return nil, nil, 0
	case h.n >= n:
		h.n -= n
		h.used = d.now()
		return nil, nil, n
	case alert:
		return h, nil, 0 // waits for no newsletter's
	case h.asking == nil:
		h.asking = make(chan struct{})
		return h, nil, 0
	}
	return h, h.asking, 0
}

// fetch asks the store for what is wanting, and takes n.
func (d *days) fetch(ctx context.Context, h *held, name string, plan []int, n int, alert bool) (int, error) {
	d.mu.Lock()
	ask := n - h.n
	d.mu.Unlock()
	if !alert {
		ask = max(ask, min(some, plan[0]/20))
	}
	more, whole, err := d.s.TakeDay(ctx, name, plan, ask, alert)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !alert {
		close(h.asking)
		h.asking = nil
	}
	if err != nil {
		return 0, err
	}
	if h.whole = whole; whole {
		return n, nil
	}
	h.n += more
	got := min(n, h.n)
	h.used = d.now()
	if h.n -= got; got == 0 {
		h.nothing = d.now().Add(time.Minute) // another worker may give some back
	}
	return got, nil
}

// of gives what is held today; what was held yesterday is worth nothing.
func (d *days) of(name string) *held {
	if d.held == nil {
		d.held = map[string]*held{}
	}
	h := d.held[name]
	if today := d.now().UTC().Truncate(24 * time.Hour); h == nil || !h.taken.Equal(today) {
		h = &held{taken: today}
		d.held[name] = h
	}
	return h
}

// giveBack returns what a batch took and did not use.
func (d *days) giveBack(name string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.of(name); !h.whole {
		h.n += n
	}
}

// restTime is after how long other workers get what this one does not use.
const restTime = 5 * time.Second

// giveUp returns to the store what has not been used for a while, or at a stop
// everything. Of what the store did not confirm nobody knows whether it is back: it
// stays unused.
func (d *days) giveUp(ctx context.Context, stop bool) error {
	for name, h := range d.unused(stop) {
		if err := d.s.ReturnDay(ctx, name, h.taken, h.n); err != nil {
			return err
		}
	}
	return nil
}

// unused takes away what is to be returned.
func (d *days) unused(stop bool) map[string]held {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string]held{}
	for name, h := range d.held {
		if h.n > 0 && (stop || d.now().Sub(h.used) >= restTime) {
			all[name] = held{taken: h.taken, n: h.n}
			h.n = 0
		}
	}
	return all
}

// tomorrow is when the next day of the plans begins.
func (d *days) tomorrow() time.Time {
	return d.now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
}
