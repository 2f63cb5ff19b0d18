package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
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

// run plays the course to its end.
func (w *simWorld) run() {
	for _, e := range w.plan.events {
		w.passUntil(e.at)
		if len(w.broken()) > 0 {
			break
		}
		w.happens(e)
	}
	w.passUntil(w.plan.calm)
	w.calmDown()
	w.settle()
	w.end()
}

// passUntil lets time pass, and looks now and then how things stand.
func (w *simWorld) passUntil(at time.Duration) {
	for len(w.broken()) == 0 {
		left := at - (time.Since(w.began) - w.skipped)
		if left <= 0 {
			return
		}
		time.Sleep(min(left, simLook))
		w.audit()
	}
}

// simLook is how often all is checked.
const simLook = 500 * time.Millisecond

// audit holds the database to the invariants. After all machines were stopped they
// need a moment to find what is too old by then.
func (w *simWorld) audit() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.stopped) > 10*time.Second {
		w.Verify(w.auditor)
	}
}

// calmDown ends all trouble: whatever happened, everything must now come to its end.
func (w *simWorld) calmDown() {
	w.note("calm")
	w.mu.Lock()
	w.calm = true
	close(w.thawed)
	w.thawed = make(chan struct{})
	w.mu.Unlock()
	for _, m := range w.all() {
		m.mu.Lock()
		m.frozen, m.ahead = time.Time{}, 0
		m.mu.Unlock()
	}
	w.acting.Wait()
}

// Everything must end within patience of the last sign of progress. Only what waits
// for a time of its own, such as another attempt, may take longer: nobody does
// anything until then.
const simPatience = 40 * time.Second

// settle waits until nobody has anything to do any more.
func (w *simWorld) settle() {
	moved, last := time.Now(), ""
	for len(w.broken()) == 0 {
		line, done := w.stand()
		if done {
			return
		}
		if line != last {
			last, moved = line, time.Now()
		}
		if time.Since(moved) > simPatience {
			w.mu.Lock()
			w.violated("I3: nothing moves for " + simPatience.String() + ": " + line)
			w.mu.Unlock()
			return
		}
		w.resumeAll()
		if w.leap() {
			moved = time.Now()
		}
		time.Sleep(simLook)
		w.audit()
	}
}

// stand tells where everything stands.
func (w *simWorld) stand() (line string, done bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line, done = w.Stands()
	for _, row := range w.look(`SELECT campaign, state, count(*) FROM delivery GROUP BY 1, 2 ORDER BY 1, 2`) {
		line += fmt.Sprint("; ", row)
	}
	return line, done
}

func (w *simWorld) look(query string) [][]string {
	rows, err := w.place.Peek.Rows(query)
	if err != nil {
		w.violated(err.Error())
	}
	return rows
}

// leap stops all machines until the next attempt is due, where all that is left waits
// for one: nobody has to look on while nothing happens.
func (w *simWorld) leap() bool {
	w.mu.Lock()
	rows := w.look(`SELECT min(r.due) FROM retry r WHERE NOT EXISTS (SELECT 1 FROM job WHERE state <> 'done') AND NOT EXISTS (SELECT 1 FROM claim)`)
	w.mu.Unlock()
	var due int64
	if len(rows) == 0 || rows[0][0] == "" {
		return false
	}
	fmt.Sscan(rows[0][0], &due)
	left := time.Until(time.UnixMicro(due)) - 100*time.Millisecond
	if left < 2*time.Second {
		return false
	}
	w.stopAll(left)
	return true
}

// end lets everybody go home: a machine that stops leaves nothing open.
func (w *simWorld) end() {
	if len(w.broken()) == 0 {
		w.mu.Lock()
		w.Balance(w.auditor)
		w.mu.Unlock()
	}
	for _, m := range w.all() {
		m.kill()
	}
	for _, m := range w.all() {
		w.leaves(m)
	}
	w.running.Wait()
	time.Sleep(time.Minute) // go-redis may be dialling still
	w.relay.cut()
	w.relay.sink.Close()
	if w.redis != nil {
		w.redis.close()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, mistake := range w.relay.sink.Violations() {
		w.violated("in the conversation with the relay: " + mistake)
	}
	w.auditor.Close()
}

// leaves waits until a machine that was asked to has ended.
func (w *simWorld) leaves(m *simMachine) {
	select {
	case <-m.ended:
	case <-time.After(lastWord):
		w.mu.Lock()
		w.violated(m.name + " does not stop within " + lastWord.String())
		w.mu.Unlock()
		if !m.isDead() {
			m.crash()
		}
	}
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

// lock waits for SQLite's one writing lock, as long as SQLite does.
func (w *simWorld) lock(ctx context.Context, s storetest.Step) error {
	timer := time.NewTimer(15 * time.Second)
	defer timer.Stop()
	for {
		freed := w.takes(s.Holder)
		if freed == nil {
			return nil
		}
		select {
		case <-freed:
		case <-timer.C:
			return errors.New("database is locked")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// takes takes the lock, or gives what to wait for.
func (w *simWorld) takes(holder any) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writer != nil {
		return w.freeing
	}
	w.writer = holder
	return nil
}

// freed gives the lock back, where holder has it.
func (w *simWorld) freed(holder any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writer == holder {
		w.writer = nil
		close(w.freeing)
		w.freeing = make(chan struct{})
	}
}

// slowDisk draws how long a commit takes.
func (w *simWorld) slowDisk() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calm || !w.dice.chance(w.plan.slowDisk) {
		return 0
	}
	d := w.dice.between(100*time.Millisecond, 5*time.Second)
	w.noteLocked("the disk needs %v", d)
	return d
}

func (w *simWorld) badDisk() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.calm && w.dice.chance(w.plan.badDisk)
}

func (w *simWorld) wait(d time.Duration) {
	if d > 0 {
		time.Sleep(d)
	}
}

// settled waits until nobody is in the middle of anything.
func settled() { synctest.Wait() }
