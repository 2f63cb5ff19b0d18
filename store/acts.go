package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
)

// StaffAct is something that staff did and that has to be accounted for. What
// they said must not name a person: whom it concerns is the address key.
type StaffAct struct {
	ID      int64
	At      time.Time
	Kind    string
	Staff   string
	Second  string // who looked as well
	About   int64  // number of the campaign, disclosure or check
	Address string // key of the person concerned; empty: none
	Said    string // reason
}

// The kinds of acts.
const (
	ActAlertApproved  = "alert_approved"
	ActAlertRefused   = "alert_refused"
	ActNoticeApproved = "notice_approved"
	ActNoticeSent     = "notice_sent"
	ActDisclosure     = "disclosure"
	ActDisclosed      = "disclosed"
	ActExported       = "exported"
	ActServiceChecked = "service_checked"
	ActAcknowledged   = "acknowledged"
	ActTransferOut    = "transfer_exported"
	ActTransferIn     = "transfer_imported"
)

// noteAct appends an act. The counter's row is locked until the commit, so that
// the hash before it is the last one.
func (t *tx) noteAct(ctx context.Context, a StaffAct) error {
	id, err := t.take(ctx, "staff_act", 1)
	if err != nil {
		return err
	}
	before := ""
	if id > 1 {
		if err := t.QueryRowContext(ctx, `SELECT hash FROM staff_act WHERE id = $1`, id-1).Scan(&before); err != nil {
			return fmt.Errorf("reading the last act of staff: %w", err)
		}
	}
	a.ID, a.At = id, t.now
	_, err = t.exec(ctx, `INSERT INTO staff_act (id, at, kind, staff, second, about, address, said, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		a.ID, a.At.UnixMicro(), a.Kind, a.Staff, a.Second, a.About, a.Address, a.Said, a.hash(before))
	if err != nil {
		return fmt.Errorf("noting what staff did: %w", err)
	}
	return nil
}

// NoteAct appends an act that is no part of another step.
func (s *Store) NoteAct(ctx context.Context, a StaffAct) error {
	return s.inTx(ctx, "noting what staff did", func(t *tx) error { return t.noteAct(ctx, a) })
}

// hash covers the act and the one before it.
func (a StaffAct) hash(before string) string {
	h := sha256.New()
	for _, field := range []string{before, strconv.FormatInt(a.ID, 10), strconv.FormatInt(a.At.UnixMicro(), 10), a.Kind, a.Staff, a.Second,
		strconv.FormatInt(a.About, 10), a.Address, a.Said} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(field)))
		h.Write(n[:])
		h.Write([]byte(field))
	}
	return hex.EncodeToString(h.Sum(nil))
}

const actColumns = `id, at, kind, staff, second, about, address, said, hash`

func scanAct(row scanner) (a StaffAct, hash string, err error) {
	var at int64
	err = row.Scan(&a.ID, &at, &a.Kind, &a.Staff, &a.Second, &a.About, &a.Address, &a.Said, &hash)
	a.At = time.UnixMicro(at).UTC()
	return a, hash, err
}

func scanOnlyAct(row scanner) (StaffAct, error) {
	a, _, err := scanAct(row)
	return a, err
}

// StaffActs lists what staff did, oldest first.
func (s *Store) StaffActs(ctx context.Context) ([]StaffAct, error) {
	found, err := s.read.QueryContext(ctx, `SELECT `+actColumns+` FROM staff_act ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("listing what staff did: %w", err)
	}
	return gather(found, scanOnlyAct)
}

// verifyChains looks at the ledger, and at what staff did.
func (t *tx) verifyChains(ctx context.Context, v *Invariant) error {
	if err := t.verifyChain(ctx, v); err != nil {
		return err
	}
	return t.verifyActs(ctx, v)
}

// verifyActs: no act was changed, taken out or put in, and the last is there.
func (t *tx) verifyActs(ctx context.Context, v *Invariant) error {
	found, err := t.QueryContext(ctx, `SELECT `+actColumns+` FROM staff_act ORDER BY id`)
	if err != nil {
		return err
	}
	defer found.Close()
	before, last := "", int64(0)
	for found.Next() {
		a, hash, err := scanAct(found)
		if err != nil {
			return err
		}
		v.Checked++
		if last++; a.ID != last || a.hash(before) != hash {
			v.Broken = append(v.Broken, fmt.Sprintf("act of staff %d", a.ID))
			last = a.ID
		}
		before = hash
	}
	if err := found.Err(); err != nil {
		return err
	}
	var counted int64
	if err := t.QueryRowContext(ctx, `SELECT COALESCE(max(value), 0) FROM counter WHERE name = 'staff_act'`).Scan(&counted); err != nil {
		return err
	}
	if counted != last {
		v.Broken = append(v.Broken, "the last act of staff")
	}
	return nil
}
