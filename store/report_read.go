package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"time"

	"heed/consent"
)

func (t *tx) personByKey(ctx context.Context, key consent.Key) (p Person, found bool, err error) {
	p, err = scanPerson(t.QueryRowContext(ctx, `SELECT `+personColumns+` FROM person p JOIN address a ON a.key = p.address
		WHERE p.address = $1`, key.String()))
	if errors.Is(err, sql.ErrNoRows) {
		return Person{}, false, nil
	}
	return p, err == nil, err
}

// profile is what stands about the person, and the fold of their choices.
func (g *gathering) profile(ctx context.Context, r *Held) error {
	state, err := g.stateOf(ctx)
	if err != nil {
		return err
	}
	r.State = StateInWords(state, g.topics, g.now)
	if !g.stored {
		return nil
	}
	p := &ReportPerson{Email: g.person.Email, FirstName: g.person.FirstName, LastName: g.person.LastName, Company: g.person.Company,
		Language: g.person.Language, TimeZone: g.person.TimeZone, Attributes: g.person.Attrs, Number: g.person.ID, Subject: g.person.Subject}
	var created, updated int64
	if err := g.QueryRowContext(ctx, `SELECT created, updated FROM person WHERE id = $1`, p.Number).Scan(&created, &updated); err != nil {
		return err
	}
	p.Stored, p.Updated = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	if p.ExternalIDs, err = g.texts(ctx, `SELECT id FROM external_id WHERE person = $1 ORDER BY id`, p.Number); err != nil {
		return err
	}
	p.Services, err = g.texts(ctx, `SELECT s.slug FROM holding h JOIN service s ON s.id = h.service WHERE h.person = $1 ORDER BY s.slug`, p.Number)
	p.ExternalIDs, p.Services = append([]string{}, p.ExternalIDs...), append([]string{}, p.Services...)
	r.Person = p
	return err
}

func (g *gathering) stateOf(ctx context.Context) (consent.State, error) {
	var text string
	err := g.QueryRowContext(ctx, `SELECT state FROM address WHERE key = $1`, g.key.String()).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return consent.State{}, nil
	}
	if err != nil {
		return consent.State{}, err
	}
	return consent.DecodeState(text)
}

