package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"heed/mailer/mailertest"
	"heed/store/storetest"
)

// simNet is a server as it can be reached: it may be away, or hang.
type simNet struct {
	w     *simWorld
	mu    sync.Mutex
	away  time.Time
	hangs time.Time
	wires []*storetest.Wire
}

var errRefused = errors.New("connection refused")

// pass holds up what arrives, and what is answered.
func (n *simNet) pass() error {
	for {
		n.mu.Lock()
		left := time.Until(n.hangs)
		n.mu.Unlock()
		if left <= 0 || n.w.isCalm() {
			return nil
		}
		select {
		case <-time.After(left):
		case <-n.w.thaw():
		}
	}
}

// take notes a wire, where the server can be reached.
func (n *simNet) take(wire *storetest.Wire) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Now().Before(n.away) && !n.w.isCalm() {
		return errRefused
	}
	n.wires = append(n.wires, wire)
	return nil
}

// cut breaks all connections.
func (n *simNet) cut() {
	n.mu.Lock()
	wires := n.wires
	n.wires = nil
	n.mu.Unlock()
	for _, wire := range wires {
		wire.Cut()
	}
}

// leave is away for a while.
func (n *simNet) leave(d time.Duration) {
	n.mu.Lock()
	n.away = time.Now().Add(d)
	n.mu.Unlock()
	n.cut()
}

// hang lets nothing pass for a while.
func (n *simNet) hang(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hangs = time.Now().Add(d)
}

// simRedis is a Redis, in one machine or apart from all.
type simRedis struct {
	simNet
	server *miniredis.Miniredis
	done   chan struct{}
	pumps  sync.WaitGroup
}

func newSimRedis(w *simWorld) *simRedis {
	hushRedis()
	r := &simRedis{simNet: simNet{w: w}, server: miniredis.NewMiniRedis(), done: make(chan struct{})}
	r.pumps.Go(func() { age(r.server, r.done) })
	return r
}

func (r *simRedis) close() {
	r.cut()
	close(r.done)
	r.server.Close()
	r.pumps.Wait()
}

// client is a machine's way to it.
func (r *simRedis) client(m *simMachine) *transport {
	client := r.open(func() (net.Conn, error) { return r.dial(m) })
	direct := r.open(r.server.Dial)
	return &transport{simClient{client, direct}, true, sync.OnceFunc(func() { client.Close(); direct.Close() })}
}

// open makes a client. No connection waits for another: go-redis keeps the timers of
// those that do for whoever comes next, and a bubble of time may not have those of
// another.
func (r *simRedis) open(dial func() (net.Conn, error)) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: "redis", PoolSize: 1000, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Dialer: func(context.Context, string, string) (net.Conn, error) { return dial() }})
}

// simClient subscribes by a connection that never breaks: go-redis makes those anew
// with a lock in its hand, and in a bubble no time passes while somebody waits for a
// lock. Only asynq subscribes, to cancellations, of which heed makes none.
type simClient struct {
	redis.UniversalClient
	direct *redis.Client
}

// Subscribe implements redis.UniversalClient.
func (c simClient) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	return c.direct.Subscribe(ctx, channels...)
}

func (r *simRedis) dial(m *simMachine) (net.Conn, error) {
	wire, err := m.plug(r.w.toRedis)
	if err == nil {
		err = r.take(wire)
	}
	if err != nil {
		r.w.wait(time.Millisecond)
		return nil, err
	}
	inner, err := r.server.Dial()
	if err != nil {
		return nil, err
	}
	wire.Far().Pass = r.pass
	r.pumps.Go(func() { carryBytes(inner, wire.Far(), nil) })
	r.pumps.Go(func() { carryBytes(wire.Far(), inner, r.w.losesTask) })
	return wire.Near(), nil
}

// carryBytes carries them until either end is closed, or something is lost.
func carryBytes(to, from net.Conn, loses func([]byte) bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if err != nil || loses != nil && loses(buf[:n]) {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// losesTask draws whether an answer that hands out a task is lost: to Redis it is
// being worked on then.
func (w *simWorld) losesTask(answer []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calm || w.plan.lostTasks == 0 || !bytes.Contains(answer, []byte("newsletter")) && !bytes.Contains(answer, []byte("alert")) {
		return false
	}
	lost := w.dice.chance(w.plan.lostTasks)
	if lost {
		w.noteLocked("a task is lost on its way from Redis")
	}
	return lost
}

// simRelay is the relay of a course: a real server behind wires.
type simRelay struct {
	simNet
	port storetest.Port
	sink *mailertest.Sink
}

func newSimRelay(w *simWorld) *simRelay {
	r := &simRelay{simNet: simNet{w: w}}
	var err error
	r.sink, err = mailertest.Start(mailertest.Options{Listen: r.port.Listen, Keep: mailertest.KeepHeader, NoChunking: !w.plan.chunking, NoPipelining: !w.plan.pipelining,
		Script: func(verb string, _ int) mailertest.Action { return w.misbehaviour(verb) }, AtEnd: r.end})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (r *simRelay) connect(wire *storetest.Wire) error {
	if err := r.take(wire); err != nil {
		return err
	}
	return r.port.Connect(wire)
}

// end is asked at each message whose end was read.
func (r *simRelay) end(m mailertest.Record) mailertest.Action {
	act := r.w.misbehaviour("END")
	taken := act.Drop != mailertest.DropBefore && act.Reply.Code == 0
	r.w.handedOver(m.Header().Get("Message-Id"), taken)
	return act
}

// misbehaviour draws what the relay does at a command.
func (w *simWorld) misbehaviour(verb string) mailertest.Action {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.plan
	if w.calm || len(p.replies) == 0 || !w.dice.chance(p.trouble[verb]) {
		return mailertest.Action{}
	}
	kind := pick(w.dice, p.replies...)
	w.noteLocked("relay: %s at %s", kind, verb)
	switch kind {
	case "before":
		return mailertest.Action{Drop: mailertest.DropBefore}
	case "after":
		return mailertest.Action{Drop: mailertest.DropAfter}
	case "slow":
		return mailertest.Action{Stall: w.dice.between(0, 4*time.Second)}
	case "hang":
		return mailertest.Action{Stall: 25 * time.Second} // longer than anybody waits
	case "garbage":
		return mailertest.Action{Raw: "garbage\r\n"}
	}
	code, rest, _ := strings.Cut(kind, " ")
	status, text, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(code) // one of the plan's
	return mailertest.Action{Reply: mailertest.Reply{Code: n, Enhanced: status, Text: text}}
}

// toRelay and toRedis are how long something is under way.
func (w *simWorld) toRelay() time.Duration { return w.far(w.plan.farRelay) }

func (w *simWorld) toRedis() time.Duration { return w.far(w.plan.farRedis) }

func (w *simWorld) far(most time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return most/2 + time.Duration(w.dice.Int64N(int64(most)))
}
