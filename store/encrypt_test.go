package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"

	"heed/store"
)

// pair makes keys for backups.
func pair(t *testing.T, lasting bool) (identity string, key store.BackupKey) {
	t.Helper()
	identity, public, err := store.NewBackupKey(lasting)
	must(t, err)
	keys, err := store.ParseBackupKeys("# whoever restores\n" + public + "\n" + public)
	must(t, err)
	if len(keys) != 1 || keys[0].String() != public {
		t.Fatalf("%s is read as %v", public, keys)
	}
	return identity, keys[0]
}

func openedBy(t *testing.T, o store.Options, identity string) store.Options {
	t.Helper()
	var err error
	o.Identity, err = store.ParseBackupIdentity(strings.NewReader(identity))
	must(t, err)
	return o
}

// TestAnEncryptedBackup says nothing to whoever has no key of it, says all to
// each who has one, with other programs of age too, and leaves no readable copy.
func TestAnEncryptedBackup(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		s := opened(t, o)
		people(t, s, 30)
		ann, first := pair(t, false)
		bob, second := pair(t, false)
		file := filepath.Join(t.TempDir(), "copy.age")
		a, err := s.Backup(ctx, file, first, second)
		must(t, err)
		text, err := os.ReadFile(file)
		must(t, err)
		digest := sha256.Sum256(text)
		if !a.Encrypted || a.SHA256 != hex.EncodeToString(digest[:]) || a.Bytes != int64(len(text)) || a.People != 30 || a.File != file {
			t.Errorf("the backup says %+v of %d bytes", a, len(text))
		}
		if !bytes.HasPrefix(text, []byte("age-encryption.org/v1\n")) || bytes.Contains(text, []byte("example.com")) || bytes.Contains(text, []byte("SQLite format")) {
			t.Error("it can be read without a key")
		}
		onlyFile(t, filepath.Dir(file), "copy.age")
		nothingReadable(t, o)
		for _, identity := range []string{ann, bob} {
			opensElsewhere(t, text, identity)
			if found, err := store.CheckBackup(ctx, openedBy(t, o, identity), file); err != nil || !found.Encrypted || found.People != 30 || found.Ledger != a.Ledger {
				t.Errorf("its holder reads %+v, %v", found, err)
			}
		}
		oneMore(t, s)
		must(t, s.Close())
		if _, err := store.Restore(ctx, openedBy(t, o, bob), file); err != nil {
			t.Fatal(err)
		}
		if n, err := opened(t, o).Count(ctx, "person"); err != nil || n != 30 {
			t.Errorf("after the restore there are %d people, %v", n, err)
		}
		nothingReadable(t, o)
	})
}

func oneMore(t *testing.T, s *store.Store) {
	t.Helper()
	_, err := s.Import(context.Background(), []store.Contact{{Row: 2, Email: "late@example.com"}}, "", false)
	must(t, err)
}

func onlyFile(t *testing.T, folder, name string) {
	t.Helper()
	left, err := os.ReadDir(folder)
	must(t, err)
	if len(left) != 1 || left[0].Name() != name {
		t.Errorf("there lies %v", left)
	}
	if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
}

// nothingReadable looks for folders of copies that were not taken away.
func nothingReadable(t *testing.T, o store.Options) {
	t.Helper()
	for _, room := range []string{filepath.Dir(o.Keys), filepath.Dir(strings.TrimPrefix(o.URL, "sqlite:"))} {
		if left, err := filepath.Glob(filepath.Join(room, ".heed-backup-*")); err != nil || len(left) > 0 {
			t.Errorf("there still lies %v, %v", left, err)
		}
	}
}

func opensElsewhere(t *testing.T, text []byte, identity string) {
	t.Helper()
	secrets, err := age.ParseIdentities(strings.NewReader(identity))
	must(t, err)
	opened, err := age.Decrypt(bytes.NewReader(text), secrets...)
	must(t, err)
	plain, err := io.ReadAll(opened)
	if err != nil || !bytes.HasPrefix(plain, []byte("SQLite format 3")) {
		t.Errorf("another program reads %.20q, %v", plain, err)
	}
}

