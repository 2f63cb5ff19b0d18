package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"heed/consent"
	"heed/mailer"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/store/storetest"
	"heed/worker"
)

const newsletter = `---
subject: Hello {{ first_name | default: "there" }}
topic: product
---
Good morning, {{ first_name | default: "you" }}.
`

// bench is a worker on a real store, an in-process Redis and a real SMTP
// server; carry does what a scheduler would.
type bench struct {
	t     *testing.T
	store *store.Store
	sink  *mailertest.Sink
	redis redis.UniversalClient
	tasks *asynq.Client

	window int // batches of a queue that are carried at once
}

func newBench(t *testing.T, options mailertest.Options) *bench {
	mini := miniredis.RunT(t)
	sink, err := mailertest.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	client := redis.NewClient(&redis.Options{Addr: mini.Addr()})
	t.Cleanup(func() { client.Close() })
	return &bench{t: t, store: storetest.Open(t), sink: sink, redis: client, tasks: asynq.NewClientFromRedisClient(client), window: 20}
}

// onRedis uses another Redis.
func (b *bench) onRedis(client redis.UniversalClient) {
	b.redis, b.tasks = client, asynq.NewClientFromRedisClient(client)
}

func (b *bench) start(change func(*worker.Options)) (stop func()) {
	relay, err := mailer.ParseRelay("smtp://" + b.sink.Addr())
	if err != nil {
		b.t.Fatal(err)
	}
	o := worker.Options{Store: b.store, Redis: b.redis, Relay: relay, PublicURL: "https://news.example.com", Connections: 4,
		Sender: worker.Sender{Name: "News", From: "news@example.com", Domain: "example.com", PostalAddress: "Street 1",
			ReturnPath: "bounces@example.com", Unsubscribe: "unsubscribe@example.com"},
		RetryFirst: time.Millisecond, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	w, err := worker.New(o)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	})
	b.t.Cleanup(stop) // before Redis goes, also where a test failed
	return stop
}

