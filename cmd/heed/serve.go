package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"heed/store"
	"heed/web"
)

// process is what runs: the roles around one store.
type process struct {
	roleSet
	c        *config
	s        *store.Store
	log      *slog.Logger
	registry *prometheus.Registry
	figures  *web.Metrics
	redis    *transport // nil where no role needs it
	listener net.Listener
	public   string
	sandbox  *sandbox
}

// lessCollecting lets garbage grow to twice what lives before it is collected, which takes
// half of the collector's work and some MB. Whoever sets GOGC knows better; GOMEMLIMIT holds
// in any case.
func lessCollecting() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}

// serve runs roles until a signal comes. Opt-outs are served first and last:
// they need the database and nothing else.
func (a *app) serve(r roleSet) error {
	lessCollecting()
	p, err := a.process(r)
	if err != nil {
		return err
	}
	if p.redis != nil {
		defer p.redis.close()
	}
	p.sandbox = &sandbox{p: p}
	defer p.sandbox.end()
	parts, err := p.parts()
	if err != nil {
		return err
	}
	if on := p.c.value("METRICS_LISTEN"); on != "" && !r.web {
		parts = append(parts, part{"metrics", func(ctx context.Context) error { return serveMetrics(ctx, on, p.registry) }})
	}
	server, err := p.server()
	if err != nil {
		return err
	}
	if server != nil {
		p.sandbox.early(a.ctx)
	}
	return p.run(a, parts, server)
}

// process opens what the roles stand on.
func (a *app) process(r roleSet) (*process, error) {
	c, s, err := a.both()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.checkFiles()...); err != nil {
		return nil, err
	}
	if err := s.Serving(); err != nil {
		return nil, err
	}
	p := &process{roleSet: r, c: c, s: s, log: c.logger().With("role", r.name()), registry: prometheus.NewRegistry(), public: c.PublicURL}
	for _, missing := range c.checkPasswords() {
		p.log.Error("mailbox_waits", "error", missing.Error())
	}
	if n := s.Replayed(); n > 0 {
		p.log.Warn("journal_replayed", "entries", n)
	}
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if p.figures, err = web.NewMetrics(p.registry); err != nil {
		return nil, err
	}
	if r.web {
		if p.listener, err = net.Listen("tcp", c.Listen); err != nil {
			return nil, hinted(fmt.Errorf("listening: %w", err), "is another heed running? LISTEN names another address")
		}
	}
	if p.public = publicURL(c, p.listener); r.web || r.worker {
		if err := checkPublicURL(p.public); err != nil {
			return nil, hinted(fmt.Errorf("links would point to %s: %w", p.public, err), "set PUBLIC_URL to the address under which recipients reach this server")
		}
	}
	return p, p.openRedis(a.ctx)
}

// publicURL is where links point: what was configured, else where we listen.
func publicURL(c *config, l net.Listener) string {
	if c.PublicURL == "" && l != nil {
		return "http://" + l.Addr().String()
	}
	return c.linkBase()
}

// openRedis refuses a Redis that answers and is unfit. One that is away is
// waited for while opt-outs are served already.
func (p *process) openRedis(ctx context.Context) (err error) {
	if !p.queues() {
		return nil
	}
	if p.redis, err = openRedis(p.c.RedisURL); err != nil {
		return err
	}
	err = p.redis.fit(ctx, p.warnRedis)
	if errors.Is(err, errUnfit) {
		p.redis.close()
		return err
	}
	if err != nil {
		p.log.Error("redis_away", "error", err.Error())
	}
	return nil
}

func (p *process) warnRedis(text string) { p.log.Warn("redis_unclear", "cause", text) }

// part is something that runs beside the server, and is started again when it
// fails.
type part struct {
	name string
	run  func(context.Context) error
}

// run starts the server, then the parts; at a signal it ends the parts first,
// so that opt-outs are heard as long as anything may still be sent.
func (p *process) run(a *app, parts []part, server *web.Server) error {
	serving, stopServing := context.WithCancel(context.WithoutCancel(a.ctx))
	defer stopServing()
	working, stopWorking := context.WithCancel(a.ctx)
	defer stopWorking()
	served := make(chan error, 1)
	if server != nil {
		go func() {
			served <- server.Run(serving, p.listener)
			stopWorking()
		}()
	}
	if err := p.announce(a); err != nil {
		return err
	}
	p.keep(working, parts)
	<-working.Done()
	p.log.Info("stopping")
	stopServing()
	if server == nil {
		return nil
	}
	return <-served
}

func (p *process) announce(a *app) error {
	line := struct {
		Event  string `json:"event"`
		Role   string `json:"role"`
		URL    string `json:"url,omitempty"`
		Listen string `json:"listen,omitempty"`
	}{Event: "ready", Role: p.name()}
	if p.listener != nil {
		line.URL, line.Listen = p.public, p.listener.Addr().String()
	}
	return json.NewEncoder(a.out).Encode(line)
}

// lastWord bounds a shutdown: a supervisor kills after 30 s.
const lastWord = 28 * time.Second

// keep runs the parts until ctx ends and they have ended too.
func (p *process) keep(ctx context.Context, parts []part) {
	var all sync.WaitGroup
	for _, one := range parts {
		all.Go(func() { p.again(ctx, one) })
	}
	context.AfterFunc(ctx, func() {
		time.AfterFunc(lastWord, func() {
			p.log.Error("shutdown_too_slow")
			os.Exit(exitFailed)
		})
	})
	all.Wait()
}

// again runs a part, and runs it anew when it fails, more slowly each time.
func (p *process) again(ctx context.Context, one part) {
	pause := time.Second
	for ctx.Err() == nil {
		began := time.Now()
		err := one.run(ctx)
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				p.log.Error("part_ended_badly", "part", one.name, "error", err.Error())
			}
			return
		}
		if time.Since(began) > time.Minute {
			pause = time.Second
		}
		p.log.Error("part_failed", "part", one.name, "error", fmt.Sprint(err), "again_in", pause.String())
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, 30*time.Second)
	}
}
