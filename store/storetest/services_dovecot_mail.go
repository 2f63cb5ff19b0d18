package storetest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// Deliver puts a raw mail into a user's inbox, the way any Maildir agent does:
// written aside, then renamed. It needs no running server.
func (s *DovecotServer) Deliver(name string, raw []byte) error {
	return s.DeliverFrom(name, func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
}

// DeliverFrom is Deliver for a mail that nobody wants in memory.
func (s *DovecotServer) DeliverFrom(name string, write func(io.Writer) error) error {
	file := fmt.Sprintf("%d.M%dQ%d.heed", time.Now().Unix(), os.Getpid(), s.delivered.Add(1))
	aside := filepath.Join(s.box(name), "tmp", file)
	if err := s.writeAside(aside, write); err != nil {
		return fmt.Errorf("delivering to %s: %w", name, err)
	}
	if err := os.Rename(aside, filepath.Join(s.box(name), "new", file)); err != nil {
		return fmt.Errorf("delivering to %s: %w", name, err)
	}
	return nil
}

func (s *DovecotServer) writeAside(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close(), s.as.give(path))
}

// Messages returns the raw mails of a user's folder, oldest first by file name.
// The folder is "INBOX" or a path such as "Processed"; one that does not exist
// is empty.
func (s *DovecotServer) Messages(name, folder string) ([][]byte, error) {
	return readAll(s.files(name, folder))
}

// Count is the number of mails in a user's folder, also where there are very
// many.
func (s *DovecotServer) Count(name, folder string) (n int) {
	for _, part := range []string{"cur", "new"} {
		box, err := os.Open(filepath.Join(s.folder(name, folder), part))
		if err != nil {
			continue
		}
		for {
			names, err := box.Readdirnames(500)
			n += len(names)
			if err != nil {
				break
			}
		}
		box.Close()
	}
	return n
}

func (s *DovecotServer) folder(name, folder string) string {
	if folder == "INBOX" {
		return s.box(name)
	}
	return filepath.Join(s.box(name), "."+strings.ReplaceAll(folder, "/", "."))
}

func (s *DovecotServer) files(name, folder string) (files []string) {
	for _, part := range []string{"cur", "new"} {
		found, _ := filepath.Glob(filepath.Join(s.folder(name, folder), part, "*"))
		files = append(files, found...)
	}
	sort.Slice(files, func(a, b int) bool { return filepath.Base(files[a]) < filepath.Base(files[b]) })
	return files
}

// readAll reads files, passing over those that the server moved meanwhile.
func readAll(files []string) ([][]byte, error) {
	var mails [][]byte
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading a mailbox: %w", err)
		}
		mails = append(mails, raw)
	}
	return mails, nil
}
