package store

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"heed/consent"
)

// ErrBundle means that a bundle is not what its seller sealed, or not whole.
var ErrBundle = fmt.Errorf("%w: this bundle must not be taken over", ErrRefused)

func unfit(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBundle, fmt.Sprintf(format, args...))
}

// bundle is one that was read and found whole.
type bundle struct {
	transferBegin
	people []transferPerson
	limits map[string]bool
	states map[string]consent.State                 // by key, reckoned from the ledger
	rows   map[string]map[consent.Scope]transferRow // the last word of each key about each scope
	signer string
}

// readBundle reads a bundle and refuses it where anything was left out or
// altered. fingerprint is what the seller told on another way.
func readBundle(from io.Reader, told string) (b *bundle, err error) {
	b = &bundle{limits: map[string]bool{}, states: map[string]consent.State{}, rows: map[string]map[consent.Scope]transferRow{}}
	lines := bufio.NewReaderSize(from, 1<<20)
	sum, chain, seen := sha256.New(), []byte(nil), int64(0)
	for n := 1; ; n++ {
		raw, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil, unfit("it has no end: the seal is missing")
		}
		if err != nil {
			return nil, fmt.Errorf("reading a transfer bundle: %w", err)
		}
		if n == 1 {
			if err := strict(raw, &b.transferBegin); err != nil || b.Format != 1 {
				return nil, unfit("line 1 is not the beginning of a bundle that this heed knows")
			}
			sum.Write(raw)
			continue
		}
		var line transferLine
		if err := strict(raw, &line); err != nil {
			return nil, unfit("line %d cannot be read", n)
		}
		if line.Seal != nil {
			if _, err := lines.ReadByte(); !errors.Is(err, io.EOF) {
				return nil, unfit("something stands behind its seal")
			}
			if b.signer, err = line.Seal.check(sum.Sum(nil), told); err != nil {
				return nil, err
			}
			return b, b.whole(seen, hex.EncodeToString(chain))
		}
		sum.Write(raw)
		if chain, seen, err = b.take(line, chain, seen); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
}

func strict(raw []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func (s transferSeal) check(sum []byte, told string) (signer string, err error) {
	key, err1 := hex.DecodeString(s.Signer)
	signature, err2 := hex.DecodeString(s.Signature)
	switch {
	case err1 != nil || err2 != nil || len(key) != ed25519.PublicKeySize:
		return "", unfit("its seal cannot be read")
	case fingerprint(key) != told:
		return "", unfit("it was sealed by %s, and not by whom you were told of", fingerprint(key))
	case !ed25519.Verify(key, sum, signature):
		return "", unfit("it was altered after it was sealed")
	}
	return fingerprint(key), nil
}

// take adds a line. The chain of the ledger is reckoned on the way.
func (b *bundle) take(line transferLine, chain []byte, seen int64) ([]byte, int64, error) {
	switch {
	case line.Ledger != nil:
		r := *line.Ledger
		key, err := consent.ParseKey(r.Key)
		if err != nil {
			return nil, 0, unfit("row %d of the ledger names no address key", r.Seq)
		}
		r.Address = key
		chain = r.Entry.Hash(chain)
		if seen++; r.Seq != seen || hex.EncodeToString(chain) != r.Hash {
			return nil, 0, unfit("row %d of the ledger was left out or altered", seen)
		}
		b.states[r.Key] = b.states[r.Key].With(r.Entry)
		if b.rows[r.Key] == nil {
			b.rows[r.Key] = map[consent.Scope]transferRow{}
		}
		b.rows[r.Key][r.Scope] = r
	case line.Person != nil:
		b.people = append(b.people, *line.Person)
	case line.Limit != "":
		b.limits[line.Limit] = true
	default:
		return nil, 0, unfit("it says nothing")
	}
	return chain, seen, nil
}

// whole wants the ledger to its end, and each limit that follows from it: of a
// person who is in the bundle, or by its key.
func (b *bundle) whole(seen int64, head string) error {
	if seen != b.Rows || head != b.Head {
		return unfit("its ledger ends at row %d of %d", seen, b.Rows)
	}
	here := map[string]bool{}
	for _, p := range b.people {
		here[p.Key] = true
	}
	for key, state := range b.states {
		if limited(state) && !here[key] && !b.limits[key] {
			return unfit("the limit of %s was left out, which the ledger knows of", key)
		}
	}
	for _, one := range b.Policies {
		digest := sha256.Sum256([]byte(one.Wording))
		if one.Wording != "" && hex.EncodeToString(digest[:]) != one.Hash {
			return unfit("the policy %s is not the text that people agreed to", one.ID)
		}
	}
	return nil
}
