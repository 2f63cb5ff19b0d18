package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"heed/consent"
)

// Disclosure is a document by which an authority may be given somebody's data.
type Disclosure struct {
	ID                  int64
	Document, Authority string
	By, ApprovedBy      string
	Created             time.Time
}

// AddDisclosure writes a document down, before anything is given.
func (s *Store) AddDisclosure(ctx context.Context, d Disclosure) (id int64, err error) {
	switch {
	case strings.TrimSpace(d.Document) == "", strings.TrimSpace(d.Authority) == "":
		return 0, fmt.Errorf("%w: it takes the reference of a document, and the authority that wrote it", ErrRefused)
	case strings.TrimSpace(d.ApprovedBy) == "", strings.EqualFold(strings.TrimSpace(d.By), strings.TrimSpace(d.ApprovedBy)):
		return 0, fmt.Errorf("%w: another person than %s has to look at the document and approve", ErrRefused, d.By)
	}
	err = s.inTx(ctx, "writing down a disclosure", func(t *tx) error {
		if id, err = t.take(ctx, "disclosure", 1); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO disclosure (id, document, authority, asked_by, approved_by, created) VALUES ($1, $2, $3, $4, $5, $6)`,
			id, d.Document, d.Authority, d.By, d.ApprovedBy, t.now.UnixMicro()); err != nil {
			return err
		}
		return t.noteAct(ctx, StaffAct{Kind: ActDisclosure, Staff: d.By, Second: d.ApprovedBy, About: id, Said: d.Document})
	})
	return id, err
}

const disclosureColumns = `id, document, authority, asked_by, approved_by, created`

func scanDisclosure(row scanner) (d Disclosure, err error) {
	var created int64
	err = row.Scan(&d.ID, &d.Document, &d.Authority, &d.By, &d.ApprovedBy, &created)
	d.Created = time.UnixMicro(created).UTC()
	return d, err
}

// Disclosures lists the documents, oldest first.
func (s *Store) Disclosures(ctx context.Context) ([]Disclosure, error) {
	found, err := s.read.QueryContext(ctx, `SELECT `+disclosureColumns+` FROM disclosure ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("listing disclosures: %w", err)
	}
	return gather(found, scanDisclosure)
}

// Disclose notes that somebody's data is given by a document, and gives the
// person. Without the document nothing is given; and what cannot be noted is not
// given either.
func (s *Store) Disclose(ctx context.Context, id int64, key consent.Key, by string) (p Person, err error) {
	err = s.inTx(ctx, "giving data to an authority", func(t *tx) error {
		d, err := scanDisclosure(t.QueryRowContext(ctx, `SELECT `+disclosureColumns+` FROM disclosure WHERE id = $1`, id))
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: there is no disclosure %d; heed disclosure add writes the document down first", ErrRefused, id)
		}
		if err != nil {
			return err
		}
		var known bool
		if p, known, err = t.personByKey(ctx, key); err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("nobody is stored under this address: %w", ErrNotFound)
		}
		return t.noteAct(ctx, StaffAct{Kind: ActDisclosed, Staff: by, Second: d.ApprovedBy, About: id, Address: key.String(), Said: d.Document})
	})
	return p, err
}
