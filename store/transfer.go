package store

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"path/filepath"

	"heed/consent"
)

// A transfer bundle goes to whoever takes the business over: the people, what
// each of them decided, the ledger that proves it, who must not be written to,
// and the versions of the policy. It is lines of JSON: a beginning, the ledger,
// the people, the limits of addresses that nobody knows any more, and a seal. The
// ledger's chain shows a row that was changed or left out; that every limit of the
// ledger is there is reckoned again; the seal shows that the end is the end.

// transferFormat is how this heed writes bundles. What changes their meaning
// takes the next number.
const transferFormat = 1

// transferBegin is the first line.
type transferBegin struct {
	Format   int             `json:"heed_transfer"`
	From     string          `json:"from"`
	Head     string          `json:"ledger_head"`
	Rows     int64           `json:"ledger_rows"`
	Topics   map[int]string  `json:"topics"`
	Pepper   string          `json:"pepper"` // by which the keys of the limits are made
	Policies []transferTerms `json:"policies"`
}

type transferTerms struct {
	ID      string `json:"id"`
	Hash    string `json:"sha256"`
	Wording string `json:"wording"`
}

// transferLine is any other line; exactly one part is set.
type transferLine struct {
	Ledger *transferRow    `json:"ledger,omitempty"`
	Person *transferPerson `json:"person,omitempty"`
	Limit  string          `json:"limit,omitempty"` // address key
	Seal   *transferSeal   `json:"seal,omitempty"`
}

type transferRow struct {
	consent.Entry
	Key   string `json:"Key"`
	Hash  string `json:"Hash"`
	Words any    `json:"Words,omitempty"` // the evidence, opened
}

type transferPerson struct {
	Key      string   `json:"key"`
	Contact  Contact  `json:"contact"`
	Services []string `json:"services"`
	External []string `json:"external_ids"`
}

type transferSeal struct {
	Signer    string `json:"signer"` // public key
	Signature string `json:"signature"`
}

// Transferred says what a bundle holds.
type Transferred struct {
	From        string `json:"from"`
	Rows        int64  `json:"ledger_rows"`
	People      int    `json:"people"`
	Limits      int    `json:"limits_without_address"`
	IDsTaken    int    `json:"external_ids_taken,omitempty"` // that belong to somebody else here, and were left out
	Again       bool   `json:"again,omitempty"`              // the bundle was taken over before
	Head        string `json:"ledger_head"`
	Fingerprint string `json:"fingerprint"` // of the signer; tell it on another way than the file
}

// sealed counts and hashes what is written.
type sealed struct {
	to  *bufio.Writer
	sum hash.Hash
}

func (w sealed) line(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	raw = append(raw, '\n')
	w.sum.Write(raw)
	_, err = w.to.Write(raw)
	return err
}

// ExportTransfer writes a bundle, in one snapshot. Two people stand for it, and it
// is kept among the acts of staff.
func (s *Store) ExportTransfer(ctx context.Context, to io.Writer, from string, a StaffAct) (sum Transferred, err error) {
	seed, err := secret(filepath.Join(s.keys.folder, "transfer"))
	if err != nil {
		return sum, err
	}
	key := ed25519.NewKeyFromSeed(seed)
	w := sealed{bufio.NewWriter(to), sha256.New()}
	sum = Transferred{From: from, Fingerprint: fingerprint(key.Public().(ed25519.PublicKey))}
	err = s.inSnapshot(ctx, func(t *tx) error { return t.transferOut(ctx, w, &sum) })
	if err != nil {
		return sum, fmt.Errorf("writing a transfer bundle: %w", err)
	}
	seal := transferSeal{hex.EncodeToString(key.Public().(ed25519.PublicKey)), hex.EncodeToString(ed25519.Sign(key, w.sum.Sum(nil)))}
	if err := w.line(transferLine{Seal: &seal}); err != nil {
		return sum, err
	}
	if err := w.to.Flush(); err != nil {
		return sum, err
	}
	a.Kind, a.Said = ActTransferOut, sum.Head
	return sum, s.NoteAct(ctx, a)
}

func fingerprint(key ed25519.PublicKey) string {
	digest := sha256.Sum256(key)
	return hex.EncodeToString(digest[:16])
}

