package main

import (
	"maps"
	"strings"
	"testing"
	"time"

	"heed/store/storetest"
)

// Two machines share a campaign: the second reaches the database, Redis and the
// relay over a network that the test takes away.

const (
	machineRate = 100
	lostFor     = 6 * time.Second // longer than a worker may be silent
)

// machine is a second set of all processes.
type machine struct {
	lines map[string]*storetest.Line
}

// second starts it.
func (s *story) second(t *testing.T) *machine {
	t.Helper()
	m := &machine{lines: map[string]*storetest.Line{}}
	listen, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	d := &driver{binary: s.heed.binary, folder: s.folder, env: append(append([]string{}, s.heed.env...), "LISTEN="+listen)}
	d.runs.Store(5000) // logs of their own
	for _, name := range []string{"DATABASE_URL", "REDIS_URL", "SMTP_URL"} {
		line, near := storetest.LineTo(t, s.setting(name))
		m.lines[name] = line
		d.env = append(d.env, name+"="+near)
	}
	for _, role := range s.processes {
		c, err := d.start(role)
		if err == nil {
			err = c.await(t.Context(), 30*time.Second)
		}
		if err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		s.children[role+" 2"] = c
		s.mu.Unlock()
	}
	return m
}

// setting is what heed is told.
func (s *story) setting(name string) (value string) {
	for _, pair := range s.heed.env {
		if is, found := strings.CutPrefix(pair, name+"="); found {
			value = is // the last one counts
		}
	}
	return value
}

// TestChaosMachineCutOff takes from one of two machines its database, Redis and
// relay, by cutting the line and by letting it fall silent, each time for longer
// than a worker may be silent. The other goes on; at last the first is killed,
// and the one that was cut off finishes alone.
func TestChaosMachineCutOff(t *testing.T) {
	s, _ := stormOn(t, setUp{postgres: true, redis: true, apart: true}, 6*(machineRate*8)+500)
	m := s.second(t)
	id := s.starts(t.Context(), t, newsFile(s.site.url, machineRate))
	losses := 0
	for _, name := range []string{"DATABASE_URL", "REDIS_URL", "SMTP_URL"} {
		for how, lose := range map[string]func(){"cut": m.lines[name].Cut, "silent": m.lines[name].Block} {
			s.sends(t, machineRate/2)
			before := s.got(kindNews)
			lose()
			losses++
			time.Sleep(lostFor)
			s.sends(t, 1)
			t.Logf("without %s (%s): %d messages in %s", name, how, s.got(kindNews)-before, lostFor)
			m.lines[name].Mend()
		}
	}
	for role, c := range maps.Clone(s.children) {
		if !strings.HasSuffix(role, " 2") && role != "web" { // the web server is where links lead
			c.kill()
			delete(s.children, role)
		}
	}
	s.sends(t, 1)
	p := s.finishes(t.Context(), t, id)
	p.expectWhole(t, (losses+1)*chaosConnections)
	t.Logf("%d uncertain of %d messages after %d losses and a kill", p.Uncertain, p.Messages, losses)
}

// TestChaosMachineAsleep: one of two workers is stopped in the middle of its work
// for long, again and again. What it held is taken back and sent by the other,
// and when it wakes it sends nothing that is late.
func TestChaosMachineAsleep(t *testing.T) {
	s, _ := stormOn(t, setUp{postgres: true, redis: true, apart: true}, 3*(machineRate*9))
	s.second(t)
	id := s.starts(t.Context(), t, newsFile(s.site.url, machineRate))
	sleeper := &chaosRound{story: s}
	for range 3 {
		s.sends(t, machineRate/2)
		before := s.got(kindNews)
		if err := frozen(t.Context(), sleeper, planned{whom: "worker 2", long: lostFor}); err != nil {
			t.Fatal(err)
		}
		if s.got(kindNews) == before {
			t.Error("nothing was sent while one of two workers was stopped")
		}
	}
	p := s.finishes(t.Context(), t, id)
	p.expectWhole(t, 3*chaosConnections)
	t.Logf("%d uncertain of %d messages", p.Uncertain, p.Messages)
}
