package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"heed/consent"
	"heed/mailer"
	"heed/mailer/mailertest"
	"heed/scheduler"
	"heed/store"
	"heed/store/storetest"
	"heed/worker"
)

// behind counts what comes through to miniredis.
type behind struct {
	idle
	asked, vain atomic.Int64
}

func (b *behind) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if list := nextTaskOf(cmd.Args()); list != "" {
			b.asked.Add(1)
			if !b.server.Exists(list) {
				b.vain.Add(1)
			}
		}
		return next(ctx, cmd)
	}
}

// TestIdleQueuesAreNotAskedByScript: a queue without tasks costs no script, and what
// is in one is found. It fails where asynq asks by another script than the one that
// is known.
func TestIdleQueuesAreNotAskedByScript(t *testing.T) {
	ctx := t.Context()
	s := storetest.Open(t)
	_, err := s.Import(ctx, []store.Contact{{Email: "ann@example.com", Topics: []string{"product"}, ConsentAt: time.Now(), ConsentSource: "form", ConsentText: "yes"}}, "", false)
	if err != nil {
		t.Fatal(err)
	}
	sink, err := mailertest.Start(mailertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	relay, err := mailer.ParseRelay("smtp://" + sink.Addr())
	if err != nil {
		t.Fatal(err)
	}
	server := miniredis.RunT(t)
	client := inProcess(server)
	defer client.Close()
	hook := &behind{idle: idle{server}}
	client.AddHook(hook)
	log := slog.New(slog.DiscardHandler)
	w, err := worker.New(worker.Options{Store: s, Redis: client, Relay: relay, PublicURL: "https://example.org", Log: log,
		Sender: worker.Sender{Name: "A", From: "a@example.org", Domain: "example.org", PostalAddress: "Pier 1"}})
	if err != nil {
		t.Fatal(err)
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 2)
	go func() { done <- w.Run(running) }()
	go func() {
		done <- scheduler.New(scheduler.Options{Store: s, Redis: client, Log: log}).Run(running)
	}()
	id, _, err := s.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Audience: "all", Source: "---\nsubject: News\ntopic: product\n---\nHello.\n"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(ctx, id); err != nil {
		t.Fatal(err)
	}
	err = eventually(ctx, time.Minute, "the message", func() (bool, error) { return sink.Count() == 1, nil })
	cancel()
	<-done
	<-done
	if err != nil {
		t.Fatal(err)
	}
	if hook.asked.Load() == 0 || hook.vain.Load() != 0 {
		t.Errorf("miniredis was asked %d times for the next task, %d of them in vain", hook.asked.Load(), hook.vain.Load())
	}
}
