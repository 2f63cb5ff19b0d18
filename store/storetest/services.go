// Package storetest starts the real servers that tests and benchmarks talk to:
// PostgreSQL, Redis, Dovecot and Postfix. Each runs on a loopback port of its
// own, with all of its files in a temporary folder, and never touches an
// instance that the machine runs for itself.
//
// Two conventions keep `go test ./...` honest on any machine:
//
//   - A test that wants a server says so, by starting it or by
//     Need(t, "redis-server"). Where the program is absent the test is skipped,
//     and what was left out is named; where HEED_REQUIRE_SERVICES=1 is set,
//     as `make test` does, the test fails instead.
//   - A test that takes the whole program through a story is called TestE2E…,
//     TestChaos… or TestBench…, lives in cmd/heed and begins with Long(t).
//     It runs where HEED_REQUIRE_SERVICES=1 is set, without the race detector.
package storetest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// debianPackage says where a missing program comes from.
func debianPackage(program string) string {
	switch program {
	case "postgres", "initdb":
		return "postgresql"
	case "dovecot":
		return "dovecot-imapd"
	default:
		return program
	}
}

// missing is the error of a program that is not installed.
type missing struct{ program string }

func (m missing) Error() string {
	return fmt.Sprintf("%s is not installed (on Debian: apt-get install %s, or make test as root)", m.program, debianPackage(m.program))
}

// find returns the path of a program, also where Debian keeps it out of PATH.
// Of several versions the highest is taken.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, folder := range []string{"/usr/sbin", "/usr/lib/postgresql/*/bin", "/usr/lib/postfix/sbin"} {
		if found, _ := filepath.Glob(filepath.Join(folder, program)); len(found) > 0 {
			return slices.Max(found), nil
		}
	}
	return "", missing{program}
}

// required says whether a missing server is a failure instead of a skip.
func required() bool { return os.Getenv("HEED_REQUIRE_SERVICES") == "1" }

// Need skips t where one of the programs is not installed, and names it; with
// HEED_REQUIRE_SERVICES=1 it fails t. Programs are named as they are called:
// postgres, redis-server, dovecot, postfix, chromium.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := find(program); err != nil {
			leaveOut(t, err.Error())
		}
	}
}

// Long leaves t to `make test`: it skips unless HEED_REQUIRE_SERVICES=1.
func Long(t testing.TB) {
	t.Helper()
	if !required() {
		leaveOut(t, "it takes minutes and real servers; `make test` runs it, and so does HEED_REQUIRE_SERVICES=1")
	}
}

// leaveOut skips t, or fails it where services are required.
func leaveOut(t testing.TB, why string) {
	t.Helper()
	if required() {
		t.Fatalf("HEED_REQUIRE_SERVICES=1, but %s", why)
	}
	if _, real := t.(*testing.T); real {
		announce(fmt.Sprintf("left out: %s: %s\n", t.Name(), why))
	}
	t.Skip(why)
}

// announce writes a line where the person who typed `go test ./...` sees it.
// The go command swallows all that a passing package prints, so the line goes
// to the go command's own standard error, where that is a terminal or a pipe
// (in a file it would be written over). Elsewhere `go test -v` tells.
func announce(line string) {
	parent := filepath.Join("/proc", strconv.Itoa(os.Getppid()))
	name, err := os.ReadFile(filepath.Join(parent, "comm"))
	if err != nil || strings.TrimSpace(string(name)) != "go" {
		return
	}
	path := filepath.Join(parent, "fd", "2")
	if about, err := os.Stat(path); err != nil || about.Mode()&(os.ModeCharDevice|os.ModeNamedPipe) == 0 {
		return
	}
	out, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer out.Close()
	_, _ = out.WriteString(line)
}

// started hands a server to its test, or ends the test where it did not start.
func started[S any](t testing.TB, server S, stop func() error, err error) S {
	t.Helper()
	if err != nil {
		if why, cannot := whyAbsent(err); cannot {
			leaveOut(t, why)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stopping a test server: %v", err)
		}
	})
	return server
}

// account is the system user that a server runs as, where it is not our own.
type account struct {
	uid, gid int
	switches bool // the server has to change to this user
}

// runAs picks the user of a server's files: our own, or, as root, name.
func runAs(name string) (account, error) {
	if os.Getuid() != 0 {
		return account{uid: os.Getuid(), gid: os.Getgid()}, nil
	}
	found, err := user.Lookup(name)
	if err != nil {
		return account{}, fmt.Errorf("looking up the system user %s: %w", name, err)
	}
	uid, _ := strconv.Atoi(found.Uid) // numbers on every Unix
	gid, _ := strconv.Atoi(found.Gid)
	return account{uid: uid, gid: gid, switches: true}, nil
}

// credential is what a child process needs to run as the account.
func (a account) credential() *syscall.Credential {
	if !a.switches {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}

// own makes folders (and their parents) that belong to the account.
func (a account) own(folders ...string) error {
	for _, folder := range folders {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("making a server's folder: %w", err)
		}
		if err := a.give(folder); err != nil {
			return err
		}
	}
	return nil
}

// give hands a file or folder to the account.
func (a account) give(path string) error {
	if !a.switches {
		return nil
	}
	if err := os.Lchown(path, a.uid, a.gid); err != nil {
		return fmt.Errorf("giving %s to user %d: %w", path, a.uid, err)
	}
	return nil
}