// contacts stores n people.
func (b *bench) contacts(n int) {
	b.t.Helper()
	var all []store.Contact
	for i := range n {
		all = append(all, store.Contact{Row: i, Email: fmt.Sprintf("p%d@example.org", i), FirstName: "Ann", Topics: []string{"product"},
			ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"})
	}
	if _, err := b.store.Import(context.Background(), all, "", false); err != nil {
		b.t.Fatal(err)
	}
}

// campaign stores n people and starts a campaign to them.
func (b *bench) campaign(n int) int64 {
	ctx := context.Background()
	b.contacts(n)
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

// until carries jobs until the account satisfies ok.
func (b *bench) until(id int64, ok func(store.Account) bool) store.Account {
	b.t.Helper()
	ctx := context.Background()
	var a store.Account
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		b.carry(ctx)
		var err error
		if a, err = b.store.Account(ctx, id); err != nil {
			b.t.Fatal(err)
		}
		if ok(a) {
			return a
		}
	}
	b.t.Fatalf("the campaign stands at %+v", a)
	return a
}

func (b *bench) carry(ctx context.Context) {
	if _, err := b.store.Requeue(ctx); err != nil {
		b.t.Fatal(err)
	}
	var jobs []store.Job
	for _, queue := range []string{"newsletter", "privacy", "alert", "preference"} {
		some, err := b.store.Carry(ctx, queue, b.window)
		if err != nil {
			b.t.Fatal(err)
		}
		jobs = append(jobs, some...)
	}
	for _, j := range jobs {
		if _, err := b.tasks.Enqueue(asynq.NewTask(j.Kind, []byte(j.TaskID())), asynq.Queue(j.Queue), asynq.TaskID(j.TaskID())); err != nil {
			b.t.Fatal(err)
		}
	}
}

func TestCampaignIsSentOnceToEverybody(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	id := b.campaign(350)
	stop := b.start(nil)
	b.until(id, func(a store.Account) bool { return a.Accepted == 350 })
	stop()
	seen := map[string]int{}
	for _, r := range b.sink.Records() {
		seen[r.To]++
	}
	if len(seen) != 350 || b.sink.Count() != 350 {
		t.Errorf("%d messages to %d people", b.sink.Count(), len(seen))
	}
}

func TestTemporaryFailureIsTriedAgain(t *testing.T) {
	refused := 0
	b := newBench(t, mailertest.Options{OnRcpt: func(_, to string) mailertest.Reply {
		if to == "p1@example.org" && refused < 2 {
			refused++
			return mailertest.Reply{Code: 451, Enhanced: "4.7.1", Text: "come back later"}
		}
		if to == "p2@example.org" {
			return mailertest.Reply{Code: 550, Enhanced: "5.1.1", Text: "no such user"}
		}
		return mailertest.Reply{}
	}})
	id := b.campaign(5)
	stop := b.start(nil)
	a := b.until(id, func(a store.Account) bool { return a.Accepted == 4 })
	stop()
	if a.Rejected != 1 || refused != 2 {
		t.Errorf("account %+v after %d refusals", a, refused)
	}
	if e, _ := b.store.Explain(context.Background(), "p2@example.org"); e.State.Dead {
		t.Error("one refusal made an address dead")
	}
}

func TestStopLeavesNothingClaimed(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	id := b.campaign(500)
	stop := b.start(func(o *worker.Options) { o.Rate = 200 })
	b.until(id, func(a store.Account) bool { return a.Accepted > 20 })
	stop()
	a, err := b.store.Account(context.Background(), id)
	if err != nil || a.InFlight != 0 || a.Uncertain != 0 || a.Accepted != b.sink.Count() {
		t.Errorf("after a stop: %+v, %v; the server has %d", a, err, b.sink.Count())
	}
	stop = b.start(nil)
	b.until(id, func(a store.Account) bool { return a.Accepted == 500 })
	stop()
	if b.sink.Count() != 500 {
		t.Errorf("the server has %d messages", b.sink.Count())
	}
}

func TestRandomTasksDoNothing(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	id := b.campaign(3)
	stop := b.start(nil)
	for i, payload := range [][]byte{nil, {0xff, 0, 1}, []byte("1"), []byte("1.99"), []byte("99999999999999999999.1"), make([]byte, 4096)} {
		if _, err := b.tasks.Enqueue(asynq.NewTask("send", payload), asynq.Queue("newsletter"), asynq.TaskID(fmt.Sprint("odd", i))); err != nil {
			t.Fatal(err)
		}
	}
	a := b.until(id, func(a store.Account) bool { return a.Accepted == 3 })
	stop()
	if b.sink.Count() != 3 || a.Audience != 3 {
		t.Errorf("account %+v, %d messages", a, b.sink.Count())
	}
}

func TestOptOutsDuringASend(t *testing.T) {
	for _, one := range []struct {
		name                       string
		open                       func(testing.TB) *store.Store
		people, connections, desks int
	}{
		{"sqlite", storetest.Open, 600, 4, 1},
		{"postgres", storetest.OpenPostgres, 600, 4, 1},
		{"postgres, several desks", storetest.OpenPostgres, 1500, 60, 3},
	} {
		t.Run(one.name, func(t *testing.T) {
			b := newBench(t, mailertest.Options{})
			b.store, b.window = one.open(t), max(20, 2*one.connections)
			if n := b.store.Desks(one.connections); n != one.desks {
				t.Errorf("%d desks, want %d", n, one.desks)
			}
			b.optOutsDuringASend(one.people, one.connections)
		})
	}
}

func (b *bench) optOutsDuringASend(n, connections int) {
	t := b.t
	id := b.campaign(n)
	stop := b.start(func(o *worker.Options) { o.Connections = connections })
	ctx := context.Background()
	acked := map[string]time.Time{}
	for i := n - 1; i >= 0; i -= 3 {
		b.carry(ctx)
		email := fmt.Sprintf("p%d@example.org", i)
		key, _, err := b.store.Key(email)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.store.OptOut(ctx, store.OptOut{Key: key, Topic: 1, Via: consent.ViaOneClick}); err != nil {
			t.Fatal(err)
		}
		if left, err := b.store.AwaitClaims(ctx, []consent.Key{key}); err != nil || left > 0 {
			t.Fatalf("%d in flight, %v", left, err)
		}
		acked[email] = time.Now()
	}
	a := b.until(id, func(a store.Account) bool { return a.Waiting == 0 && a.InFlight == 0 })
	stop()
	late := 0
	for _, r := range b.sink.Records() {
		if at, out := acked[r.To]; out && r.EndAt.After(at) {
			late++
		}
	}
	if late > 0 || a.Accepted != b.sink.Count() || a.Accepted+a.Skipped[consent.OptedOut] != n {
		t.Errorf("%d messages completed after an acknowledgement; account %+v, server %d", late, a, b.sink.Count())
	}
	if n, err := b.store.SentAfterOptOut(ctx); err != nil || n != 0 {
		t.Errorf("the audit counts %d, %v", n, err)
	}
	if report, err := b.store.Verify(ctx); err != nil || len(report["I2"].Broken)+len(report["I3"].Broken) > 0 {
		t.Errorf("I2: %v, I3: %v, %v", report["I2"], report["I3"], err)
	}
}

// TestBrokenContentFailsTheCampaign: a text that cannot be sent to anybody ends
// the campaign, with a reason for everybody.
func TestBrokenContentFailsTheCampaign(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	ctx := context.Background()
	b.campaign(3)
	id, _, err := b.store.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: "no front matter", Audience: "all"})
	if err == nil {
		err = b.store.Start(ctx, id)
	}
	for done := false; err == nil && !done; {
		done, err = b.store.FanOut(ctx, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	stop := b.start(nil)
	a := b.until(id, func(a store.Account) bool { return a.Waiting == 0 })
	stop()
	c, err := b.store.Campaign(ctx, id)
	if err != nil || c.State != "failed" || c.Note == "" || a.Skipped[consent.Unrenderable] != 3 {
		t.Errorf("campaign %s (%s), account %+v, %v", c.State, c.Note, a, err)
	}
	report, err := b.store.Verify(ctx)
	if err != nil || len(report["I3"].Broken) > 0 {
		t.Errorf("I3: %v, %v", report["I3"], err)
	}
}

// TestConditionsSeeServicesAndTopics renders person by person.
func TestConditionsSeeServicesAndTopics(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	ctx := context.Background()
	row := store.Contact{Email: "a@example.org", Topics: []string{"product"}, Services: []string{"files"}, ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"}
	plain := row
	plain.Email, plain.Services = "b@example.org", nil
	if _, err := b.store.Import(ctx, []store.Contact{row, plain}, "", false); err != nil {
		t.Fatal(err)
	}
	text := "---\nsubject: Hello\ntopic: product\n---\nYou hold {% for s in services %}[{{ s }}]{% endfor %}, you read {% for s in topics %}[{{ s }}]{% endfor %}.\n"
	id, _, err := b.store.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: text, Audience: "all"})
	if err == nil {
		err = b.store.Start(ctx, id)
	}
	for done := false; err == nil && !done; {
		done, err = b.store.FanOut(ctx, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	stop := b.start(nil)
	b.until(id, func(a store.Account) bool { return a.Accepted == 2 })
	stop()
	for _, r := range b.sink.Records() {
		want := "You hold , you read [product]."
		if r.To == "a@example.org" {
			want = "You hold [files], you read [product]."
		}
		if !strings.Contains(string(r.Data), want) {
			t.Errorf("the message to %s does not say %q:\n%s", r.To, want, r.Data)
		}
	}
}
