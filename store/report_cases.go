package store

import (
	"context"
	"slices"
	"time"
)

// cases is the person's requests, and those of others that concern them, such
// as a guardian's. Of the latter only what happened is told, not who asked.
func (g *gathering) cases(ctx context.Context, r *Held) error {
	numbers, err := g.ownCases(ctx, r)
	if err != nil || len(numbers) == 0 {
		return err
	}
	type row struct {
		ReportEvent
		caseNo                int64
		holder, sealed, staff string
	}
	events, err := each(ctx, g, `SELECT caseno, at, kind, staff, holder, sealed FROM case_event WHERE caseno IN (`+in(numbers)+`) ORDER BY id`, numbers,
		func(s scanner) (one row, err error) {
			var at int64
			err = s.Scan(&one.caseNo, &at, &one.Kind, &one.staff, &one.holder, &one.sealed)
			one.At, one.By = time.UnixMicro(at).UTC(), by(one.staff)
			return one, err
		}, func(one *row) (err error) {
			if g.mayRead(one.holder, one.caseNo) {
				one.Detail, err = g.open(ctx, one.holder, one.sealed)
			}
			if detail, is := one.Detail.(map[string]any); is {
				delete(detail, "second") // staff are not named
			}
			return err
		})
	if err != nil {
		return err
	}
	for _, one := range events {
		c := r.caseOf(one.caseNo)
		c.Events = append(c.Events, one.ReportEvent)
	}
	return g.erasures(ctx, r, numbers)
}

func (r *Held) caseOf(id int64) *ReportCase {
	i := slices.IndexFunc(r.Cases, func(c ReportCase) bool { return c.Reference == caseReference(id) })
	return &r.Cases[i]
}

// erasures tells how far deletions have come.
func (g *gathering) erasures(ctx context.Context, r *Held, numbers []any) error {
	type row struct {
		ReportItem
		caseNo int64
	}
	items, err := each(ctx, g, `SELECT caseno, item, state, note, changed FROM erasure_item WHERE caseno IN (`+in(numbers)+`) ORDER BY caseno, place, item`, numbers,
		func(s scanner) (one row, err error) {
			var changed int64
			err = s.Scan(&one.caseNo, &one.Item, &one.State, &one.Note, &changed)
			one.Changed = time.UnixMicro(changed).UTC()
			return one, err
		}, func(*row) error { return nil })
	for _, one := range items {
		c := r.caseOf(one.caseNo)
		c.Erasure = append(c.Erasure, one.ReportItem)
	}
	return err
}

func by(staff string) string {
	if staff == "" {
		return "heed"
	}
	return "staff"
}

// mayRead tells whether something sealed is the person's own.
func (g *gathering) mayRead(holder string, caseNo int64) bool {
	return holder == caseHolder(caseNo) || slices.Contains(g.holders, any(holder))
}

func (g *gathering) ownCases(ctx context.Context, r *Held) (numbers []any, err error) {
	rows, err := each(ctx, g, `SELECT `+caseColumns+` FROM privacy_case WHERE address IN (`+in(g.keys)+`)
		OR id IN (SELECT caseno FROM case_subject WHERE address IN (`+in(g.keys)+`)) ORDER BY id`, g.keys, scanCase, func(*Case) error { return nil })
	r.Cases = []ReportCase{}
	for _, one := range rows {
		numbers = append(numbers, one.ID)
		r.Cases = append(r.Cases, g.reportCase(one))
	}
	return numbers, err
}

// reportCase leaves out an address that is not the person's: a mail that quoted
// their link may have come from somebody else.
func (g *gathering) reportCase(c Case) ReportCase {
	out := ReportCase{Reference: caseReference(c.ID), Kind: string(c.Kind), State: string(c.State), Identity: string(c.Identity),
		Via: c.Via, Received: c.Received, Opened: c.Opened, Due: c.Due, Events: []ReportEvent{}}
	if slices.Contains(g.keys, any(c.Key)) {
		out.Mailbox, out.Language, out.Outcome = c.Mailbox, c.Language, c.Outcome
	}
	if from, _, err := g.s.Key(c.Email); err == nil && slices.Contains(g.keys, any(from.String())) {
		out.Email = c.Email
	}
	if !c.Ended.IsZero() {
		ended := c.Ended
		out.Ended = &ended
	}
	return out
}
