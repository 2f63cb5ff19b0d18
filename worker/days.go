package worker

import (
	"context"
	"sync"
	"time"

	"heed/store"
)

// days keeps what warm-up plans allow. It takes some of a day's messages out of
// the store at a time, and gives back what it did not use.
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
	whole   bool      // the plan is over: no limit
	nothing time.Time // is left; it is not asked again before
	used    time.Time // last
}

// some is how much is taken at a time at most beyond what is needed.
const some = 100

// take gives how many of n messages today allows for a name. Alerts get all
// that they need, and count.
func (d *days) take(ctx context.Context, name string, plan []int, n int, alert bool) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.of(name)
	switch {
	case h.whole:
		return n, nil
	case !alert && d.now().Before(h.nothing):
		return 0, nil
	}
	if h.n < n {
		ask := n - h.n
		if !alert {
			ask = max(ask, min(some, plan[0]/20))
		}
		got, whole, err := d.s.TakeDay(ctx, name, plan, ask, alert)
		if err != nil {
			return 0, err
		}
		if h.whole = whole; whole {
			return n, nil
		}
		h.n += got
	}
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
// everything.
func (d *days) giveUp(ctx context.Context, stop bool) (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, h := range d.held {
		if h.n == 0 || !stop && d.now().Sub(h.used) < restTime {
			continue
		}
		if err = d.s.ReturnDay(ctx, name, h.taken, h.n); err != nil {
			return err
		}
		h.n = 0
	}
	return nil
}

// tomorrow is when the next day of the plans begins.
func (d *days) tomorrow() time.Time {
	return d.now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
}
