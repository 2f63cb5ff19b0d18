package store

import (
	"context"
	"fmt"

	"heed/consent"
)

// Figures count what waits for people: no name, no address, no case.
type Figures struct {
	Open    map[string]int // cases by kind
	Overdue int
	Alarms  map[string]int // open ones by kind
	Failing map[string]int // jobs by kind that fail again and again
	Tray    int
}

// CaseKinds names the kinds of cases, for those who may not know the rules.
func CaseKinds() (kinds []string) {
	for _, kind := range consent.CaseKinds() {
		kinds = append(kinds, string(kind))
	}
	return kinds
}

// Figures counts cases, alarms and the tray.
func (s *Store) Figures(ctx context.Context) (f Figures, err error) {
	if f.Open, err = s.counts(ctx, `SELECT kind, count(*) FROM privacy_case WHERE ended IS NULL GROUP BY kind`); err != nil {
		return f, err
	}
	if f.Alarms, err = s.counts(ctx, `SELECT kind, count(*) FROM alarm WHERE cleared IS NULL GROUP BY kind`); err != nil {
		return f, err
	}
	if f.Failing, err = s.FailingKinds(ctx); err != nil {
		return f, err
	}
	err = s.read.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM privacy_case WHERE ended IS NULL AND due < $1), (SELECT count(*) FROM tray)`,
		s.now().UnixMicro()).Scan(&f.Overdue, &f.Tray)
	if err != nil {
		return f, fmt.Errorf("counting what waits: %w", err)
	}
	return f, nil
}

func (s *Store) counts(ctx context.Context, query string) (map[string]int, error) {
	found, err := s.read.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("counting what waits: %w", err)
	}
	defer found.Close()
	counted := map[string]int{}
	for found.Next() {
		var kind string
		var n int
		if err := found.Scan(&kind, &n); err != nil {
			return nil, err
		}
		counted[kind] = n
	}
	return counted, found.Err()
}
