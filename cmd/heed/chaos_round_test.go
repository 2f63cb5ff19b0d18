package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"heed/mailer/mailertest"
	"heed/store/storetest"
)

// chaosYard holds the servers that rounds have in common; each round gets a
// database, a folder and a sink of its own.
type chaosYard struct {
	postgres *storetest.PostgresServer
	redis    *storetest.RedisServer
}

// chaosRound is a round that is played.
type chaosRound struct {
	*story
	plan  chaosPlan
	yard  *chaosYard
	relay *storetest.PostfixServer // nil: the sink itself
	disk  string                   // that can be filled; empty: no fault asks for it
	short string                   // why a planned fault could not be
	id    string                   // the campaign
	still []stillness

	troubles sync.Mutex
	trouble  map[string][]mailertest.Action // by verb
}

// stillness is a time in which a paused campaign must send nothing more than
// what was declared.
type stillness struct {
	from, until time.Time
	inFlight    int
}

// newRound sets the stage of a plan.
func newRound(t *testing.T, yard *chaosYard, p chaosPlan) *chaosRound {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	r := &chaosRound{plan: p, yard: yard, trouble: map[string][]mailertest.Action{}}
	folder := keptFolder(t, p.seed)
	sc := scenario{binary: binary, people: crowd(p.people, p.people/p.leavers), connections: p.connections, keep: mailertest.KeepHeader,
		teller: &teller{out: testWriter{t}}, open: func(sink *mailertest.Sink, folder string) (*stage, error) { return r.stage(t, sink, folder) }}
	r.story, err = sc.begin(t.Context(), folder)
	t.Cleanup(func() { r.goes(t) })
	for _, process := range p.processes {
		if err == nil {
			err = r.starts(t.Context(), process)
		}
	}
	if err = errors.Join(err, responds(t.Context(), r.web+"/readyz", 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	r.acting(r.misbehaviour)
	return r
}

// keptFolder is a folder that stays where its round failed.
func keptFolder(t *testing.T, seed uint64) string {
	t.Helper()
	folder, err := os.MkdirTemp("", fmt.Sprintf("heed-chaos-%d-", seed))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what this round left lies in %s; again: make chaos SEED=%d", folder, seed)
		} else if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// stage opens the servers that the plan asks for.
func (r *chaosRound) stage(t *testing.T, sink *mailertest.Sink, folder string) (*stage, error) {
	s, err := alone(sink, folder)
	if err != nil {
		return nil, err
	}
	s.processes = nil // the round starts them itself
	if r.plan.postgres {
		url, drop, err := r.yard.postgres.NewDatabase(t.Context())
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = drop() }) // the whole cluster goes soon
		s.env = append(s.env, "DATABASE_URL="+url)
	}
	if r.plan.redis {
		if err := r.yard.redis.Command("+OK", "FLUSHALL"); err != nil {
			return nil, err
		}
		s.env = append(s.env, "REDIS_URL="+r.yard.redis.URL())
	}
	if r.plan.postfix {
		r.relay = storetest.Postfix(t, storetest.PostfixOptions{Relay: sink.Addr(), Settings: []string{"enable_long_queue_ids = yes"}})
		w := openTap(t, r.relay.Address(), nil)
		s.world, s.relayed = behindTap{s.world, w}, true
		s.env = append(s.env, "SMTP_URL=smtp://"+w.addr+"?tls=none")
	}
	if r.plan.has(diskFull) {
		r.takeDisk(t, s)
	}
	return s, nil
}

// behindTap is the world of the embedded default with a relay in front of the sink.
type behindTap struct {
	world
	*tap
}

func (w behindTap) Deliver(from, to string, raw []byte) error { return w.world.Deliver(from, to, raw) }

func (w behindTap) Folder(role, folder string) ([][]byte, error) { return w.world.Folder(role, folder) }

func (w behindTap) Taken(m mailertest.Record) time.Time { return w.tap.Taken(m) }

// takeDisk puts the data folder on a disk that can be filled. Where the machine
// forbids to mount one, another fault takes the place of the full disk.
func (r *chaosRound) takeDisk(t *testing.T, s *stage) {
	t.Helper()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=24m"); err != nil {
		r.short = fmt.Sprintf("%s: mount(2) needs root and CAP_SYS_ADMIN: %v", diskFull, err)
		for i, f := range r.plan.faults {
			if f.fault == diskFull {
				r.plan.faults[i] = planned{fault: "kill -9", at: f.at, whom: r.plan.sender(rand.New(rand.NewPCG(r.plan.seed, 1)))}
			}
		}
		return
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) }) // it is in memory
	r.disk = disk
	s.env = append(s.env, "HEED_DATA="+filepath.Join(disk, "data"))
}

// starts begins a process of the plan. A second one of a kind listens elsewhere.
func (r *chaosRound) starts(ctx context.Context, process string) error {
	d := r.heed
	if process != role(process) {
		listen, err := freeAddress()
		if err != nil {
			return err
		}
		d = &driver{binary: d.binary, folder: d.folder, env: append(append([]string{}, d.env...), "LISTEN="+listen)}
		d.runs.Store(1000 + r.heed.runs.Add(1)) // logs of their own
	}
	c, err := d.start(role(process))
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.children[process] = c
	r.mu.Unlock()
	return c.await(ctx, 30*time.Second)
}

