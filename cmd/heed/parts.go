package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heed/consent"
	"heed/inbox"
	"heed/mailer"
	"heed/scheduler"
	"heed/store"
	"heed/web"
	"heed/worker"
)

// parts makes what the roles of this process run beside the server.
func (p *process) parts() (parts []part, err error) {
	if p.scheduler {
		s := scheduler.New(scheduler.Options{Store: p.s, Redis: p.redis, Log: p.log, Registry: p.registry, Mailboxes: p.mailboxes()})
		parts = append(parts, part{"scheduler", p.afterRedis(s.Run)})
	}
	if p.worker {
		w, err := p.newWorker()
		if err != nil {
			return nil, err
		}
		switch {
		case w != nil:
			parts = append(parts, part{"worker", p.afterRedis(w.Run)})
		case len(p.tellable().Ways()) > 0:
			t := worker.NewTeller(worker.Options{Store: p.s, Alarms: p.tellable(), Log: p.log})
			parts = append(parts, part{"alarms", t.Run})
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

// tellable are the alarms, where nothing else can be sent: by a webhook, and by
// mail if there is somebody who writes and a relay for alarms.
func (p *process) tellable() worker.Alarms {
	alarms, err := p.c.alarms(p.public)
	if err != nil || p.c.Sender.From == "" {
		alarms.Relay = nil // alarm_mail_off or heed config check tells why
	}
	return alarms
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
	relays, err := p.c.relays()
	if err != nil {
		if p.c.hasRelay() || !p.web {
			return nil, err
		}
		p.log.Warn("sending_off", "cause", "there is neither SMTP_URL nor a [[relay]]")
		return nil, nil
	}
	signer, err := p.c.signer()
	for _, one := range relays {
		err = firstError(err, reachable(one.Host, p.public))
	}
	if err != nil {
		return nil, err
	}
	alarms, err := p.c.alarms(p.public)
	if err != nil {
		p.log.Error("alarm_mail_off", "error", err.Error())
	}
	options := p.workerOptions(relays, signer)
	options.Alarms = alarms
	return worker.New(options)
}

func (p *process) workerOptions(relays []worker.Relay, signer *mailer.Signer) worker.Options {
	c := p.c
	sender := worker.Sender{Name: c.Sender.Name, From: c.Sender.From, Domain: c.domain(), PostalAddress: c.Sender.PostalAddress,
		ReturnPath: c.returnPath(), Unsubscribe: c.mailbox(inbox.RoleUnsubscribe), Privacy: c.mailbox(inbox.RolePrivacy), Authority: c.Law.Authority, Language: c.Sender.Language,
		Complaints: c.Sender.Complaints, RelaySigns: c.Sender.RelaySigns}
	return worker.Options{Store: p.s, Redis: p.redis, Relays: relays, Limits: c.limitsTo(), ByMX: c.Pace.ByMX, Signer: signer, Sender: sender, Systems: c.systems(), Hooks: c.webhooks(false), Postmark: c.marksForPostmark(), Partners: c.partners(), PublicURL: p.public,
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
	var figures inbox.Figures
	keys := p.c.Inbox.keys()
	for _, box := range p.c.Mailbox {
		if box.URL == "" {
			continue
		}
		poller := &inbox.Poller{Store: p.s, Ours: ours, Owner: owner, Poll: p.c.Poll, Log: p.log, Keys: keys,
			Mailbox:   p.c.mailboxOf(box),
			Read:      func(role string, kind consent.Kind) { read.WithLabelValues(role, string(kind)).Inc() },
			Effective: func(_ string, after time.Duration) { p.figures.OptedOut(consent.ViaMail, after) }}
		figures, parts = append(figures, poller), append(parts, part{"inbox " + box.Role, poller.Run})
	}
	return parts, p.registry.Register(figures)
}

// mailboxes are those that this process or another is to read.
func (p *process) mailboxes() (all []store.MailboxName) {
	for _, box := range p.c.Mailbox {
		name, err := p.c.mailboxOf(box).Name()
		if box.URL != "" && err == nil {
			all = append(all, store.MailboxName{Name: name, Role: box.Role})
		}
	}
	return all
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
	names, ids := map[string]int{}, map[string]int{}
	for _, topic := range topics {
		names[topic.Name], ids[topic.ID] = topic.Number, topic.Number
	}
	return p.c.ours(names, ids), err
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
	return web.New(web.Options{Store: p.s, PublicURL: p.public, SenderName: p.c.Sender.Name, Language: p.c.Sender.Language, Topics: p.c.topicsInWords(), UnsubscribeAddress: p.c.mailbox(inbox.RoleUnsubscribe), About: p.c.about(), SignUp: p.c.SignUp.form(),
		Ready: ready, Log: p.log, Registry: p.registry, Metrics: p.figures, Doors: p.doors()})
}
