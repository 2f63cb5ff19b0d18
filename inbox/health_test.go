package inbox

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestFigures: what a registry is told of mailboxes, by role.
func TestFigures(t *testing.T) {
	now := time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
	box := func(role string, ours, well bool, waiting int, waited time.Duration) *Poller {
		p := &Poller{Mailbox: Mailbox{Role: role}, Now: func() time.Time { return now }}
		p.health.set(ours, well)
		p.health.waiting, p.health.oldest = waiting, now.Add(-waited)
		return p
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(Figures{box(RolePrivacy, true, true, 3, time.Minute), box(RolePrivacy, true, false, 4, time.Hour),
		box(RoleAbuse, true, true, 0, 0), box(RoleReply, false, false, 9, time.Hour)})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			got[family.GetName()+" "+m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{"heed_mailbox_up privacy": 0, "heed_mailbox_backlog privacy": 7, "heed_mailbox_oldest_seconds privacy": 3600,
		"heed_mailbox_up abuse": 1, "heed_mailbox_backlog abuse": 0, "heed_mailbox_oldest_seconds abuse": 0}
	if len(got) != len(want) {
		t.Errorf("%d figures, want %d: %v", len(got), len(want), got)
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
}

// TestPollerTellsFigures: the poller sets them.
func TestPollerTellsFigures(t *testing.T) {
	s, server := openStore(t), startIMAP(t)
	p := poller(s, server, RoleUnsubscribe)
	run(t, p)
	up := func() bool {
		f, ours := p.health.figure(time.Now())
		return ours && f.up == 1
	}
	eventually(t, "a mailbox that is up", up)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a mailbox that is down", func() bool { return !up() })
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a mailbox that is up again", up)
}