// misbehaves lets the relay do something else at the next commands of a kind.
func (r *chaosRound) misbehaves(verb string, times int, action mailertest.Action) {
	r.troubles.Lock()
	defer r.troubles.Unlock()
	for range times {
		r.trouble[verb] = append(r.trouble[verb], action)
	}
}

// misbehaviour is asked by the sink at each command.
func (r *chaosRound) misbehaviour(verb string) mailertest.Action {
	r.troubles.Lock()
	defer r.troubles.Unlock()
	next := r.trouble[verb]
	if len(next) == 0 {
		return mailertest.Action{}
	}
	r.trouble[verb] = next[1:]
	return next[0]
}

// play sends a campaign through the faults of the plan, while people leave.
func (r *chaosRound) play(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	r.arrives(ctx, t)
	links := r.greeted(ctx, t)
	r.id = r.story.starts(ctx, t, newsFile(r.site.url, r.plan.rate))
	var leaving sync.WaitGroup
	offered := r.leaveWhenOffered(ctx, t, r.someLeavers(links))
	leaving.Go(func() { r.leave(ctx, t, links) })
	for _, f := range r.plan.faults {
		r.reaches(ctx, f.at)
		began := time.Now()
		if err := faultNamed(f.fault).run(ctx, r, f); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		t.Logf("%s, done after %s, with %d messages at the sink", f, time.Since(began).Round(time.Millisecond), r.got(kindNews))
	}
	leaving.Wait()
	left := time.Now()
	r.over(ctx, t)
	offered()
	t.Logf("over %s after the last fault and opt-out", time.Since(left).Round(time.Millisecond))
}

// greeted sends the first campaign, for the links in it.
func (r *chaosRound) greeted(ctx context.Context, t *testing.T) map[string]string {
	t.Helper()
	id := r.story.starts(ctx, t, helloFile(r.site.url))
	if _, err := r.heed.run(ctx, "campaign", "wait", id, "--timeout", "60s"); err != nil {
		t.Fatal(err)
	}
	first, err := ask[account](ctx, r.heed, "campaign", "status", id)
	if err == nil {
		err = eventually(ctx, time.Minute, "the first campaign", func() (bool, error) { return r.got(kindHello) >= first.Accepted, nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]string{}
	for _, m := range r.sink.Records() {
		links[m.To], _ = oneClick(m.Header())
	}
	return links
}

// someLeavers takes every second one away: they leave at the very moment at
// which their message is offered to the relay.
func (r *chaosRound) someLeavers(links map[string]string) map[string]string {
	taken := map[string]string{}
	for i, p := range r.people {
		if link, found := links[p.email]; found && r.relay == nil && i%(2*(r.plan.people/r.plan.leavers)) == 0 {
			taken[p.email] = link
			delete(links, p.email)
		}
	}
	return taken
}

// leaveWhenOffered lets people opt out at the moment at which a message to them
// is offered. What it gives waits until all who were have left.
func (r *chaosRound) leaveWhenOffered(ctx context.Context, t *testing.T, links map[string]string) (allLeft func()) {
	var leaving sync.WaitGroup
	r.offers(func(to string) {
		link := links[to]
		if link == "" {
			return
		}
		delete(links, to)
		leaving.Go(func() { r.optsOut(ctx, t, to, link) })
	})
	return func() { r.offers(nil); leaving.Wait() }
}

// optsOut lets one person leave.
func (r *chaosRound) optsOut(ctx context.Context, t *testing.T, who, link string) {
	a, err := optOut(ctx, link, who)
	if err != nil {
		t.Errorf("an opt-out: %v", err)
		return
	}
	r.acknowledged(a)
}

// leave lets the others opt out one after the other all along the campaign.
func (r *chaosRound) leave(ctx context.Context, t *testing.T, links map[string]string) {
	chance := rand.New(rand.NewPCG(r.plan.seed, 2))
	turn := 0
	for _, p := range r.people {
		link, left := links[p.email]
		if !left {
			continue
		}
		turn++
		r.reaches(ctx, (float64(turn)-0.2-0.8*chance.Float64())/float64(len(links)))
		r.optsOut(ctx, t, p.email, link)
	}
}

// reaches waits until a share of the campaign is sent, or nothing moves.
func (r *chaosRound) reaches(ctx context.Context, share float64) {
	want := int(share * float64(r.plan.people-r.plan.leavers))
	_ = eventually(ctx, 2*time.Second, "the campaign", func() (bool, error) { return r.got(kindNews) >= want, nil }) // then it comes early
}

// over waits for the end of the campaign. One that does not end is a violation,
// which the judge finds; what keeps it is told here.
func (r *chaosRound) over(ctx context.Context, t *testing.T) {
	t.Helper()
	_, err := r.heed.run(ctx, "campaign", "wait", r.id, "--timeout", "60s")
	if err == nil {
		return
	}
	t.Log(err)
	for _, args := range [][]string{{"campaign", "status", r.id, "--json"}, {"verify"}} {
		said, err := r.heed.try(ctx, args...)
		t.Logf("heed %v: %s%s, %v", args, said.out, said.err, err)
	}
}

// fillUp writes to a disk until nothing more goes in.
func fillUp(disk string) (string, error) {
	ballast, err := os.Create(filepath.Join(disk, "ballast"))
	if err != nil {
		return "", err
	}
	defer ballast.Close()
	for _, size := range []int{1 << 16, 1 << 12, 1 << 8, 1} {
		for err = nil; err == nil; {
			_, err = ballast.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return "", err
		}
	}
	return ballast.Name(), nil
}
