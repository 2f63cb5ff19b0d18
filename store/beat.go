package store

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Silence is how long a worker may be silent before its claims are taken for
// lost.
const Silence = 5 * time.Second

// What was noted by a worker's clock is never held against another one's: machines
// need not agree on the time. Whoever judges remembers what it saw, and for how
// long, by its own clock.

// Register makes a worker known, and keeps it alive when it is called again
// and again. capacity is how many batches it works on at once.
func (s *Store) Register(ctx context.Context, worker, role string, capacity int) error {
	return s.inTx(ctx, "registering a worker", func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO worker (id, place, role, capacity, started, beat) VALUES ($1, $2, $3, $4, $5, $5)
			ON CONFLICT (id) DO UPDATE SET beat = $5, capacity = $4, place = $2`, worker, own(), role, capacity, t.now.UnixMicro())
		return err
	})
}

// left is the place of a worker that has stopped.
const left = "left"

// Unregister tells that a worker has stopped. One that left something open stays
// known until the sweep has taken that back: what is open is always somebody's.
func (s *Store) Unregister(ctx context.Context, worker string) error {
	return s.inTx(ctx, "taking leave", func(t *tx) error {
		n, err := t.exec(ctx, `DELETE FROM worker WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM claim WHERE worker = $1)
			AND NOT EXISTS (SELECT 1 FROM job WHERE state = 'running' AND worker = $1)`, worker)
		if err == nil && n == 0 {
			_, err = t.exec(ctx, `UPDATE worker SET place = $2 WHERE id = $1`, worker, left)
		}
		return err
	})
}

// Capacity sums what the living workers of a queue can do at once.
func (s *Store) Capacity(ctx context.Context, role string) (n int, err error) {
	all, err := s.pulses(ctx)
	for _, one := range all {
		if one.role == role && one.lives() {
			n += one.capacity
		}
	}
	return n, err
}

// Living lists the living of a role, in the same order to whoever asks.
func (s *Store) Living(ctx context.Context, role string) (workers []string, err error) {
	all, err := s.pulses(ctx)
	for _, one := range all {
		if one.role == role && one.lives() {
			workers = append(workers, one.worker)
		}
	}
	return workers, err
}

// Swept says what a sweep found.
type Swept struct {
	Workers   []string
	Jobs      int
	Uncertain int
}

// Sweep takes back what dead workers held: their jobs are ready again, and
// their open claims become uncertain, because nobody can know whether the
// relay took the message. A worker is dead when it has been silent for
// Silence, or at once when it ran on this machine and its process is gone.
func (s *Store) Sweep(ctx context.Context) (Swept, error) {
	dead, err := s.deadWorkers(ctx)
	if err != nil {
		return Swept{}, err
	}
	lost, err := s.lostClaims(ctx, dead)
	if err != nil {
		return Swept{}, err
	}
	jobs := 0
	if err := s.lookRow(ctx, `SELECT count(*) FROM job WHERE `+orphanJobs).Scan(&jobs); err != nil {
		return Swept{}, fmt.Errorf("looking for orphans: %w", err)
	}
	if len(dead)+len(lost.orphans)+len(lost.forgotten)+jobs == 0 {
		return Swept{}, nil
	}
	var swept Swept
	err = s.inTx(ctx, "sweeping up after dead workers", func(t *tx) (err error) {
		swept = Swept{}
		if err := t.bury(ctx, dead, lost.early, &swept); err != nil {
			return err
		}
		if err := t.takeClaims(ctx, lost.orphans, stillDead(dead), &swept); err != nil {
			return err
		}
		if err := t.takeClaims(ctx, lost.forgotten, clause{}, &swept); err != nil {
			return err
		}
		return t.sweepJobs(ctx, &swept)
	})
	return swept, err
}

// bury strikes off workers that have not come to life since it was looked, each with all
// that it held: no claim or job is ever left to nobody. Where it is too early to take
// one of its claims, only what can be taken is.
func (t *tx) bury(ctx context.Context, dead []pulse, early map[string]bool, swept *Swept) error {
	var wait []pulse
	for _, one := range dead {
		if early[one.worker] && one.silent < Silence+2*endLife {
			wait = append(wait, one)
			continue
		}
		n, err := t.exec(ctx, `DELETE FROM worker WHERE id = $1 AND beat = $2`, one.worker, one.beat)
		if err != nil {
			return err
		}
		if n > 0 {
			swept.Workers = append(swept.Workers, one.worker)
		}
	}
	if len(wait) == 0 {
		return nil
	}
	these := stillDead(wait)
	n, err := t.exec(ctx, fmt.Sprintf(`UPDATE job SET state = 'ready', generation = generation + 1, worker = '', changed = $%d WHERE state = 'running'`, len(these.args)+1)+
		these.text, append(these.args, t.now.UnixMicro())...)
	swept.Jobs += int(n)
	return err
}

const (
	noWorker   = `worker NOT IN (SELECT id FROM worker)`
	orphanJobs = `state = 'running' AND ` + noWorker
)

// clause is a condition with its arguments, which are counted from 1.
type clause struct {
	text string
	args []any
}

// stillDead: the holder is not known any more, or has not come to life since it was
// looked.
func stillDead(dead []pulse) (c clause) {
	c.text = ` AND (` + noWorker
	for i, one := range dead {
		c.text += fmt.Sprintf(` OR worker IN (SELECT id FROM worker WHERE id = $%d AND beat = $%d)`, 2*i+1, 2*i+2)
		c.args = append(c.args, one.worker, one.beat)
	}
	c.text += `)`
	return c
}

// takeClaims takes lost claims away first and marks exactly those: a worker
// that was only asleep may make a new one at any moment.
func (t *tx) takeClaims(ctx context.Context, lost []int64, and clause, swept *Swept) error {
	for tokens := range slices.Chunk(lost, 200) {
		args := slices.Clone(and.args)
		for _, token := range tokens {
			args = append(args, token)
		}
		found, err := t.QueryContext(ctx, `DELETE FROM claim WHERE token IN (`+list(len(tokens), len(and.args)+1)+`)`+and.text+` RETURNING campaign, address, token, at`, args...)
		if err != nil {
			return fmt.Errorf("taking back claims: %w", err)
		}
		claims, err := gather(found, scanClaim)
		if err != nil {
			return fmt.Errorf("taking back claims: %w", err)
		}
		if len(claims) == 0 {
			continue
		}
		if err := t.markUncertain(ctx, claims); err != nil {
			return fmt.Errorf("marking the uncertain: %w", err)
		}
		swept.Uncertain += len(claims)
	}
	return nil
}

// sweepJobs makes ready again what dead workers were at, and plans what became
// uncertain and is sent once more.
func (t *tx) sweepJobs(ctx context.Context, swept *Swept) error {
	if _, err := t.exec(ctx, retryAlerts.text, retryAlerts.args...); err != nil {
		return err
	}
	n, err := t.exec(ctx, `UPDATE job SET state = 'ready', generation = generation + 1, worker = '', changed = $1 WHERE `+orphanJobs, t.now.UnixMicro())
	swept.Jobs += int(n)
	return err
}

// openClaim is a claim without a result.
type openClaim struct {
	campaign  int64
	address   string
	token, at int64
}

func scanClaim(row scanner) (c openClaim, err error) {
	err = row.Scan(&c.campaign, &c.address, &c.token, &c.at)
	return c, err
}

func (t *tx) markUncertain(ctx context.Context, claims []openClaim) error {
	args := []any{t.now.UnixMicro()}
	for _, c := range claims {
		args = append(args, c.campaign, c.address, c.token, c.at)
	}
	_, err := t.exec(ctx, `UPDATE delivery SET state = 'uncertain', reason = '', token = v.column3, claimed = v.column4, end_at = v.column4, attempts = attempts + 1, changed = $1
		FROM (VALUES `+rows(len(claims), 4, 2, "BIGINT", "TEXT", "BIGINT", "BIGINT")+`) AS v WHERE delivery.campaign = v.column1 AND delivery.address = v.column2`, args...)
	return err
}

// deadWorkers lists those that are silent for too long or whose process is
// known to be gone.
func (s *Store) deadWorkers(ctx context.Context) (dead []pulse, err error) {
	all, err := s.pulses(ctx)
	for _, one := range all {
		if one.silent >= Silence || gone(one.where) {
			dead = append(dead, one)
		}
	}
	return dead, err
}

// own is the place of this process, which never changes.
var own = sync.OnceValue(func() string { return place(os.Getpid()) })

// place names a process so that no other process, now or after a restart of
// the machine, has the same name: boot, PID namespace, PID and start time.
func place(pid int) string {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, _ := os.Readlink("/proc/self/ns/pid")
	began := startTime(pid)
	if len(boot) == 0 || space == "" || began == "" {
		return ""
	}
	return fmt.Sprintf("%s %s %d %s", strings.TrimSpace(string(boot)), space, pid, began)
}

// startTime is field 22 of /proc/PID/stat, in clock ticks since boot; the
// name in field 2 may hold spaces and ends with the last parenthesis.
func startTime(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

// gone tells whether a process that ran in our own boot and PID namespace no
// longer exists. Of any other place we know nothing.
func gone(where string) bool {
	if where == left {
		return true
	}
	fields := strings.Fields(where)
	mine := strings.Fields(own())
	if len(fields) != 4 || len(mine) != 4 || fields[0] != mine[0] || fields[1] != mine[1] {
		return false
	}
	var pid int
	if _, err := fmt.Sscan(fields[2], &pid); err != nil {
		return false
	}
	return startTime(pid) != fields[3]
}
