package main

import (
	"context"
	"strings"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// idle answers for the Redis in this process when a queue is asked for its next
// task and has none: each queue is asked many times in a second, by a script, and
// for each script miniredis builds an interpreter. All else goes to miniredis.
type idle struct{ server *miniredis.Miniredis }

// DialHook implements redis.Hook.
func (h idle) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (h idle) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements redis.Hook.
func (h idle) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if list := nextTaskOf(cmd.Args()); list != "" && !h.server.Exists(list) {
			cmd.SetErr(redis.Nil) // as the script would say
			return redis.Nil
		}
		return next(ctx, cmd)
	}
}

// nextTaskOf names the list that asynq's script takes the next task from; empty
// where a command is not that one. It alone has the keys pending, paused, active
// and lease.
func nextTaskOf(args []any) string {
	if len(args) < 7 || args[0] != "evalsha" || args[2] != 4 {
		return ""
	}
	list, _ := args[3].(string)
	for i, end := range []string{":pending", ":paused", ":active", ":lease"} {
		if key, _ := args[3+i].(string); !strings.HasSuffix(key, end) {
			return ""
		}
	}
	return list
}
