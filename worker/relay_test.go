package worker_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"heed/consent"
	"heed/mailer"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/worker"
)

// second adds a relay beside that of the bench.
func second(t *testing.T, options mailertest.Options) *mailertest.Sink {
	sink, err := mailertest.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	return sink
}

func way(t *testing.T, name string, sink *mailertest.Sink) worker.Relay {
	relay, err := mailer.ParseRelay("smtp://" + sink.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return worker.Relay{Relay: relay, Name: name}
}

// TestRelaysShareByWeight: batches are dealt out by weight.
func TestRelaysShareByWeight(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	other := second(t, mailertest.Options{})
	id := b.campaign(800)
	stop := b.start(func(o *worker.Options) {
		heavy, light := way(t, "heavy", b.sink), way(t, "light", other)
		heavy.Weight, light.Weight = 3, 1
		o.Relays = []worker.Relay{heavy, light}
	})
	b.until(id, func(a store.Account) bool { return a.Accepted == 800 })
	stop()
	if n := other.Count(); n < 100 || n > 300 || n+b.sink.Count() != 800 {
		t.Errorf("by weights 3 and 1 of 800 messages %d went by the light relay, %d by the heavy one", n, b.sink.Count())
	}
}

// TestFailover: where one relay is away the other carries everything; nobody is
// lost or doubled, and the first is used again when it is back.
func TestFailover(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	other := second(t, mailertest.Options{})
	b.sink.Stop()
	id := b.campaign(300)
	stop := b.start(func(o *worker.Options) {
		o.Relays = []worker.Relay{way(t, "one", b.sink), way(t, "two", other)}
	})
	defer stop()
	b.until(id, func(a store.Account) bool { return a.Accepted == 300 })
	if other.Count() != 300 {
		t.Errorf("the other relay has %d of 300 messages", other.Count())
	}
	if err := b.sink.Resume(); err != nil {
		t.Fatal(err)
	}
	for range 50 { // it is tried every few seconds
		next := b.again()
		b.until(next, func(a store.Account) bool { return a.Accepted == 300 })
		if b.sink.Count() > 0 {
			return
		}
	}
	t.Error("a relay that came back is not used again")
}

// TestBreakerSparesARelayThatCloses: after a few answers that the relay is
// closing (421) it is left alone but for one try every few seconds.
func TestBreakerSparesARelayThatCloses(t *testing.T) {
	var mu sync.Mutex
	var asked []time.Time
	b := newBench(t, mailertest.Options{OnMail: func(string) mailertest.Reply {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, time.Now())
		return mailertest.Reply{Code: 421, Enhanced: "4.3.2", Text: "going down"}
	}})
	other := second(t, mailertest.Options{})
	id := b.campaign(500)
	stop := b.start(func(o *worker.Options) {
		closing := way(t, "closing", b.sink)
		closing.Weight = 9
		o.Relays = []worker.Relay{closing, way(t, "two", other)}
	})
	began := time.Now()
	b.until(id, func(a store.Account) bool { return a.Accepted == 500 })
	took := time.Since(began)
	stop()
	mu.Lock()
	defer mu.Unlock()
	// Three open it; lanes that were on their way already count too; then one try each time.
	if most := 3 + 8 + int(took/worker.OpenFor) + 1; len(asked) > most {
		t.Errorf("a relay that says it closes was asked %d times in %s, at most %d are sensible", len(asked), took, most)
	}
}

