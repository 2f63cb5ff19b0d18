package worker_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"heed/mailer/mailertest"
	"heed/store"
)

// TestASingleDomainIsCut: a domain that belongs to no group defers our mail. It is
// sent less by itself, others are not; status names it, Redis and the notes of workers
// do not; and it gets everything once it takes mail again.
func TestASingleDomainIsCut(t *testing.T) {
	ctx := context.Background()
	var mu sync.Mutex
	slow := true
	b := newBench(t, mailertest.Options{OnRcpt: func(_, to string) mailertest.Reply {
		mu.Lock()
		defer mu.Unlock()
		if slow && strings.HasSuffix(to, "@small.example") {
			return mailertest.Reply{Code: 451, Enhanced: "4.7.1", Text: "too much at once"}
		}
		return mailertest.Reply{}
	}})
	id := b.mixed(map[string]int{"small.example": 120, "example.net": 200}, 0)
	defer b.start(nil)()
	name := "domain:" + b.store.DomainKey("small.example")
	cut := func() (share float64, told bool) {
		all, err := b.store.Pace(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if one.Name == name && one.Workers > 0 {
				return one.Cut, true
			}
			if strings.HasPrefix(one.Name, "group:") && one.Cut < 1 {
				t.Errorf("%s was cut to %g for one small domain", one.Name, one.Cut)
			}
		}
		return 1, false
	}
	b.until(id, func(store.Account) bool { share, told := cut(); return told && share <= 0.5 })
	b.until(id, func(a store.Account) bool {
		held, err := b.store.HeldBy(ctx, id)
		return err == nil && held[name] > 0 && a.Accepted == 200
	})
	if names, err := b.store.DomainNames(ctx, []string{name}); err != nil || names[name] != "small.example" {
		t.Errorf("the domain is called %v, %v", names, err)
	}
	if cuts := b.redis.HGetAll(ctx, "heed:{pace}:cuts").Val(); len(cuts) != 1 || cuts[name] == "" {
		t.Errorf("Redis holds %v", cuts)
	}
	mu.Lock()
	slow = false
	mu.Unlock()
	before := len(b.sink.Records())
	b.until(id, func(a store.Account) bool { return a.Accepted > before }) // by its turns
	if err := b.store.ClearPace(ctx, name); err != nil {
		t.Fatal(err)
	}
	b.until(id, func(a store.Account) bool { return a.Accepted == 320 })
}
