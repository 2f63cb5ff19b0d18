package main

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// scripts answers for the Redis in this process where asynq puts a task into a queue,
// takes the next one and strikes it off. Each is a script, for which miniredis builds
// an interpreter, hundreds of kilobytes; each queue is asked for its next task many
// times in a second, and a job is three of them. Scripts are known by their digest, so
// that another asynq's go to miniredis, and so does whatever is out of the ordinary.
type scripts struct {
	server *miniredis.Miniredis
	mu     *sync.RWMutex // held alone by a script that is played here: Redis plays one at a time
}

// DialHook implements redis.Hook.
func (s scripts) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (s scripts) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements redis.Hook. Other scripts keep out while one is played here.
// Single commands need not: asynq has none that could spoil one of the three. And they must
// not, as a script that opens a connection greets with commands that come through here.
func (s scripts) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c, ok := cmd.(*redis.Cmd)
		if !ok || c.Name() != "evalsha" && c.Name() != "eval" {
			return next(ctx, cmd)
		}
		if s.play(c) {
			return c.Err()
		}
		s.mu.RLock()
		defer s.mu.RUnlock()
		return next(ctx, cmd)
	}
}

// The digests of asynq's scripts (internal/rdb: enqueueCmd, dequeueCmd, doneCmd).
const (
	enqueueScript = "98d28b42650870a743450ffda9791e9e19c6991b"
	dequeueScript = "a8153319360adc71cdc370107f8ab9786f204765"
	doneScript    = "1241eaa1c73409baaf1fea0c08d203a4911bda15"
)

// play answers a script that is known; false leaves it, untouched, to miniredis.
func (s scripts) play(cmd *redis.Cmd) bool {
	digest, args := scriptOf(cmd.Args())
	var step func(*redis.Cmd, []string) bool
	switch {
	case digest == dequeueScript && len(args) == 6:
		step = s.dequeue
	case digest == enqueueScript && len(args) == 5:
		step = s.enqueue
	case digest == doneScript && len(args) == 8:
		step = s.done
	default:
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return step(cmd, args)
}

// scriptOf gives the digest of a script that is called by it, and its keys and
// arguments.
func scriptOf(call []any) (digest string, args []string) {
	if len(call) < 3 || call[0] != "evalsha" {
		return "", nil
	}
	for _, a := range call[3:] {
		switch a := a.(type) {
		case string:
			args = append(args, a)
		case []byte:
			args = append(args, string(a))
		case int:
			args = append(args, strconv.Itoa(a))
		case int64:
			args = append(args, strconv.FormatInt(a, 10))
		default:
			return "", nil
		}
	}
	digest, _ = call[1].(string)
	return digest, args
}

// enqueue has the keys task and pending, and the message, the id and the time.
func (s scripts) enqueue(cmd *redis.Cmd, a []string) bool {
	if s.server.Exists(a[0]) {
		cmd.SetVal(int64(0))
		return true
	}
	s.server.HSet(a[0], "msg", a[2], "state", "pending", "pending_since", a[4])
	_, err := s.server.Lpush(a[1], a[3])
	cmd.SetErr(err)
	cmd.SetVal(int64(1))
	return true
}

// dequeue has the keys pending, paused, active and lease, and the end of the lease and
// what the names of tasks begin with.
func (s scripts) dequeue(cmd *redis.Cmd, a []string) bool {
	lease, err := strconv.ParseFloat(a[4], 64)
	if err != nil {
		return false
	}
	if s.server.Exists(a[1]) || !s.server.Exists(a[0]) {
		cmd.SetErr(redis.Nil)
		return true
	}
	if waiting, err := s.server.List(a[0]); err != nil || !s.server.Exists(a[5]+waiting[len(waiting)-1]) {
		return false
	}
	id, _ := s.server.RPop(a[0])
	_, err = s.server.Lpush(a[2], id)
	s.server.HSet(a[5]+id, "state", "active")
	s.server.HDel(a[5]+id, "pending_since")
	if _, failed := s.server.ZAdd(a[3], lease, id); err == nil {
		err = failed
	}
	cmd.SetErr(err)
	cmd.SetVal(s.server.HGet(a[5]+id, "msg"))
	return true
}

// done has the keys active, lease, task, processed today and processed, and the id,
// when the day's count is dropped, and the most that the other one can hold.
func (s scripts) done(cmd *redis.Cmd, a []string) bool {
	active, err := s.server.List(a[0])
	if err != nil || !slices.Contains(active, a[5]) || !s.server.Exists(a[2]) {
		return false
	}
	if _, err := s.server.ZScore(a[1], a[5]); err != nil {
		return false
	}
	until, err := strconv.ParseInt(a[6], 10, 64)
	if total, failed := s.server.Get(a[4]); err != nil || failed == nil && total == a[7] {
		return false
	}
	s.strike(a[0], active, a[5])
	_, _ = s.server.ZRem(a[1], a[5]) // was there, and nobody else is
	s.server.Del(a[2])
	n, err := s.server.Incr(a[3], 1)
	if n == 1 {
		s.server.SetTTL(a[3], time.Until(time.Unix(until, 0)))
	}
	if _, failed := s.server.Incr(a[4], 1); err == nil {
		err = failed
	}
	cmd.SetErr(err)
	cmd.SetVal("OK")
	return true
}

// strike takes an element out of a list.
func (s scripts) strike(list string, all []string, id string) {
	rest := slices.DeleteFunc(slices.Clone(all), func(one string) bool { return one == id })
	s.server.Del(list)
	if len(rest) > 0 {
		_, _ = s.server.Push(list, rest...) // the list has just been removed: its kind fits
	}
}