// each reads the rows of a query about the person's keys, and then, with the
// connection free again, opens what is sealed in them.
func each[T any](ctx context.Context, g *gathering, query string, args []any, scan func(scanner) (T, error), open func(*T) error) ([]T, error) {
	found, err := g.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	all, err := gather(found, scan)
	if err != nil {
		return nil, err
	}
	all = append([]T{}, all...) // an empty list reads better than none
	for i := range all {
		if err := open(&all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// choices is the ledger with its evidence, the texts it names, and where it all
// came from.
func (g *gathering) choices(ctx context.Context, r *Held) error {
	type row struct {
		ReportChoice
		holder, sealed string
	}
	rows, err := each(ctx, g, `SELECT l.seq, l.scope, l.choice, l.received, l.recorded, l.via, l.source, l.policy, l.policy_hash, l.authenticated,
		COALESCE(x.holder, ''), COALESCE(x.sealed, ''), b.acked, b.in_flight, m.undo_until, m.undone, m.batch, m.forged FROM ledger l LEFT JOIN annex x ON x.seq = l.seq
		LEFT JOIN barrier b ON b.seq = l.seq LEFT JOIN mail_optout m ON m.seq = l.seq WHERE l.address IN (`+in(g.keys)+`) ORDER BY l.seq`, g.keys, func(s scanner) (one row, err error) {
		var received, recorded int64
		var authenticated int
		var acked, until, undone, forged *int64
		err = s.Scan(&one.Number, &one.Scope, &one.Choice, &received, &recorded, &one.Via, &one.Source, &one.Policy, &one.PolicyHash,
			&authenticated, &one.holder, &one.sealed, &acked, &one.InFlight, &until, &undone, &one.Batch, &forged)
		one.Received, one.Recorded = time.UnixMicro(received).UTC(), time.UnixMicro(recorded).UTC()
		one.Authenticated, one.Acknowledged = authenticated == 1, instant(acked)
		one.UndoUntil, one.TakenBack, one.Forged = instant(until), instant(undone), instant(forged)
		if slug, isTopic := g.scopes[consent.Scope(one.Scope)]; isTopic {
			one.Scope = slug
		}
		return one, err
	}, func(one *row) (err error) {
		one.Evidence, err = g.evidence(ctx, one.holder, one.sealed)
		return err
	})
	r.Choices, r.Policies, r.Sources = []ReportChoice{}, []ReportPolicy{}, []ReportSource{}
	for _, one := range rows {
		r.Choices = append(r.Choices, one.ReportChoice)
		r.addPolicy(ReportPolicy{one.Policy, one.PolicyHash})
		r.addSource(one.ReportChoice)
	}
	return err
}

// evidence is a text of any form, which mostly is JSON.
func (g *gathering) evidence(ctx context.Context, holder, sealed string) (any, error) {
	if sealed == "" {
		return nil, nil
	}
	key, found, err := g.s.keys.personKey(ctx, holder)
	if err != nil || !found {
		return nil, err
	}
	text, err := openWith(key, sealed)
	return words(text), err
}

func (r *Held) addPolicy(p ReportPolicy) {
	for _, known := range r.Policies {
		if known == p {
			return
		}
	}
	if p.ID != "" {
		r.Policies = append(r.Policies, p)
	}
}

// addSource keeps what tells where a choice came from.
func (r *Held) addSource(c ReportChoice) {
	detail, _ := c.Evidence.(map[string]any)
	text := func(key string) string {
		value, _ := detail[key].(string)
		return value
	}
	one := ReportSource{At: c.Received, Scope: c.Scope, Via: c.Via, Source: c.Source, Wording: text("text"), Import: text("import")}
	if one.Source != "" || one.Wording != "" || one.Import != "" {
		r.Sources = append(r.Sources, one)
	}
}

// messages is what was sent in campaigns, or was not, and why.
func (g *gathering) messages(ctx context.Context, r *Held) (err error) {
	r.Messages, err = each(ctx, g, `SELECT c.id, c.name, c.class, CASE WHEN k.token IS NOT NULL THEN 'in_flight' ELSE d.state END, d.reason, d.code,
		d.status, d.attempts, COALESCE(d.claimed, k.at), d.end_at, d.returned, d.changed, y.due FROM delivery d JOIN campaign c ON c.id = d.campaign
		LEFT JOIN claim k ON k.campaign = d.campaign AND k.address = d.address LEFT JOIN retry y ON y.campaign = d.campaign AND y.address = d.address
		WHERE d.campaign IN (SELECT id FROM campaign) AND d.address IN (`+in(g.keys)+`) ORDER BY c.id`, g.keys, func(s scanner) (one ReportMessage, err error) {
		var id, changed int64
		var claimed, handed, returned, due *int64
		err = s.Scan(&id, &one.Name, &one.Class, &one.Outcome, &one.Reason, &one.Code, &one.Status, &one.Attempts, &claimed, &handed, &returned, &changed, &due)
		one.Campaign, one.Changed = strconv.FormatInt(id, 10), time.UnixMicro(changed).UTC()
		one.Claimed, one.Handed, one.Returned, one.Due = instant(claimed), instant(handed), instant(returned), instant(due)
		return one, err
	}, func(*ReportMessage) error { return nil })
	return err
}

// mails is what came from the person, with its text as far as it is kept.
func (g *gathering) mails(ctx context.Context, r *Held) error {
	type row struct {
		ReportMail
		rules, holder, sealed string
	}
	rows, err := each(ctx, g, `SELECT i.received, i.recorded, i.mailbox, i.kind, i.outcome, i.folder, i.rules, COALESCE(i.caseno, 0), i.digest,
		COALESCE(m.holder, ''), COALESCE(m.sealed, '') FROM inbound i LEFT JOIN mail_text m ON m.inbound = i.id
		WHERE i.address IN (`+list(len(g.keys), 1)+`) OR m.holder IN (`+list(len(g.holders), len(g.keys)+1)+`)
		OR i.caseno IN (SELECT id FROM privacy_case WHERE address IN (`+list(len(g.keys), 1)+`)) ORDER BY i.id`,
		append(append([]any{}, g.keys...), g.holders...), func(s scanner) (one row, err error) {
			var received, recorded, caseNo int64
			err = s.Scan(&received, &recorded, &one.Mailbox, &one.Kind, &one.Outcome, &one.Folder, &one.rules, &caseNo, &one.Digest, &one.holder, &one.sealed)
			one.Received, one.Recorded = time.UnixMicro(received).UTC(), time.UnixMicro(recorded).UTC()
			one.Case, one.Rules = caseReference(caseNo), words(one.rules)
			return one, err
		}, func(one *row) (err error) {
			text, err := g.open(ctx, one.holder, one.sealed)
			if g.wrote(text) {
				one.Text = text
			}
			return err
		})
	r.Mails = []ReportMail{}
	for _, one := range rows {
		r.Mails = append(r.Mails, one.ReportMail)
	}
	return err
}

// wrote tells whether a mail's text is the person's own. One that quotes their
// link may have come from somebody else, whose words are theirs.
func (g *gathering) wrote(text any) bool {
	detail, _ := text.(map[string]any)
	address, told := detail["address"].(string)
	if !told {
		return true
	}
	from, _, err := g.s.Key(address)
	return err == nil && slices.Contains(g.keys, any(from.String()))
}

// letters is what we wrote to the person outside campaigns.
func (g *gathering) letters(ctx context.Context, r *Held) error {
	type row struct {
		ReportLetter
		holder, sealed string
	}
	rows, err := each(ctx, g, `SELECT kind, state, COALESCE(caseno, 0), created, ended, holder, sealed FROM correspondence
		WHERE address IN (`+list(len(g.keys), 1)+`) OR holder IN (`+list(len(g.holders), len(g.keys)+1)+`) ORDER BY id`, append(append([]any{}, g.keys...), g.holders...),
		func(s scanner) (one row, err error) {
			var caseNo, created int64
			var ended *int64
			err = s.Scan(&one.Kind, &one.State, &caseNo, &created, &ended, &one.holder, &one.sealed)
			one.Case, one.Created, one.Ended = caseReference(caseNo), time.UnixMicro(created).UTC(), instant(ended)
			return one, err
		}, func(one *row) (err error) {
			one.Words, err = g.open(ctx, one.holder, one.sealed)
			return err
		})
	r.Letters = []ReportLetter{}
	for _, one := range rows {
		r.Letters = append(r.Letters, one.ReportLetter)
	}
	return err
}

// moves is the changes of address that were asked for.
func (g *gathering) moves(ctx context.Context, r *Held) error {
	type row struct {
		ReportMove
		holder, sealed string
	}
	rows, err := each(ctx, g, `SELECT state, created, old_clicked, new_clicked, holder, sealed FROM address_change
		WHERE old IN (`+in(g.keys)+`) OR new IN (`+in(g.keys)+`) ORDER BY id`, g.keys, func(s scanner) (one row, err error) {
		var created int64
		var before, after *int64
		err = s.Scan(&one.State, &created, &before, &after, &one.holder, &one.sealed)
		one.Created, one.Old, one.New = time.UnixMicro(created).UTC(), instant(before), instant(after)
		return one, err
	}, func(one *row) (err error) {
		one.Detail, err = g.open(ctx, one.holder, one.sealed)
		return err
	})
	r.Addresses = []ReportMove{}
	for _, one := range rows {
		r.Addresses = append(r.Addresses, one.ReportMove)
	}
	return err
}

// copies is the links that lead to reports about the person.
func (g *gathering) copies(ctx context.Context, r *Held) (err error) {
	r.Copies, err = each(ctx, g, `SELECT caseno, created, until, closed FROM report_link WHERE address IN (`+in(g.keys)+`) ORDER BY id`, g.keys,
		func(s scanner) (one ReportCopyLink, err error) {
			var caseNo, created, until int64
			var closed *int64
			err = s.Scan(&caseNo, &created, &until, &closed)
			one.Case, one.Created, one.Until, one.Closed = caseReference(caseNo), time.UnixMicro(created).UTC(), time.UnixMicro(until).UTC(), instant(closed)
			return one, err
		}, func(*ReportCopyLink) error { return nil })
	return err
}
