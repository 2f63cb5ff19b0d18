// Package worker does the jobs: it sends, asks for confirmation, and erases.
//
// It is the only consumer of asynq tasks. A task is a number and a generation;
// what is to be done, and whether it still is, stands in the store. Each queue
// has its own asynq server, its own lanes and its own connections to the
// relay, so that no class of message waits for another.
//
// send.go walks a batch, lane.go holds a connection, relay.go chooses where it
// leads, breaker.go spares a relay that is away, letter.go makes a message,
// pace.go waits for its turn, write.go writes to one person, privacy.go erases;
// task.go takes a job from its queue and puts it down.
package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"heed/mailer"
	"heed/store"
)

// Sender is who writes.
type Sender struct {
	Name, From, Domain, PostalAddress, ReturnPath string
	Unsubscribe, Privacy                          string // mailbox addresses; empty: the feature is off
	Authority                                     string // that hears complaints; may be empty
	Language                                      string // of campaigns that name none; empty: en
	Complaints                                    string // where receivers send reports of abuse (RFC 9477); empty: nothing is said of it
	RelaySigns                                    bool   // one-click is offered once the relay's signature was seen to cover it
}

// Options are what a worker needs.
type Options struct {
	Store       *store.Store
	Redis       redis.UniversalClient // stays open until Run has returned: asynq's subscriber panics where it is closed before
	Relay       mailer.Relay          // the only one; not used where Relays are given
	Relays      []Relay
	Limits      []Limit                                                     // by who receives
	ByMX        bool                                                        // groups domains by their mail servers too
	FindMX      func(ctx context.Context, domain string) ([]*net.MX, error) // nil: the system's resolver
	Signer      *mailer.Signer                                              // nil: the relay signs
	Sender      Sender
	Alarms      Alarms
	Systems     []System // that are told of erasures
	Partners    []Partner
	Postmark    bool               // messages carry what Postmark gives back with its events
	Hooks       map[string]Webhook // by their ids: they are told of what happens
	Simulated   bool               // nobody is real: webhooks are told so
	PublicURL   string
	Connections int           // for newsletters; 0: 10
	Rate        float64       // messages a second over all; 0: no limit
	RetryFirst  time.Duration // before the second attempt; 0: 30 minutes
	Log         *slog.Logger
	Registry    prometheus.Registerer // nil: no metrics
	Now         func() time.Time      // nil: time.Now
}

// Worker works on the queues until it is stopped.
type Worker struct {
	Options
	id       string
	desks    []*store.Desk
	relays   *relays
	pace     *pace
	contents contents
	figures  *figures
	lanes    map[string]chan *lane
	crowd    crowd
	stopping chan struct{} // closed when no new message may begin
	hard     context.Context
}

// New makes a worker; it does nothing until Run.
func New(o Options) (*Worker, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Connections == 0 {
		o.Connections = 10
	}
	if o.RetryFirst == 0 {
		o.RetryFirst = 30 * time.Minute // RFC 5321 §4.5.4.1
	}
	if o.Sender.From == "" || o.Sender.Domain == "" {
		return nil, errors.New("a worker needs [sender] from and domain in the configuration")
	}
	w := &Worker{Options: o, id: rand.Text(), stopping: make(chan struct{}), lanes: map[string]chan *lane{}, crowd: crowd{all: map[string]map[int64]int{}}}
	if len(o.Relays) == 0 {
		w.Relays = []Relay{{Relay: o.Relay}}
	}
	w.relays = newRelays(w.Relays, o.Now)
	w.pace = newPace(w)
	w.figures = newFigures(o.Registry)
	if o.Registry != nil {
		o.Registry.MustRegister(&paceFigures{w.pace})
	}
	for queue, n := range w.concurrency() {
		w.lanes[queue] = make(chan *lane, n)
		for i := range n {
			w.lanes[queue] <- newLane(w, queue, i)
		}
	}
	return w, nil
}

// lanesOf is how many batches of newsletters this worker sends at once.
func (w *Worker) lanesOf() int {
	return w.relays.lanes(w.Connections, func(most int) int { return most })
}

