package worker

import (
	"fmt"
	"log/slog"
	"os"
)

// quiet passes asynq's words to the log under one event, so that the log's
// events stay a closed set.
type quiet struct{ log *slog.Logger }

// Debug implements asynq.Logger.
func (q quiet) Debug(args ...any) { q.log.Debug("queue_note", "text", fmt.Sprint(args...)) }

// Info implements asynq.Logger.
func (q quiet) Info(args ...any) { q.log.Debug("queue_note", "text", fmt.Sprint(args...)) }

// Warn implements asynq.Logger.
func (q quiet) Warn(args ...any) { q.log.Warn("queue_note", "text", fmt.Sprint(args...)) }

// Error implements asynq.Logger.
func (q quiet) Error(args ...any) { q.log.Error("queue_note", "text", fmt.Sprint(args...)) }

// Fatal implements asynq.Logger.
func (q quiet) Fatal(args ...any) {
	q.log.Error("queue_note", "text", fmt.Sprint(args...))
	os.Exit(1)
}
