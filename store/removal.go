package store

import (
	"context"
	"fmt"
	"time"
)

// Removal is a mail of an erased person that is to leave its mailbox.
type Removal struct {
	Inbound  int64
	Digest   string    // SHA-256 of the raw mail, hex
	Received time.Time // INTERNALDATE, which moving it keeps
}

// Removals lists what is to leave a mailbox.
func (s *Store) Removals(ctx context.Context, mailbox string) ([]Removal, error) {
	found, err := s.read.QueryContext(ctx, `SELECT inbound, digest, received FROM mail_removal WHERE mailbox = $1 AND state = 'due' ORDER BY inbound LIMIT 100`, mailbox)
	if err != nil {
		return nil, fmt.Errorf("listing mails to be removed: %w", err)
	}
	defer found.Close()
	var all []Removal
	for found.Next() {
		var one Removal
		var received int64
		if err := found.Scan(&one.Inbound, &one.Digest, &received); err != nil {
			return nil, err
		}
		one.Received = time.UnixMicro(received).UTC()
		all = append(all, one)
	}
	return all, found.Err()
}

// Removed notes that a mail has left its mailbox, or lies in none of the
// folders any more: somebody else has moved or deleted it.
func (s *Store) Removed(ctx context.Context, r Removal, missing bool) error {
	state := "gone"
	if missing {
		state = "missing"
	}
	defer s.pokeAll()
	return s.inTx(ctx, "noting that a mail was removed", func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE mail_removal SET state = $2, changed = $3 WHERE inbound = $1 AND state = 'due'`, r.Inbound, state, t.now.UnixMicro())
		if err != nil || n == 0 {
			return err
		}
		var caseNo int64
		if err := t.QueryRowContext(ctx, `SELECT caseno FROM mail_removal WHERE inbound = $1`, r.Inbound).Scan(&caseNo); err != nil {
			return err
		}
		state, note, err := t.removals(ctx, caseNo)
		if err != nil {
			return err
		}
		if err := t.setItem(ctx, caseNo, "mailboxes", state, note); err != nil {
			return err
		}
		return t.endErasure(ctx, caseNo)
	})
}

// removals counts what a case's mails have come to.
func (t *tx) removals(ctx context.Context, caseNo int64) (state, note string, err error) {
	var due, gone, missing int
	err = t.QueryRowContext(ctx, `SELECT COALESCE(sum(CASE WHEN state = 'due' THEN 1 ELSE 0 END), 0), COALESCE(sum(CASE WHEN state = 'gone' THEN 1 ELSE 0 END), 0),
		COALESCE(sum(CASE WHEN state = 'missing' THEN 1 ELSE 0 END), 0) FROM mail_removal WHERE caseno = $1`, caseNo).Scan(&due, &gone, &missing)
	if err != nil {
		return "", "", fmt.Errorf("counting mails to be removed: %w", err)
	}
	if state = "done"; due > 0 {
		state = "waiting"
	}
	return state, fmt.Sprintf("%d to be removed, %d removed, %d not found", due, gone, missing), nil
}
