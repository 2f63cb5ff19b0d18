package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// bell wakes all who wait for it.
type bell struct {
	mu   sync.Mutex
	c    chan struct{}
	soon bool // it is about to be rung
}

func (b *bell) heard() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
	}
	return b.c
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
	}
	b.c, b.soon = nil, false
}

// ringSoon rings once for all who ask for it meanwhile.
func (b *bell) ringSoon(pause time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.soon {
		b.soon = true
		time.AfterFunc(pause, b.ring)
	}
}

// Poked gives a channel that is closed when work was committed, in this
// process or, on PostgreSQL and with Listen, in any other, so that the
// scheduler need not wait for its next look.
func (s *Store) Poked() <-chan struct{} { return s.work.heard() }

// Room gives a channel that is closed when batches have ended, so that there is
// room for others. While a campaign goes out many end in a second, and two for
// each lane wait at hand: this bell is rung for all of a moment.
func (s *Store) Room() <-chan struct{} { return s.room.heard() }

// roomPause is that moment.
const roomPause = 50 * time.Millisecond

func (s *Store) pokeRoom() { s.room.ringSoon(roomPause) }

// pokeAll tells everybody who schedules that there is work. It is a hint: a
// poke that is lost costs the time until the next look.
func (s *Store) pokeAll() {
	s.pokeHere()
	switch {
	case !s.d.sqlite():
		_, _ = s.write.Exec("NOTIFY heed_work")
	case !s.listening.Load(): // whoever listens is the only one who schedules
		s.pokeBeside()
	}
}

func (s *Store) pokeHere() { s.work.ring() }

// tellRoom has other processes hear of it when this is committed.
func (t *tx) tellRoom(ctx context.Context) error {
	if t.s.d.sqlite() {
		return nil // whoever schedules is this very process, or looks
	}
	_, err := t.ExecContext(ctx, "NOTIFY heed_room")
	return err
}

// Listen passes the pokes of other processes on until ctx ends or the
// connection breaks. Where it cannot, other processes are found by looking.
func (s *Store) Listen(ctx context.Context) error {
	if s.d.sqlite() {
		return s.listenBeside(ctx)
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("opening a connection to listen on: %w", err)
	}
	defer conn.Close()
	err = conn.Raw(func(driver any) error {
		raw := driver.(*stdlib.Conn).Conn()
		if _, err := raw.Exec(ctx, "LISTEN heed_work; LISTEN heed_room", pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		for {
			heard, err := raw.WaitForNotification(ctx)
			switch {
			case err != nil:
				return err
			case heard.Channel == "heed_room":
				s.pokeRoom()
			default:
				s.pokeHere()
			}
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("listening for work: %w", err)
}

// Beside a database of SQLite lies a socket, by which commands poke the process
// that serves. It carries a byte and no data.

// socket is where it lies.
func (s *Store) socket() *net.UnixAddr {
	return &net.UnixAddr{Name: s.file + ".poke", Net: "unixgram"}
}

func (s *Store) pokeBeside() {
	conn, err := net.DialUnix("unixgram", nil, s.socket())
	if err != nil {
		return // nobody serves
	}
	defer conn.Close()
	_, _ = conn.Write([]byte{1})
}

// listenBeside has nothing to tell where no socket can be made, as with a path of
// more than a hundred bytes: then it only waits.
func (s *Store) listenBeside(ctx context.Context) error {
	if err := os.Remove(s.socket().Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the socket of a process that is gone: %w", err)
	}
	conn, err := net.ListenUnixgram("unixgram", s.socket())
	if err != nil {
		<-ctx.Done()
		return nil
	}
	_ = os.Chmod(s.socket().Name, 0o600) // the folder is closed to others anyhow
	s.listening.Store(true)
	defer s.listening.Store(false)
	defer os.Remove(s.socket().Name)
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	for {
		if _, err := conn.Read(make([]byte, 16)); err != nil {
			conn.Close()
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("listening for work: %w", err)
		}
		s.pokeHere()
	}
}
