package storetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"heed/store"
)

// Place is a folder with a SQLite database, for simulations: one course of events
// after the other begins with the same data.
type Place struct {
	Shelf  *Shelf
	Peek   *Peek // at the database, from outside of all processes
	folder string
	people []byte // the file of the persons' keys
}

// NewPlace makes one. What all courses begin with is made at the moment at which
// every bubble's time begins, and with the same keys in every run, so that addresses
// sort alike.
func NewPlace(t *testing.T, o store.Options, furnish func(context.Context, *store.Store) error) *Place {
	t.Helper()
	p := &Place{Shelf: &Shelf{}, folder: simFolder(t)}
	template := filepath.Join(p.folder, "template")
	for name, secret := range map[string]string{"keys/pepper": "5e", "keys/links/1": "7a"} {
		p.put(t, template, name, []byte(strings.Repeat(secret, 32)+"\n"))
	}
	synctest.Test(t, func(t *testing.T) {
		o.URL, o.Keys = "sqlite:"+filepath.Join(template, "heed.db"), filepath.Join(template, "keys")
		s, err := store.Open(t.Context(), o)
		if err == nil {
			err = errors.Join(furnish(t.Context(), s), s.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	for _, name := range []string{"heed.db", "keys/people.db", "keys/pepper", "keys/links/1"} {
		text, err := os.ReadFile(filepath.Join(template, name))
		if err != nil {
			t.Fatal(err)
		}
		p.put(t, p.folder, name, text)
		if name == "keys/people.db" {
			p.people = text
		}
	}
	var err error
	if p.Peek, err = p.Shelf.Peek(filepath.Join(p.folder, "heed.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.Peek.Close(), p.Shelf.Close()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// simFolder is in memory where there is such a place. Its path is too long for a
// socket: a bubble of fake time can wait for none, and the store then does without.
func simFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "heed-sim-")
	if err != nil {
		folder = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	folder = filepath.Join(folder, strings.Repeat("deep/", 25))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	return folder
}

func (p *Place) put(t *testing.T, folder, name string, text []byte) {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, text, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// Folder is where it lies.
func (p *Place) Folder() string { return p.folder }

// At completes options so that a store opens this database.
func (p *Place) At(o store.Options) store.Options {
	o.URL, o.Keys = "sqlite:"+filepath.Join(p.folder, "heed.db"), filepath.Join(p.folder, "keys")
	return o
}

// SetBack makes everything as it is when a course begins.
func (p *Place) SetBack(t *testing.T) {
	t.Helper()
	for _, name := range []string{"people.db-wal", "people.db-shm"} {
		os.Remove(filepath.Join(p.folder, "keys", name))
	}
	p.put(t, p.folder, "keys/people.db", p.people)
	if err := p.Peek.SetBack(filepath.Join(p.folder, "template", "heed.db")); err != nil {
		t.Fatal(err)
	}
}
