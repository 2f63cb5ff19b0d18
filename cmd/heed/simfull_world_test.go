package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// simPlace is where the courses of one seed after the other are played.
type simPlace struct{ *storetest.Place }

// newSimPlace stores the people and three drafts: two newsletters and an alert.
func newSimPlace(t *testing.T) *simPlace {
	t.Helper()
	return &simPlace{storetest.NewPlace(t, store.Options{Policy: simPolicy, Limits: simLimits}, func(ctx context.Context, s *store.Store) error {
		err := s.SyncTopics(ctx, []store.Named{{ID: "product", Name: "Product news"}, {ID: "events", Name: "Events"}}, []store.Named{{ID: "files", Name: "Files"}})
		if err != nil {
			return err
		}
		var all []store.Contact
		for i := range simCrowd {
			all = append(all, store.Contact{Row: i, Email: simAddress(i), FirstName: "Ann", Topics: []string{"product", "events"}, Services: []string{"files"},
				ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"})
		}
		if _, err := s.Import(ctx, all, "", false); err != nil {
			return err
		}
		for _, c := range []store.Campaign{
			{Name: "product", Class: consent.Newsletter, Topic: 1, Source: simText("topic: product"), Audience: "all"},
			{Name: "events", Class: consent.Newsletter, Topic: 2, Source: simText("topic: events"), Audience: "all"},
			{Name: "alert", Class: consent.Alert, Service: 1, Source: simText("service: files"), Audience: "all"},
		} {
			if _, _, err := s.AddCampaign(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})}
}

func simText(to string) string { return "---\nsubject: Hello\n" + to + "\n---\nGood morning.\n" }

// simWorld is one course of events.
type simWorld struct {
	t      *testing.T
	plan   simPlan
	place  *simPlace
	config *config
	began  time.Time
	tell   func(format string, args ...any) // nil: nobody looks on

	redis   *simRedis // nil: each machine has its own
	relay   *simRelay
	skipped time.Duration // in which all were stopped
	auditor *store.Store  // looks on, and is no step of anybody
	running sync.WaitGroup
	acting  sync.WaitGroup

	opening chan *simMachine // who opens the database

	mu       sync.Mutex // of all below
	machines []*simMachine
	births   int
	dice     simRand
	writer   any           // who holds SQLite's writing lock
	freeing  chan struct{} // closed when it is given back
	calm     bool
	duels    int
	stopped  time.Time     // all machines, until then
	thawed   chan struct{} // closed when nobody is stopped or held up any more
	count    int           // messages whose end reached the relay
	wrong    []string
	storetest.Referee
}

// newSimWorld sets the stage.
func newSimWorld(t *testing.T, place *simPlace, p simPlan, tell func(string, ...any)) *simWorld {
	time.Sleep(time.Hour) // after all that the place was made with
	w := &simWorld{t: t, plan: p, place: place, began: time.Now(), tell: tell, dice: simRand{rand.New(rand.NewPCG(p.seed, 0x64696365))},
		freeing: make(chan struct{}), opening: make(chan *simMachine, 1), thawed: make(chan struct{}), duels: p.duels}
	w.note("%v", p)
	path := filepath.Join(place.Folder(), "heed.toml")
	if err := os.WriteFile(path, []byte(p.settings), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(settingFlags{Config: &path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.config = &c
	for i, rate := range p.rates {
		if err := place.Peek.Exec(fmt.Sprintf(`UPDATE campaign SET rate = %g WHERE id = %d`, rate, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	onlooker := &storetest.Stepped{Shelf: place.Shelf, Freed: func(any) {}, Turn: func(context.Context, storetest.Step) error { return nil }}
	if w.auditor, err = store.Open(context.Background(), place.At(store.Options{Policy: simPolicy, Limits: simLimits, Connect: onlooker.Connect})); err != nil {
		t.Fatal(err)
	}
	w.Alert, w.Peek, w.Violated = simAlert, place.Peek, w.violated
	w.Know(t, w.auditor, simCrowd, func(i int) []string { return []string{simAddress(i), "new-" + simAddress(i)} })
	if p.apart {
		w.redis = newSimRedis(w)
	}
	w.relay = newSimRelay(w)
	w.machines = make([]*simMachine, p.machines)
	for i := range w.machines {
		w.boot(i)
	}
	return w
}

func (w *simWorld) all() []*simMachine {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.machines)
}

func (w *simWorld) isCalm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calm
}

// thaw is closed when nobody is stopped or held up any more.
func (w *simWorld) thaw() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.thawed
}

func (w *simWorld) broken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wrong
}

// violated is called with the lock held.
func (w *simWorld) violated(text string) {
	w.noteLocked("VIOLATED %s", text)
	w.wrong = append(w.wrong, text)
}

// note writes down an event, where the course is shown.
func (w *simWorld) note(format string, args ...any) {
	if w.tell != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.noteLocked(format, args...)
	}
}

func (w *simWorld) noteLocked(format string, args ...any) {
	if w.tell != nil {
		w.tell("%10.4f "+format, append([]any{time.Since(w.began).Seconds()}, args...)...)
	}
}

// handedOver is told of each message whose end reached the relay.
func (w *simWorld) handedOver(id string, taken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	w.noteLocked("handed over: %s, taken %v", id, taken)
	w.HandedOver(storetest.Handed{MessageID: trimID(id), When: time.Since(w.began).String(), Taken: taken})
}

func trimID(id string) string {
	if len(id) > 2 && id[0] == '<' {
		return id[1 : len(id)-1]
	}
	return id
}
