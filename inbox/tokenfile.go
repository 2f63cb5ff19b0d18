package inbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockedSecret is a file that holds a secret and that nobody else of ours
// changes meanwhile.
type lockedSecret struct {
	path, text string
	file       *os.File
}

// lockSecret waits for the file and reads it. The lock belongs to the file,
// not to its name: whoever waited on one that was replaced meanwhile begins
// again with the new one.
func lockSecret(path string) (*lockedSecret, error) {
	for {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		s := &lockedSecret{path: path, file: file}
		current, err := s.lock()
		if err == nil && current {
			s.text, err = readLine(path)
		}
		if err == nil && current {
			return s, nil
		}
		s.close()
		if err != nil {
			return nil, err
		}
	}
}

func (s *lockedSecret) lock() (current bool, err error) {
	if err := syscall.Flock(int(s.file.Fd()), syscall.LOCK_EX); err != nil {
		return false, fmt.Errorf("locking %s: %w", s.path, err)
	}
	mine, err := s.file.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(s.path)
	return err == nil && os.SameFile(mine, named), err
}

func (s *lockedSecret) close() { s.file.Close() }

// replace writes the secret aside and renames it, so that a crash leaves the
// old one or the new one, whole. A name that is a link goes on being one.
func (s *lockedSecret) replace(text string) (err error) {
	target, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		return fmt.Errorf("replacing refresh_token_file: %w", err)
	}
	aside, err := os.CreateTemp(filepath.Dir(target), ".heed-token-")
	if err != nil {
		return fmt.Errorf("replacing refresh_token_file (its folder must be writable, because the endpoint changes the token): %w", err)
	}
	_, err = aside.WriteString(text + "\n")
	if about, e := os.Stat(target); err == nil && e == nil {
		err = aside.Chmod(about.Mode().Perm())
	}
	if err = errors.Join(err, aside.Sync(), aside.Close()); err == nil {
		err = os.Rename(aside.Name(), target)
	}
	if err != nil {
		os.Remove(aside.Name())
		return fmt.Errorf("replacing refresh_token_file: %w", err)
	}
	return syncFolder(filepath.Dir(target))
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
