package scheduler_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"heed/scheduler"
	"heed/store"
	"heed/store/storetest"
)

// TestManyForeignReportsAreToldOf: twenty bounces and spam reports within an
// hour that name no message of ours raise an alarm, nineteen do not; an hour
// later it is over.
func TestManyForeignReportsAreToldOf(t *testing.T) {
	now := time.Now()
	storetest.EnginesWith(t, func(o *store.Options) { o.Now = func() time.Time { return now } }, func(t *testing.T, s *store.Store) {
		now = time.Now()
		d := &desk{t: t, store: s, mini: miniredis.RunT(t), alive: "w1"}
		for i := range 19 {
			d.report(i, now)
		}
		many, err := s.ManyForeignReports(t.Context())
		d.do(err)
		if many {
			t.Error("nineteen reports count as many")
		}
		d.report(19, now)
		d.look("the alarm", func() bool { open := d.alarms(); return len(open) == 1 && open[0].Kind == store.AlarmForeign })
		now = now.Add(2 * time.Hour)
		d.look("its end", func() bool { return len(d.alarms()) == 0 })
	})
}

// report records a bounce, and now and then a spam report, that names nothing.
func (d *desk) report(i int, at time.Time) {
	d.t.Helper()
	m := store.Inbound{Mailbox: "bounces@example.org/INBOX", Role: "bounces", UID: int64(i + 1), Validity: 1, Digest: fmt.Sprint("digest ", i), Received: at}
	if m.Request.Kind = "bounce"; i%5 == 0 {
		m.Request.Kind = "arf"
	}
	_, err := d.store.RecordMail(context.Background(), m)
	d.do(err)
}

// look lets a scheduler run, which looks at the clocks at once.
func (d *desk) look(what string, seen func() bool) {
	d.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: d.mini.Addr()})
	defer client.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- scheduler.New(scheduler.Options{Store: d.store, Redis: client, Log: slog.New(slog.DiscardHandler)}).Run(ctx)
	}()
	d.eventually(what, seen)
	cancel()
	d.do(<-done)
}

func (d *desk) alarms() []store.Alarm {
	all, err := d.store.Alarms(context.Background(), true)
	d.do(err)
	return all
}
