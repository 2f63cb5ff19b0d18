package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"heed/consent"
	"heed/mailer"
	"heed/store"
	"heed/store/storetest"
)

// process is one process of heed: a worker, or one that has scheduler and web.
type process struct {
	w        *world
	name     string
	dead     bool
	frozen   time.Time     // it does nothing before
	back     time.Time     // when another takes its place, once it is dead
	ahead    time.Duration // of its wall clock; what it looks for is judged by a clock that nobody sets
	sqlite   *storetest.Stepped
	store    *store.Store
	worker   *Worker
	kill     context.CancelFunc
	conns    []*simConn
	claiming bool              // a claim is about to be committed
	actives  map[string]string // tasks at work, and their queues
}

var errKilled = errors.New("this process was killed")

func (p *process) fate() error {
	if p.dead {
		return errKilled
	}
	return nil
}

func (p *process) now() time.Time { return time.Now().Add(p.ahead) }

// world is one simulated course of events.
type world struct {
	t        *testing.T
	seed     uint64
	rand     *rand.Rand
	gate     *turnstile
	place    *storetest.Place
	began    time.Time
	calm     bool // no more faults
	relay    *simRelay
	mu       sync.Mutex          // of queues and actives
	queues   map[string][]string // what Redis would hold
	office   *process            // scheduler and web
	crew     []*process          // workers
	births   int
	struck   int      // faults so far
	claimed  int      // the step at which a message was claimed last
	endedAt  int      // the step at which the end of one was written last
	doubting bool     // a message becomes uncertain and is sent again: the trouble goes on until then
	ender    *process // by whom
	graves   sync.WaitGroup
	script   *script
	faults   faults
	lookedAt int           // what had happened when the scheduler looked last
	leap     time.Duration // by which time passes while nobody has anything to do
	seen     int
	resumed  time.Time // when what is paused may be resumed again
	wrong    []string
	storetest.Referee
}

// people of the simulation, and their campaigns.
const (
	crowdSize = 3
	plainText = "---\nsubject: Hello\ntopic: %s\n---\nGood morning.\n"
	alertText = "---\nsubject: Attention\nservice: files\n---\nYour files move.\n"
)

func address(i int) string { return fmt.Sprintf("p%d@example.org", i) }

// newPlace makes a database in which everything stands that all seeds begin with.
func newPlace(t *testing.T) *storetest.Place {
	t.Helper()
	return storetest.NewPlace(t, store.Options{Policy: simPolicy, Limits: simLimits}, furnish)
}

var (
	simPolicy = consent.NewPolicyVersion("2000-01", []byte("the policy"))
	simLimits = consent.Policy{AlertCap: 4}
)

