package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"heed/consent"
)

// The brake against forged mass opt-outs. A mail that proves nothing about its
// writer stops mail all the same; where more of them come than people usually
// send, they are kept together as a batch and the operator is told, once.
const (
	BrakeAnHour  = 50  // more than so many within an hour,
	BrakeShare   = 200 // or more than one in so many of all who are stored within a day,
	BrakeAtLeast = 50  // if those are at least more than so many
)

// brake looks whether an opt-out by mail belongs to a flood.
func (t *tx) brake(ctx context.Context, m Inbound, one *standing, all []Stopped) error {
	wrote := false
	for _, stopped := range all {
		wrote = wrote || stopped.seq != 0
	}
	if proven(m.Request) || one.subject == "" || !wrote {
		return nil // nobody's mail stopped by it, or surely their own wish
	}
	since, flood, err := t.flood(ctx)
	if err != nil || !flood {
		return err
	}
	return t.batch(ctx, since)
}

// flood tells whether too many came, and since when they count as one batch.
func (t *tx) flood(ctx context.Context) (since int64, flood bool, err error) {
	hour, day := t.now.Add(-AnswerEvery/24).UnixMicro(), t.now.Add(-AnswerEvery).UnixMicro()
	n, err := t.doubtfulSince(ctx, hour, BrakeAnHour)
	if err != nil || n > BrakeAnHour {
		return hour, true, err
	}
	if n, err = t.doubtfulSince(ctx, day, BrakeAtLeast); err != nil || n <= BrakeAtLeast {
		return 0, false, err
	}
	var given int // numbers of people: never fewer than there are, and cheap to know
	err = t.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = 'person'`).Scan(&given)
	if err != nil {
		return 0, false, fmt.Errorf("measuring the list: %w", err)
	}
	if n, err = t.doubtfulSince(ctx, day, max(given/BrakeShare, BrakeAtLeast)); err != nil {
		return 0, false, err
	}
	var stored int // who was erased does not count
	err = t.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM person LIMIT $1) x`, n*BrakeShare).Scan(&stored)
	if err != nil {
		return 0, false, fmt.Errorf("measuring the list: %w", err)
	}
	return day, n > stored/BrakeShare, nil
}

// doubtfulSince counts the mails to people of ours that proved nothing, up to
// one more than a limit.
func (t *tx) doubtfulSince(ctx context.Context, since int64, limit int) (n int, err error) {
	err = t.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT DISTINCT m.inbound FROM mail_optout m JOIN person p ON p.address = m.address
		WHERE m.proven = 0 AND m.recorded > $1 LIMIT $2) x`, since, limit+1).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting doubtful opt-outs: %w", err)
	}
	return n, nil
}

// batch keeps what came since then together: with the flood that goes on, or as
// a new one, of which the operator is told.
func (t *tx) batch(ctx context.Context, since int64) error {
	var id int64
	err := t.QueryRowContext(ctx, `SELECT COALESCE(max(batch), 0) FROM mail_optout WHERE proven = 0 AND recorded > $1 AND batch IS NOT NULL AND forged IS NULL`,
		t.now.Add(-AnswerEvery).UnixMicro()).Scan(&id)
	if err != nil {
		return fmt.Errorf("looking for a batch: %w", err)
	}
	if id == 0 {
		if id, err = t.take(ctx, "batch", 1); err != nil {
			return err
		}
		if err := t.raise(ctx, AlarmBrake, batchKey(id)); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, `UPDATE mail_optout SET batch = $1 WHERE proven = 0 AND batch IS NULL AND recorded > $2
		AND EXISTS (SELECT 1 FROM person p WHERE p.address = mail_optout.address)`, id, since)
	if err != nil {
		return fmt.Errorf("keeping a flood together: %w", err)
	}
	return nil
}

func batchKey(id int64) string { return "batch " + strconv.FormatInt(id, 10) }

// forgedChunk bounds a transaction that marks forgeries.
const forgedChunk = 100

// Forgery is what became of marking a batch as forged.
type Forgery struct {
	Batch  int64 `json:"batch"`
	Marked int   `json:"marked"` // opt-outs
	Asked  int   `json:"asked"`  // people
}

// MarkForged says of a batch that it was forged. Each opt-out gets a ledger row
// that says so and changes nothing, and each person who lost something by it is
// asked whether they want it again: nobody is switched back on by anybody else.
// Cut off, it goes on where it stopped when called again.
func (s *Store) MarkForged(ctx context.Context, batch int64, reason, by string) (Forgery, error) {
	f := Forgery{Batch: batch}
	for {
		var marked, asked int
		err := s.inTx(ctx, "marking a batch as forged", func(t *tx) (err error) {
			marked, asked, err = t.markForged(ctx, batch, reason, by)
			return err
		})
		f.Marked, f.Asked = f.Marked+marked, f.Asked+asked
		if err != nil || marked == 0 {
			return f, s.forgeryDone(ctx, f, err)
		}
		s.pokeAll()
	}
}

// forgeryDone ends the alarm. A batch of which nothing was left to mark was
// marked before, or there is none.
func (s *Store) forgeryDone(ctx context.Context, f Forgery, err error) error {
	if err != nil || f.Marked > 0 {
		return errors.Join(err, s.ClearAlarm(ctx, AlarmBrake, batchKey(f.Batch)))
	}
	var n int
	if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM mail_optout WHERE batch = $1`, f.Batch).Scan(&n); err != nil {
		return fmt.Errorf("looking for a batch: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("batch %d: %w", f.Batch, ErrNotFound)
	}
	return s.ClearAlarm(ctx, AlarmBrake, batchKey(f.Batch))
}

