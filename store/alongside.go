package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// chore is a small write that comes along with a group of claims, so that it costs
// no commit of its own: the end of a batch. Its beginning was tried too; who is woken by
// the end of one and begins the next then meets the group that is just being taken, or
// misses it, by chance, and no seed of the simulation replays.
type chore struct {
	what  string
	job   int64
	text  string
	args  func(t *tx) []any
	read  func(scanned) error // what it gives back; called once more where the group is tried again
	tells string              // channel whose listeners hear of it on PostgreSQL; empty: nobody
	done  chan error
}

// End finishes a job when the results so far are recorded and nobody of it waits any
// more; done tells whether that was so.
func (d *Desk) End(j Job) (done bool, err error) {
	one := &chore{what: "ending a job", job: j.ID, text: ending + ` AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.job = $1 AND d.state = 'waiting') RETURNING id`,
		args: func(t *tx) []any {
			return []any{j.ID, j.Generation, "done", j.Generation, j.Due.UnixMicro(), t.now.UnixMicro()}
		}, tells: "heed_room"}
	one.read = func(found scanned) error {
		done = found.Next()
		return found.Err()
	}
	if !d.along(one) {
		return false, nil
	}
	if err = <-one.done; err == nil && done {
		d.s.pokeRoom()
	}
	return done && err == nil, err
}

// along has a chore done with the next group; not where the desk is closed.
func (d *Desk) along(one *chore) bool {
	one.done = make(chan error, 1)
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return false
	}
	d.chores = append(d.chores, one)
	d.mu.Unlock()
	d.nudge()
	return true
}

// takeChores takes those that wait, in an order that is no chance.
func (d *Desk) takeChores() []*chore {
	all := d.chores
	d.chores = nil
	slices.SortFunc(all, func(a, b *chore) int { return cmp.Or(cmp.Compare(a.job, b.job), cmp.Compare(a.what, b.what)) })
	return all
}

// choresAlone does each in a transaction of its own, after a group that failed.
func (d *Desk) choresAlone(ctx context.Context, chores []*chore) {
	for _, one := range chores {
		_, err := d.s.claimGroup(ctx, d.worker, nil, nil, one)
		one.done <- err
	}
}

// doChores is the last of a group on SQLite: a job ends after the results of its
// messages.
func (g *group) doChores(ctx context.Context, d directTx) error {
	for _, one := range g.chores {
		if err := d.rows(ctx, one.text, one.args(d.tx), one.read); err != nil {
			return fmt.Errorf("%s: %w", one.what, err)
		}
	}
	return nil
}
