package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// BackupKey is a public key to which backups are encrypted. Whoever holds the
// secret one can read them, with heed or with any other program of age
// (age-encryption.org/v1).
type BackupKey struct {
	age.Recipient
	text string
}

func (k BackupKey) String() string { return k.text }

// ParseBackupKeys reads public keys, one a line; lines that begin with # are left
// out. What is wrong is told without repeating it: it may be a secret key.
func ParseBackupKeys(lines string) (all []BackupKey, err error) {
	if strings.Contains(lines, "AGE-SECRET-KEY-") {
		return nil, errors.New("there is a secret key among the keys for backups: keep it away from this machine, and give the public one, which begins with age1")
	}
	found, err := age.ParseRecipients(strings.NewReader(lines))
	if err != nil {
		return nil, fmt.Errorf("these are no public keys of age, one a line, each beginning with age1: %w", err)
	}
	for _, one := range found {
		key := BackupKey{one, fmt.Sprint(one)}
		if !slices.ContainsFunc(all, func(k BackupKey) bool { return k.text == key.text }) {
			all = append(all, key)
		}
	}
	_, err = age.Encrypt(io.Discard, recipients(all)...) // refuses keys of kinds that do not go together
	return all, err
}

func recipients(keys []BackupKey) []age.Recipient {
	all := make([]age.Recipient, len(keys))
	for i, one := range keys {
		all[i] = one.Recipient
	}
	return all
}

// BackupIdentity holds the secret keys that open encrypted backups.
type BackupIdentity struct{ all []age.Identity }

// ParseBackupIdentity reads a file of secret keys.
func ParseBackupIdentity(file io.Reader) (BackupIdentity, error) {
	all, err := age.ParseIdentities(file)
	if err != nil {
		return BackupIdentity{}, fmt.Errorf("this is no identity file of age, with a line that begins with AGE-SECRET-KEY-: %w", err)
	}
	return BackupIdentity{all}, nil
}

// NewBackupKey makes a pair of keys; with lasting set one of the kind that
// computers of the future cannot break either, whose public part is long. The
// identity is the text of the file that opens backups.
func NewBackupKey(lasting bool) (identity, public string, err error) {
	var secret fmt.Stringer
	if lasting {
		pair, err := age.GenerateHybridIdentity()
		if err != nil {
			return "", "", fmt.Errorf("making a key: %w", err)
		}
		secret, public = pair, pair.Recipient().String()
	} else {
		pair, err := age.GenerateX25519Identity()
		if err != nil {
			return "", "", fmt.Errorf("making a key: %w", err)
		}
		secret, public = pair, pair.Recipient().String()
	}
	return fmt.Sprintf("# opens backups of heed\n# public key: %s\n%s\n", public, secret), public, nil
}

// encryptArchive writes a verified copy to where the backup goes, encrypted as it
// is read. The readable one loses its name first: from then on nothing of it stays,
// whatever happens to this process.
func encryptArchive(a Archive, file string, to []BackupKey) (Archive, error) {
	plain, err := os.Open(file)
	if err != nil {
		return a, fmt.Errorf("encrypting the backup: %w", err)
	}
	defer plain.Close()
	if err := os.Remove(file); err != nil {
		return a, fmt.Errorf("encrypting the backup: %w", err)
	}
	work, err := newScratch(filepath.Dir(a.File))
	if err != nil {
		return a, err
	}
	defer work.close()
	shut := work.path("archive")
	a.Encrypted = true
	if a.SHA256, err = encryptTo(shut, plain, to); err != nil {
		return a, fmt.Errorf("encrypting the backup: %w", err)
	}
	if a.Bytes, err = sameOnDisk(shut, a.SHA256); err != nil {
		return a, fmt.Errorf("reading the encrypted backup back: %w", err)
	}
	return a, putInPlace(shut, a.File)
}

// encryptTo gives the digest of what it wrote.
func encryptTo(path string, plain io.Reader, to []BackupKey) (digest string, err error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer out.Close()
	sum := sha256.New()
	shut, err := age.Encrypt(io.MultiWriter(out, sum), recipients(to)...)
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(shut, plain); err != nil {
		return "", err
	}
	if err := errors.Join(shut.Close(), out.Sync()); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// sameOnDisk reads a file back and compares it with the digest of what was written.
func sameOnDisk(path, digest string) (size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	sum := sha256.New()
	if size, err = io.Copy(sum, f); err != nil {
		return size, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != digest {
		return size, fmt.Errorf("the disk gives back something else: SHA-256 %s, not %s", got, digest)
	}
	return size, nil
}

// ErrNoIdentity means that a backup is encrypted and nothing was given to open it.
var ErrNoIdentity = errors.New("it is encrypted, and no identity was given to open it")

// fetchArchive copies a backup to a private place, decrypting what is encrypted.
func fetchArchive(file, to string, identity BackupIdentity) (encrypted bool, err error) {
	in, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer in.Close()
	from, encrypted, err := openArchive(in, file, identity)
	if err != nil {
		return encrypted, err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return encrypted, err
	}
	defer out.Close()
	if _, err := io.Copy(out, from); err != nil {
		return encrypted, explainDecrypt(file, err)
	}
	return encrypted, out.Sync()
}

const armored = "-----BEGIN AGE"

// openArchive gives what a backup says: it begins as age's files do, or is what
// it is.
func openArchive(in io.Reader, file string, identity BackupIdentity) (io.Reader, bool, error) {
	from := bufio.NewReader(in)
	var shut io.Reader = from
	begin, _ := from.Peek(len("age-encryption.org/"))
	switch {
	case bytes.HasPrefix(begin, []byte(armored)):
		shut = armor.NewReader(from)
	case string(begin) != "age-encryption.org/":
		return from, false, nil
	}
	if len(identity.all) == 0 {
		return nil, true, fmt.Errorf("%s: %w", file, ErrNoIdentity)
	}
	opened, err := age.Decrypt(shut, identity.all...)
	if err != nil {
		return nil, true, explainDecrypt(file, err)
	}
	return opened, true, nil
}

// explainDecrypt tells a wrong key, a disk that fails and a file that is not what
// was written apart.
func explainDecrypt(file string, err error) error {
	var none *age.NoIdentityMatchError
	var disk *fs.PathError
	switch {
	case errors.As(err, &none):
		return fmt.Errorf("%s was encrypted to other keys than those of the identity that was given", file)
	case errors.As(err, &disk):
		return fmt.Errorf("decrypting %s: %w", file, err)
	}
	return fmt.Errorf("%s is cut off, damaged or was changed by somebody: %w", file, err)
}
