package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"heed/store/storetest"
)

// TestE2EBadDiskFull: on a full disk nothing is promised and nothing is sent
// that could not be claimed; with room again all goes on.
func TestE2EBadDiskFull(t *testing.T) {
	storetest.Long(t)
	disk := smallDisk(t)
	s := beginOn(t, awayScenario(), setUp{}, func(st *stage) { st.env = append(st.env, "HEED_DATA="+filepath.Join(disk, "data")) })
	id, links := underWay(t, s)
	ballast := fill(t, disk)
	refused := s.leavesUntilFull(t, links)
	stood := s.got(kindNews)
	time.Sleep(1500 * time.Millisecond)
	if more := s.got(kindNews) - stood; more > 0 {
		t.Errorf("%d messages were sent while no claim could be written", more)
	}
	if code := answers(t.Context(), t, refused); code != http.StatusServiceUnavailable {
		t.Errorf("with a full disk an opt-out was answered %d", code)
	}
	log := s.children["serve"].allWords(t)
	wants(t, "the log on a full disk", log, `"level":"ERROR"`, "full")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.leavesInTime(t, links)
	s.endsWhole(t, id)
}

// smallDisk is a file system of 24 MB in memory.
func smallDisk(t *testing.T) string {
	t.Helper()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=24m"); err != nil {
		t.Fatalf("a disk that can be filled needs mount(2): run as root, in a container with CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Errorf("taking the small disk away: %v", err)
		}
	})
	return disk
}

// fill writes to the disk until nothing more goes in.
func fill(t *testing.T, disk string) string {
	t.Helper()
	ballast, err := fillUp(disk)
	if err != nil {
		t.Fatal(err)
	}
	return ballast
}

// leavesUntilFull lets people opt out until one is told that it did not work,
// and gives that one's link. What is answered with 200 must hold.
func (s *story) leavesUntilFull(t *testing.T, links map[string]string) string {
	t.Helper()
	for who, link := range links {
		code := answers(t.Context(), t, link)
		if code == http.StatusServiceUnavailable {
			return link
		}
		if code != http.StatusOK {
			t.Errorf("with a full disk the opt-out of %s was answered %d", who, code)
		}
		s.acknowledged(ack{who: who, at: time.Now()})
		delete(links, who)
	}
	t.Fatal("the full disk was never felt")
	return ""
}

// allWords is all that a process logged.
func (c *child) allWords(t *testing.T) string {
	t.Helper()
	said, err := os.ReadFile(c.log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(said))
}
