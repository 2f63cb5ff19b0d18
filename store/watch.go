package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// watch is what this process has seen of workers and claims, and for how long, by
// its own clock, which goes on at one pace whatever is done to the wall clock.
type watch struct {
	clock  func() time.Duration
	pulses sights[string] // of workers
	claims sights[int64]  // that are open, by their token
}

// sights are things that were seen again and again.
type sights[K comparable] struct {
	mu           sync.Mutex
	begun, noted int           // looks
	at           time.Duration // of the last one
	all          map[K]sight
}

// sight is what one of them looked like, and for how long it has.
type sight struct {
	mark int64
	long time.Duration
}

// mostAtOnce is how much of the time between two looks counts: whoever could not
// look, because it slept or had no database, does not know what it missed.
const mostAtOnce = time.Second

// begin numbers a look.
func (s *sights[K]) begin() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun++
	return s.begun
}

// look notes what was to be seen: of each thing a mark. What looks as before has
// done so for longer; what is not to be seen any more is forgotten. A look that was
// overtaken by a later one says nothing.
func (s *sights[K]) look(which int, now time.Duration, marks map[K]int64) map[K]sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if which < s.noted {
		return s.all
	}
	passed := min(max(now-s.at, 0), mostAtOnce)
	if s.all == nil {
		passed = 0
	}
	seen := make(map[K]sight, len(marks))
	for key, mark := range marks {
		one := s.all[key]
		if one.mark == mark {
			one.long += passed
		} else {
			one = sight{mark: mark}
		}
		seen[key] = one
	}
	s.noted, s.at, s.all = which, now, seen
	return seen
}

// pulse is the heartbeat of a worker, and for how long it has been the same.
type pulse struct {
	worker, where, role string
	capacity            int
	beat                int64
	silent              time.Duration
}

// pulses feels all of them. A process that has just begun takes everybody for
// living, until they were silent for as long as it has looked.
func (s *Store) pulses(ctx context.Context) ([]pulse, error) {
	which := s.watch.pulses.begin()
	found, err := s.look(ctx, `SELECT id, place, role, capacity, beat FROM worker ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("reading heartbeats: %w", err)
	}
	all, err := gather(found, func(row scanner) (p pulse, err error) {
		err = row.Scan(&p.worker, &p.where, &p.role, &p.capacity, &p.beat)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading heartbeats: %w", err)
	}
	marks := map[string]int64{}
	for _, one := range all {
		marks[one.worker] = one.beat
	}
	seen := s.watch.pulses.look(which, s.watch.clock(), marks)
	for i := range all {
		all[i].silent = seen[all[i].worker].long
	}
	return all, nil
}

// lives tells whether it counts among those that work.
func (p pulse) lives() bool { return p.silent < Silence && !gone(p.where) }

// claimLife is longer than any relay is waited for. A claim that is older was
// forgotten by its worker, though it lives: the answer to a commit was lost.
const claimLife = 15 * time.Minute

// endLife is how long a claim must have been seen before it may be taken from a worker
// that counts as dead: until then that worker, should it live, may still write the end
// of its message, which it does within two seconds of the claim or never.
const endLife = Patience + time.Second

// lostClaims are the tokens of claims whose ends nobody can write any more: of
// workers that are gone or dead, and those that their workers have forgotten.
type lostClaims struct {
	orphans, forgotten []int64
	early              map[string]bool // workers of which somebody may still write an end
}

func (s *Store) lostClaims(ctx context.Context, dead []pulse) (lost lostClaims, err error) {
	which := s.watch.claims.begin()
	found, err := s.look(ctx, `SELECT token, worker, CASE WHEN `+noWorker+` THEN 1 ELSE 0 END FROM claim`)
	if err != nil {
		return lost, fmt.Errorf("looking for lost claims: %w", err)
	}
	marks, orphan, holder := map[int64]int64{}, map[int64]bool{}, map[int64]string{}
	_, err = gather(found, func(row scanner) (none struct{}, err error) {
		var token, alone int64
		var worker string
		err = row.Scan(&token, &worker, &alone)
		marks[token], holder[token] = 1, worker
		orphan[token] = alone == 1 || slices.ContainsFunc(dead, func(p pulse) bool { return p.worker == worker })
		return none, err
	})
	if err != nil {
		return lost, fmt.Errorf("looking for lost claims: %w", err)
	}
	lost.early = map[string]bool{}
	for token, one := range s.watch.claims.look(which, s.watch.clock(), marks) {
		switch {
		case orphan[token] && one.long >= endLife:
			lost.orphans = append(lost.orphans, token)
		case orphan[token]:
			lost.early[holder[token]] = true
		case one.long >= claimLife:
			lost.forgotten = append(lost.forgotten, token)
		}
	}
	slices.Sort(lost.orphans)
	slices.Sort(lost.forgotten)
	return lost, nil
}
