package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"heed/consent"
)

// Keys are the secrets that lie beside the database and never in it or in its
// backups: without them address keys are numbers, links cannot be made, and
// evidence cannot be read.
type Keys struct {
	Pepper []byte
	Links  consent.Keyring
	folder string
	people *sql.DB // one key a person; a row deleted makes their evidence unreadable, in every backup too
}

// loadKeys reads the folder of keys, making what is missing.
func loadKeys(ctx context.Context, folder string) (Keys, error) {
	var k Keys
	release, err := lockFolder(folder)
	if err != nil {
		return k, err
	}
	defer release()
	k.folder = folder
	if k.Pepper, err = secret(filepath.Join(folder, "pepper")); err != nil {
		return k, err
	}
	if k.Links, err = loadLinks(filepath.Join(folder, "links")); err != nil {
		return k, err
	}
	k.people, err = openPeople(ctx, filepath.Join(folder, "people.db"))
	return k, err
}

func (k Keys) close() {
	if k.people != nil {
		k.people.Close()
	}
}

// secret reads 32 bytes in hex, or makes them.
func secret(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		raw := make([]byte, 32)
		rand.Read(raw)
		return raw, writeSecret(path, raw)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != 32 {
		return nil, fmt.Errorf("the key %s is damaged: it must hold 64 hexadecimal digits; put back the copy that you kept", path)
	}
	return raw, nil
}

// writeSecret makes a key file whole or not at all: a half-written pepper would
// disown every address.
func writeSecret(path string, raw []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the folder of the keys: %w", err)
	}
	if err := writeWhole(path, hex.EncodeToString(raw)+"\n"); err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	return nil
}

// writeWhole replaces a file, or leaves the old one.
func writeWhole(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func loadLinks(folder string) (consent.Keyring, error) {
	names, err := filepath.Glob(filepath.Join(folder, "[0-9]*"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		names = []string{filepath.Join(folder, "1")}
	}
	ring := consent.Keyring{}
	for _, name := range names {
		id, err := strconv.ParseUint(filepath.Base(name), 10, 8)
		if err != nil {
			return nil, fmt.Errorf("the link key %s must be named by a number up to 255", name)
		}
		if ring[byte(id)], err = secret(name); err != nil {
			return nil, err
		}
	}
	return ring, nil
}

// RotateLinks adds a link key, with which links are sealed from the next start
// on. The old keys stay: their links are in people's mailboxes.
func RotateLinks(folder string) (id byte, err error) {
	ring, err := loadLinks(filepath.Join(folder, "links"))
	if err != nil {
		return 0, err
	}
	newest := LinkIDs(ring)[len(ring)-1]
	if newest == 255 {
		return 0, errors.New("all 255 numbers of link keys are used")
	}
	_, err = secret(filepath.Join(folder, "links", strconv.Itoa(int(newest)+1)))
	return newest + 1, err
}

// LinkIDs lists the numbers of a ring, oldest first.
func LinkIDs(ring consent.Keyring) []byte {
	ids := make([]byte, 0, len(ring))
	for id := range ring {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids
}

func openPeople(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, "immediate", 2000))
	if err != nil {
		return nil, fmt.Errorf("opening the person keys: %w", err)
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS person_key (holder TEXT PRIMARY KEY, secret BLOB NOT NULL)`)
	if err != nil {
		return nil, fmt.Errorf("opening the person keys: %w", err)
	}
	return db, nil
}

// personKeys gives the key of each holder, making those that are missing in one
// transaction.
func (k Keys) personKeys(ctx context.Context, holders []string) (map[string][]byte, error) {
	keys := make(map[string][]byte, len(holders))
	var values, names []any
	for _, one := range holders {
		fresh := make([]byte, 32)
		rand.Read(fresh)
		values = append(values, one, fresh)
		names = append(names, one)
	}
	if _, err := k.people.ExecContext(ctx, sqliteDialect.text(`INSERT INTO person_key (holder, secret) VALUES `+rows(len(holders), 2, 1)+
		` ON CONFLICT DO NOTHING`), values...); err != nil {
		return nil, fmt.Errorf("making person keys: %w", err)
	}
	found, err := k.people.QueryContext(ctx, sqliteDialect.text(`SELECT holder, secret FROM person_key WHERE holder IN (`+list(len(holders), 1)+`)`), names...)
	if err != nil {
		return nil, fmt.Errorf("reading person keys: %w", err)
	}
	defer found.Close()
	for found.Next() {
		var name string
		var secret []byte
		if err := found.Scan(&name, &secret); err != nil {
			return nil, err
		}
		keys[name] = secret
	}
	return keys, found.Err()
}

// personKey gives the key of one holder; found is false where it was never made
// or is deleted.
func (k Keys) personKey(ctx context.Context, holder string) (key []byte, found bool, err error) {
	err = k.people.QueryRowContext(ctx, `SELECT secret FROM person_key WHERE holder = $1`, holder).Scan(&key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading a person key: %w", err)
	}
	return key, true, nil
}

// forget makes a holder's evidence unreadable for ever.
func (k Keys) forget(ctx context.Context, holders ...string) error {
	for _, holder := range holders {
		if _, err := k.people.ExecContext(ctx, `DELETE FROM person_key WHERE holder = $1`, holder); err != nil {
			return fmt.Errorf("deleting a person key: %w", err)
		}
	}
	_, err := k.people.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// sealWith encrypts evidence under a person's key.
func sealWith(key []byte, evidence string) (string, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	return base64.StdEncoding.EncodeToString(aead.Seal(nonce, nonce, []byte(evidence), nil)), nil
}

// openWith reads what sealWith wrote.
func openWith(key []byte, sealed string) (string, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return "", err
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(raw) < aead.NonceSize() {
		return "", errors.New("opening sealed evidence: it is damaged")
	}
	text, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], nil)
	if err != nil {
		return "", errors.New("opening sealed evidence: it does not belong to this person's key, or is damaged")
	}
	return string(text), nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// matchKeys refuses a database that belongs to another pepper: every address
// would be a stranger, and every opt-out forgotten.
func (s *Store) matchKeys(ctx context.Context) error {
	sum := sha256.Sum256(append([]byte("heed pepper check\x00"), s.keys.Pepper...))
	mark := int64(sum[0])<<40 | int64(sum[1])<<32 | int64(sum[2])<<24 | int64(sum[3])<<16 | int64(sum[4])<<8 | int64(sum[5])
	var known int64
	err := s.read.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = 'pepper'`).Scan(&known)
	if errors.Is(err, sql.ErrNoRows) {
		known = mark
		_, err = s.write.ExecContext(ctx, `INSERT INTO counter (name, value) VALUES ('pepper', $1) ON CONFLICT (name) DO NOTHING`, mark)
	}
	if err != nil {
		return fmt.Errorf("matching the keys with the database: %w", err)
	}
	if known != mark {
		return errors.New("the pepper in the keys folder is not the one that this database was made with; put back the right keys folder (HEED_DATA)")
	}
	return nil
}

// DomainKey names a domain by a keyed hash, where it is to be told from others and
// must not be read: it can be somebody's name.
func (s *Store) DomainKey(domain string) string {
	mac := hmac.New(sha256.New, s.keys.Pepper)
	mac.Write([]byte("domain " + strings.ToLower(domain)))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
