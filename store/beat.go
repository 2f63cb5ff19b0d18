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

// Register makes a worker known, and keeps it alive when it is called again
// and again. capacity is how many batches it works on at once.
func (s *Store) Register(ctx context.Context, worker, role string, capacity int) error {
	return s.inTx(ctx, "registering a worker", func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO worker (id, place, role, capacity, started, beat) VALUES ($1, $2, $3, $4, $5, $5)
			ON CONFLICT (id) DO UPDATE SET beat = $5, capacity = $4`, worker, own(), role, capacity, t.now.UnixMicro())
		return err
	})
}

// Unregister tells that a worker has stopped and left nothing open.
func (s *Store) Unregister(ctx context.Context, worker string) error {
	return s.inTx(ctx, "taking leave", func(t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM worker WHERE id = $1`, worker)
		return err
	})
}

// Capacity sums what the living workers of a queue can do at once.
func (s *Store) Capacity(ctx context.Context, role string) (n int, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT COALESCE(sum(capacity), 0) FROM worker WHERE role = $1 AND beat > $2`,
		role, s.now().Add(-Silence).UnixMicro()).Scan(&n)
	return n, err
}

// Workers counts the living of a role.
func (s *Store) Workers(ctx context.Context, role string) (n int, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM worker WHERE role = $1 AND beat > $2`, role, s.now().Add(-Silence).UnixMicro()).Scan(&n)
	return n, err
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
	orphans := 0
	if err := s.read.QueryRowContext(ctx, orphanCount, s.now().Add(-claimLife).UnixMicro(), s.now().Add(-endLife).UnixMicro()).Scan(&orphans); err != nil {
		return Swept{}, fmt.Errorf("looking for orphans: %w", err)
	}
	if len(dead) == 0 && orphans == 0 {
		return Swept{}, nil
	}
	swept := Swept{Workers: dead}
	err = s.inTx(ctx, "sweeping up after dead workers", func(t *tx) error {
		for _, worker := range dead {
			if _, err := t.exec(ctx, `DELETE FROM worker WHERE id = $1`, worker); err != nil {
				return err
			}
		}
		return t.sweepOrphans(ctx, &swept)
	})
	return swept, err
}

// claimLife is longer than any relay is waited for. A claim that is older was
// forgotten by its worker, though it lives: the answer to a commit was lost.
const claimLife = 15 * time.Minute

// endLife is how long the end of a claimed message may still be written by a
// worker that was taken for dead, where its clock is up to three seconds behind.
const endLife = Patience + 3*time.Second

const (
	orphanJobs   = `state = 'running' AND worker NOT IN (SELECT id FROM worker)`
	orphanClaims = `(at < $1 OR at < $2 AND worker NOT IN (SELECT id FROM worker))` // before that its end may still be written
	orphanCount  = `SELECT (SELECT count(*) FROM job WHERE ` + orphanJobs + `) + (SELECT count(*) FROM claim WHERE ` + orphanClaims + `)`
)

// sweepOrphans takes the claims away first and marks exactly those: a worker
// that was only asleep may make a new one at any moment.
func (t *tx) sweepOrphans(ctx context.Context, swept *Swept) error {
	found, err := t.QueryContext(ctx, `DELETE FROM claim WHERE `+orphanClaims+` RETURNING campaign, address, token, at`, t.now.Add(-claimLife).UnixMicro(), t.now.Add(-endLife).UnixMicro())
	if err != nil {
		return fmt.Errorf("taking back claims: %w", err)
	}
	claims, err := gather(found, scanClaim)
	if err != nil {
		return fmt.Errorf("taking back claims: %w", err)
	}
	for part := range slices.Chunk(claims, 200) {
		if err := t.markUncertain(ctx, part); err != nil {
			return fmt.Errorf("marking the uncertain: %w", err)
		}
	}
	swept.Uncertain = len(claims)
	if _, err := t.exec(ctx, retryAlerts.text, retryAlerts.args...); err != nil {
		return err
	}
	n, err := t.exec(ctx, `UPDATE job SET state = 'ready', generation = generation + 1, worker = '', changed = $1 WHERE `+orphanJobs, t.now.UnixMicro())
	swept.Jobs = int(n)
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
func (s *Store) deadWorkers(ctx context.Context) (dead []string, err error) {
	found, err := s.read.QueryContext(ctx, `SELECT id, place, beat FROM worker`)
	if err != nil {
		return nil, fmt.Errorf("reading heartbeats: %w", err)
	}
	defer found.Close()
	limit := s.now().Add(-Silence).UnixMicro()
	for found.Next() {
		var id, where string
		var beat int64
		if err := found.Scan(&id, &where, &beat); err != nil {
			return nil, err
		}
		if beat < limit || gone(where) {
			dead = append(dead, id)
		}
	}
	return dead, found.Err()
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
