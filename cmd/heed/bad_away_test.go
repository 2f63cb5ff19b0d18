package main

import (
	"context"
	"net/http"
	"testing"
	"time"

	"heed/mailer/mailertest"
	"heed/store/storetest"
)

// What heed needs goes away in the middle of a campaign and comes back.

const (
	awayRate  = 100
	awayFirst = 40 // people who got a mail before, and can click in it
)

// underWay is a campaign that has begun, and the links of people who got an
// earlier one.
func underWay(t *testing.T, s *story) (id string, links map[string]string) {
	t.Helper()
	ctx := t.Context()
	s.arrives(ctx, t)
	s.finishes(ctx, t, s.starts(ctx, t, helloFile(s.site.url)))
	links = map[string]string{}
	for _, m := range s.sink.Records() {
		links[m.To], _ = oneClick(m.Header())
	}
	if len(links) != awayFirst {
		t.Fatalf("%d people got the first mail, want %d", len(links), awayFirst)
	}
	id = s.starts(ctx, t, newsFile(s.site.url, awayRate))
	s.sends(t, awayRate/4)
	return id, links
}

// some takes n of the links away.
func some(links map[string]string, n int) map[string]string {
	taken := map[string]string{}
	for who, link := range links {
		if len(taken) < n {
			taken[who] = link
			delete(links, who)
		}
	}
	return taken
}

// endsWhole waits for the end of a campaign in which people opted out.
func (s *story) endsWhole(t *testing.T, id string) {
	t.Helper()
	s.heed.ends(t, exitDone, "campaign", "wait", id, "--timeout", "25s")
	if t.Failed() {
		t.FailNow()
	}
	p := s.finishes(t.Context(), t, id)
	p.expectWhole(t, s.connections)
	if p.SentAfter != 0 {
		t.Errorf("%d messages came after one of %d opt-outs", p.SentAfter, p.OptOuts)
	}
	for _, a := range s.acks {
		e, err := s.explain(t.Context(), a.who)
		if err != nil || e.gets() {
			t.Errorf("%s opted out and is %+v, %v", a.who, e.State, err)
		}
	}
}

// answers posts an opt-out once and gives the status.
func answers(ctx context.Context, t *testing.T, link string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	answer, err := postForm(ctx, link, oneClickForm)
	if err != nil {
		t.Errorf("an opt-out got no answer at all: %v", err)
		return 0
	}
	return answer.StatusCode
}

func awayScenario() scenario {
	return scenario{people: crowd(5*awayFirst, 5), connections: 4, keep: mailertest.KeepHeader}
}

// TestE2EBadDatabaseAway: without its database heed promises nothing.
func TestE2EBadDatabaseAway(t *testing.T) {
	storetest.Long(t)
	cluster := storetest.OwnPostgres(t, storetest.PostgresOptions{})
	s := beginOn(t, awayScenario(), setUp{redis: true}, func(st *stage) {
		url, _, err := cluster.NewDatabase(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		st.env = append(st.env, "DATABASE_URL="+url)
	})
	id, links := underWay(t, s)
	before := some(links, 10)
	s.leavesAtOnce(t, before)
	if err := cluster.Stop(); err != nil {
		t.Fatal(err)
	}
	for who, link := range some(links, 5) {
		if code := answers(t.Context(), t, link); code != http.StatusServiceUnavailable {
			t.Errorf("without a database the opt-out of %s was answered %d", who, code)
		}
	}
	c := s.heed.complains(t, exitFailed, "explain", "ann@home.example")
	wants(t, "the error without a database", c.Hint, "DATABASE_URL")
	stood := s.got(kindNews)
	time.Sleep(time.Second)
	if more := s.got(kindNews) - stood; more > 0 {
		t.Errorf("%d messages were sent without a database", more)
	}
	if err := cluster.Start(); err != nil {
		t.Fatal(err)
	}
	s.leavesInTime(t, links)
	s.endsWhole(t, id)
}

// TestE2EBadRedisAway: opting out needs no Redis, and what it forgets is known.
func TestE2EBadRedisAway(t *testing.T) {
	storetest.Long(t)
	redis := storetest.OwnRedis(t)
	s := beginOn(t, awayScenario(), setUp{}, func(st *stage) { st.env = append(st.env, "REDIS_URL="+redis.URL()) })
	id, links := underWay(t, s)
	if err := redis.Stop(); err != nil {
		t.Fatal(err)
	}
	s.leavesAtOnce(t, some(links, 10))
	s.byMail(t, s.people[0].email)
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	s.leavesInTime(t, links)
	s.endsWhole(t, id)
}

// leavesAtOnce wants each opt-out answered at the first try.
func (s *story) leavesAtOnce(t *testing.T, links map[string]string) {
	t.Helper()
	for who, link := range links {
		if code := answers(t.Context(), t, link); code != http.StatusOK {
			t.Errorf("the opt-out of %s was answered %d", who, code)
			continue
		}
		a, err := optOut(t.Context(), link, who) // once more: it says the same
		if err != nil {
			t.Error(err)
		}
		s.acknowledged(a)
	}
}

// leavesInTime lets people opt out, again and again while heed is not back yet.
func (s *story) leavesInTime(t *testing.T, links map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for who, link := range links {
		a, err := optOut(ctx, link, who)
		if err != nil {
			t.Fatalf("the opt-out of %s: %v", who, err)
		}
		s.acknowledged(a)
	}
}

// byMail lets somebody opt out in plain words.
func (s *story) byMail(t *testing.T, who string) {
	t.Helper()
	done, folder, err := s.mail(t.Context(), plainLetter(who, "unsubscribe@"+domain, "stop", "Please unsubscribe me."))
	if err != nil || folder != "Processed" {
		t.Errorf("the mail of %s lies in %q, %v", who, folder, err)
		return
	}
	s.acknowledged(ack{who: who, at: done})
}

// TestE2EBadMailServersAway: the relay and the IMAP server are away for three
// seconds; whoever clicks is out all the same.
func TestE2EBadMailServersAway(t *testing.T) {
	s := beginOn(t, awayScenario(), setUp{}, func(*stage) {})
	id, links := underWay(t, s)
	s.sink.Stop()
	mailboxes := s.world.(pillarbox).server
	if err := mailboxes.Stop(); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	s.leavesAtOnce(t, some(links, 10))
	who := s.people[0].email
	raw, _ := plainLetter(who, "unsubscribe@"+domain, "stop", "Please unsubscribe me.").write(time.Now())
	if err := s.Deliver(who, "unsubscribe@"+domain, raw); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(stopped.Add(3 * time.Second)))
	if err := mailboxes.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := s.sink.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := s.becomes(t.Context(), who, "out", func(e explained) bool { return !e.gets() }); err != nil {
		t.Error(err)
	}
	s.leavesInTime(t, links)
	s.endsWhole(t, id)
}
