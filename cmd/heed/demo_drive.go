package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// driver runs heed as child processes, the way a script would.
type driver struct {
	binary string
	folder string   // where the children run; their logs go to *.log in it
	env    []string // NAME=value, on top of the machine's own
	runs   atomic.Int64
}

// ran is what a command left behind.
type ran struct {
	code     int
	out, err string
}

// try runs a command to its end; an error means that it could not be run.
func (d *driver) try(ctx context.Context, args ...string) (ran, error) {
	cmd := d.command(ctx, args...)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return ran{}, fmt.Errorf("running heed %s: %w", strings.Join(args, " "), err)
	}
	return ran{cmd.ProcessState.ExitCode(), out.String(), talk.String()}, nil
}

func (d *driver) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.binary, args...)
	cmd.Dir = d.folder
	cmd.Env = append(withoutSettings(os.Environ()), d.env...)
	cmd.SysProcAttr = diesWithParent()
	return cmd
}

// withoutSettings leaves out what the person's own shell says to heed: the
// demo must not find the way to a real server.
func withoutSettings(env []string) []string {
	var kept []string
	for _, pair := range env {
		name, _, _ := strings.Cut(pair, "=")
		name = strings.TrimSuffix(name, "_FILE")
		switch name {
		case "DATABASE_URL", "REDIS_URL", "SMTP_URL", "PUBLIC_URL", "LISTEN", "SMTP_CONNECTIONS", "RATE", "POLL", "LOG_FORMAT":
			continue
		}
		if !strings.HasPrefix(name, "HEED_") {
			kept = append(kept, pair)
		}
	}
	return kept
}

// run runs a command that must succeed and gives its output.
func (d *driver) run(ctx context.Context, args ...string) (string, error) {
	r, err := d.try(ctx, args...)
	if err == nil && r.code != 0 {
		err = fmt.Errorf("heed %s ended with %d: %s", strings.Join(args, " "), r.code, strings.TrimSpace(r.err))
	}
	return r.out, err
}

// ask runs a command with --json and reads the object that it gives.
func ask[T any](ctx context.Context, d *driver, args ...string) (T, error) {
	all, err := askAll[T](ctx, d, args...)
	var none T
	if err != nil {
		return none, err
	}
	if len(all) != 1 {
		return none, fmt.Errorf("heed %s gave %d objects instead of one", strings.Join(args, " "), len(all))
	}
	return all[0], nil
}

// askAll reads a list, an object a line.
func askAll[T any](ctx context.Context, d *driver, args ...string) ([]T, error) {
	out, err := d.run(ctx, append(args, "--json")...)
	if err != nil {
		return nil, err
	}
	return objects[T](out)
}

func objects[T any](out string) ([]T, error) {
	var all []T
	decoder := json.NewDecoder(strings.NewReader(out))
	for {
		var one T
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading what heed gave: %w in %.300q", err, out)
		}
		all = append(all, one)
	}
}

// child is a heed process that stays.
type child struct {
	role  string
	cmd   *exec.Cmd
	ready chan string   // the URL of its ready line, once
	gone  chan struct{} // closed when it has ended
	err   error         // how it ended; to be read after gone
	log   string
}

// start begins a process of the Procfile, or serve, which is all of them.
func (d *driver) start(role string) (*child, error) {
	c := &child{role: role, ready: make(chan string, 1), gone: make(chan struct{}),
		log: filepath.Join(d.folder, fmt.Sprintf("%s-%d.log", role, d.runs.Add(1)))}
	log, err := os.Create(c.log)
	if err != nil {
		return nil, fmt.Errorf("making the log of heed %s: %w", role, err)
	}
	c.cmd = d.command(context.Background(), role)
	c.cmd.Stderr = log
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begun := make(chan error, 1)
	go c.live(out, log, begun)
	if err := <-begun; err != nil {
		return nil, fmt.Errorf("starting heed %s: %w", role, err)
	}
	return c, nil
}

// live keeps one thread of ours for the child: the system kills the child when
// the thread that started it ends.
func (c *child) live(out io.ReadCloser, log *os.File, begun chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer log.Close()
	err := c.cmd.Start()
	begun <- err
	if err != nil {
		return
	}
	c.listen(out)
	c.err = c.cmd.Wait()
	close(c.gone)
}

// listen waits for the ready line and reads on to the end.
func (c *child) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var line struct{ Event, URL string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Event == "ready" {
			select {
			case c.ready <- line.URL:
			default:
			}
		}
	}
}

// await waits until the child says that it is ready.
func (c *child) await(ctx context.Context, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.ready:
		return nil
	case <-c.gone:
		return fmt.Errorf("heed %s ended before it was ready (%v): %s", c.role, c.err, c.lastWords())
	case <-timer.C:
		return fmt.Errorf("heed %s was not ready within %s: %s", c.role, patience, c.lastWords())
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *child) lastWords() string {
	said, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(said[max(0, len(said)-1500):])
}

// kill ends the child as a power cut would.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may be gone already
	<-c.gone
}

// stop asks the child to end, and makes sure of it.
func (c *child) stop(patience time.Duration) error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-c.gone:
	case <-time.After(patience):
		c.kill()
		return fmt.Errorf("heed %s did not stop within %s: %s", c.role, patience, c.lastWords())
	}
	if c.err != nil {
		return fmt.Errorf("heed %s ended with %w: %s", c.role, c.err, c.lastWords())
	}
	return nil
}

// freeAddress finds a free port on loopback that outgoing connections do not
// take meanwhile, so that a child can be started on it again and again.
func freeAddress() (string, error) {
	for range 200 { // the kernel takes ports of outgoing connections from above
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000)))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.New("found no free port on 127.0.0.1 between 20000 and 32000")
}

// loopbackListener takes any free port.
func loopbackListener() (net.Listener, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening on loopback: %w", err)
	}
	return l, nil
}

// responds waits until a page answers with 200.
func responds(ctx context.Context, url string, patience time.Duration) error {
	return eventually(ctx, patience, "an answer from "+url, func() (bool, error) {
		answer, err := http.Get(url)
		if err != nil {
			return false, nil
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK, nil
	})
}

// eventually asks until the answer is yes, every few milliseconds.
func eventually(ctx context.Context, patience time.Duration, what string, ready func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for {
		yes, err := ready()
		if yes || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s in vain for %s", patience, what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
