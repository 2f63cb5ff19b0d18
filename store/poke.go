package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/stdlib"
)

// Poked gives a channel that is closed when work was committed, in this
// process or, on PostgreSQL and with Listen, in any other, so that the
// scheduler need not wait for its next look.
func (s *Store) Poked() <-chan struct{} {
	s.pokeMu.Lock()
	defer s.pokeMu.Unlock()
	return s.poke
}

// pokeAll tells everybody who schedules that there is work. It is a hint: a
// poke that is lost costs the time until the next look.
func (s *Store) pokeAll() {
	s.pokeHere()
	if !s.d.sqlite() {
		_, _ = s.write.Exec("NOTIFY heed_work")
	}
}

func (s *Store) pokeHere() {
	s.pokeMu.Lock()
	defer s.pokeMu.Unlock()
	close(s.poke)
	s.poke = make(chan struct{})
}

// Listen passes the pokes of other processes on until ctx ends or the
// connection breaks. On SQLite it only waits: other processes are found by
// looking.
func (s *Store) Listen(ctx context.Context) error {
	if s.d.sqlite() {
		<-ctx.Done()
		return nil
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("opening a connection to listen on: %w", err)
	}
	defer conn.Close()
	err = conn.Raw(func(driver any) error {
		raw := driver.(*stdlib.Conn).Conn()
		if _, err := raw.Exec(ctx, "LISTEN heed_work"); err != nil {
			return err
		}
		for {
			if _, err := raw.WaitForNotification(ctx); err != nil {
				return err
			}
			s.pokeHere()
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("listening for work: %w", err)
}
