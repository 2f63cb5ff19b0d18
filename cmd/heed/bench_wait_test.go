package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heed/mailer/mailertest"
)

// What people wait for while a campaign goes out at full speed: alerts, opt-outs
// and the end of the sending after a pause.

const (
	benchAlerts  = 200
	benchOptOuts = 1000
	benchPauses  = 30
)

// traffic is one campaign after another.
type traffic struct {
	b    *benched
	busy atomic.Bool // a campaign is between its first and its last messages
	stop context.CancelFunc
	done chan error
}

func (b *benched) traffic(t *testing.T) *traffic {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	f := &traffic{b: b, stop: stop, done: make(chan error, 1)}
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			err = f.one(ctx)
		}
		if ctx.Err() != nil {
			err = nil
		}
		f.done <- err
	}()
	return f
}

// one sends a campaign; the traffic is busy until all but a twentieth are sent.
func (f *traffic) one(ctx context.Context) error {
	b := f.b
	made, err := ask[struct{ ID string }](ctx, b.heed, "campaign", "new", "news.md")
	if err != nil {
		return err
	}
	before := b.sink.Count()
	if _, err := b.heed.run(ctx, "campaign", "start", made.ID); err != nil {
		return err
	}
	c, err := b.status(ctx, made.ID)
	if err != nil {
		return err
	}
	for _, goal := range []int{1, c.Waiting * 19 / 20} {
		if err := eventually(ctx, 10*time.Minute, "the traffic", func() (bool, error) { return b.sink.Count()-before >= goal, nil }); err != nil {
			return err
		}
		f.busy.Store(goal == 1)
	}
	_, err = b.heed.run(ctx, "campaign", "wait", made.ID, "--timeout", "60s")
	return err
}

// sample calls step while the traffic is busy, until it gave n times what was
// measured from its beginning to its end in such a time.
func (f *traffic) sample(t *testing.T, n int, step func(i int) time.Duration) []float64 {
	t.Helper()
	var all []float64
	for i, end := 0, time.Now().Add(3*time.Minute); len(all) < n && time.Now().Before(end); {
		select {
		case err := <-f.done:
			t.Fatal("the traffic ended: ", err)
		default:
		}
		if !f.busy.Load() {
			time.Sleep(time.Millisecond)
			continue
		}
		took := step(i)
		i++
		if f.busy.Load() {
			all = append(all, took.Seconds()*1000)
		}
	}
	f.stop()
	if err := <-f.done; err != nil {
		t.Fatal(err)
	}
	if len(all) < n/2 {
		t.Fatalf("only %d of %d could be measured", len(all), n)
	}
	return all
}

func benchEngines(t *testing.T, test func(t *testing.T, engine string)) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) { test(t, engine) })
	}
}

// arrivals notes when the sink took a message for somebody.
type arrivals struct {
	mu sync.Mutex
	at map[string]chan time.Time
}

func (a *arrivals) expect(who string) <-chan time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := make(chan time.Time, 1)
	a.at[who] = c
	return c
}

func (a *arrivals) note(r mailertest.Record) {
	a.mu.Lock()
	c := a.at[r.To]
	a.mu.Unlock()
	if c != nil {
		c <- time.Now()
	}
}

