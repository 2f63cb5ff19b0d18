package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"heed/consent"
)

// The kinds of what heed writes to one person outside campaigns. Each has its
// words in templates and its rule, who may get it when, where it is written
// down.
const (
	WriteConfirm = "confirm" // the link that confirms a case
	WriteErased  = "erased"  // the certificate of an erasure, to the address that it has deleted

	WriteRemind   = "remind"   // the same link once more
	WriteStaff    = "staff"    // what staff wrote in a case
	WriteExtended = "extended" // that it takes longer, and why
	WriteOutcome  = "outcome"  // how a case ended
	WriteRefused  = "refused"  // that it is refused, why, and where to complain
	WriteReport   = "report"   // the link to a copy of everything held

	WriteNotice  = "notice"  // an opt-out that anybody could have written, with the link that takes it back
	WriteAnswer  = "answer"  // what an opt-out in the person's own words did
	WriteUnknown = "unknown" // nothing is stored under the address that wrote
	WriteReceipt = "receipt" // a case was opened: what was understood, and until when it is answered
	WriteForged  = "forged"  // somebody wrote in the person's name: do they want the mail again
	WriteMove    = "move"    // one of the two links that change an address
	WriteMoved   = "moved"   // that it is changed

	WriteChoices = "choices" // the link to the page with one's choices, which somebody asked for

	WriteCorrected  = "corrected"  // which details were corrected
	WriteRestricted = "restricted" // that the data is only kept from now on
	WriteLifting    = "lifting"    // that this ends, before it does
)

// Correspondence is a mail from us to one person. It is a row first and a mail
// afterwards, so that it goes out once, and so that the whole correspondence of
// a case can be shown.
type Correspondence struct {
	ID      int64
	Kind    string // one of the Write constants
	State   string // waiting | sent | rejected | dropped
	Case    int64  // 0: none
	Inbound int64  // the mail that it answers; 0: none
	Key     string // address key of the recipient; empty where nobody is on file
	Created time.Time
	Ended   time.Time
	Code    int       // the relay's
	Due     time.Time // not to be sent before; zero: at once. Known to its job only
	Words

	holder string // whose key seals the words
}

// Words is what fills a mail; all of it is sealed. Each kind uses what it
// needs.
type Words struct {
	To        string    `json:"to,omitempty"`          // where nobody is on file; else the address on file is written to
	Language  string    `json:"language,omitempty"`    // BCP 47; empty: the person's
	InReplyTo string    `json:"in_reply_to,omitempty"` // Message-ID with its brackets
	Subject   string    `json:"subject,omitempty"`     // of a text that staff wrote
	Text      string    `json:"text,omitempty"`
	Scopes    []string  `json:"scopes,omitempty"`  // that an opt-out stopped
	At        time.Time `json:"at,omitzero"`       // when it took effect
	Already   bool      `json:"already,omitempty"` // at that time, by an earlier opt-out
	Undo      int64     `json:"undo,omitempty"`    // row of the ledger that the link in the mail takes back
	Change    int64     `json:"change,omitempty"`  // of a change of address

	Changes []FieldChange `json:"changes,omitempty"` // that staff made to the details of a person
}

// write stores correspondence and the job that sends it, in the transaction of
// what caused it. holder names whose key seals the words: the person where one
// is stored, else the address key, else the case.
func (t *tx) write(ctx context.Context, holder string, c Correspondence) (int64, error) {
	sealed, err := t.seal(ctx, holder, c.Words)
	if err != nil {
		return 0, err
	}
	id, err := t.take(ctx, "correspondence", 1)
	if err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, `INSERT INTO correspondence (id, kind, state, caseno, inbound, address, holder, sealed, created)
		VALUES ($1, $2, 'waiting', $3, $4, $5, $6, $7, $8)`, id, c.Kind, number(int(c.Case)), number(int(c.Inbound)), c.Key, holder, sealed, t.now.UnixMicro())
	if err != nil {
		return 0, fmt.Errorf("writing to a person: %w", err)
	}
	_, err = t.addJobs(ctx, 1, Job{Queue: "privacy", Kind: "write", Subject: id, Due: c.Due})
	return id, err
}

// caseHolder seals what belongs to a case that names nobody on file.
func caseHolder(caseNo int64) string { return "case " + strconv.FormatInt(caseNo, 10) }

// seal encrypts a value under its holder's key.
func (t *tx) seal(ctx context.Context, holder string, value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("sealing what was written: %w", err)
	}
	keys, err := t.s.keys.personKeys(ctx, []string{holder})
	if err != nil {
		return "", err
	}
	return sealWith(keys[holder], string(text))
}

// unseal reads what seal wrote. A holder whose key was deleted has left
// nothing: found is false.
func (s *Store) unseal(ctx context.Context, holder, sealed string, value any) (found bool, err error) {
	if sealed == "" {
		return false, nil
	}
	key, found, err := s.keys.personKey(ctx, holder)
	if err != nil || !found {
		return false, err
	}
	text, err := openWith(key, sealed)
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal([]byte(text), value); err != nil {
		return false, fmt.Errorf("reading what was sealed: %w", err)
	}
	return true, nil
}

