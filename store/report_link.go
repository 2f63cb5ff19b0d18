package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// ReportFor is how long a link to a copy can be opened.
const ReportFor = 30 * 24 * time.Hour

// CopyGiven is the outcome of a case whose person got the copy. The click that
// confirms is answered with the link, so that the case ends with it: nothing
// is left for us to do, and nobody is held longer than that.
const CopyGiven = "copy given"

// ReportLink is a sealed link to a copy of what is held about somebody.
type ReportLink struct {
	ID, Case int64
	Key      consent.Key // whose data
	Reader   consent.Key // to whom the link went
	Created  time.Time
	Until    time.Time
	Closed   time.Time
}

// Open tells whether it can be opened.
func (l ReportLink) Open(at time.Time) bool { return l.Closed.IsZero() && !at.After(l.Until) }

// giveCopy answers a confirmed request for access: the link is made and mailed,
// the case is done, and the hold ends with it. The copy itself is made when it
// is looked at, so that there is no second store of it.
func (t *tx) giveCopy(ctx context.Context, c Case) error {
	key, err := consent.ParseKey(c.Key)
	if err != nil {
		return fmt.Errorf("case %d names nobody: %w", c.ID, err)
	}
	if err := t.addReportLink(ctx, c, key, key); err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE privacy_case SET state = 'done', ended = $2, outcome = $3 WHERE id = $1 AND ended IS NULL`, c.ID, t.now.UnixMicro(), CopyGiven)
	if err != nil {
		return fmt.Errorf("ending case %d: %w", c.ID, err)
	}
	if err := t.note(ctx, c.ID, "done", "", "", nil); err != nil {
		return err
	}
	return firstOf(t.clearCaseAlarms(ctx, c.ID), t.liftHoldBy(ctx, c.Key, consent.ViaConfirmed))
}

// addReportLink makes the link to a copy of what is held under whose, for the
// reader, and the letter that brings it.
func (t *tx) addReportLink(ctx context.Context, c Case, whose, reader consent.Key) error {
	id, err := t.take(ctx, "report_link", 1)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO report_link (id, caseno, address, reader, created, until) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, c.ID, whose.String(), reader.String(), t.now.UnixMicro(), t.now.Add(ReportFor).UnixMicro())
	if err != nil {
		return fmt.Errorf("making the link to a copy: %w", err)
	}
	letter := Correspondence{Kind: WriteReport, Case: c.ID, Words: Words{Language: c.Language}}
	if err := t.addressTo(ctx, &letter, reader.String(), c.Email); err != nil {
		return err
	}
	_, err = t.write(ctx, reader.String(), letter)
	return err
}

const reportLinkColumns = `id, caseno, address, reader, created, until, closed`

func scanReportLink(row scanner) (l ReportLink, err error) {
	var whose, reader string
	var created, until int64
	var closed sql.NullInt64
	if err = row.Scan(&l.ID, &l.Case, &whose, &reader, &created, &until, &closed); err != nil {
		return l, err
	}
	l.Created, l.Until, l.Closed = time.UnixMicro(created).UTC(), time.UnixMicro(until).UTC(), fromMicro(closed)
	if l.Key, err = consent.ParseKey(whose); err != nil {
		return l, err
	}
	l.Reader, err = consent.ParseKey(reader)
	return l, err
}

// ReportLink finds what a sealed link to a copy names.
func (s *Store) ReportLink(ctx context.Context, l consent.Link) (ReportLink, error) {
	one, err := scanReportLink(s.read.QueryRowContext(ctx, `SELECT `+reportLinkColumns+` FROM report_link WHERE reader = $1 AND id % 65536 = $2
		ORDER BY id DESC LIMIT 1`, l.Address.String(), int(l.Scope)))
	if errors.Is(err, sql.ErrNoRows) {
		return one, ErrNotFound
	}
	return one, err
}

// ReportLinks lists the links to copies that a case made, oldest first.
func (s *Store) ReportLinks(ctx context.Context, caseNo int64) ([]ReportLink, error) {
	found, err := s.read.QueryContext(ctx, `SELECT `+reportLinkColumns+` FROM report_link WHERE caseno = $1 ORDER BY id`, caseNo)
	if err != nil {
		return nil, fmt.Errorf("listing the links of case %d: %w", caseNo, err)
	}
	return gather(found, scanReportLink)
}

// SealReport makes the token of a link to a copy.
func (s *Store) SealReport(l ReportLink) string {
	return s.keys.Links.Seal(consent.Link{Purpose: consent.PurposeReport, Address: l.Reader, Scope: uint16(l.ID)})
}

// OpenReport gives the copy behind a link and notes that it was looked at. The
// note comes first: what cannot be written down is not shown.
func (s *Store) OpenReport(ctx context.Context, l ReportLink, how string) (Held, error) {
	err := s.inTx(ctx, "opening a copy", func(t *tx) error {
		if err := t.stillOpen(ctx, l); err != nil {
			return err
		}
		return t.note(ctx, l.Case, "read", "", l.Reader.String(), map[string]string{"as": how})
	})
	if err != nil {
		return Held{}, err
	}
	return s.Held(ctx, l.Key, l.Case)
}

func (t *tx) stillOpen(ctx context.Context, l ReportLink) error {
	now, err := scanReportLink(t.QueryRowContext(ctx, `SELECT `+reportLinkColumns+` FROM report_link WHERE id = $1`, l.ID))
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if err == nil && !now.Open(t.now) {
		return fmt.Errorf("the link to the copy of case %d is closed or has run out: %w", l.Case, ErrState)
	}
	return err
}

// CloseReports makes links to copies useless: all of a case, or the one with a
// number. staff is empty where the person did it. It gives how many were open.
func (s *Store) CloseReports(ctx context.Context, caseNo, id int64, staff string) (closed int64, err error) {
	err = s.inTx(ctx, "closing the link to a copy", func(t *tx) error {
		closed, err = t.exec(ctx, `UPDATE report_link SET closed = $3 WHERE caseno = $1 AND ($2 = 0 OR id = $2) AND closed IS NULL`, caseNo, id, t.now.UnixMicro())
		if err != nil || closed == 0 {
			return err
		}
		return t.note(ctx, caseNo, "closed_link", staff, "", nil)
	})
	return closed, err
}

// ReportForStaff gives the copy of a confirmed case to whoever answers it by
// hand, and notes who took it.
func (s *Store) ReportForStaff(ctx context.Context, caseNo int64, staff string) (Held, error) {
	c, err := s.Case(ctx, caseNo)
	if err != nil {
		return Held{}, err
	}
	key, err := consent.ParseKey(c.Key)
	if err != nil || c.Kind != consent.CaseAccess || c.Identity != consent.IdentityConfirmed {
		return Held{}, fmt.Errorf("case %d is no confirmed request for access: %w", caseNo, ErrState)
	}
	err = s.inTx(ctx, "taking a copy", func(t *tx) error { return t.note(ctx, caseNo, "copied", staff, "", nil) })
	if err != nil {
		return Held{}, err
	}
	return s.Held(ctx, key, caseNo)
}
