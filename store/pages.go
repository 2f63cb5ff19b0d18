package store

import (
	"context"
	"fmt"

	"heed/consent"
)

// CampaignsBefore lists the newsletters and offers whose number is below one, 0
// for all of them, in a state where one is named: the newest first.
func (s *Store) CampaignsBefore(ctx context.Context, before int64, state string, limit int) ([]Campaign, error) {
	found, err := s.read.QueryContext(ctx, `SELECT `+campaignColumns+` FROM campaign WHERE class <> 'alert' AND ($1 = 0 OR id < $1) AND ($2 = '' OR state = $2)
		ORDER BY id DESC LIMIT $3`, before, state, limit)
	if err != nil {
		return nil, fmt.Errorf("listing campaigns: %w", err)
	}
	return gather(found, scanCampaign)
}

// CasesAfter lists the cases whose number is above one: those that are open,
// ended, or all.
func (s *Store) CasesAfter(ctx context.Context, after int64, which string, limit int) ([]Case, error) {
	where := map[string]string{"open": ` AND ended IS NULL`, "ended": ` AND ended IS NOT NULL`}[which]
	found, err := s.read.QueryContext(ctx, `SELECT `+caseColumns+` FROM privacy_case WHERE id > $1`+where+` ORDER BY id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing cases: %w", err)
	}
	return gather(found, scanCase)
}

// SuppressionsAfter lists who is kept out of all marketing or of a topic, in the
// order of their keys, from the one after `after` on. It looks at `limit`
// addresses that decided something; next is empty after the last one.
func (s *Store) SuppressionsAfter(ctx context.Context, after string, limit int) (lines []SuppressedLine, next string, err error) {
	topics, err := s.Topics(ctx)
	if err != nil {
		return nil, "", err
	}
	found, err := s.read.QueryContext(ctx, `SELECT a.key, a.state, COALESCE(p.email, '') FROM address a LEFT JOIN person p ON p.address = a.key
		WHERE a.state <> '{}' AND a.key > $1 ORDER BY a.key LIMIT $2`, after, limit)
	if err != nil {
		return nil, "", fmt.Errorf("reading suppressions: %w", err)
	}
	n, last := 0, ""
	pages, err := gather(found, func(row scanner) (some []SuppressedLine, err error) {
		var text, email string
		if err := row.Scan(&last, &text, &email); err != nil {
			return nil, err
		}
		n++
		state, err := consent.DecodeState(text)
		if err != nil {
			return nil, err
		}
		key, err := consent.ParseKey(last)
		for _, line := range suppressedLines(state, topics) {
			line.Key, line.Email = key, email
			some = append(some, line)
		}
		return some, err
	})
	for _, some := range pages {
		lines = append(lines, some...)
	}
	if n == limit {
		next = last
	}
	return lines, next, err
}