const correspondenceColumns = `id, kind, state, COALESCE(caseno, 0), COALESCE(inbound, 0), address, holder, sealed, created, ended, code`

func (s *Store) scanCorrespondence(ctx context.Context, row scanner) (c Correspondence, err error) {
	var sealed string
	var created int64
	var ended sql.NullInt64
	if err = row.Scan(&c.ID, &c.Kind, &c.State, &c.Case, &c.Inbound, &c.Key, &c.holder, &sealed, &created, &ended, &c.Code); err != nil {
		return c, err
	}
	c.Created, c.Ended = time.UnixMicro(created).UTC(), fromMicro(ended)
	_, err = s.unseal(ctx, c.holder, sealed, &c.Words)
	return c, err
}

// Correspondence reads one mail of ours.
func (s *Store) Correspondence(ctx context.Context, id int64) (Correspondence, error) {
	c, err := s.scanCorrespondence(ctx, s.read.QueryRowContext(ctx, `SELECT `+correspondenceColumns+` FROM correspondence WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("correspondence %d: %w", id, ErrNotFound)
	}
	return c, err
}

// Letters lists what was written to an address key, oldest first.
func (s *Store) Letters(ctx context.Context, key consent.Key) ([]Correspondence, error) {
	return s.letters(ctx, `address = $1`, key.String())
}

func (s *Store) letters(ctx context.Context, which string, args ...any) ([]Correspondence, error) {
	found, err := s.read.QueryContext(ctx, `SELECT `+correspondenceColumns+` FROM correspondence WHERE `+which+` ORDER BY id`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading letters: %w", err)
	}
	return gather(found, func(row scanner) (Correspondence, error) { return s.scanCorrespondence(ctx, row) })
}

// EndCorrespondence notes what became of a mail of ours: sent, rejected, or
// dropped because it is no longer wanted. code is the relay's, 0 where none.
func (s *Store) EndCorrespondence(ctx context.Context, c Correspondence, state string, code int) error {
	return s.inTx(ctx, "ending correspondence", func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE correspondence SET state = $2, ended = $3, code = $4 WHERE id = $1 AND state = 'waiting'`,
			c.ID, state, t.now.UnixMicro(), code)
		if err != nil || n == 0 {
			return err
		}
		if c.Kind == WriteErased {
			return t.certificateEnded(ctx, c.Case, state)
		}
		if c.Kind == WriteLifting {
			if err := t.liftingEnded(ctx, c, state); err != nil {
				return err
			}
		}
		if state == "sent" {
			if err := t.beginUndo(ctx, c); err != nil {
				return err
			}
		}
		if err := t.keepSent(ctx, c); err != nil || c.Case == 0 {
			return err
		}
		return t.letterEnded(ctx, c, state)
	})
}

// keepSent keeps the words that were really sent, so that everybody can see
// later what the person was told.
func (t *tx) keepSent(ctx context.Context, c Correspondence) error {
	sealed, err := t.seal(ctx, c.holder, c.Words)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE correspondence SET sealed = $2 WHERE id = $1`, c.ID, sealed)
	return err
}

// byStaff tells whether a person wrote the letter.
func (c Correspondence) byStaff() bool {
	return slices.Contains([]string{WriteStaff, WriteExtended, WriteOutcome, WriteRefused}, c.Kind)
}

// letterEnded moves the case on: the first letter that left is its first
// answer, and one that was refused is a thing for staff.
func (t *tx) letterEnded(ctx context.Context, c Correspondence, state string) error {
	if state == "rejected" {
		return t.raise(ctx, AlarmCaseLetter, caseKey(c.Case))
	}
	if state != "sent" {
		return nil
	}
	if err := t.firstAnswer(ctx, c.Case, c.byStaff()); err != nil {
		return err
	}
	event := map[string]string{WriteConfirm: "asked", WriteRemind: "reminded"}[c.Kind]
	if event == "" {
		return nil
	}
	if _, err := t.exec(ctx, `UPDATE privacy_case SET asked = asked + 1 WHERE id = $1`, c.Case); err != nil {
		return err
	}
	return t.note(ctx, c.Case, event, "", "", nil)
}

// note writes what happened to a case. staff names who did it, empty for heed
// itself and for the person; detail is sealed under holder, and may be nil.
func (t *tx) note(ctx context.Context, caseNo int64, kind, staff, holder string, detail any) error {
	id, err := t.take(ctx, "case_event", 1)
	if err != nil {
		return err
	}
	sealed := ""
	if detail != nil {
		if sealed, err = t.seal(ctx, holder, detail); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, `INSERT INTO case_event (id, caseno, at, kind, staff, holder, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		id, caseNo, t.now.UnixMicro(), kind, staff, holder, sealed)
	if err != nil {
		return fmt.Errorf("noting what happened to case %d: %w", caseNo, err)
	}
	return t.caseHappened(ctx, caseNo, kind)
}