// TestAnEncryptedBackupThatDoesNotOpen is refused with the reason, and changes
// nothing: without a key, with somebody else's, cut, changed or grown.
func TestAnEncryptedBackupThatDoesNotOpen(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx, dir := context.Background(), t.TempDir()
		s := opened(t, o)
		people(t, s, 30)
		own, key := pair(t, true)
		other, _ := pair(t, false)
		file := filepath.Join(dir, "whole")
		_, err := s.Backup(ctx, file, key)
		must(t, err)
		oneMore(t, s)
		must(t, s.Close())
		if _, err := store.Restore(ctx, o, file); !errors.Is(err, store.ErrNoIdentity) {
			t.Errorf("without a key: %v", err)
		}
		if _, err := store.Restore(ctx, openedBy(t, o, other), file); err == nil || !strings.Contains(err.Error(), "other keys") {
			t.Errorf("with somebody else's: %v", err)
		}
		text, err := os.ReadFile(file)
		must(t, err)
		head := bytes.Index(text, []byte("\n---")) + len("\n---") + 45
		chunk := head + 16 + 64<<10 + 16
		changed := func(at int) []byte {
			bent := bytes.Clone(text)
			bent[at] ^= 1
			return bent
		}
		for what, bytes := range map[string][]byte{"in its head": text[:head/2], "after its head": text[:head], "between two parts": text[:chunk], "by a byte": text[:len(text)-1],
			"changed in its seal": changed(head - 10), "changed": changed(len(text) / 2), "changed at the end": changed(len(text) - 1), "grown": append(text[:len(text):len(text)], 'x')} {
			broken := filepath.Join(dir, strings.ReplaceAll(what, " ", "-"))
			must(t, os.WriteFile(broken, bytes, 0o600))
			if _, err := store.Restore(ctx, openedBy(t, o, own), broken); err == nil || !strings.Contains(err.Error(), "cut off, damaged or was changed") {
				t.Errorf("cut or changed %s: %v", what, err)
			}
		}
		nothingReadable(t, o)
		if n, err := opened(t, o).Count(ctx, "person"); err != nil || n != 31 {
			t.Errorf("after refusals there are %d people, %v", n, err)
		}
	})
}

// TestAReadableBackupIsStillRestored, also by whoever gives a key with it.
func TestAReadableBackupIsStillRestored(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		s := opened(t, o)
		people(t, s, 2)
		file := filepath.Join(t.TempDir(), "old")
		a, err := s.Backup(context.Background(), file)
		must(t, err)
		must(t, s.Close())
		own, _ := pair(t, false)
		r, err := store.Restore(context.Background(), openedBy(t, o, own), file)
		if err != nil || r.People != 2 || r.Encrypted || a.Encrypted || r.Bytes != a.Bytes {
			t.Errorf("it was restored as %+v, %v", r, err)
		}
	})
}

// TestWhatAPostgresRestoreReplacesIsKeptEncrypted, where backups are.
func TestWhatAPostgresRestoreReplacesIsKeptEncrypted(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		if strings.HasPrefix(o.URL, "sqlite:") {
			return // the file itself is put aside
		}
		s := opened(t, o)
		people(t, s, 2)
		own, key := pair(t, false)
		file := filepath.Join(t.TempDir(), "copy")
		_, err := s.Backup(context.Background(), file, key)
		must(t, err)
		must(t, s.Close())
		o = openedBy(t, o, own)
		o.BackupKeys = []store.BackupKey{key}
		r, err := store.Restore(context.Background(), o, file)
		must(t, err)
		if a, err := store.CheckBackup(context.Background(), o, r.Old); err != nil || !a.Encrypted || a.People != 2 {
			t.Errorf("what was there is kept as %+v, %v", a, err)
		}
	})
}

// TestKeysForBackupsAreChecked: a secret key among the public ones is refused
// without being told, and so is what is none.
func TestKeysForBackupsAreChecked(t *testing.T) {
	secret, key := pair(t, false)
	_, lasting := pair(t, true)
	for text, says := range map[string]string{secret: "secret key", "": "no recipients", "age1abc": "no public keys",
		key.String() + "\n" + lasting.String(): "post-quantum"} {
		_, err := store.ParseBackupKeys(text)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "AGE-SECRET-KEY-1") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, err := store.ParseBackupIdentity(strings.NewReader(key.String())); err == nil {
		t.Error("a public key passes for a secret one")
	}
}

