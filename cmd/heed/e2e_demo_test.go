package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"heed/store/storetest"
)

// demoRun starts heed demo with a temporary folder of its own.
func demoRun(t *testing.T, args ...string) (cmd *exec.Cmd, folder string) {
	t.Helper()
	storetest.Long(t)
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	cmd = exec.Command(binary, append([]string{"demo", "--json"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+folder, "SMTP_URL=smtp://192.0.2.1:25?tls=none", "DATABASE_URL=postgres://192.0.2.1/no", "HEED_CONFIG=/nowhere")
	return cmd, folder
}

// TestE2EDemoCommand: the settings of the person's own heed do not matter, the
// last line is the proof, and nothing is left behind.
func TestE2EDemoCommand(t *testing.T) {
	cmd, folder := demoRun(t, "--fast", "--seed", "7")
	var talk bytes.Buffer
	cmd.Stderr = &talk
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, out, talk.Bytes())
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var last struct {
		Event     string
		OK        bool
		Marketing int
		OptOuts   int `json:"opt_outs"`
		Problems  []string
	}
	for _, line := range lines {
		if err := json.Unmarshal(line, &last); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	if last.Event != "proof" || !last.OK || last.Marketing < 850 || last.OptOuts != 4 {
		t.Errorf("the last line is %s", lines[len(lines)-1])
	}
	left(t, folder)
}

// left fails where the demo left files or processes behind.
func left(t *testing.T, folder string) {
	t.Helper()
	if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if running := within(t, folder); len(running) > 0 {
		t.Errorf("still running: %v", running)
	}
}

// within lists the processes that run in a folder.
func within(t *testing.T, folder string) (running []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil || len(all) == 0 {
		t.Fatalf("found no processes at all: %v", err)
	}
	for _, link := range all {
		if where, err := os.Readlink(link); err == nil && strings.HasPrefix(where, folder) {
			running = append(running, link)
		}
	}
	return running
}

// TestE2EDemoStopped: Ctrl-C in the middle ends all of it, and is no proof.
func TestE2EDemoStopped(t *testing.T) {
	folder := demoEndedBy(t, syscall.SIGINT, 1)
	left(t, folder)
}

// TestE2EDemoKilled: the children go with their parent, however it goes.
func TestE2EDemoKilled(t *testing.T) {
	folder := demoEndedBy(t, syscall.SIGKILL, -1)
	err := eventually(t.Context(), 5*time.Second, "the children to end", func() (bool, error) { return len(within(t, folder)) == 0, nil })
	if err != nil {
		t.Error(err)
	}
}

// demoEndedBy sends a signal to the demo while its campaign is being sent.
func demoEndedBy(t *testing.T, signal os.Signal, code int) (folder string) {
	t.Helper()
	cmd, folder := demoRun(t)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	running, proved := 0, false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		proved = proved || strings.Contains(lines.Text(), `"event":"proof"`)
		if strings.Contains(lines.Text(), `"event":"started"`) {
			running = len(within(t, folder))
			_ = cmd.Process.Signal(signal)
		}
	}
	err = cmd.Wait()
	if cmd.ProcessState.ExitCode() != code || running == 0 || proved {
		t.Errorf("it ended with %v; %d children ran; proved: %v", err, running, proved)
	}
	return folder
}