// capacity is how many of them have a connection when all workers are busy.
func (w *Worker) capacity() int { return w.relays.lanes(w.Connections, w.pace.leases.part) }

// concurrency is how many tasks of each queue run at once.
func (w *Worker) concurrency() map[string]int {
	return map[string]int{"newsletter": w.lanesOf(), "alert": min(4, w.Connections), "privacy": 1, "preference": hooksAtOnce}
}

const (
	pulse     = time.Second
	closeTime = 20 * time.Second // for what is claimed; the process has 30 s in all
)

// Run works until ctx ends; then it begins no new message, finishes what is
// claimed and leaves nothing claimed behind.
func (w *Worker) Run(ctx context.Context) error {
	hard, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	w.hard = hard
	if err := w.register(hard); err != nil {
		return err
	}
	w.openDesks()
	w.pace.shareRelays(hard)
	servers, err := w.serve()
	if err != nil {
		return err
	}
	beating, feeding := w.beat(hard), w.tendFeeds(hard)
	paced := make(chan struct{})
	go func() {
		defer close(paced)
		w.pace.run(hard)
	}()
	<-ctx.Done()
	close(w.stopping)
	time.AfterFunc(closeTime, kill)
	var all sync.WaitGroup
	for _, server := range servers {
		all.Go(server.Shutdown)
	}
	all.Wait()
	w.closeDesks()
	w.hangUp()
	w.pace.leases.end()
	if err := w.pace.days.giveUp(hard, true); err != nil {
		w.Log.Error("pace_failed", "step", "stop", "error", err)
	}
	kill()
	<-beating
	<-feeding
	<-paced
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return w.Store.Unregister(last, w.id)
}

func (w *Worker) register(ctx context.Context) error {
	return w.Store.Register(ctx, w.id, "worker", w.capacity())
}

// beat keeps the worker known as living.
func (w *Worker) beat(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(pulse)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := w.register(ctx); err != nil && ctx.Err() == nil {
					w.Log.Error("heartbeat_failed", "error", err)
				}
			}
		}
	}()
	return done
}

// serve starts a server for each queue.
func (w *Worker) serve() ([]*asynq.Server, error) {
	var servers []*asynq.Server
	for queue, n := range w.concurrency() {
		n += rooms[queue] // those wait for a turn and hold no lane
		server := asynq.NewServerFromRedisClient(w.Redis, asynq.Config{
			Concurrency:              n,
			Queues:                   map[string]int{queue: 1},
			TaskCheckInterval:        pickUp(queue),
			DelayedTaskCheckInterval: time.Second,
			ShutdownTimeout:          closeTime,
			RetryDelayFunc:           func(int, error, *asynq.Task) time.Duration { return time.Second },
			Logger:                   quiet{w.Log},
			LogLevel:                 asynq.WarnLevel,
		})
		if err := server.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error { return w.handle(queue, task) })); err != nil {
			return nil, fmt.Errorf("starting the server of queue %s: %w", queue, err)
		}
		servers = append(servers, server)
	}
	return servers, nil
}

// pickUp is how often an idle queue is looked at; asynq asks Redis, which is not
// free.
func pickUp(queue string) time.Duration {
	switch queue {
	case "alert":
		return 10 * time.Millisecond
	case "newsletter":
		return 20 * time.Millisecond
	}
	return 50 * time.Millisecond
}

func (w *Worker) stopped() bool {
	select {
	case <-w.stopping:
		return true
	default:
		return false
	}
}

// backOff grows with the number of times that a job was begun.
func backOff(attempts int) time.Duration {
	return min(time.Duration(attempts)*250*time.Millisecond, 3*time.Second)
}

// hangUp closes the connections of all lanes; no task runs any more.
func (w *Worker) hangUp() {
	for _, free := range w.lanes {
		for range cap(free) {
			select {
			case l := <-free:
				l.leave()
			default:
			}
		}
	}
	w.relays.hangUp(w.concurrency())
}