// forged is one opt-out of a batch.
type forged struct {
	seq   int64
	key   consent.Key
	scope consent.Scope
}

func (t *tx) markForged(ctx context.Context, batch int64, reason, by string) (marked, asked int, err error) {
	all, err := t.unmarked(ctx, batch)
	if err != nil || len(all) == 0 {
		return 0, 0, err
	}
	var keys []consent.Key
	for _, one := range all {
		keys = append(keys, one.key)
	}
	held, err := t.lockKeys(ctx, keys)
	if err != nil {
		return 0, 0, err
	}
	var notes []act
	evidence, _ := json.Marshal(map[string]string{"forged": reason, "by": by}) // strings always can be written
	for _, one := range all {
		notes = append(notes, act{key: one.key, scope: one.scope, choice: consent.Note, via: consent.ViaStaff,
			source: "forged, " + batchKey(batch), evidence: string(evidence)})
		if _, err := t.exec(ctx, `UPDATE mail_optout SET forged = $2 WHERE seq = $1`, one.seq, t.now.UnixMicro()); err != nil {
			return 0, 0, fmt.Errorf("marking an opt-out as forged: %w", err)
		}
	}
	if _, err := t.record(ctx, held, notes); err != nil {
		return 0, 0, err
	}
	for key, one := range held {
		wrote, err := t.askForged(ctx, key, one, batch)
		if err != nil {
			return 0, 0, err
		}
		asked += wrote
	}
	return len(all), asked, nil
}

// unmarked gives the next opt-outs of a batch, those of one person together.
func (t *tx) unmarked(ctx context.Context, batch int64) (all []forged, err error) {
	found, err := t.QueryContext(ctx, `SELECT m.seq, m.address, l.scope FROM mail_optout m JOIN ledger l ON l.seq = m.seq
		WHERE m.batch = $1 AND m.forged IS NULL AND m.address IN (SELECT address FROM mail_optout WHERE batch = $1 AND forged IS NULL ORDER BY address LIMIT $2)
		ORDER BY m.address, m.seq`, batch, forgedChunk)
	if err != nil {
		return nil, fmt.Errorf("reading a batch: %w", err)
	}
	defer found.Close()
	for found.Next() {
		var one forged
		var key string
		if err := found.Scan(&one.seq, &key, &one.scope); err != nil {
			return nil, err
		}
		if one.key, err = consent.ParseKey(key); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, found.Err()
}

// askForged writes to a person who lost something by forgeries and has not
// decided otherwise since.
func (t *tx) askForged(ctx context.Context, key consent.Key, one *standing, batch int64) (wrote int, err error) {
	var seq int64
	err = t.QueryRowContext(ctx, `SELECT COALESCE(max(seq), 0) FROM mail_optout WHERE batch = $1 AND address = $2 AND undone IS NULL`,
		batch, key.String()).Scan(&seq)
	if err != nil {
		return 0, fmt.Errorf("looking for what was forged: %w", err)
	}
	if seq == 0 || one.subject == "" {
		return 0, nil
	}
	if err := t.allowUndo(ctx, seq, UndoForgedFor); err != nil {
		return 0, err
	}
	u, err := t.undoOf(ctx, consent.Link{Purpose: consent.PurposeUndo, Address: key, Scope: uint16(seq)})
	if err != nil || !u.brings() {
		return 0, err
	}
	w := Words{At: u.At, Undo: seq}
	for _, scope := range u.Scopes {
		w.Scopes = append(w.Scopes, string(scope))
	}
	_, err = t.write(ctx, holder(key, one), Correspondence{Kind: WriteForged, Key: key.String(), Words: w})
	return 1, err
}

// brings tells whether taking the opt-out back gives the person anything.
func (u Undo) brings() bool {
	for _, back := range u.Returns {
		if back.Choice == consent.In {
			return true
		}
	}
	return false
}
