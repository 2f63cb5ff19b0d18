package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"heed/scheduler"
	"heed/store"
	"heed/store/storetest"
)

// desk is a scheduler on a real store and an in-process Redis, with a worker
// that is known and does nothing.
type desk struct {
	t     *testing.T
	store *store.Store
	mini  *miniredis.Miniredis
	alive string // the worker that is kept alive
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, store: storetest.Open(t), mini: miniredis.RunT(t)}
	client := redis.NewClient(&redis.Options{Addr: d.mini.Addr()})
	t.Cleanup(func() { client.Close() })
	d.do(d.store.Register(context.Background(), "w1", "worker", 3))
	d.alive = "w1"
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- scheduler.New(scheduler.Options{Store: d.store, Redis: client, Log: slog.New(slog.DiscardHandler)}).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		d.do(<-done)
	})
	return d
}

func (d *desk) do(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// campaign stores n people and a newsletter to them, not yet begun.
func (d *desk) campaign(n int) int64 {
	d.t.Helper()
	var all []store.Contact
	for i := range n {
		all = append(all, store.Contact{Row: i, Email: fmt.Sprintf("p%d@example.org", i), Topics: []string{"product"},
			ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"})
	}
	_, err := d.store.Import(context.Background(), all, "", false)
	d.do(err)
	id, _, err := d.store.AddCampaign(context.Background(), store.Campaign{Name: "n", Class: "newsletter", Topic: 1, Source: "x", Audience: "all"})
	d.do(err)
	return id
}

// pending counts the tasks that wait in a queue.
func (d *desk) pending(queue string) int {
	tasks, err := d.mini.List("asynq:{" + queue + "}:pending")
	if err != nil {
		return 0 // no such list: nothing waits
	}
	return len(tasks)
}

func (d *desk) eventually(what string, ok func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		d.do(d.store.Register(context.Background(), d.alive, "worker", 3))
		if ok() {
			return
		}
	}
	d.t.Fatalf("waited in vain for %s", what)
}

func TestCarriesABoundedWindow(t *testing.T) {
	d := newDesk(t)
	id := d.campaign(1200)
	d.do(d.store.Start(context.Background(), id))
	d.eventually("the window to fill", func() bool { return d.pending("newsletter") == 6 })
	time.Sleep(500 * time.Millisecond)
	if n := d.pending("newsletter"); n != 6 {
		t.Errorf("%d batches wait in Redis for a worker of three lanes, want two for each", n)
	}
	for _, key := range d.mini.Keys() {
		if dump := d.mini.Dump(); len(dump) > 1<<20 {
			t.Fatalf("Redis holds %d bytes, %s among them", len(dump), key)
		}
	}
}

func TestCarriesAgainWhatRedisForgot(t *testing.T) {
	d := newDesk(t)
	id := d.campaign(75)
	d.do(d.store.Start(context.Background(), id))
	d.eventually("the jobs to be carried", func() bool { return d.pending("newsletter") == 3 })
	for range 2 { // the second time the client knows the queue's name already
		d.mini.FlushAll()
		d.eventually("the jobs to be carried again", func() bool { return d.pending("newsletter") == 3 })
	}
}

// TestCarriesAgainWhatNobodyBegins: Redis has given a task to a worker that was
// stopped, or cut off, before it heard of it. To Redis it is being worked on.
func TestCarriesAgainWhatNobodyBegins(t *testing.T) {
	d := newDesk(t)
	client := redis.NewClient(&redis.Options{Addr: d.mini.Addr()})
	t.Cleanup(func() { client.Close() })
	taken, over := make(chan bool, 1), make(chan bool)
	deaf := asynq.NewServerFromRedisClient(client, asynq.Config{Concurrency: 1, Queues: map[string]int{"newsletter": 1}, LogLevel: asynq.FatalLevel})
	d.do(deaf.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		taken <- true
		<-over
		return nil
	})))
	t.Cleanup(deaf.Shutdown)
	t.Cleanup(func() { close(over) })
	d.do(d.store.Start(context.Background(), d.campaign(20)))
	<-taken
	d.eventually("the job to be carried again", func() bool { return d.pending("newsletter") == 1 })
}

func TestStartsWhatIsDueAndMissesWhatIsLate(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	due, late := d.campaign(3), d.campaign(0)
	d.do(d.store.Schedule(ctx, late, time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)))
	d.do(d.store.Schedule(ctx, due, time.Now().Add(300*time.Millisecond), time.Time{}))
	d.eventually("the due one to begin", func() bool { return d.state(due) == "sending" && d.pending("newsletter") == 1 })
	d.eventually("the late one to be missed", func() bool { return d.state(late) == "missed" })
}

func (d *desk) state(id int64) string {
	c, err := d.store.Campaign(context.Background(), id)
	d.do(err)
	return c.State
}

