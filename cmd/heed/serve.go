package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"heed/consent"
	"heed/inbox"
	"heed/mailer"
	"heed/scheduler"
	"heed/store"
	"heed/web"
	"heed/worker"
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
}

// serve runs roles until a signal comes. Opt-outs are served first and last:
// they need the database and nothing else.
func (a *app) serve(r roleSet) error {
	p, err := a.process(r)
	if err != nil {
		return err
	}
	if p.redis != nil {
		defer p.redis.close()
	}
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

func (p *process) parts() (parts []part, err error) {
	if p.scheduler {
		s := scheduler.New(scheduler.Options{Store: p.s, Redis: p.redis, Log: p.log, Registry: p.registry})
		parts = append(parts, part{"scheduler", p.afterRedis(s.Run)})
	}
	if p.worker {
		w, err := p.newWorker()
		if err != nil {
			return nil, err
		}
		if w != nil {
			parts = append(parts, part{"worker", p.afterRedis(w.Run)})
		}
	}
	if p.inbox {
		pollers, err := p.pollers()
		if err != nil {
			return nil, err
		}
		parts = append(parts, pollers...)
	}
	return parts, nil
}

// afterRedis begins only when Redis can be used.
func (p *process) afterRedis(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := p.redis.fit(ctx, p.warnRedis); err != nil {
			return err
		}
		return run(ctx)
	}
}

// newWorker is nil where nothing can be sent: then opt-outs, imports and cases
// work, and campaigns wait.
func (p *process) newWorker() (*worker.Worker, error) {
	if err := p.c.canSend(); err != nil {
		if !p.web {
			return nil, err
		}
		p.log.Warn("sending_off", "cause", err.Error())
		return nil, nil
	}
	relay, err := p.c.relay()
	if err != nil {
		if p.c.SMTPURL != "" || !p.web {
			return nil, err
		}
		p.log.Warn("sending_off", "cause", "SMTP_URL is not set")
		return nil, nil
	}
	signer, err := p.c.signer()
	if err = firstError(err, reachable(relay.Host, p.public)); err != nil {
		return nil, err
	}
	return worker.New(p.workerOptions(relay, signer))
}

func (p *process) workerOptions(relay mailer.Relay, signer *mailer.Signer) worker.Options {
	c := p.c
	sender := worker.Sender{Name: c.Sender.Name, From: c.Sender.From, Domain: c.domain(), PostalAddress: c.Sender.PostalAddress,
		ReturnPath: c.returnPath(), Unsubscribe: c.mailbox(inbox.RoleUnsubscribe), Privacy: c.mailbox(inbox.RolePrivacy)}
	return worker.Options{Store: p.s, Redis: p.redis, Relay: relay, Signer: signer, Sender: sender, PublicURL: p.public,
		Connections: c.Connections, Rate: c.Rate, RetryFirst: c.RetryFirst, Log: p.log, Registry: p.registry}
}

// pollers makes one for each mailbox that has a URL.
func (p *process) pollers() (parts []part, err error) {
	read := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "heed_mails_total", Help: "Mails read, by mailbox and what they are."}, []string{"role", "kind"})
	if err := p.registry.Register(read); err != nil {
		return nil, err
	}
	ours, err := p.ours()
	if err != nil {
		return nil, err
	}
	owner := p.owner()
	for _, box := range p.c.Mailbox {
		if box.URL == "" {
			continue
		}
		poller := &inbox.Poller{Store: p.s, Ours: ours, Owner: owner, Poll: p.c.Poll, Log: p.log,
			Mailbox:   inbox.Mailbox{Role: box.Role, Address: box.Address, URL: box.URL, PasswordFile: p.c.relative(box.PasswordFile)},
			Read:      func(role string, kind consent.Kind) { read.WithLabelValues(role, string(kind)).Inc() },
			Effective: func(_ string, after time.Duration) { p.figures.OptedOut(consent.ViaMail, after) }}
		parts = append(parts, part{"inbox " + box.Role, poller.Run})
	}
	return parts, nil
}

// owner names this installation in the leases of mailboxes. It is the same
// after a restart: nobody waits for the lease of a process that was killed.
func (p *process) owner() string {
	host, _ := os.Hostname() // without a name the folder alone must do
	folder, err := filepath.Abs(p.c.Data)
	if err != nil {
		folder = p.c.Data
	}
	return host + ":" + folder
}

func (p *process) ours() (inbox.Ours, error) {
	topics, err := p.s.Topics(context.Background())
	names := map[string]int{}
	for _, topic := range topics {
		names[topic.Name] = topic.Number
	}
	return p.c.ours(names), err
}

// server is nil where this process does not serve.
func (p *process) server() (*web.Server, error) {
	if !p.web {
		return nil, nil
	}
	var ready []web.Check
	if p.redis != nil {
		ready = append(ready, web.Check{Name: "redis", Probe: func(ctx context.Context) error { return p.redis.Ping(ctx).Err() }})
	}
	return web.New(web.Options{Store: p.s, PublicURL: p.public, SenderName: p.c.Sender.Name, UnsubscribeAddress: p.c.mailbox(inbox.RoleUnsubscribe),
		Ready: ready, Log: p.log, Registry: p.registry, Metrics: p.figures})
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
