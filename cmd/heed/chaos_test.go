package main

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"heed/inbox/inboxtest"
	"heed/mailer/mailertest"
)

// What the machine room does to a campaign, one thing at a time: processes
// killed, Redis emptied, servers away. TestChaosRounds mixes them. At the end the sink's record must show nothing lost and nothing
// doubled.

const (
	chaosConnections = 10
	chaosRate        = 200             // messages a second
	chaosRecovery    = 5 * time.Second // from the new process to its first message
	chaosKills       = 4
)

func TestChaosKillEmbedded(t *testing.T) { killRounds(t, setUp{}) }

func TestChaosKillWorker(t *testing.T) {
	killRounds(t, setUp{postgres: true, redis: true, apart: true})
}

// killRounds kills the process that sends at random moments.
func killRounds(t *testing.T, u setUp) {
	s, id := storm(t, u, 2*chaosRate*chaosKills+chaosRate)
	for round := range chaosKills {
		s.sends(t, 1+rand.IntN(chaosRate))
		role := s.sender()
		s.children[role].kill()
		if err := s.launch(t.Context(), role); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		s.sends(t, 1)
		if took := time.Since(began); took > chaosRecovery {
			t.Errorf("round %d: the next message came %s after the restart", round+1, took)
		} else {
			t.Logf("round %d: sending again after %s", round+1, took.Round(time.Millisecond))
		}
	}
	s.finishes(t.Context(), t, id).expectWhole(t, chaosKills*chaosConnections)
}

// storm begins a campaign to n people.
func storm(t *testing.T, u setUp, n int) (*story, string) {
	t.Helper()
	s, _ := stormOn(t, u, n)
	return s, s.starts(t.Context(), t, newsFile(s.site.url, chaosRate))
}

func stormOn(t *testing.T, u setUp, n int) (*story, *servers) {
	t.Helper()
	s, real := u.opening(t, scenario{people: crowd(n, 10), connections: chaosConnections, keep: mailertest.KeepHeader})
	s.arrives(t.Context(), t)
	return s, real
}

// sends waits for n more messages.
func (s *story) sends(t *testing.T, n int) {
	t.Helper()
	from := s.got(kindNews)
	err := eventually(t.Context(), 60*time.Second, "more messages", func() (bool, error) { return s.got(kindNews) >= from+n, nil })
	if err != nil {
		t.Fatal(err)
	}
}

// TestChaosKillOthers kills each of the processes beside the worker. Wishes that
// come meanwhile are heard when the process is back.
func TestChaosKillOthers(t *testing.T) {
	s, id := storm(t, setUp{postgres: true, redis: true, apart: true}, 8*chaosRate)
	for _, role := range []string{"scheduler", "inbox", "web"} {
		s.sends(t, chaosRate/2)
		s.children[role].kill()
		raw, mail := plainLetter(s.people[3].email, "unsubscribe@"+domain, "stop", "Please unsubscribe me.").write(time.Now())
		if err := s.Deliver(s.people[3].email, "unsubscribe@"+domain, raw); err != nil {
			t.Fatal(err)
		}
		if err := s.launch(t.Context(), role); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := s.done(t.Context(), mail); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s killed: a mail that came meanwhile was done %s after it was back", role, time.Since(began).Round(time.Millisecond))
	}
	if err := responds(t.Context(), s.web+"/readyz", chaosRecovery); err != nil {
		t.Error(err)
	}
	s.isOut(t.Context(), t, s.people[3].email)
	s.finishes(t.Context(), t, id).expectWhole(t, 0)
}

// done waits until a mail to unsubscribe@ lies in Processed.
func (s *story) done(ctx context.Context, id string) error {
	return eventually(ctx, patience, "the mail to be done", func() (bool, error) {
		folder, err := s.filed("unsubscribe", id)
		return folder == "Processed", err
	})
}

// TestChaosRedisEmptied: whatever Redis forgets is known to SQL.
func TestChaosRedisEmptied(t *testing.T) {
	s, real := stormOn(t, setUp{redis: true}, 3*chaosRate)
	id := s.starts(t.Context(), t, newsFile(s.site.url, chaosRate))
	for range 3 {
		s.sends(t, chaosRate/3)
		if err := real.redis.Command("+OK", "FLUSHALL"); err != nil {
			t.Fatal(err)
		}
	}
	s.sends(t, 1)
	s.finishes(t.Context(), t, id).expectWhole(t, 0)
}

// TestChaosRedisRestarted: a new, empty Redis takes over.
func TestChaosRedisRestarted(t *testing.T) {
	s, real := stormOn(t, setUp{redis: true}, 3*chaosRate)
	id := s.starts(t.Context(), t, newsFile(s.site.url, chaosRate))
	s.sends(t, chaosRate)
	real.redis.Kill()
	time.Sleep(time.Second)
	if err := real.redis.Start(); err != nil {
		t.Fatal(err)
	}
	s.sends(t, 1)
	s.finishes(t.Context(), t, id).expectWhole(t, 0)
}

// TestChaosRelayAway: the SMTP server cuts all connections and is away for 3 s.
func TestChaosRelayAway(t *testing.T) {
	s, id := storm(t, setUp{}, 3*chaosRate)
	s.sends(t, chaosRate)
	s.sink.Stop()
	time.Sleep(3 * time.Second)
	if err := s.sink.Resume(); err != nil {
		t.Fatal(err)
	}
	s.sends(t, 1)
	s.finishes(t.Context(), t, id).expectWhole(t, chaosConnections)
}

// TestChaosMailboxAway: a mail that comes while the IMAP server is away is acted
// on when it is back.
func TestChaosMailboxAway(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		s, _ := stormOn(t, setUp{}, 20)
		server := s.world.(pillarbox).server
		mailboxAway(t, s, server.Stop, server.Resume, byHand(server))
	})
	t.Run("dovecot", func(t *testing.T) {
		s, real := stormOn(t, setUp{mail: true}, 20)
		mailboxAway(t, s, real.dovecot.Stop, real.dovecot.Start, func(raw []byte) error { return real.dovecot.Deliver("unsubscribe", raw) })
	})
}

func byHand(server *inboxtest.Server) func([]byte) error {
	return func(raw []byte) error { return server.Append("unsubscribe", "INBOX", raw, time.Now()) }
}

func mailboxAway(t *testing.T, s *story, stop, start func() error, deliver func([]byte) error) {
	who := s.people[3].email
	raw, id := plainLetter(who, "unsubscribe@"+domain, "stop", "Please unsubscribe me.").write(time.Now())
	for _, step := range []func() error{stop, func() error { return deliver(raw) }, func() error { time.Sleep(time.Second); return nil }, start} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.done(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.isOut(t.Context(), t, who)
}

// isOut fails unless a person is opted out, and others are not.
func (s *story) isOut(ctx context.Context, t *testing.T, who string) {
	t.Helper()
	e, err := s.explain(ctx, who)
	if err != nil || e.gets() {
		t.Errorf("%s is %+v, %v", who, e.State, err)
	}
	other, err := s.explain(ctx, s.people[4].email)
	if err != nil || !other.gets() {
		t.Errorf("%s is %+v, %v", s.people[4].email, other.State, err)
	}
}
