package worker

import (
	"context"
	"fmt"

	"heed/mailer"
)

// lane is one connection to the relay, used by one batch at a time and kept
// from batch to batch.
type lane struct {
	w    *Worker
	conn *mailer.Conn
	buf  []byte // of the message being made
	sig  []byte // of the signed message
}

// recycle is how many messages a connection carries before it is made anew:
// some relays close long conversations without a word.
const recycle = 5000

// ready gives a living connection.
func (l *lane) ready(ctx context.Context) (*mailer.Conn, error) {
	if l.conn != nil && l.conn.Alive() && l.conn.Sent() < recycle {
		return l.conn, nil
	}
	l.close()
	conn, err := mailer.Dial(ctx, l.w.Relay)
	if err != nil {
		return nil, fmt.Errorf("reaching the relay %s: %w", l.w.Relay.Addr(), err)
	}
	l.conn = conn
	return conn, nil
}

func (l *lane) close() {
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}
