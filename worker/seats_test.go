package worker_test

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"heed/mailer/mailertest"
	"heed/store"
	"heed/store/storetest"
	"heed/worker"
)

// doorman counts how many conversations are open at once. One is over when its client
// says QUIT or hangs up.
type doorman struct {
	mu         sync.Mutex
	open, most int
}

func (d *doorman) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	return &counted{l, d}, err
}

func (d *doorman) count(by int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open += by
	d.most = max(d.most, d.open)
}

// reset begins to count anew, and tells what there was.
func (d *doorman) reset() (most int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	most, d.most = d.most, d.open
	return most
}

type counted struct {
	net.Listener
	d *doorman
}

func (c *counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c.d.count(1)
	return &guest{Conn: conn, over: sync.OnceFunc(func() { c.d.count(-1) })}, nil
}

type guest struct {
	net.Conn
	over func()
}

func (g *guest) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if err != nil || bytes.HasPrefix(p[:n], []byte("QUIT\r\n")) {
		g.over()
	}
	return n, err
}

func (g *guest) Close() error {
	g.over()
	return g.Conn.Close()
}

// threeSeats is a bench whose relay allows three conversations.
func threeSeats(t *testing.T) (b *bench, door *doorman, redis *storetest.RedisServer, begin func(name string) (stop func())) {
	door = &doorman{}
	b = newBench(t, mailertest.Options{Listen: door.listen, EndDelay: 8 * time.Millisecond})
	redis = storetest.OwnRedis(t)
	b.useRedis(redis.URL())
	return b, door, redis, func(name string) func() {
		return b.start(func(o *worker.Options) {
			main := way(t, "main", b.sink)
			main.Connections = 3
			o.Relays, o.Sender.From = []worker.Relay{main}, name+"@example.com"
		})
	}
}

// sentBy counts the messages that a worker sent.
func (b *bench) sentBy(name string) (n int) {
	for _, r := range b.sink.Records() {
		if strings.Contains(r.Header().Get("From"), name+"@example.com") {
			n++
		}
	}
	return n
}

// TestRelayConnectionsOverTwoWorkers: no more conversations with a relay are open at
// once than it allows, whoever has them. A worker that begins later gets its part, and
// one that is alone gets all. An emptied Redis and one that is away change nothing.
func TestRelayConnectionsOverTwoWorkers(t *testing.T) {
	b, door, redis, begin := threeSeats(t)
	id := b.campaign(2500)
	stop := begin("first")
	b.until(id, func(store.Account) bool { return b.sentBy("first") > 200 })
	if most := door.reset(); most != 3 {
		t.Errorf("a worker that is alone had %d conversations, 3 may be", most)
	}
	stop2 := begin("second")
	b.until(id, func(store.Account) bool { return b.sentBy("second") > 200 })
	if err := redis.Command("+OK", "FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	b.lost()
	before := b.sink.Count()
	b.until(id, func(a store.Account) bool { return b.sink.Count() > before+200 })
	if err := redis.Stop(); err != nil { // what is under way goes on without it
		t.Fatal(err)
	}
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	b.lost()
	stop()
	b.until(id, func(a store.Account) bool { return a.Accepted == 2500 })
	stop2()
	if most := door.reset(); most > 3 {
		t.Errorf("%d conversations were open at once, 3 may be", most)
	}
}
