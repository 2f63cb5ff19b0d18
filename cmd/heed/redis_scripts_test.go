package main

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"sync"
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

// heard keeps, in order, what was asked of a Redis and answered.
type heard struct {
	mu  sync.Mutex
	all [][]any
}

func (h *heard) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *heard) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *heard) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		h.mu.Lock()
		defer h.mu.Unlock()
		if err == nil || err == redis.Nil {
			h.all = append(h.all, cmd.Args())
		}
		return err
	}
}

// byDigest turns a script that was sent whole into a call by its digest, and tells which
// of asynq's scripts a command is.
func byDigest(args []any) (call []any, known string) {
	source, whole := "", args[0] == "eval"
	if whole {
		source, _ = args[1].(string)
		sum := sha1.Sum([]byte(source))
		args = append([]any{"evalsha", hex.EncodeToString(sum[:])}, args[2:]...)
	}
	if args[0] == "evalsha" {
		known = map[any]string{enqueueScript: "enqueue", dequeueScript: "dequeue", doneScript: "done"}[args[1]]
	}
	return args, known
}

// TestScriptsAtHand: what asynq asks of a Redis while a message goes out is played once
// more to miniredis alone, and to one whose scripts are answered for. Answers and
// contents are the same at each step, also of a task that is enqueued or struck off
// twice and of a queue that is paused, and no interpreter was needed.
func TestScriptsAtHand(t *testing.T) {
	ctx := t.Context()
	all := sendOne(t, redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()}))
	alone, other := miniredis.RunT(t), miniredis.RunT(t)
	plain := redis.NewClient(&redis.Options{Addr: alone.Addr()})
	defer plain.Close()
	at := inProcess(other)
	defer at.Close()
	through := &heard{}
	at.AddHook(through)
	met := map[string]int{}
	play := func(args []any) {
		t.Helper()
		want, wantErr := plain.Do(ctx, args...).Result()
		got, err := at.Do(ctx, args...).Result()
		if fmt.Sprint(want, wantErr) != fmt.Sprint(got, err) {
			t.Errorf("%v: want %v, %v; got %v, %v", args, want, wantErr, got, err)
		}
		if a, b := alone.Dump(), other.Dump(); a != b {
			t.Fatalf("after %v: want\n%s\ngot\n%s", args, a, b)
		}
	}
	for _, args := range all { // first: of two who ask at once it is chance who is heard first
		if args[0] == "eval" {
			for _, client := range []*redis.Client{plain, at} {
				if err := client.ScriptLoad(ctx, args[1].(string)).Err(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, args := range all {
		if args[0] == "hello" || args[0] == "client" {
			continue
		}
		call, known := byDigest(args)
		play(call)
		if met[known]++; known == "enqueue" {
			play(call) // is there already
			play([]any{"set", "asynq:{newsletter}:paused", "1"})
			play([]any{"evalsha", dequeueScript, 4, "asynq:{newsletter}:pending", "asynq:{newsletter}:paused", "asynq:{newsletter}:active", "asynq:{newsletter}:lease", 1, "asynq:{newsletter}:t:"})
			play([]any{"del", "asynq:{newsletter}:paused"})
		}
		if known == "done" {
			play(call) // there no more
		}
	}
	if met["enqueue"] == 0 || met["dequeue"] < 2 || met["done"] == 0 {
		t.Errorf("asynq's scripts are others than those that are known: met %v of %d", met, len(all))
	}
	for _, args := range through.all {
		if _, known := byDigest(args); known != "" {
			t.Errorf("miniredis was asked to %s: %v", known, args)
		}
	}
}

// sendOne sends a campaign to one person, and gives what was asked of Redis for it.
func sendOne(t *testing.T, client *redis.Client) [][]any {
	t.Helper()
	defer client.Close()
	hook := &heard{}
	client.AddHook(hook)
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
	err = eventually(ctx, time.Minute, "the job's end", func() (bool, error) {
		hook.mu.Lock()
		defer hook.mu.Unlock()
		return sink.Count() == 1 && slices.ContainsFunc(hook.all, func(args []any) bool { _, known := byDigest(args); return known == "done" }), nil
	})
	cancel()
	<-done
	<-done
	if err != nil {
		t.Fatal(err)
	}
	return hook.all
}