// TestClassesKeepToTheirRelays: a newsletter never goes by the relay of the
// alerts, nor an alert by that of the newsletters.
func TestClassesKeepToTheirRelays(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	alerts := second(t, mailertest.Options{})
	id := b.campaign(200)
	stop := b.start(func(o *worker.Options) {
		news, urgent := way(t, "news", b.sink), way(t, "urgent", alerts)
		news.Queues, urgent.Queues = []string{"newsletter"}, []string{"alert", "privacy"}
		o.Relays = []worker.Relay{news, urgent}
	})
	defer stop()
	alert := b.alert("p7@example.org")
	b.until(id, func(a store.Account) bool { return a.Accepted == 200 })
	b.until(alert, func(a store.Account) bool { return a.Accepted == 1 })
	if b.sink.Count() != 200 || alerts.Count() != 1 {
		t.Errorf("%d messages by the relay of newsletters, %d by that of alerts", b.sink.Count(), alerts.Count())
	}
}

// TestAlertPassesHangingNewsletters: a relay that takes all newsletters'
// connections and says nothing delays no alert.
func TestAlertPassesHangingNewsletters(t *testing.T) {
	release := make(chan struct{})
	var mu sync.Mutex
	hanging := 0
	b := newBench(t, mailertest.Options{OnEnd: func(r mailertest.Record) mailertest.Reply {
		if !strings.Contains(string(r.Data), "List-Id") {
			return mailertest.Reply{}
		}
		mu.Lock()
		hanging++
		mu.Unlock()
		<-release
		return mailertest.Reply{}
	}})
	id := b.campaign(400)
	stop := b.start(nil)
	b.until(id, func(store.Account) bool {
		mu.Lock()
		defer mu.Unlock()
		return hanging == 4 // all connections of newsletters
	})
	alert := b.alert("p3@example.org")
	b.until(alert, func(a store.Account) bool { return a.Accepted == 1 })
	close(release)
	b.until(id, func(a store.Account) bool { return a.Accepted == 400 })
	stop()
}

// TestPolicyRefusalNamesTheRelay: the note of a campaign that paused itself
// says by which of several relays it was refused.
func TestPolicyRefusalNamesTheRelay(t *testing.T) {
	reply := mailertest.Reply{Code: 550, Enhanced: "5.7.26", Text: "unauthenticated mail is not accepted"}
	b := newBench(t, mailertest.Options{OnRcpt: func(string, string) mailertest.Reply { return reply }})
	other := second(t, mailertest.Options{OnRcpt: func(string, string) mailertest.Reply { return reply }})
	id := b.campaign(300)
	stop := b.start(func(o *worker.Options) {
		o.Relays = []worker.Relay{way(t, "north", b.sink), way(t, "south", other)}
	})
	defer stop()
	ctx := context.Background()
	b.until(id, func(store.Account) bool {
		c, err := b.store.Campaign(ctx, id)
		return err == nil && c.State == "paused" && (strings.Contains(c.Note, "5.7.26 by the relay north") || strings.Contains(c.Note, "5.7.26 by the relay south"))
	})
	if e, err := b.store.Explain(ctx, "p0@example.org"); err != nil || e.State.Dead {
		t.Errorf("it was held against a person: %+v, %v", e, err)
	}
}

// again starts one more campaign to everybody.
func (b *bench) again() int64 {
	b.t.Helper()
	ctx := context.Background()
	id, _, err := b.store.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: newsletter, Audience: "all"})
	if err == nil {
		err = b.store.Start(ctx, id)
	}
	for done := false; err == nil && !done; {
		done, err = b.store.FanOut(ctx, id)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// alert sends a service alert to one person, who is made a holder first.
func (b *bench) alert(to string) int64 {
	b.t.Helper()
	ctx := context.Background()
	if _, err := b.store.Import(ctx, []store.Contact{{Email: to, Services: []string{"files"}}}, "", false); err != nil {
		b.t.Fatal(err)
	}
	id, _, err := b.store.AddCampaign(ctx, store.Campaign{Name: "a", Class: consent.Alert, Service: 1, AlertKey: to, Audience: "all",
		Source: "---\nsubject: Maintenance\nservice: files\n---\nTonight.\n"})
	if err == nil {
		err = b.store.Start(ctx, id)
	}
	for done := false; err == nil && !done; {
		done, err = b.store.FanOut(ctx, id)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}
