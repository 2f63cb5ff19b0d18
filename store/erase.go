package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"heed/consent"
)

// Plan is what an erasure needs to know beyond the database.
type Plan struct {
	Systems  []System // that are told, and have to answer
	Partners []System // who are given the data of those who agreed
	Products []System // who know which services somebody uses
	Backups  []Backup // the longest cycle says when the last copy is gone
}

// System is another program, of ours or of a partner, that may hold the person.
type System struct{ ID, Name string }

// journalMailbox is where cases come from that a replay of the journal opens.
const journalMailbox = "journal"

// Backup is a kind of copy of the database, and how long until one is
// overwritten. Heed cannot see most of them: the operator declares them.
type Backup struct {
	Name  string        `json:"name"`
	Cycle time.Duration `json:"cycle"`
}

// erasure is one case's deletion, as far as the database knows it.
type erasure struct {
	caseNo     int64
	seq, begun int64
	ended      sql.NullInt64
	backups    []Backup
	silent     bool
	keys       []string // address keys of the person
	holders    []string // under whose keys things about the person are sealed
	sealed     string
}

// farewell is what is still needed of somebody who is being deleted; it is
// sealed under the key of the case.
type farewell struct {
	To          string   `json:"to,omitempty"`
	Language    string   `json:"language,omitempty"`
	ExternalIDs []string `json:"external_ids,omitempty"`
}

// Erase deletes a person whose case is confirmed, item by item of the
// inventory. Each item is done and noted as done together, so that it can be
// called again from any point at which it was cut off. It returns when nothing
// is left that can be done now; mailboxes, other systems and the certificate
// may still be waited for (see ErasureItems).
//
// First a ledger row blocks every new claim; what is left at the end is the
// address key on the list of those who are never written to again.
func (s *Store) Erase(ctx context.Context, id int64) error {
	e, err := s.beginErasure(ctx, id)
	if err != nil {
		return err
	}
	defer s.pokeAll()
	for more := true; more; {
		if more, err = s.eraseNext(ctx, e); err != nil {
			return fmt.Errorf("erasing, case %d: %w", id, err)
		}
	}
	return nil
}

// beginErasure blocks the address and writes the items down, or reads what was
// begun before.
func (s *Store) beginErasure(ctx context.Context, id int64) (e *erasure, err error) {
	err = s.inTx(ctx, "blocking an erased address", func(t *tx) error {
		if e, err = t.readErasure(ctx, id); err == nil || !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		c, err := t.openCase(ctx, id) // here, since a change of address takes the case along
		if err != nil {
			return err
		}
		key, err := consent.ParseKey(c.Key)
		if err != nil {
			return fmt.Errorf("erasing: case %d names nobody: %w", id, err)
		}
		if c.State != consent.CaseConfirmed {
			return fmt.Errorf("erasing: case %d is %s: %w", id, c.State, ErrState)
		}
		if err := t.planErasure(ctx, c, key, c.Mailbox == journalMailbox); err != nil {
			return err
		}
		e, err = t.readErasure(ctx, id)
		return err
	})
	return e, err
}

// planErasure writes the row that blocks, seals what the farewell needs, and
// lists what is to be done.
func (t *tx) planErasure(ctx context.Context, c Case, key consent.Key, silent bool) error {
	keys, err := t.linked(ctx, key)
	if err != nil {
		return err
	}
	held, err := t.lockKeys(ctx, keys)
	if err != nil {
		return err
	}
	seq, begun, err := t.blockErased(ctx, held, keys)
	if err != nil {
		return err
	}
	last, err := t.farewell(ctx, c, keys)
	if err != nil {
		return err
	}
	sealed, err := t.seal(ctx, caseHolder(c.ID), last)
	if err != nil {
		return err
	}
	backups, err := json.Marshal(t.s.plan.Backups)
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, `INSERT INTO erasure (caseno, seq, begun, backups, silent, sealed) VALUES ($1, $2, $3, $4, $5, $6)`,
		c.ID, seq, begun, string(backups), flag(silent), sealed); err != nil {
		return fmt.Errorf("beginning an erasure: %w", err)
	}
	for i, one := range planned() {
		if err := t.addItem(ctx, c.ID, i, one.name, "open"); err != nil {
			return err
		}
	}
	return t.planNotices(ctx, c.ID, keys, silent)
}