func (t *tx) transferOut(ctx context.Context, w sealed, sum *Transferred) error {
	begin := transferBegin{Format: transferFormat, From: sum.From, Topics: map[int]string{}, Pepper: hex.EncodeToString(t.s.keys.Pepper)}
	if err := t.QueryRowContext(ctx, `SELECT seq, hash FROM chain WHERE one = 1`).Scan(&begin.Rows, &begin.Head); err != nil {
		return err
	}
	topics, err := t.s.Topics(ctx)
	if err != nil {
		return err
	}
	for _, one := range topics {
		begin.Topics[one.Number] = one.ID
	}
	versions, err := t.s.Versions(ctx)
	if err != nil {
		return err
	}
	for _, v := range versions {
		begin.Policies = append(begin.Policies, transferTerms{v.ID, hex.EncodeToString(v.Hash), v.Text})
	}
	sum.Rows, sum.Head = begin.Rows, begin.Head
	if err := w.line(begin); err != nil {
		return err
	}
	for _, part := range []func(context.Context, sealed, *Transferred) error{t.transferLedger, t.transferPeople, t.transferLimits} {
		if err := part(ctx, w, sum); err != nil {
			return err
		}
	}
	return nil
}

const transferPage = 1000

// transferLedger writes the ledger, each row with its evidence where that can
// still be opened.
func (t *tx) transferLedger(ctx context.Context, w sealed, _ *Transferred) error {
	type row struct {
		transferRow
		holder, sealed string
	}
	g := &gathering{tx: t}
	for after := int64(0); ; {
		rows, err := each(ctx, g, `SELECT `+ledgerOfRow+`, COALESCE(x.holder, ''), COALESCE(x.sealed, '') FROM ledger l LEFT JOIN annex x ON x.seq = l.seq
			WHERE l.seq > $1 ORDER BY l.seq LIMIT $2`, []any{after, transferPage}, func(s scanner) (one row, err error) {
			one.Entry, one.Hash, err = scanEntry(wider{s, []any{&one.holder, &one.sealed}})
			one.Key = one.Address.String()
			return one, err
		}, func(one *row) (err error) {
			one.Words, err = g.evidence(ctx, one.holder, one.sealed)
			return err
		})
		if err != nil {
			return err
		}
		for _, one := range rows {
			if err := w.line(transferLine{Ledger: &one.transferRow}); err != nil {
				return err
			}
			after = one.Seq
		}
		if len(rows) < transferPage {
			return nil
		}
	}
}

func (t *tx) transferPeople(ctx context.Context, w sealed, sum *Transferred) error {
	for after := int64(0); ; {
		found, err := t.QueryContext(ctx, `SELECT `+personColumns+` FROM person p JOIN address a ON a.key = p.address WHERE p.id > $1 ORDER BY p.id LIMIT $2`, after, transferPage)
		if err != nil {
			return err
		}
		people, err := gather(found, scanPerson)
		if err != nil {
			return err
		}
		lists, err := t.lists(ctx, true, people)
		if err != nil {
			return err
		}
		ids, err := t.externalIDs(ctx, people)
		if err != nil {
			return err
		}
		for _, p := range people {
			after = p.ID
			one := transferPerson{Key: p.Key.String(), Contact: p.Contact, Services: lists.services[p.ID], External: ids[p.ID]}
			if err := w.line(transferLine{Person: &one}); err != nil {
				return err
			}
		}
		if sum.People += len(people); len(people) < transferPage {
			return nil
		}
	}
}

func (t *tx) externalIDs(ctx context.Context, people []Person) (map[int64][]string, error) {
	all := map[int64][]string{}
	if len(people) == 0 {
		return all, nil
	}
	args := make([]any, len(people))
	for i, p := range people {
		args[i] = p.ID
	}
	found, err := t.QueryContext(ctx, `SELECT person, id FROM external_id WHERE person IN (`+list(len(args), 1)+`) ORDER BY id`, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var person int64
		var id string
		if err := found.Scan(&person, &id); err != nil {
			return nil, err
		}
		all[person] = append(all[person], id)
	}
	return all, found.Err()
}

// transferLimits writes the keys of those who are stored no more and must not be
// written to.
func (t *tx) transferLimits(ctx context.Context, w sealed, sum *Transferred) error {
	found, err := t.QueryContext(ctx, `SELECT a.key, a.state FROM address a LEFT JOIN person p ON p.address = a.key WHERE p.id IS NULL AND a.state <> '{}' ORDER BY a.key`)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var key, text string
		if err := found.Scan(&key, &text); err != nil {
			return err
		}
		state, err := consent.DecodeState(text)
		if err != nil {
			return err
		}
		if !limited(state) {
			continue
		}
		sum.Limits++
		if err := w.line(transferLine{Limit: key}); err != nil {
			return err
		}
	}
	return found.Err()
}

// limited tells whether anything stands against writing to an address.
func limited(s consent.State) bool {
	for _, mark := range marksOf(s) {
		if mark.Choice == consent.Out {
			return true
		}
	}
	return s.Erased != 0 || s.Suppressed != 0 || s.Dead != 0 || s.Restricted != 0 || s.Hold != 0
}
