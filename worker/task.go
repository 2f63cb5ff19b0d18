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
	return reduce(w.failed(j, err))
}

// failed puts a job down that came to no end. One that waits for the relay is no
// failure; what fails again and again waits longer and longer.
func (w *Worker) failed(j store.Job, cause error) error {
	var waits errWaits
	if errors.As(cause, &waits) {
		w.Log.Warn("job_waits", "job", j.ID, "kind", j.Kind, "error", cause)
		return w.persist(func() error { return w.Store.EndJob(w.hard, j, w.Now().Add(backOff(j.Attempts))) })
	}
	j.Failures++
	w.Log.Error("job_failed", "job", j.ID, "kind", j.Kind, "failures", j.Failures, "error", cause)
	rule := endurances[j.Kind]
	again := w.Now().Add(rule.wait(j.Failures))
	return w.persist(func() error {
		parted := false
		if j.Kind == "send" && j.Failures >= partAfter {
			var err error
			soon := w.Now().Add(backOff(1))
			if parted, err = w.Store.Halve(w.hard, j, soon); err != nil {
				return err
			} else if parted {
				again = soon
			}
		}
		final := rule.most > 0 && j.Failures >= rule.most && !parted
		if final {
			w.Log.Error("job_given_up", "job", j.ID, "kind", j.Kind, "failures", j.Failures)
		}
		return w.Store.FailJob(w.hard, j, again, final)
	})
}

// endurance is how a kind of job is tried that fails.
type endurance struct {
	longest time.Duration // between two tries
	most    int           // failures in a row, then a person must look; 0: it is tried for ever
}

// What people have a right to, and what others must hear, is never given up: a
// person is told of it, and it is tried all the same. A kind that is not known was
// made by a newer heed, which will do it.
var endurances = map[string]endurance{
	"send":  {time.Minute, 12},
	"write": {30 * time.Minute, 14},
	"erase": {15 * time.Minute, 0},
	"tell":  {time.Hour, 0},
	"alarm": {15 * time.Minute, 0},
	"hook":  {time.Hour, 0},
}

// partAfter is how often a batch fails before it is parted, so that one message that
// cannot be sent keeps no other waiting.
const partAfter = 3

// wait doubles with each failure.
func (e endurance) wait(failures int) time.Duration {
	return min(500*time.Millisecond<<min(failures, 20), max(e.longest, time.Minute))
}

// errWaits means that a job can do nothing before the relay is back.
type errWaits struct{ error }

func (e errWaits) Unwrap() error { return e.error }

// putDown has a job carried again. A store that is away is waited for: a job
// that stays begun in the name of a worker that lives is nobody's, for ever. The
// jobs of one that stops are taken back by the sweep.
func (w *Worker) putDown(j store.Job) error {
	return w.persist(func() error { return w.Store.EndJob(w.hard, j, w.Now().Add(backOff(j.Attempts))) })
}

// persist tries until the store takes it, or the worker stops.
func (w *Worker) persist(step func() error) error {
	for {
		err := step()
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