// TestAFullDiskOfTheBackup: nothing half-written stays, and nothing readable.
func TestAFullDiskOfTheBackup(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		disk := t.TempDir()
		if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=128k"); err != nil {
			t.Fatalf("a disk that can be filled needs mount(2): run as root, in a container with CAP_SYS_ADMIN: %v", err)
		}
		t.Cleanup(func() { must(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
		s := opened(t, o)
		people(t, s, 30)
		_, key := pair(t, false)
		for _, keys := range [][]store.BackupKey{nil, {key}} {
			if _, err := s.Backup(context.Background(), filepath.Join(disk, "copy"), keys...); err == nil {
				t.Error("a backup was made on a full disk")
			}
			if left, err := os.ReadDir(disk); err != nil || len(left) > 0 {
				t.Errorf("it left %v, %v", left, err)
			}
		}
		nothingReadable(t, o)
	})
}

// TestABackupThatWasKilled leaves a readable copy in a private folder at most,
// which the next backup and the next start take away.
func TestABackupThatWasKilled(t *testing.T) {
	if url := os.Getenv("HEED_TEST_BACKUP_OF"); url != "" {
		backUpForEver(t, url)
	}
	engines(t, func(t *testing.T, o store.Options) {
		s := opened(t, o)
		people(t, s, 3000)
		_, key := pair(t, false)
		rooms := []string{filepath.Dir(o.Keys), t.TempDir()} // of the readable copy, and of the encrypted one
		if file, is := strings.CutPrefix(o.URL, "sqlite:"); is {
			rooms[0] = filepath.Dir(file)
		}
		for i, room := range rooms {
			left := killedIn(t, o, key, rooms[1], room)
			if info, err := os.Stat(left); err != nil || info.Mode().Perm() != 0o700 {
				t.Fatalf("others may look into what was left: %v, %v", info, err)
			}
			_, err := s.Backup(context.Background(), filepath.Join(rooms[1], []string{"first", "second"}[i]), key)
			must(t, err)
			sweptAway(t, left)
		}
		left := killedIn(t, o, key, rooms[1], rooms[0])
		must(t, s.Serving())
		sweptAway(t, left)
	})
}

func sweptAway(t *testing.T, folder string) {
	t.Helper()
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was left is still there: %v", err)
	}
}

// killedIn has another process make backups into a folder, kills it while it has
// a copy in a room, and gives what that left.
func killedIn(t *testing.T, o store.Options, key store.BackupKey, into, room string) string {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestABackupThatWasKilled$")
	child.Env = append(os.Environ(), "HEED_TEST_BACKUP_OF="+o.URL, "HEED_TEST_KEYS="+o.Keys, "HEED_TEST_KEY="+key.String(), "HEED_TEST_INTO="+into)
	var said bytes.Buffer
	child.Stdout, child.Stderr = &said, &said
	must(t, child.Start())
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case err := <-ended:
			t.Fatalf("the other process ended by itself: %v, %s", err, said.String())
		default:
		}
		busy, err := filepath.Glob(filepath.Join(room, ".heed-backup-*", "archive"))
		must(t, err)
		if len(busy) == 0 {
			continue
		}
		must(t, child.Process.Signal(syscall.SIGSTOP))
		if _, err := os.Stat(busy[0]); err == nil {
			must(t, child.Process.Kill())
			<-ended
			return filepath.Dir(busy[0])
		}
		must(t, child.Process.Signal(syscall.SIGCONT)) // it was done with it already
	}
}

// backUpForEver is the other process.
func backUpForEver(t *testing.T, url string) {
	s, err := store.Open(context.Background(), store.Options{URL: url, Keys: os.Getenv("HEED_TEST_KEYS")})
	must(t, err)
	keys, err := store.ParseBackupKeys(os.Getenv("HEED_TEST_KEY"))
	must(t, err)
	for {
		file := filepath.Join(os.Getenv("HEED_TEST_INTO"), "made")
		os.Remove(file) // of the round before, or of the process before
		_, err := s.Backup(context.Background(), file, keys...)
		must(t, err)
	}
}
