package storetest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience bounds how long a server may take to start or to stop.
const patience = 30 * time.Second

// whyAbsent tells a server that this machine cannot run from one that broke.
func whyAbsent(err error) (string, bool) {
	var m missing
	if errors.As(err, &m) {
		return m.Error(), true
	}
	if errors.Is(err, errNotRoot) {
		return err.Error(), true
	}
	return "", false
}

var errNotRoot = errors.New("postfix can only be started by root")

// workshop is the folder of one server, and the warden that clears it away.
type workshop struct {
	folder string
	warden *exec.Cmd
	rope   io.WriteCloser // when it tears, the warden acts
}

// wardenScript waits for its input to end. A line means that all is well; the
// bare end means that the test binary is gone, however it went: it then stops
// each process that left a note (signal and process id) and removes the folder.
const wardenScript = `
read -r farewell && exit 0
for note in "$1"/*.running; do
	[ -f "$note" ] || continue
	read -r signal pid < "$note"
	kill -"$signal" "$pid" 2>/dev/null
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.3
	done
	kill -KILL -- -"$pid" 2>/dev/null
done
rm -rf -- "$1"
`

// newWorkshop makes a temporary folder that other system users may enter, which
// testing.TB.TempDir's may not be, with a path short enough for Unix sockets.
func newWorkshop(kind string) (*workshop, error) {
	folder, err := os.MkdirTemp("", "heed-"+kind+"-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for %s: %w", kind, err)
	}
	w := &workshop{folder: folder}
	if err := errors.Join(os.Chmod(folder, 0o755), w.postWarden()); err != nil {
		_ = os.RemoveAll(folder)
		return nil, fmt.Errorf("preparing a folder for %s: %w", kind, err)
	}
	return w, nil
}

// postWarden starts the warden in a session of its own, so that a signal to
// the test's process group does not reach it.
func (w *workshop) postWarden() error {
	w.warden = exec.Command("/bin/sh", "-c", wardenScript, "warden", w.folder)
	w.warden.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	rope, err := w.warden.StdinPipe()
	if err != nil {
		return err
	}
	w.rope = rope
	return w.warden.Start()
}

// close sends the warden home and removes the folder.
func (w *workshop) close() error {
	_, err := io.WriteString(w.rope, "farewell\n")
	return errors.Join(err, w.rope.Close(), w.warden.Wait(), os.RemoveAll(w.folder))
}

// path joins names to the workshop's folder.
func (w *workshop) path(names ...string) string {
	return filepath.Join(append([]string{w.folder}, names...)...)
}

// process is a running server; its output goes to a file.
type process struct {
	name string
	cmd  *exec.Cmd
	end  syscall.Signal // the signal that asks it to stop
	note string
	log  string
	gone chan struct{}
}

// run starts a server in a process group of its own.
func (w *workshop) run(name string, as account, end syscall.Signal, command string, args ...string) (*process, error) {
	p := &process{name: name, end: end, note: w.path(name + ".running"), log: w.path(name + ".out"), gone: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the output file of %s: %w", name, err)
	}
	defer out.Close()
	p.cmd = exec.Command(command, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = w.folder, out, out
	p.cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "TZ=UTC"}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: as.credential()}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() { _ = p.cmd.Wait(); close(p.gone) }()
	return p, os.WriteFile(p.note, fmt.Appendf(nil, "%d %d\n", int(end), p.cmd.Process.Pid), 0o644)
}

// stop asks the server to end and, when it does not, kills its whole group.
func (p *process) stop() error {
	defer os.Remove(p.note)
	_ = p.cmd.Process.Signal(p.end)
	var err error
	select {
	case <-p.gone:
	case <-time.After(patience):
		err = fmt.Errorf("%s did not stop within %s and was killed; its last words: %s", p.name, patience, p.lastWords())
	}
	p.kill()
	return err
}

// kill ends the server and all its children at once, as a power cut would.
// PostgreSQL's children leave its process group, so they are listed first.
func (p *process) kill() {
	pid := p.cmd.Process.Pid
	if !p.dead() {
		for _, child := range children(pid) {
			defer func() { _ = syscall.Kill(child, syscall.SIGKILL) }()
		}
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	<-p.gone
	_ = os.Remove(p.note)
}

// children lists the processes that pid has started.
func children(pid int) []int {
	list, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", pid))
	if err != nil {
		return nil
	}
	var found []int
	for _, word := range strings.Fields(string(list)) {
		if child, err := strconv.Atoi(word); err == nil {
			found = append(found, child)
		}
	}
	return found
}

// lastWords is the end of what the server printed.
func (p *process) lastWords() string {
	said, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(said[max(0, len(said)-2000):])
}

var errEarlyEnd = errors.New("it ended early, or was not ready in time")

// until waits for ready to succeed while the server lives. When it fails, the
// server is killed and the error carries what the server said.
func (p *process) until(ready func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := ready()
		if err == nil && !p.dead() {
			return nil
		}
		if p.dead() || time.Now().After(deadline) {
			p.kill()
			return fmt.Errorf("%s did not come up: %w; its last words: %s", p.name, errors.Join(err, errEarlyEnd), p.lastWords())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *process) dead() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// freePort picks a free loopback port below the range from which the kernel
// takes the ports of outgoing connections, so that a server which is stopped
// and started again finds its port still free.
func freePort() (int, error) {
	for range 200 {
		port := 12000 + rand.IntN(20000)
		listener, err := net.Listen("tcp4", loopback(port))
		if err != nil {
			continue
		}
		return port, listener.Close()
	}
	return 0, errors.New("found no free port on 127.0.0.1 between 12000 and 32000")
}

// twice starts a server again where the first try fails: another program may
// have taken the free port in between. A server that cannot run stays so.
func twice[S any](start func() (S, error)) (S, error) {
	server, err := start()
	if _, absent := whyAbsent(err); err == nil || absent {
		return server, err
	}
	return start()
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// answers tells whether something greets on a loopback port with one line
// that begins with hello.
func answers(port int, hello string) func() error {
	return func() error {
		conn, err := net.DialTimeout("tcp4", loopback(port), time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		greeting := make([]byte, len(hello))
		if _, err := io.ReadFull(conn, greeting); err != nil {
			return err
		}
		if string(greeting) != hello {
			return fmt.Errorf("port %d greets with %q instead of %q", port, greeting, hello)
		}
		return nil
	}
}
