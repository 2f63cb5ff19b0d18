package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"heed/inbox"
	"heed/mailer"
	"heed/mailer/mailertest"
	"heed/scheduler"
	"heed/store"
	"heed/store/storetest"
	"heed/worker"
)

// house is one whole heed in this process, in a time of the test's own.
type house struct {
	t     *testing.T
	name  string // its domain
	s     *store.Store
	sink  *mailertest.Sink
	uid   int64
	heard int // letters of the other's that it has read
}

// openHouse starts one that knows the other's sender as a reader of its news.
func openHouse(t *testing.T, name, other string, now func() time.Time) *house {
	t.Helper()
	h := &house{t: t, name: name, s: storetest.OpenWith(t, func(o *store.Options) { o.Now = now })}
	contact := store.Contact{Email: "news@" + other, Topics: []string{"product"}, ConsentAt: now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"}
	if _, err := h.s.Import(t.Context(), []store.Contact{contact}, "", false); err != nil {
		t.Fatal(err)
	}
	var err error
	if h.sink, err = mailertest.Start(mailertest.Options{}); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	relay, err := mailer.ParseRelay("smtp://" + h.sink.Addr())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w, err := worker.New(worker.Options{Store: h.s, Redis: client, Relay: relay, PublicURL: "https://" + name, Log: log, Now: now,
		Sender: worker.Sender{Name: name, From: "news@" + name, Domain: name, PostalAddress: "Pier 1"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- w.Run(ctx) }()
	go func() {
		done <- scheduler.New(scheduler.Options{Store: h.s, Redis: client, Log: log, Now: now}).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		<-done
		client.Close()
		h.sink.Close()
	})
	return h
}

// reads takes a mail in, as its poller would, and waits until the first letter
// that it causes has left.
func (h *house) reads(raw []byte, at time.Time, other string) {
	h.t.Helper()
	h.uid++
	ours := inbox.Ours{Addresses: []string{"news@" + h.name, "unsubscribe@" + h.name}, Domain: h.name}
	request := inbox.Read(raw, inbox.RoleUnsubscribe, h.s.Keys().Links, ours)
	_, err := h.s.RecordMail(h.t.Context(), store.Inbound{Mailbox: "u", Role: inbox.RoleUnsubscribe, Validity: 1, UID: h.uid, Digest: string(rune('a' + h.uid)),
		MessageID: "<x@" + other + ">", Received: at, Request: request})
	if err != nil {
		h.t.Fatal(err)
	}
	key, _, err := h.s.Key("news@" + other)
	if err != nil {
		h.t.Fatal(err)
	}
	letters, err := h.s.Letters(h.t.Context(), key)
	if err != nil || len(letters) == 0 {
		return
	}
	err = eventually(h.t.Context(), time.Minute, "the first letter", func() (bool, error) { return h.sink.Count() > 0, nil })
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestTwoOfUsDoNotTalk wires two of us to each other, each the other's reader:
// within a day they exchange two mails at most, even where a gateway between
// them takes away every mark by which an automatic mail is known.
func TestTwoOfUsDoNotTalk(t *testing.T) {
	for name, gateway := range map[string]func([]byte) []byte{"marks arrive": func(raw []byte) []byte { return raw }, "marks are lost": unmarked} {
		t.Run(name, func(t *testing.T) {
			var late atomic.Int64
			began := time.Now()
			now := func() time.Time { return began.Add(time.Duration(late.Load())) }
			a, b := openHouse(t, "a.example", "b.example", now), openHouse(t, "b.example", "a.example", now)
			b.reads([]byte("From: news@a.example\r\nTo: unsubscribe@b.example\r\nSubject: stop\r\n\r\nPlease unsubscribe me.\r\n"), now(), "a.example")
			for range 23 {
				for _, pair := range [][2]*house{{a, b}, {b, a}} {
					reader, writer := pair[0], pair[1]
					for _, r := range writer.sink.Records()[reader.heard:] {
						reader.heard++
						reader.reads(gateway(append([]byte("Return-Path: <"+r.From+">\r\n"), r.Data...)), now(), writer.name)
					}
				}
				late.Add(int64(time.Hour))
			}
			if n := a.sink.Count() + b.sink.Count(); n < 1 || n > 2 || name == "marks arrive" && n != 1 {
				t.Errorf("%d mails within a day", n)
			}
		})
	}
}

// unmarked takes away what tells an automatic mail.
func unmarked(raw []byte) []byte {
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	var kept []string
	for _, line := range strings.Split(strings.ReplaceAll(string(head), "\r\n ", " "), "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch textproto.CanonicalMIMEHeaderKey(name) {
		case "Return-Path", "Auto-Submitted", "Heed-Loop", "In-Reply-To", "References":
		default:
			kept = append(kept, line)
		}
	}
	return []byte(strings.Join(kept, "\r\n") + "\r\n\r\n" + string(body))
}
