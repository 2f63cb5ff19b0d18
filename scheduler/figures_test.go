package scheduler_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"heed/scheduler"
	"heed/store"
	"heed/store/storetest"
)

// TestFiguresOfWhatWaits counts cases, alarms and the tray, and names nobody.
func TestFiguresOfWhatWaits(t *testing.T) {
	ctx := context.Background()
	s := storetest.Open(t)
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	defer client.Close()
	registry := prometheus.NewRegistry()
	scheduler.New(scheduler.Options{Store: s, Redis: client, Log: slog.New(slog.DiscardHandler), Registry: registry})
	for i, email := range []string{"a@example.com", "b@example.com"} {
		if _, err := s.OpenCase(ctx, store.Report{Kind: "review", Email: email, Received: time.Now().AddDate(0, 0, -30*i)}); err != nil {
			t.Fatal(err)
		}
	}
	other := store.Inbound{Mailbox: "m", UID: 1, Digest: "d", Received: time.Now()}
	other.Request.Kind = "unrelated"
	if _, err := s.RecordMail(ctx, other); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WatchCases(ctx); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			if v := m.GetGauge().GetValue(); v != 0 && strings.HasPrefix(name, "heed_") {
				got = append(got, fmt.Sprint(name, " ", v))
			}
		}
	}
	want := "heed_alarms_open kind=case_overdue 1\nheed_cases_open kind=review 2\nheed_cases_overdue 1\nheed_tray_mails 1"
	if strings.Join(got, "\n") != want {
		t.Errorf("the figures are\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	kinds := 0
	for _, f := range families {
		if f.GetName() == "heed_cases_open" || f.GetName() == "heed_alarms_open" {
			kinds += len(f.GetMetric())
		}
	}
	if want := len(store.CaseKinds()) + len(store.AlarmKinds()); kinds != want {
		t.Errorf("%d kinds are told, want %d: one that has none is 0", kinds, want)
	}
}
