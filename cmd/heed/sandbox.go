package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"heed/mailer"
	"heed/scheduler"
	"heed/store"
	"heed/web"
	"heed/worker"
)

// sandbox is a second heed in this process, for test keys: a database, keys, a
// queue and a worker of its own, whose relay takes every message and keeps none.
// It is opened when a test key is used first.
type sandbox struct {
	p *process

	mu    sync.Mutex
	room  web.Room
	pages http.Handler
	close func()
}

// sandboxFolder is beside the database of real people and never it.
func (c *config) sandboxFolder() string { return filepath.Join(c.Data, "sandbox") }

// sandboxStore opens the database of the sandbox. Partners are known, and fetch
// what they are told; no other system is.
func (c *config) sandboxStore(ctx context.Context) (*store.Store, error) {
	if err := os.MkdirAll(c.sandboxFolder(), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the sandbox: %w", err)
	}
	o := c.storeOptions()
	o.URL, o.Keys, o.Journal, o.Hooks = "sqlite:"+filepath.Join(c.sandboxFolder(), "heed.db"), filepath.Join(c.sandboxFolder(), "keys"), "", c.hooks(true)
	o.Plan = store.Plan{Backups: o.Plan.Backups, Partners: o.Plan.Partners}
	var err error
	if o.Policy, err = c.policy(); err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("opening the sandbox: %w", err)
	}
	return s, nil
}

// enter gives what a test key reaches.
func (b *sandbox) enter(ctx context.Context) (web.Room, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.close != nil {
		return b.room, nil
	}
	return b.room, b.open(context.WithoutCancel(ctx))
}

// early opens the sandbox where a webhook hears of it: what was not taken before a
// restart is told after it, whether or not a test key is used.
func (b *sandbox) early(ctx context.Context) {
	if len(b.p.c.webhooks(true)) == 0 {
		return
	}
	if _, err := b.enter(ctx); err != nil {
		b.p.log.Error("sandbox_failed", "cause", err)
	}
}

// fetching are partners whom nobody calls.
func fetching(all []worker.Partner) (quiet []worker.Partner) {
	for _, one := range all {
		quiet = append(quiet, worker.Partner{System: worker.System{ID: one.ID, Name: one.Name, Fetches: true}, Fields: one.Fields})
	}
	return quiet
}

// shown are the pages of the sandbox, nil where nobody has opened it.
func (b *sandbox) shown() http.Handler {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pages
}

func (b *sandbox) open(ctx context.Context) error {
	s, err := b.p.c.sandboxStore(ctx)
	if err != nil {
		return err
	}
	if err := s.SyncTopics(ctx, named(topicsOf(b.p.c.Topics)), named(b.p.c.Services)); err != nil {
		return errors.Join(err, s.Close())
	}
	stop, err := b.run(ctx, s)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	b.room = web.Room{Store: s, Desk: desk(b.p.c, s), PublicURL: b.p.public + "/sandbox", Simulated: true}
	b.close = func() { stop(); s.Close() }
	return nil
}

// run starts what sends, and the pages that its links lead to.
func (b *sandbox) run(ctx context.Context, s *store.Store) (stop func(), err error) {
	sink, err := mailer.NewDiscard()
	if err != nil {
		return nil, fmt.Errorf("starting the relay of the sandbox: %w", err)
	}
	relay, err := mailer.ParseRelay(sink.URL())
	if err != nil {
		return nil, err
	}
	log, redis := b.p.log.With("sandbox", true), embeddedRedis()
	inner := &process{roleSet: roleSet{worker: true}, c: b.p.c, s: s, log: log, registry: prometheus.NewRegistry(), redis: redis, public: b.p.public + "/sandbox"}
	options := inner.workerOptions([]worker.Relay{{Relay: relay}}, nil)
	options.Systems, options.Limits, options.Rate = nil, nil, 0
	options.Partners, options.Hooks, options.Simulated = fetching(options.Partners), b.p.c.webhooks(true), true
	w, err := worker.New(options)
	if err != nil {
		return nil, err
	}
	if err := b.show(s, log); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	sched := scheduler.New(scheduler.Options{Store: s, Redis: redis, Log: log, Registry: inner.registry})
	for _, one := range []part{{"scheduler of the sandbox", sched.Run}, {"worker of the sandbox", w.Run}} {
		all.Go(func() { inner.again(ctx, one) })
	}
	return func() { cancel(); all.Wait(); redis.close(); sink.Close() }, nil
}

func (b *sandbox) show(s *store.Store, log *slog.Logger) error {
	pages, err := web.New(web.Options{Store: s, PublicURL: b.p.public + "/sandbox", SenderName: b.p.c.Sender.Name + " (sandbox)", About: b.p.c.about(), Log: log})
	if err == nil {
		b.pages = pages.Handler()
	}
	return err
}

// end stops the sandbox, if it was opened.
func (b *sandbox) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.close != nil {
		b.close()
	}
}