// blockErased writes the erased row of each key that has none. It gives the
// head of the ledger and the time: what is younger is another person's, or the
// same one's who came back by their own act.
func (t *tx) blockErased(ctx context.Context, held map[consent.Key]*standing, keys []consent.Key) (seq, begun int64, err error) {
	var acts []act
	for _, key := range keys {
		if held[key].state.Erased == 0 {
			acts = append(acts, act{key: key, scope: consent.ScopeErased, choice: consent.Set, via: consent.ViaConfirmed, authenticated: true})
		}
	}
	if _, err := t.record(ctx, held, acts); err != nil {
		return 0, 0, err
	}
	err = t.QueryRowContext(ctx, `SELECT seq FROM chain WHERE one = 1`).Scan(&seq)
	return seq, t.now.UnixMicro(), err
}

// farewell collects what is needed until the end.
func (t *tx) farewell(ctx context.Context, c Case, keys []consent.Key) (f farewell, err error) {
	f.Language = c.Language
	for _, key := range keys {
		var email, language string
		err := t.QueryRowContext(ctx, `SELECT email, language FROM person WHERE address = $1`, key.String()).Scan(&email, &language)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return f, err
		}
		if f.To == "" || key.String() == c.Key {
			f.To = email
		}
		if f.Language == "" {
			f.Language = language
		}
		ids, err := t.texts(ctx, `SELECT x.id FROM external_id x JOIN person p ON p.id = x.person WHERE p.address = $1 ORDER BY x.id`, key.String())
		if err != nil {
			return f, err
		}
		f.ExternalIDs = append(f.ExternalIDs, ids...)
	}
	return f, nil
}

// openedBy tells which cases an erasure covers. The date on which a request
// came is the mail server's word; when its case was opened is ours.
func openedBy(bound int) string {
	mark := "$" + strconv.Itoa(bound)
	return `(received <= ` + mark + ` OR id IN (SELECT v.caseno FROM case_event v WHERE v.kind = 'opened' AND v.at <= ` + mark + `))`
}

// eraseNext does the first item that is open. more is false where none is.
func (s *Store) eraseNext(ctx context.Context, e *erasure) (more bool, err error) {
	var item string
	err = s.read.QueryRowContext(ctx, `SELECT item FROM erasure_item WHERE caseno = $1 AND state = 'open' ORDER BY place, item LIMIT 1`, e.caseNo).Scan(&item)
	if errors.Is(err, sql.ErrNoRows) {
		return false, s.inTx(ctx, "ending an erasure", func(t *tx) error { return t.endErasure(ctx, e.caseNo) })
	}
	if err != nil {
		return false, err
	}
	one, known := pieceCalled(item)
	if !known {
		return false, fmt.Errorf("no item is called %q; a newer heed listed it", item)
	}
	if one.outside != nil {
		if err := one.outside(ctx, s, e); err != nil {
			return false, fmt.Errorf("%s: %w", item, err)
		}
	}
	return true, s.inTx(ctx, "erasing "+item, func(t *tx) error {
		state, note := "done", ""
		if one.erase != nil {
			if state, note, err = one.erase(ctx, t, e); err != nil {
				return err
			}
		}
		return t.setItem(ctx, e.caseNo, item, state, note)
	})
}

// endErasure closes the case once nothing is open and nobody is waited for:
// whoever brings the last answer calls it. It writes the certificate, whose
// sending is the last that the person is needed for.
func (t *tx) endErasure(ctx context.Context, caseNo int64) error {
	var left int
	err := t.QueryRowContext(ctx, `SELECT count(*) FROM erasure_item WHERE caseno = $1 AND state IN ('open', 'waiting')`, caseNo).Scan(&left)
	if err != nil || left > 0 {
		return err
	}
	e, err := t.readErasure(ctx, caseNo)
	if err != nil || e.ended.Valid {
		return err
	}
	gone := t.now.Add(longest(e.backups))
	if _, err := t.exec(ctx, `UPDATE erasure SET ended = $2, gone = $3 WHERE caseno = $1`, caseNo, t.now.UnixMicro(), gone.UnixMicro()); err != nil {
		return err
	}
	for _, key := range e.keys {
		if _, err := t.exec(ctx, `UPDATE privacy_case SET state = 'done', ended = $4, outcome = 'erased' WHERE address = $1 AND ended IS NULL
			AND (id = $2 OR `+openedBy(3)+`)`, key, caseNo, e.begun, t.now.UnixMicro()); err != nil {
			return fmt.Errorf("ending the cases of an erased person: %w", err)
		}
	}
	if err := t.note(ctx, caseNo, "done", "", "", nil); err != nil {
		return err
	}
	return t.writeCertificate(ctx, e)
}