func TestTakesBackWhatADeadWorkerHeld(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	id := d.campaign(20)
	d.do(d.store.Start(ctx, id))
	d.eventually("the job to be carried", func() bool { return d.pending("newsletter") == 1 })
	_, mine, err := d.store.Begin(ctx, 1, 0, "w1")
	d.do(err)
	if !mine {
		t.Fatal("the job was not to be had")
	}
	d.mini.FlushAll()
	d.do(d.store.Unregister(ctx, "w1"))
	time.Sleep(time.Second)
	if d.pending("newsletter") != 0 {
		t.Error("jobs are carried although no worker lives")
	}
	d.alive = "w2"
	d.eventually("the job to be carried again", func() bool { return d.pending("newsletter") == 1 })
	if _, old, _ := d.store.Begin(ctx, 1, 0, "w1"); old {
		t.Error("the dead worker's generation still counts")
	}
}

// deaf loses the answer to the first task that a worker takes, as happens to one
// that is stopped at that moment, or whose line to Redis breaks.
type deaf struct {
	redis.Hook
	lost atomic.Int64
}

func (d *deaf) DialHook(next redis.DialHook) redis.DialHook { return next }

func (d *deaf) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (d *deaf) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		takes := len(cmd.Args()) > 3 && strings.HasSuffix(fmt.Sprint(cmd.Args()[3]), ":pending")
		if err != nil || !takes || !d.lost.CompareAndSwap(0, 1) {
			return err
		}
		err = errors.New("i/o timeout")
		cmd.SetErr(err)
		return err
	}
}

// TestATaskThatNobodyBeginsIsCarriedAgain: Redis has given a task to a worker that
// never heard of it. Its job is carried again within seconds, and is begun.
func TestATaskThatNobodyBeginsIsCarriedAgain(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	id := d.campaign(20)
	client := redis.NewClient(&redis.Options{Addr: d.mini.Addr()})
	t.Cleanup(func() { client.Close() })
	hook := &deaf{}
	client.AddHook(hook)
	worker := asynq.NewServerFromRedisClient(client, asynq.Config{Concurrency: 2, Queues: map[string]int{"newsletter": 1}, TaskCheckInterval: 10 * time.Millisecond,
		LogLevel: asynq.FatalLevel})
	begun := make(chan store.Job, 1)
	d.do(worker.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		var job int64
		var generation int
		if _, err := fmt.Sscanf(string(task.Payload()), "%d.%d", &job, &generation); err != nil {
			return err
		}
		j, mine, err := d.store.Begin(ctx, job, generation, d.alive)
		if err == nil && mine {
			begun <- j
		}
		return err
	})))
	t.Cleanup(worker.Shutdown)
	d.do(d.store.Start(ctx, id))
	var j store.Job
	d.eventually("the job to be begun", func() bool {
		select {
		case j = <-begun:
			return true
		default:
			return false
		}
	})
	if hook.lost.Load() != 1 || j.Generation != 1 {
		t.Errorf("%d tasks were lost, and generation %d was begun, want 1 and 1", hook.lost.Load(), j.Generation)
	}
}

// TestWorkThatFailsRings: a job that fails again and again sets off an alarm, which
// ends when the job was mended.
func TestWorkThatFailsRings(t *testing.T) {
	ctx := context.Background()
	d := &desk{t: t, store: storetest.Open(t), mini: miniredis.RunT(t), alive: "w1"}
	d.do(d.store.Start(ctx, d.campaign(3)))
	_, err := d.store.FanOut(ctx, 1)
	d.do(err)
	var j store.Job
	for i := range store.Alarming {
		jobs, err := d.store.Carry(ctx, "newsletter", 9)
		d.do(err)
		j, _, err = d.store.Begin(ctx, jobs[0].ID, jobs[0].Generation, "w1")
		d.do(err)
		due := -time.Second
		if i == store.Alarming-1 {
			due = time.Hour // rests, as the scheduler below would carry it at once
		}
		d.do(d.store.FailJob(ctx, j, time.Now().Add(due), false))
	}
	client := redis.NewClient(&redis.Options{Addr: d.mini.Addr()})
	t.Cleanup(func() { client.Close() })
	rings := func(want int) {
		t.Helper()
		watching, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() {
			done <- scheduler.New(scheduler.Options{Store: d.store, Redis: client, Log: slog.New(slog.DiscardHandler)}).Run(watching)
		}()
		d.eventually(fmt.Sprint(want, " alarms"), func() bool {
			open, err := d.store.Alarms(ctx, true)
			d.do(err)
			return len(open) == want && (want == 0 || open[0].Kind == store.AlarmJobs && open[0].Key == "send")
		})
		stop()
		d.do(<-done)
	}
	rings(1)
	d.do(d.store.RetryJob(ctx, j.ID))
	rings(0)
}
