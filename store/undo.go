package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// UndoFor is how long the link that takes an opt-out by mail back is good, from
// the letter that carries it. Where staff found that a whole batch was forged,
// each of its people has longer.
const (
	UndoFor       = 7 * 24 * time.Hour
	UndoForgedFor = 30 * 24 * time.Hour
)

// Undo is an opt-out by mail as the page shows it that takes it back.
type Undo struct {
	Key     consent.Key
	Scopes  []consent.Scope // that the mail stopped
	At      time.Time       // when they stopped
	Until   time.Time       // of the link
	Undone  time.Time       // zero: not yet
	Returns []consent.Return

	inbound int64
	seqs    map[int64]bool
}

// UndoToken seals the link that takes back the opt-out of a ledger row.
func (s *Store) UndoToken(key consent.Key, seq int64) string {
	return s.keys.Links.Seal(consent.Link{Purpose: consent.PurposeUndo, Address: key, Scope: uint16(seq)})
}

// UndoOf finds what a link takes back. ErrNotFound means that there is no such
// opt-out, such as after an erasure.
func (s *Store) UndoOf(ctx context.Context, l consent.Link) (u Undo, err error) {
	err = s.inRead(ctx, func(t *tx) error {
		u, err = t.undoOf(ctx, l)
		return err
	})
	return u, err
}

func (t *tx) undoOf(ctx context.Context, l consent.Link) (Undo, error) {
	u := Undo{Key: l.Address, seqs: map[int64]bool{}}
	var until int64
	var undone sql.NullInt64
	err := t.QueryRowContext(ctx, `SELECT inbound, undo_until, undone FROM mail_optout WHERE address = $1 AND seq % 65536 = $2 ORDER BY seq DESC LIMIT 1`,
		l.Address.String(), int(l.Scope)).Scan(&u.inbound, &until, &undone)
	if errors.Is(err, sql.ErrNoRows) || err == nil && until == 0 {
		return u, ErrNotFound
	}
	if err != nil {
		return u, fmt.Errorf("looking for an opt-out to take back: %w", err)
	}
	u.Until, u.Undone = time.UnixMicro(until).UTC(), fromMicro(undone)
	return u, t.fillUndo(ctx, &u)
}

// together are the opt-outs that one link takes back: those of its mail, and all
// of a batch that staff found to be forged.
const together = `address = $2 AND (inbound = $1 OR batch IN (SELECT batch FROM mail_optout WHERE inbound = $1 AND forged IS NOT NULL))`

// fillUndo reads what the mail stopped, and what would come back.
func (t *tx) fillUndo(ctx context.Context, u *Undo) error {
	found, err := t.QueryContext(ctx, `SELECT seq FROM mail_optout WHERE `+together, u.inbound, u.Key.String())
	if err != nil {
		return fmt.Errorf("reading an opt-out by mail: %w", err)
	}
	seqs, err := gather(found, single[int64])
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		u.seqs[seq] = true
	}
	entries, err := t.ledger(ctx, u.Key)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if u.seqs[e.Seq] {
			u.Scopes, u.At = append(u.Scopes, e.Scope), e.Recorded
		}
	}
	u.Returns = consent.Restored(entries, u.seqs)
	return nil
}

// Undo takes an opt-out by mail back: exactly what it stopped, and nothing that
// was stopped otherwise, before or since. The link went to the address on file,
// so that this is the person's own act. Once is enough: what somebody stops
// afterwards stays stopped.
func (s *Store) Undo(ctx context.Context, l consent.Link) (u Undo, err error) {
	err = s.inTx(ctx, "taking an opt-out back", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{l.Address})
		if err != nil {
			return err
		}
		if u, err = t.undoOf(ctx, l); err != nil {
			return err
		}
		if !u.Undone.IsZero() || t.now.After(u.Until) {
			return fmt.Errorf("the link was used, or has run out: %w", ErrState)
		}
		if _, err := t.record(ctx, held, t.returns(held[l.Address], u)); err != nil {
			return err
		}
		u.Undone = t.now
		_, err = t.exec(ctx, `UPDATE mail_optout SET undone = $3 WHERE `+together, u.inbound, u.Key.String(), t.now.UnixMicro())
		return err
	})
	return u, err
}

// returns makes the acts that bring back what was stopped. They come after
// every no that they outweigh, whatever the clock of the mail server says.
func (t *tx) returns(one *standing, u Undo) []act {
	evidence, _ := json.Marshal(map[string]any{"took_back": u.Scopes, "stopped_at": u.At, "link_until": u.Until}) // strings and times always can be written
	var acts []act
	for _, back := range u.Returns {
		at := t.now
		if no, out := stoppedAt(one.state, back.Scope); out && !no.Before(at) {
			at = no.Add(time.Microsecond)
		}
		acts = append(acts, act{key: u.Key, scope: back.Scope, choice: back.Choice, received: at, via: consent.ViaConfirmed,
			source: "undo", authenticated: true, evidence: string(evidence), policy: back.Policy})
	}
	return acts
}

// allowUndo makes the link to an opt-out good for some time.
func (t *tx) allowUndo(ctx context.Context, seq int64, d time.Duration) error {
	if seq == 0 {
		return nil
	}
	_, err := t.exec(ctx, `UPDATE mail_optout SET undo_until = $2 WHERE inbound = (SELECT inbound FROM mail_optout WHERE seq = $1)
		AND address = (SELECT address FROM mail_optout WHERE seq = $1) AND undo_until < $2`, seq, t.now.Add(d).UnixMicro())
	if err != nil {
		return fmt.Errorf("making an opt-out one that can be taken back: %w", err)
	}
	return nil
}

// beginUndo counts the days of a link from the moment at which its letter left.
func (t *tx) beginUndo(ctx context.Context, c Correspondence) error {
	d := UndoFor
	if c.Kind == WriteForged {
		d = UndoForgedFor
	}
	return t.allowUndo(ctx, c.Undo, d)
}

// Conflicts lists the wishes of an address key that contradict each other.
func (s *Store) Conflicts(ctx context.Context, key consent.Key) ([]consent.Conflict, error) {
	entries, err := s.Ledger(ctx, key)
	if err != nil {
		return nil, err
	}
	return consent.Conflicts(entries), nil
}
