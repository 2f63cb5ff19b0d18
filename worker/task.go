package worker

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"

	"heed/store"
)

// handle does the job that a task names. It takes no context from asynq: when
// Redis is away asynq cancels its handlers, but the messages of a batch have
// nothing to do with Redis. A task that was handed out twice finds its
// generation taken.
func (w *Worker) handle(queue string, task *asynq.Task) error {
	id, generation, ok := parseTask(task.Payload())
	if !ok {
		w.Log.Warn("task_refused", "queue", queue, "bytes", len(task.Payload()))
		return nil // random bytes mean nothing, now and later
	}
	if w.stopped() {
		return errStopping
	}
	j, mine, err := w.Store.Begin(w.hard, id, generation, w.id)
	if err != nil { // it may be begun all the same: the answer to a commit can be lost
		return reduce(errors.Join(err, w.putDown(store.Job{ID: id, Generation: generation, Attempts: 1})))
	}
	if !mine {
		return nil
	}
	err = w.guarded(j)
	if err == nil {
		return nil
	}
	w.Log.Error("job_failed", "job", j.ID, "kind", j.Kind, "error", err)
	return reduce(w.putDown(j))
}

// putDown has a job carried again. A store that is away is waited for: a job
// that stays begun in the name of a worker that lives is nobody's, for ever. The
// jobs of one that stops are taken back by the sweep.
func (w *Worker) putDown(j store.Job) error {
	for {
		err := w.Store.EndJob(w.hard, j, w.Now().Add(backOff(j.Attempts)))
		if err == nil {
			return nil
		}
		select {
		case <-w.stopping:
			return err
		case <-time.After(pulse):
		}
	}
}

// guarded keeps a panic to its job: the job is carried again like any that
// failed, instead of being held by a worker that lives and does nothing.
func (w *Worker) guarded(j store.Job) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	return w.do(j)
}

func (w *Worker) do(j store.Job) error {
	switch j.Kind {
	case "send":
		return w.send(w.hard, j)
	case "write":
		return w.write(w.hard, j)
	case "erase":
		return w.erase(w.hard, j)
	case "tell":
		return w.tellSystem(w.hard, j)
	case "alarm":
		return w.alarm(w.hard, j)
	case "hook":
		return w.callHook(w.hard, j)
	}
	return fmt.Errorf("no job is called %q; a newer heed made it", j.Kind)
}

var (
	errStopping = errors.New("the worker stops")
	errFailed   = errors.New("failed; the worker's log tells more")
)

// reduce keeps the words of errors out of Redis: they may quote addresses.
func reduce(err error) error {
	if err == nil {
		return nil
	}
	return errFailed
}

func parseTask(payload []byte) (id int64, generation int, ok bool) {
	left, right, found := strings.Cut(string(payload), ".")
	if !found || len(payload) > 40 {
		return 0, 0, false
	}
	id, err := strconv.ParseInt(left, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	generation, err = strconv.Atoi(right)
	if err != nil {
		return 0, 0, false
	}
	return id, generation, true
}