// furnish stores the people and three drafts: two newsletters and an alert.
func furnish(ctx context.Context, s *store.Store) error {
	err := s.SyncTopics(ctx, []store.Named{{ID: "product", Name: "Product news"}, {ID: "events", Name: "Events"}}, []store.Named{{ID: "files", Name: "Files"}})
	if err != nil {
		return err
	}
	var all []store.Contact
	for i := range crowdSize {
		all = append(all, store.Contact{Row: i, Email: address(i), FirstName: "Ann", Topics: []string{"product", "events"}, Services: []string{"files"},
			ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"})
	}
	if _, err := s.Import(ctx, all, "", false); err != nil {
		return err
	}
	for _, c := range []store.Campaign{
		{Name: "product", Class: consent.Newsletter, Topic: 1, Source: fmt.Sprintf(plainText, "product"), Audience: "all"},
		{Name: "events", Class: consent.Newsletter, Topic: 2, Source: fmt.Sprintf(plainText, "events"), Audience: "all"},
		{Name: "alert", Class: consent.Alert, Service: 1, Source: alertText, Audience: "all"},
	} {
		if _, _, err := s.AddCampaign(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// begin starts a process. Opening a database is no step: nobody else sees it.
func (w *world) begin(name string, works bool) *process {
	w.births++
	ctx, kill := context.WithCancel(context.Background())
	p := &process{w: w, name: fmt.Sprintf("%s%d", name, w.births), kill: kill, actives: map[string]string{}}
	opening := true
	p.sqlite = &storetest.Stepped{Shelf: w.place.Shelf, Freed: w.gate.freed, Turn: func(ctx context.Context, s storetest.Step) error {
		if opening {
			return p.fate()
		}
		return w.sqlStep(ctx, p, s)
	}}
	var err error
	if p.store, err = store.Open(ctx, w.place.At(store.Options{Policy: simPolicy, Limits: simLimits, Now: p.now, Clock: func() time.Duration { return time.Since(w.began) }, Connect: p.sqlite.Connect})); err != nil {
		w.t.Fatal(err)
	}
	if works {
		w.employ(ctx, p)
	}
	opening = false
	return p
}

// employ makes a worker of a process: all that Run does but for asynq.
func (w *world) employ(ctx context.Context, p *process) {
	var err error
	relay := mailer.Relay{Host: "127.0.0.1", Port: 25, Hello: "heed.example.com", Now: p.now, Dial: w.relay.dial(p),
		Clock: func() time.Duration { return time.Since(w.began) },
		Timeouts: mailer.Timeouts{Dial: 5 * time.Second, Mail: 10 * time.Second, Rcpt: 10 * time.Second, Data: 10 * time.Second,
			Block: 10 * time.Second, End: 20 * time.Second}}
	p.worker, err = New(Options{Store: p.store, Relay: relay, PublicURL: "https://news.example.com", Connections: 2, RetryFirst: time.Second,
		Sender: Sender{Name: "News", From: "news@example.com", Domain: "example.com", PostalAddress: "Street 1", ReturnPath: "bounces@example.com", Unsubscribe: "unsubscribe@example.com"},
		Log:    slog.New(slog.NewTextHandler(logged{w.gate}, nil)), Now: p.now})
	if err == nil {
		p.worker.hard = ctx
		err = p.worker.register(ctx)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	p.worker.openDesks()
	go w.beat(ctx, p)
	for queue, n := range map[string]int{"newsletter": 2, "alert": 1, "privacy": 1} {
		for i := range n {
			go w.serve(p, queue, fmt.Sprint("take ", queue, i))
		}
	}
}

// logged shows what a worker logs where a course of events is shown.
type logged struct{ gate *turnstile }

func (l logged) Write(p []byte) (int, error) {
	if l.gate.tell != nil {
		l.gate.tell("log: %s", p)
	}
	return len(p), nil
}

func (w *world) beat(ctx context.Context, p *process) {
	for w.gate.pause(p, "beat", pulse, true) == nil && !w.over() {
		_ = p.worker.register(ctx) // tried again soon
	}
}

// serve does what an asynq server does for one queue with one goroutine.
func (w *world) serve(p *process, queue, turn string) {
	w.gate.call(turn)
	for {
		err := w.gate.wait(&visitor{at: p, what: turn, idle: true, ready: func() bool { return w.length(queue) > 0 || w.over() }})
		if err != nil || w.over() {
			return
		}
		id := w.pop(p, queue)
		err = p.worker.handle(queue, asynq.NewTask("", []byte(id)))
		w.done(p, queue, id, err)
	}
}

func (w *world) length(queue string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queues[queue])
}

func (w *world) pop(p *process, queue string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := w.queues[queue][0]
	w.queues[queue] = w.queues[queue][1:]
	p.actives[id] = queue
	return id
}

// done ends a task; one that failed is handed out again.
func (w *world) done(p *process, queue, id string, err error) {
	w.mu.Lock()
	delete(p.actives, id)
	w.mu.Unlock()
	if err != nil && !p.dead {
		w.push(queue, id)
	}
}

func (w *world) push(queue, id string) {
	w.mu.Lock()
	w.queues[queue] = append(w.queues[queue], id)
	w.mu.Unlock()
	w.gate.knock()
}

// crash ends a process at once; nothing that it had not committed or written
// is ever done. Redis gives what it had at work to others.
func (w *world) crash(p *process) {
	if p.dead {
		return
	}
	w.gate.note("%s dies", p.name)
	p.dead, p.back = true, time.Now().Add(time.Duration(w.rand.Int64N(4e9)))
	p.sqlite.Cut()
	for _, c := range p.conns {
		c.closed = true
	}
	if p.worker != nil {
		close(p.worker.stopping)
		w.handOn(p)
	}
	p.kill()
	w.gate.sweepOut(p)
	w.gate.settle()
	w.graves.Go(func() { w.bury(p) })
}

// handOn hands out again, sometimes, what a dead worker was at.
func (w *world) handOn(p *process) {
	w.mu.Lock()
	ids := slices.Sorted(maps.Keys(p.actives))
	w.mu.Unlock()
	for _, id := range ids {
		if w.rand.IntN(2) == 0 {
			w.push(p.actives[id], id)
		}
	}
}

// bury ends what is left of a dead process.
func (w *world) bury(p *process) {
	if p.worker != nil {
		p.worker.closeDesks()
	}
	_ = p.store.Close() // it was cut off
}

// revive starts what has died, some time later, when nobody holds the database.
func (w *world) revive(now time.Time) {
	if w.gate.writer != nil {
		return
	}
	if w.office.dead && !now.Before(w.office.back) {
		w.office = w.begin("office", false)
		go w.schedule(w.office)
	}
	for i, p := range w.crew {
		if p.dead && !now.Before(p.back) {
			w.crew[i] = w.begin("worker", true)
		}
	}
}

// back is when the next process comes back.
func (w *world) back(now time.Time) (at time.Time) {
	for _, p := range append([]*process{w.office}, w.crew...) {
		if p.dead && p.back.After(now) && (at.IsZero() || p.back.Before(at)) {
			at = p.back
		}
	}
	return at
}
