package store

import (
	"context"
	"fmt"

	"heed/consent"
)

// What `heed doctor` found last about how our mail is authenticated. It is kept so
// that whoever starts a campaign, and whoever sends it, goes by it.
const (
	foundMissing = "doctor missing" // 1: a record of SPF, DKIM or DMARC is not there
	foundSigned  = "doctor signed"  // 1: the relay signs all that one-click needs
)

// BulkPeople is how many people make a sender one of whom the large providers want
// all three of SPF, DKIM and DMARC; with fewer, `heed doctor` says so and that is all.
const BulkPeople = 1000

// authenticated holds for what may start although the records are looked at: whoever
// writes to many is refused by the large providers without them, and each message
// that is refused makes it worse. Those count who are on file now, and no further than
// is needed: a site that has erased most of its people is a small one.
var authenticated = fmt.Sprintf(`(class NOT IN ('newsletter', 'partner_offer') OR (SELECT count(*) FROM (SELECT 1 FROM person LIMIT %[1]d + 1) AS x) <= %[1]d
	OR NOT EXISTS (SELECT 1 FROM counter WHERE name = '%[2]s' AND value > 0))`, BulkPeople, foundMissing)

var errUnproven = fmt.Errorf("%w: heed doctor found records of SPF, DKIM or DMARC missing, and with more than %d people on file mail without them is refused; publish what heed init prints and run heed doctor again, or say unauthenticated = true in [sender]", ErrRefused, BulkPeople)

// provenOr is the condition under which a campaign may start.
func (s *Store) provenOr() string {
	if s.unauthenticated {
		return `1 = 1`
	}
	return authenticated
}

// Unproven tells whether a campaign of that class may not start for want of these
// records.
func (s *Store) Unproven(ctx context.Context, class consent.Class) (missing bool, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT NOT (`+s.provenOr()+`) FROM (SELECT CAST($1 AS TEXT) AS class) AS campaign`, string(class)).Scan(&missing)
	if err != nil {
		return false, fmt.Errorf("looking for what heed doctor found: %w", err)
	}
	return missing, nil
}

// NoteRecords keeps whether a record of ours is missing in the DNS.
func (s *Store) NoteRecords(ctx context.Context, missing bool) error {
	return s.noteFound(ctx, foundMissing, missing)
}

// NoteSignature keeps whether the relay's signature covers what one-click needs.
func (s *Store) NoteSignature(ctx context.Context, covers bool) error {
	return s.noteFound(ctx, foundSigned, covers)
}

func (s *Store) noteFound(ctx context.Context, name string, is bool) error {
	value := int64(0)
	if is {
		value = 1
	}
	return s.inTx(ctx, "keeping what heed doctor found", func(t *tx) error { return t.setCounter(ctx, name, value) })
}

// SignatureSeen tells whether the relay was seen to sign all that one-click needs.
func (s *Store) SignatureSeen(ctx context.Context) (bool, error) {
	n, err := s.counter(ctx, foundSigned)
	return n > 0, err
}
