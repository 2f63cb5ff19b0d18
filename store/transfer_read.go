package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
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
	*crate
	pepper []byte
	signer string
}

// bundleReader reads a bundle line by line; the chain of its ledger is reckoned
// on the way.
type bundleReader struct {
	*bundle
	lines *bufio.Reader
	sum   hash.Hash
	n     int // of the line
	chain []byte
	seen  int64 // rows of the ledger
}

// maxBundleLine bounds what is held of a bundle at once.
const maxBundleLine = 16 << 20

// readBundle reads a bundle and refuses it where anything was left out or
// altered. told is the fingerprint that the seller told on another way. The
// bundle lies in a crate, which the caller closes.
func readBundle(ctx context.Context, from io.Reader, told string) (b *bundle, err error) {
	room, err := newCrate(ctx)
	if err != nil {
		return nil, err
	}
	r := &bundleReader{bundle: &bundle{crate: room}, lines: bufio.NewReaderSize(from, 1<<20), sum: sha256.New()}
	if err = r.begin(); err == nil {
		err = r.read(ctx, told)
	}
	if err != nil {
		return nil, errors.Join(err, room.close())
	}
	return r.bundle, nil
}

// line gives the next line; io.EOF where there is none.
func (r *bundleReader) line() (raw []byte, err error) {
	r.n++
	for {
		part, err := r.lines.ReadSlice('\n')
		raw = append(raw, part...)
		switch {
		case len(raw) > maxBundleLine:
			return nil, unfit("line %d is too long for a bundle", r.n)
		case err == nil:
			return raw, nil
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("reading a transfer bundle: %w", err)
		}
	}
}

// begin reads the first line. What a later heed wrote is told from what is no
// bundle at all.
func (r *bundleReader) begin() error {
	raw, err := r.line()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var format struct {
		Format int `json:"heed_transfer"`
	}
	if json.Unmarshal(raw, &format) != nil || format.Format < 1 {
		return unfit("it does not begin like a bundle: is it the file that heed transfer export wrote, decrypted?")
	}
	if format.Format > transferFormat {
		return unfit("a newer heed wrote it, in format %d: take one of the same version to read it; this one knows formats up to %d", format.Format, transferFormat)
	}
	if err := strict(raw, &r.transferBegin); err != nil {
		return unfit("its first line was altered: %v", err)
	}
	r.sum.Write(raw)
	if r.pepper, err = hex.DecodeString(r.Pepper); err != nil || len(r.pepper) != 32 {
		return unfit("its pepper cannot be read")
	}
	return nil
}

func (r *bundleReader) read(ctx context.Context, told string) error {
	for {
		raw, err := r.line()
		if errors.Is(err, io.EOF) {
			return unfit("it has no end: the seal is missing, as after a copy that was cut short")
		}
		if err != nil {
			return err
		}
		var line transferLine
		if err := strict(raw, &line); err != nil {
			return unfit("line %d cannot be read", r.n)
		}
		if line.Seal != nil {
			return r.end(ctx, *line.Seal, told)
		}
		r.sum.Write(raw)
		if err := r.take(ctx, line); err != nil {
			return fmt.Errorf("line %d: %w", r.n, err)
		}
	}
}

func (r *bundleReader) end(ctx context.Context, seal transferSeal, told string) (err error) {
	if _, err := r.lines.ReadByte(); !errors.Is(err, io.EOF) {
		return unfit("something stands behind its seal")
	}
	if r.signer, err = seal.check(r.sum.Sum(nil), told); err != nil {
		return err
	}
	if err := r.filled(ctx); err != nil {
		return err
	}
	return r.whole(ctx)
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

// take lays a line down.
func (r *bundleReader) take(ctx context.Context, line transferLine) error {
	switch {
	case line.Ledger != nil:
		return r.takeRow(ctx, *line.Ledger)
	case line.Person != nil:
		return r.takePerson(ctx, *line.Person)
	case line.Limit != "":
		return r.limit(ctx, line.Limit)
	}
	return unfit("it says nothing")
}

// takePerson wants the key of the address, so that what the ledger has against
// somebody stands against the address that is stored.
func (r *bundleReader) takePerson(ctx context.Context, p transferPerson) error {
	address, err := consent.Normalize(p.Contact.Email)
	if err != nil || consent.KeyOf(r.pepper, address).String() != p.Key {
		return unfit("the key of a person is not that of their address")
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return r.person(ctx, p.Key, raw)
}

func (r *bundleReader) takeRow(ctx context.Context, row transferRow) error {
	key, err := consent.ParseKey(row.Key)
	if err != nil {
		return unfit("row %d of the ledger names no address key", row.Seq)
	}
	row.Address = key
	r.chain = row.Entry.Hash(r.chain)
	if r.seen++; row.Seq != r.seen || hex.EncodeToString(r.chain) != row.Hash {
		return unfit("row %d of the ledger was left out or altered", r.seen)
	}
	raw, err := json.Marshal(row)
	if err != nil {
		return err
	}
	return r.row(ctx, row.Key, row.Seq, raw)
}

// whole wants the ledger to its end, and each limit that follows from it: of a
// person who is in the bundle, or by its key.
func (r *bundleReader) whole(ctx context.Context) error {
	if r.seen != r.Rows || hex.EncodeToString(r.chain) != r.Head {
		return unfit("its ledger ends at row %d of %d", r.seen, r.Rows)
	}
	key, err := r.unlimited(ctx)
	if err != nil {
		return fmt.Errorf("looking whether every limit is there: %w", err)
	}
	if key != "" {
		return unfit("the limit of %s was left out, which the ledger knows of", key)
	}
	for _, one := range r.Policies {
		digest := sha256.Sum256([]byte(one.Wording))
		if one.Wording != "" && hex.EncodeToString(digest[:]) != one.Hash {
			return unfit("the policy %s is not the text that people agreed to", one.ID)
		}
	}
	return nil
}
