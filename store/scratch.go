package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// scratch is a private folder for a copy of the database that is being made or
// read. It is locked while its process lives, so that what a killed one left
// behind is told from what is in use, and goes.
type scratch struct {
	folder string
	lock   *os.File
}

const scratchName = ".heed-backup-"

// newScratch makes one, after whatever others left there is swept away.
func newScratch(room string) (scratch, error) {
	sweepScratch(room)
	for range 10 {
		folder, err := os.MkdirTemp(room, scratchName)
		if err != nil {
			return scratch{}, fmt.Errorf("making room for a copy: %w", err)
		}
		w, err := lockScratch(folder)
		if err != nil {
			return scratch{}, errors.Join(err, os.RemoveAll(folder))
		}
		if _, err := os.Stat(w.path("lock")); err == nil {
			return w, nil
		}
		w.close() // somebody swept it before it was locked
	}
	return scratch{}, fmt.Errorf("making room for a copy in %s: others keep sweeping it away", room)
}

// lockScratch locks a folder, where its file system knows locks.
func lockScratch(folder string) (scratch, error) {
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return scratch{folder: folder}, nil
	}
	if err != nil {
		return scratch{}, fmt.Errorf("locking the room for a copy: %w", err)
	}
	if errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK) {
		f.Close()
		return scratch{folder: folder}, nil
	}
	return scratch{folder, f}, nil
}

func (w scratch) path(name string) string { return filepath.Join(w.folder, name) }

// close takes the folder away with all that is in it.
func (w scratch) close() {
	os.RemoveAll(w.folder)
	if w.lock != nil {
		w.lock.Close()
	}
}

// sweepScratch takes away what processes left behind that were killed: it may
// hold people who are erased by now. What cannot be swept stays for the next.
func sweepScratch(room string) {
	left, err := os.ReadDir(room)
	if err != nil {
		return
	}
	for _, one := range left {
		if number, is := strings.CutPrefix(one.Name(), scratchName); is && one.IsDir() && strings.Trim(number, "0123456789") == "" {
			sweepOne(filepath.Join(room, one.Name()))
		}
	}
}

func sweepOne(folder string) {
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		os.RemoveAll(folder)
	}
}