// TestBenchAlerts measures from the moment at which an alert is stored as started
// to the moment at which the relay takes it.
func TestBenchAlerts(t *testing.T) {
	benchEngines(t, func(t *testing.T, engine string) {
		n := fromEnv("HEED_BENCH_ALERTS", benchAlerts)
		b := openBench(t, benchPlan{engine: engine, people: messages() + n*2, holders: n * 2})
		came := &arrivals{at: map[string]chan time.Time{}}
		b.receive(t, mailertest.Options{OnMessage: came.note})
		b.serve(t, 10)
		s := b.open(t)
		took := b.traffic(t).sample(t, n, func(i int) time.Duration {
			if i >= b.holders {
				t.Fatal("the campaigns are too short for alerts")
			}
			who := b.reader(b.people - 1 - i)
			arrived := came.expect(who)
			made, err := ask[alertView](t.Context(), b.heed, "alert", "send", "alert.md", "--key", strconv.Itoa(i), "--to", who)
			if err != nil || made.Queued != 1 {
				t.Fatalf("%+v, %v", made, err)
			}
			id, _ := strconv.ParseInt(made.ID, 10, 64)
			c, err := s.Campaign(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			select {
			case at := <-arrived:
				return at.Sub(c.Started)
			case <-time.After(time.Minute):
				t.Fatal("an alert did not arrive within a minute: ", b.child.lastWords())
			}
			return 0
		})
		name := engine + ", 10 connections, alert stored to taken by the relay during a campaign"
		report(t, []figure{measured(t, name+", p50", percentile(took, 50)), measured(t, name+", p99", percentile(took, 99))})
	})
}

// TestBenchOptOuts measures a mail program's button: from the POST to the 200.
func TestBenchOptOuts(t *testing.T) {
	benchEngines(t, func(t *testing.T, engine string) {
		b := openBench(t, benchPlan{engine: engine, people: messages()})
		b.receive(t, mailertest.Options{})
		b.serve(t, 10)
		o := clicks{b: b, order: rand.Perm(b.people), until: map[string]time.Time{}}
		s := b.open(t)
		o.token = func(i int) string { token, _ := b.link(t, s, i); return token }
		took := b.traffic(t).sample(t, fromEnv("HEED_BENCH_OPTOUTS", min(benchOptOuts, b.people/10)), func(i int) time.Duration { return o.click(t, i) })
		o.check(t)
		name := engine + ", 10 connections, opt-out POST to 200 during a campaign"
		report(t, []figure{measured(t, name+", p50", percentile(took, 50)), measured(t, name+", p99", percentile(took, 99)),
			measured(t, name+", max", percentile(took, 100))})
	})
}

// clicks are opt-outs of people in a random order.
type clicks struct {
	b     *benched
	order []int
	token func(i int) string
	until map[string]time.Time // from when on nothing may be sent
}

func (o *clicks) click(t *testing.T, i int) time.Duration {
	who := o.order[i]
	link := o.b.url + "/u/" + o.token(who)
	began := time.Now()
	answer, err := http.Post(link, "application/x-www-form-urlencoded", strings.NewReader("List-Unsubscribe=One-Click"))
	took := time.Since(began)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body) // so that the connection is kept
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("an opt-out was answered %s", answer.Status)
	}
	if answer.Header.Get("Heed-In-Flight") == "0" {
		o.until[o.b.reader(who)] = time.Now()
	}
	return took
}

// check looks for messages that ended after the answer.
func (o *clicks) check(t *testing.T) {
	t.Helper()
	for _, r := range o.b.sink.Records() {
		if at, left := o.until[r.To]; left && r.EndAt.After(at) {
			t.Errorf("a message ended %s after the opt-out was acknowledged", r.EndAt.Sub(at))
		}
	}
}

// TestBenchPauses measures from the moment at which heed campaign pause is
// called to the last end of a message.
func TestBenchPauses(t *testing.T) {
	benchEngines(t, func(t *testing.T, engine string) {
		b := openBench(t, benchPlan{engine: engine, people: messages()})
		b.receive(t, mailertest.Options{})
		b.serve(t, 10)
		var took []float64
		for n := fromEnv("HEED_BENCH_PAUSES", benchPauses); len(took) < n; {
			took = append(took, b.pauses(t, n-len(took))...)
		}
		name := engine + ", 10 connections, pause called to the last end of a message"
		report(t, []figure{measured(t, name+", p50", percentile(took, 50)), measured(t, name+", p99", percentile(took, 99))})
	})
}

// pauses pauses one campaign up to n times.
func (b *benched) pauses(t *testing.T, n int) (took []float64) {
	t.Helper()
	id, before := b.draft(t), b.sink.Count()
	b.run(t, "campaign", "start", id)
	step := max(b.people/(2*benchPauses), 20)
	for i := 1; i <= n && (i+1)*step < b.people*9/10; i++ {
		b.arrives(t, before, b.sink.Count()-before+step)
		began := time.Now()
		paused, err := ask[stateView](t.Context(), b.heed, "campaign", "pause", id)
		returned := time.Now()
		if err != nil {
			if c, wrong := b.status(t.Context(), id); wrong != nil || c.State != "done" {
				t.Fatal(err, wrong)
			}
			break // it was faster
		}
		time.Sleep(100 * time.Millisecond) // whatever would still come, comes
		last := lastEnd(b.sink.Records())
		if *paused.InFlight == 0 && last.After(returned) {
			t.Errorf("a message ended %s after the pause", last.Sub(returned))
		}
		took = append(took, max(0, last.Sub(began).Seconds()*1000))
		b.run(t, "campaign", "resume", id)
	}
	b.run(t, "campaign", "wait", id, "--timeout", "5m")
	return took
}

func lastEnd(all []mailertest.Record) (last time.Time) {
	for _, r := range all[max(0, len(all)-200):] {
		if r.EndAt.After(last) {
			last = r.EndAt
		}
	}
	return last
}
