package store

import (
	"context"
	"fmt"
	"time"
)

// Detail is what an event has to say beyond its kind; it is kept sealed.
type Detail struct {
	Text   string `json:"text,omitempty"`
	Second string `json:"second,omitempty"` // who looked as well
	Letter int64  `json:"letter,omitempty"`
}

// CaseEvent is something that happened to a case.
type CaseEvent struct {
	At    time.Time
	Kind  string // as the schema lists them
	Staff string // who did it; empty: heed, or the person
	Detail
}

// CaseFile is a case with all that belongs to it.
type CaseFile struct {
	Case
	Events  []CaseEvent
	Mails   []MailText       // what the person wrote
	Letters []Correspondence // what we wrote
}

// CaseFile reads a case with its events, mails and letters, oldest first.
func (s *Store) CaseFile(ctx context.Context, id int64) (f CaseFile, err error) {
	if f.Case, err = s.Case(ctx, id); err != nil {
		return f, err
	}
	if f.Events, err = s.caseEvents(ctx, id); err != nil {
		return f, err
	}
	if f.Mails, err = s.mailTexts(ctx, `inbound i LEFT JOIN mail_text m ON m.inbound = i.id WHERE i.caseno = $1`, id); err != nil {
		return f, err
	}
	f.Letters, err = s.letters(ctx, `caseno = $1`, id)
	return f, err
}

func (s *Store) caseEvents(ctx context.Context, id int64) ([]CaseEvent, error) {
	found, err := s.read.QueryContext(ctx, `SELECT at, kind, staff, holder, sealed FROM case_event WHERE caseno = $1 ORDER BY id`, id)
	if err != nil {
		return nil, fmt.Errorf("reading what happened to case %d: %w", id, err)
	}
	defer found.Close()
	var all []CaseEvent
	for found.Next() {
		var e CaseEvent
		var at int64
		var holder, sealed string
		if err := found.Scan(&at, &e.Kind, &e.Staff, &holder, &sealed); err != nil {
			return nil, err
		}
		if _, err := s.unseal(ctx, holder, sealed, &e.Detail); err != nil {
			return nil, err
		}
		e.At = time.UnixMicro(at).UTC()
		all = append(all, e)
	}
	return all, found.Err()
}
