package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// A campaign that does not move has a reason, and whoever looks at it is told.

// Reasons why a campaign sends nothing at the moment; a closed set.
const (
	StandsDraft     = "draft"        // nobody has started it
	StandsHeld      = "held"         // since a restore, until somebody confirms it
	StandsScheduled = "scheduled"    // its time has not come
	StandsPaused    = "paused"       // by somebody, or by itself
	NoScheduler     = "no_scheduler" // nobody hands out work
	NoWorker        = "no_worker"    // nobody sends
	NoRelay         = "no_relay"     // heed runs without a relay
	QueueAway       = "queue_away"   // Redis does not answer the scheduler
	RelayAway       = "relay_away"   // none of the relays takes mail
	RelaySpared     = "relay_spared" // some of them do not
	StandsDeferred  = "deferred"     // all that are left were put off
)

// Cause is one reason, and what it is about.
type Cause struct {
	Why    string
	At     time.Time // when it ends, where that is known
	Relays []string
}

const (
	schedulerBeat = "scheduler beat" // when a scheduler was last alive
	queueSilent   = "queue silent"   // 1: Redis did not answer it
)

// NoteScheduler tells that a scheduler lives, and whether Redis answers it.
func (s *Store) NoteScheduler(ctx context.Context, answers bool) error {
	silent := int64(1)
	if answers {
		silent = 0
	}
	return s.inTx(ctx, "noting that a scheduler lives", func(t *tx) error {
		if err := t.setCounter(ctx, queueSilent, silent); err != nil {
			return err
		}
		return t.setCounter(ctx, schedulerBeat, t.now.UnixMicro())
	})
}

// LeaveScheduler tells that a scheduler has stopped. Others say in a moment that they
// live.
func (s *Store) LeaveScheduler(ctx context.Context) error {
	return s.inTx(ctx, "noting that a scheduler stops", func(t *tx) error { return t.setCounter(ctx, schedulerBeat, 0) })
}

// Engine tells what is missing of all that campaigns need to move.
func (s *Store) Engine(ctx context.Context) (causes []Cause, err error) {
	beat, err := s.counter(ctx, schedulerBeat)
	if err != nil {
		return nil, fmt.Errorf("looking for a scheduler: %w", err)
	}
	if lives := beat > s.now().Add(-alive).UnixMicro(); !lives {
		causes = append(causes, Cause{Why: NoScheduler})
	} else if silent, err := s.counter(ctx, queueSilent); err != nil || silent > 0 {
		return append(causes, Cause{Why: QueueAway}), err
	}
	workers, tellers, err := s.hands(ctx)
	switch {
	case err != nil:
		return nil, err
	case workers > 0:
		return s.relaysAway(ctx, causes)
	case tellers > 0:
		return append(causes, Cause{Why: NoRelay}), nil
	}
	return append(causes, Cause{Why: NoWorker}), nil
}

// hands counts who could send, and who only tells alarms because it has no relay.
func (s *Store) hands(ctx context.Context) (workers, tellers int, err error) {
	found, err := s.read.QueryContext(ctx, `SELECT role, place FROM worker WHERE beat > $1`, s.now().Add(-alive).UnixMicro())
	if err != nil {
		return 0, 0, fmt.Errorf("looking for workers: %w", err)
	}
	_, err = gather(found, func(row scanner) (none struct{}, err error) {
		var role, place string
		if err = row.Scan(&role, &place); err != nil || gone(place) {
			return none, err
		}
		if role == "worker" {
			workers++
		} else {
			tellers++
		}
		return none, nil
	})
	return workers, tellers, err
}

// relaysAway adds the relays that the workers spare.
func (s *Store) relaysAway(ctx context.Context, causes []Cause) ([]Cause, error) {
	found, err := s.read.QueryContext(ctx, `SELECT n.name, count(*), sum(CASE WHEN n.state <> 'closed' THEN 1 ELSE 0 END) FROM pace_note n
		JOIN worker w ON w.id = n.worker AND w.beat > $1 WHERE n.state <> '' GROUP BY n.name ORDER BY n.name`, s.now().Add(-alive).UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("looking for relays that are away: %w", err)
	}
	var away []string
	in := 0
	_, err = gather(found, func(row scanner) (none struct{}, err error) {
		var name string
		var workers, spare int
		if err = row.Scan(&name, &workers, &spare); spare == workers {
			away = append(away, name)
		} else {
			in++
		}
		return none, err
	})
	switch {
	case len(away) == 0:
	case in == 0:
		causes = append(causes, Cause{Why: RelayAway, Relays: away})
	default:
		causes = append(causes, Cause{Why: RelaySpared, Relays: away})
	}
	return causes, err
}

// Standing tells why a campaign sends nothing, or less than it could: its own
// reasons, and of the engine's those that matter to it. a may be nil.
func (s *Store) Standing(ctx context.Context, c Campaign, a *Account, engine []Cause) ([]Cause, error) {
	switch {
	case c.Held != "":
		return []Cause{{Why: StandsHeld}}, nil
	case c.State == "draft":
		return []Cause{{Why: StandsDraft}}, nil
	case c.State == "paused":
		return []Cause{{Why: StandsPaused}}, nil
	case c.State == "scheduled":
		return append([]Cause{{Why: StandsScheduled, At: c.Scheduled}}, engine...), nil
	case c.State != "sending":
		return nil, nil
	case a == nil || a.Deferred == 0 || a.Waiting+a.InFlight > 0:
		return engine, nil
	}
	var due sql.NullInt64
	err := s.read.QueryRowContext(ctx, `SELECT min(due) FROM retry WHERE campaign = $1`, c.ID).Scan(&due)
	if err != nil {
		return nil, fmt.Errorf("looking when it is tried again: %w", err)
	}
	return append([]Cause{{Why: StandsDeferred, At: fromMicro(due)}}, engine...), nil
}
