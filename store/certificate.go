package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErasureItem is a step of an erasure, as far as it has come.
type ErasureItem struct {
	Item    string
	What    string // in words
	State   string // open | waiting | done | kept
	Changed time.Time
	Note    string
}

// ErasureItems lists the steps of a case's erasure; none where it has not
// begun.
func (s *Store) ErasureItems(ctx context.Context, caseNo int64) ([]ErasureItem, error) {
	found, err := s.read.QueryContext(ctx, `SELECT item, state, changed, note FROM erasure_item WHERE caseno = $1 ORDER BY place, item`, caseNo)
	if err != nil {
		return nil, fmt.Errorf("listing the steps of an erasure: %w", err)
	}
	defer found.Close()
	var all []ErasureItem
	for found.Next() {
		var one ErasureItem
		var changed int64
		if err := found.Scan(&one.Item, &one.State, &changed, &one.Note); err != nil {
			return nil, err
		}
		if known, is := pieceCalled(one.Item); is {
			one.What = known.what
		}
		one.Changed = time.UnixMicro(changed).UTC()
		all = append(all, one)
	}
	return all, found.Err()
}

// Certificate tells what an erasure deleted, and what stays and why. It names
// nobody, so that it can be shown again at any time.
type Certificate struct {
	Case       int64
	Received   time.Time // of the request
	Begun      time.Time
	Ended      time.Time // zero: not everybody has answered yet
	Items      []ErasureItem
	Systems    []Notice
	Backups    []Backup  // as declared when it began
	LastBackup time.Time // when the last copy is overwritten; zero until it has ended
}

// ErrNoErasure means that a case has no erasure, or that it has not begun.
var ErrNoErasure = errors.New("nothing was erased for this case")

// Certificate reads what became of a case's erasure.
func (s *Store) Certificate(ctx context.Context, caseNo int64) (c Certificate, err error) {
	var received, begun int64
	var ended, gone sql.NullInt64
	var backups string
	err = s.read.QueryRowContext(ctx, `SELECT p.received, e.begun, e.ended, e.gone, e.backups FROM erasure e JOIN privacy_case p ON p.id = e.caseno
		WHERE e.caseno = $1`, caseNo).Scan(&received, &begun, &ended, &gone, &backups)
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("case %d: %w", caseNo, ErrNoErasure)
	}
	if err != nil {
		return c, fmt.Errorf("reading the certificate of case %d: %w", caseNo, err)
	}
	if err := json.Unmarshal([]byte(backups), &c.Backups); err != nil {
		return c, fmt.Errorf("reading the declared backups: %w", err)
	}
	c.Case, c.Received, c.Begun = caseNo, time.UnixMicro(received).UTC(), time.UnixMicro(begun).UTC()
	c.Ended, c.LastBackup = fromMicro(ended), fromMicro(gone)
	if c.Items, err = s.ErasureItems(ctx, caseNo); err != nil {
		return c, err
	}
	c.Systems, err = s.Notices(ctx, caseNo)
	return c, err
}

// writeCertificate writes the last letter, in the transaction that ends the
// case. Where nobody is to be told, only what was needed for it is dropped.
func (t *tx) writeCertificate(ctx context.Context, e *erasure) error {
	var last farewell
	found, err := t.s.unseal(ctx, caseHolder(e.caseNo), e.sealed, &last)
	if err != nil {
		return err
	}
	if !found || last.To == "" || e.silent {
		if err := t.addItem(ctx, e.caseNo, lastPlace, certificate, "open"); err != nil {
			return err
		}
		if err := t.setItem(ctx, e.caseNo, certificate, "open", "nobody to be told"); err != nil {
			return err
		}
		return t.eraseAgain(ctx, e.caseNo)
	}
	if err := t.addItem(ctx, e.caseNo, lastPlace, certificate, "waiting"); err != nil {
		return err
	}
	_, err = t.write(ctx, caseHolder(e.caseNo), Correspondence{Kind: WriteErased, Case: e.caseNo, Words: Words{To: last.To, Language: last.Language}})
	return err
}

// lastPlace is behind every other item.
const lastPlace = 1000

// certificateEnded lets the case forget the address that the certificate went
// to, whatever became of it.
func (t *tx) certificateEnded(ctx context.Context, caseNo int64, state string) error {
	if err := t.setItem(ctx, caseNo, certificate, "open", state); err != nil {
		return err
	}
	return t.eraseAgain(ctx, caseNo)
}

// eraseAgain has the worker go on with what is open again.
func (t *tx) eraseAgain(ctx context.Context, caseNo int64) error {
	_, err := t.addJobs(ctx, 1, Job{Queue: "privacy", Kind: "erase", Subject: caseNo})
	return err
}
