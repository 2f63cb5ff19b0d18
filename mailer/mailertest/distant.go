package mailertest

import (
	"net"
	"time"
)

// distant is the way back to a client that is far away: what is said arrives
// later, and meanwhile the server reads on. Only so does a client that does not
// wait for each reply gain what it would gain over a real distance.
type distant struct {
	conn    net.Conn
	delay   time.Duration
	stopped <-chan struct{}
	way     chan burst
	empty   chan struct{} // closed when all has arrived
}

// burst is what was said at once, and when it arrives.
type burst struct {
	at   time.Time
	text []byte
}

func newDistant(conn net.Conn, delay time.Duration, stopped <-chan struct{}) *distant {
	d := &distant{conn: conn, delay: delay, stopped: stopped, way: make(chan burst, 1024), empty: make(chan struct{})}
	go d.carry()
	return d
}

// Write says something; it never fails, since the server learns of a lost
// client when it reads.
func (d *distant) Write(p []byte) (int, error) {
	d.way <- burst{time.Now().Add(d.delay), append([]byte(nil), p...)}
	return len(p), nil
}

func (d *distant) carry() {
	defer close(d.empty)
	var lost error
	for b := range d.way {
		if pause(time.Until(b.at), d.stopped); lost == nil {
			_, lost = d.conn.Write(b.text)
		}
	}
}

// arrive waits until all that was said is there; nothing may be said afterwards.
func (d *distant) arrive() {
	close(d.way)
	<-d.empty
}
