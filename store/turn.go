package store

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Processes that write the same SQLite file take turns. By itself the engine lets
// whoever asks at the right moment write: a process that sends asks again at once
// and wins for seconds, while a command that pauses the campaign sleeps between
// two looks. Who wants to write therefore first takes a lock beside the file, and
// keeps it until the file is theirs; nobody can begin in front of them.

// turn is that lock.
type turn struct {
	file *os.File // nil on PostgreSQL, whose locks are fair, and in a simulation
}

// courtesy is how long the others are let go first. Somebody who holds the lock
// for so long has been stopped.
const courtesy = time.Second

func openTurn(path string) (turn, error) {
	f, err := os.OpenFile(path+".turn", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return turn{}, fmt.Errorf("opening the lock beside the database: %w", err)
	}
	return turn{f}, nil
}

// take waits for the turn; ok is false where it was not to be had.
func (t turn) take(ctx context.Context) (ok bool) {
	for began := time.Now(); time.Since(began) < courtesy && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		if syscall.Flock(int(t.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			return true
		}
	}
	return false
}

func (t turn) pass() { _ = syscall.Flock(int(t.file.Fd()), syscall.LOCK_UN) }

func (t turn) close() {
	if t.file != nil {
		t.file.Close()
	}
}

// begin opens a writing transaction; whoever ends it calls release afterwards.
func (s *Store) begin(ctx context.Context) (raw *sql.Tx, release func(), err error) {
	if s.turn.file == nil {
		raw, err := s.write.BeginTx(ctx, nil)
		return raw, func() {}, err
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	if s.turn.take(ctx) {
		defer s.turn.pass()
	}
	if raw, err = conn.BeginTx(ctx, nil); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return raw, func() { conn.Close() }, nil
}
