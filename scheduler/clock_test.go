package scheduler_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
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

// TestNobodyReadsAMailbox: an alarm rings while no process looks into a mailbox of
// the configuration, not right after a start, and not for any other mailbox.
func TestNobodyReadsAMailbox(t *testing.T) {
	d := &desk{t: t, store: storetest.Open(t), mini: miniredis.RunT(t), alive: "w1"}
	const name = "privacy@news.example/INBOX"
	later := func(wait time.Duration) func(*scheduler.Options) {
		var calls atomic.Int64
		return func(o *scheduler.Options) {
			o.Mailboxes = []store.MailboxName{{Name: name, Role: "privacy"}}
			o.Now = func() time.Time { return time.Now().Add(time.Duration(min(calls.Add(1)-1, 1)) * wait) }
		}
	}
	first := d.campaign(1)
	d.do(d.store.Schedule(t.Context(), first, time.Now(), time.Time{}))
	d.lookWith("a look right after the start", later(time.Minute), func() bool { return d.state(first) == "sending" })
	if open := d.alarms(); len(open) != 0 {
		t.Errorf("right after the start: %+v", open)
	}
	d.lookWith("the alarm", later(store.MailboxPatience), func() bool {
		open := d.alarms()
		return len(open) == 1 && open[0].Kind == store.AlarmInbox && open[0].Key == "mailbox privacy"
	})
	_, err := d.store.LeaseMailbox(t.Context(), name, "an inbox", time.Minute)
	d.do(err)
	d.lookWith("its end", later(store.MailboxPatience), func() bool { return len(d.alarms()) == 0 })
}

// TestACampaignThatPausedItselfRings until a person lets it go on; what a person
// paused does not.
func TestACampaignThatPausedItselfRings(t *testing.T) {
	d := &desk{t: t, store: storetest.Open(t), mini: miniredis.RunT(t), alive: "w1"}
	id, other := d.campaign(3), d.campaign(0)
	for campaign, note := range map[int64]string{id: "refused", other: ""} {
		d.do(d.store.Start(t.Context(), campaign))
		_, err := d.store.Pause(t.Context(), campaign, note)
		d.do(err)
	}
	d.look("the alarm", func() bool {
		open := d.alarms()
		return len(open) == 1 && open[0].Kind == store.AlarmPaused && open[0].Key == fmt.Sprintf("campaign %d", id)
	})
	d.do(d.store.Resume(t.Context(), id))
	d.look("its end", func() bool { return len(d.alarms()) == 0 })
}

// look lets a scheduler run, which looks at the clocks at once.
func (d *desk) look(what string, seen func() bool) {
	d.t.Helper()
	d.lookWith(what, func(*scheduler.Options) {}, seen)
}

func (d *desk) lookWith(what string, change func(*scheduler.Options), seen func() bool) {
	d.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: d.mini.Addr()})
	defer client.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	o := scheduler.Options{Store: d.store, Redis: client, Log: slog.New(slog.DiscardHandler)}
	change(&o)
	go func() { done <- scheduler.New(o).Run(ctx) }()
	d.eventually(what, seen)
	cancel()
	d.do(<-done)
}

func (d *desk) alarms() []store.Alarm {
	all, err := d.store.Alarms(context.Background(), true)
	d.do(err)
	return all
}
