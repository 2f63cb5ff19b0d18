package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heed/mailer"
	"heed/scheduler"
	"heed/store"
	"heed/store/storetest"
	"heed/web"
	"heed/worker"
)

// simMachine is a simulated one that runs heed serve. All that leads out of it can be
// stopped or cut: each statement, each word to the relay and each to Redis.
type simMachine struct {
	w     *simWorld
	name  string
	ended chan struct{} // nothing of it runs any more
	kill  context.CancelFunc
	ctx   context.Context
	disk  *storetest.Stepped

	mu     sync.Mutex
	dead   chan struct{} // closed when it is killed
	frozen time.Time     // it does nothing before
	ahead  time.Duration // of its wall clock
	wires  map[*storetest.Wire]bool
	claims []string // address keys about to be claimed
	redis  *simRedis

	serving chan struct{} // closed when the two below are there
	store   *store.Store
	web     http.Handler
}

var errKilled = errors.New("this machine was killed")

// boot starts heed on a machine, in the place of another.
func (w *simWorld) boot(place int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.births++
	m := &simMachine{w: w, name: fmt.Sprint("m", w.births), ended: make(chan struct{}), dead: make(chan struct{}), serving: make(chan struct{}), wires: map[*storetest.Wire]bool{}, redis: w.redis, frozen: w.stopped}
	m.ctx, m.kill = context.WithCancel(context.Background())
	if m.redis == nil {
		m.redis = newSimRedis(w)
	}
	m.disk = &storetest.Stepped{Shelf: w.place.Shelf, Freed: w.freed, Turn: m.step}
	w.noteLocked("%s boots", m.name)
	w.machines[place] = m
	w.running.Go(m.run)
}

// run is heed serve, as often as it takes to start.
func (m *simMachine) run() {
	defer close(m.ended)
	if m.w.redis == nil {
		defer m.redis.close()
	}
	for m.ctx.Err() == nil {
		err := m.serve()
		if m.ctx.Err() == nil {
			m.w.note("%s does not start: %v", m.name, err)
			rest(m.ctx, time.Second)
		}
	}
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// serve opens what the roles stand on, and runs them until the machine stops.
func (m *simMachine) serve() (err error) {
	m.w.opening <- m // a bubble cannot wait for the lock of a file, as they would
	s, err := store.Open(m.ctx, m.w.place.At(store.Options{Policy: simPolicy, Limits: simLimits, Now: m.now, Connect: m.disk.Connect}))
	<-m.w.opening
	if err != nil {
		return err
	}
	defer s.Close()
	p := &process{roleSet: roleSet{web: true, worker: true, scheduler: true}, c: m.w.config, s: s, log: m.w.logger(m), registry: prometheus.NewRegistry(), public: simPublic, redis: m.redis.client(m)}
	defer p.redis.close()
	parts, err := m.parts(p)
	if err == nil {
		err = s.SyncTopics(m.ctx, named(topicsOf(p.c.Topics)), named(p.c.Services))
	}
	if err != nil {
		return err
	}
	m.store = s
	close(m.serving)
	var all sync.WaitGroup
	for _, one := range parts {
		all.Go(func() { p.again(m.ctx, one) })
	}
	all.Wait()
	m.mu.Lock()
	m.serving = make(chan struct{})
	m.mu.Unlock()
	return nil
}

// parts are those that heed serve makes, with the clock and the wires of the machine.
func (m *simMachine) parts(p *process) ([]part, error) {
	relays, err := p.c.relays()
	if err != nil {
		return nil, err
	}
	for i := range relays {
		r := &relays[i].Relay
		r.Dial, r.Now, r.Clock, r.Hello = m.dialRelay, m.now, func() time.Duration { return time.Since(m.w.began) }, "heed.example.com"
		r.Timeouts = mailer.Timeouts{Dial: 5 * time.Second, Mail: 10 * time.Second, Rcpt: 10 * time.Second, Data: 10 * time.Second, Block: 10 * time.Second, End: 20 * time.Second}
	}
	options := p.workerOptions(relays, nil)
	options.Now = m.now
	works, err := worker.New(options)
	if err != nil {
		return nil, err
	}
	pages, err := web.New(web.Options{Store: p.s, PublicURL: simPublic, SenderName: p.c.Sender.Name, Log: p.log, Now: m.now})
	if err != nil {
		return nil, err
	}
	m.web = pages.Handler()
	schedules := scheduler.New(scheduler.Options{Store: p.s, Redis: p.redis, Log: p.log, Registry: p.registry, Now: m.now})
	return []part{{"scheduler", schedules.Run}, {"worker", works.Run}}, nil
}

func (m *simMachine) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Add(m.ahead)
}

func (m *simMachine) isDead() bool {
	select {
	case <-m.dead:
		return true
	default:
		return false
	}
}

// up tells whether somebody can be served.
func (m *simMachine) up() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.serving:
		return !m.isDead() && m.ctx.Err() == nil
	default:
		return false
	}
}

// pass waits while the machine is stopped. A dead one does nothing more.
func (m *simMachine) pass() error {
	for {
		m.mu.Lock()
		left := time.Until(m.frozen)
		m.mu.Unlock()
		if m.isDead() {
			return errKilled
		}
		if left <= 0 {
			return nil
		}
		select {
		case <-m.dead:
		case <-m.w.thaw():
		case <-time.After(left):
		}
	}
}

// freeze stops it, as SIGSTOP does.
func (m *simMachine) freeze(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.w.note("%s is stopped for %v", m.name, d)
	m.frozen = time.Now().Add(d)
}

// crash ends it at once: what is committed or written by now is all that it ever did.
func (m *simMachine) crash() {
	m.disk.Cut()
	m.mu.Lock()
	close(m.dead)
	wires := m.wires
	m.wires = nil
	m.mu.Unlock()
	for wire := range wires {
		wire.Near().Close()
	}
	m.kill()
}

// plug makes a wire of this machine.
func (m *simMachine) plug(delay func() time.Duration) (*storetest.Wire, error) {
	if err := m.pass(); err != nil {
		return nil, err
	}
	wire := storetest.NewWire(delay)
	wire.Near().Pass = m.pass
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wires == nil {
		return nil, errKilled
	}
	m.wires[wire] = true
	return wire, nil
}

func (m *simMachine) dialRelay(context.Context, string, string) (net.Conn, error) {
	wire, err := m.plug(m.w.toRelay)
	if err != nil {
		return nil, err
	}
	wire.Far().Pass = m.w.relay.pass
	if err := m.w.relay.connect(wire); err != nil {
		return nil, err
	}
	return wire.Near(), nil
}

// logger writes down what the machine logs, where a course is shown.
func (w *simWorld) logger(m *simMachine) *slog.Logger {
	return slog.New(slog.NewTextHandler(simLog{w, m.name}, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

type simLog struct {
	w    *simWorld
	name string
}

func (l simLog) Write(p []byte) (int, error) {
	l.w.note("%s logs %s", l.name, strings.TrimSpace(string(p)))
	return len(p), nil
}
