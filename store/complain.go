package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"heed/consent"
)

// ComplaintLimit says when a campaign stops itself because too many of its readers
// call it spam. Gmail asks for less than one in a thousand, and never three. The
// zero value never stops one.
type ComplaintLimit struct {
	Share float64 // of the messages that were accepted
	Least int     // complaints, below which none is stopped
}

// complained counts a spam report for the campaign that it is about, over all and
// for the provider of its reader, and pauses the campaign where either has too many.
// A reader counts once: only the report that stopped their mail does, so that
// whoever holds one message cannot stop a campaign by reporting it again and again.
func (t *tx) complained(ctx context.Context, l consent.Link, received time.Time) (paused int64, err error) {
	id, found, err := t.complainedOf(ctx, l, received)
	if err != nil || !found {
		return 0, err
	}
	domain, err := t.domainOf(ctx, l.Address)
	if err != nil {
		return 0, err
	}
	providers := []string{""}
	if domain != "" {
		providers = append(providers, domain)
	}
	for _, one := range providers {
		said, err := t.countComplaint(ctx, id, one)
		if err != nil {
			return 0, err
		}
		if said != "" && paused == 0 {
			if paused, err = t.pauseForComplaints(ctx, id, said); err != nil {
				return 0, err
			}
		}
	}
	return paused, nil
}

// complainedOf finds the campaign: the one that the link of a return path names, or
// else the last that the reader got of what the link stops.
func (t *tx) complainedOf(ctx context.Context, l consent.Link, received time.Time) (id int64, found bool, err error) {
	if l.Purpose == consent.PurposeBounce {
		d, found, err := t.sentTo(ctx, l)
		return d.campaign, found && received.Sub(time.UnixMicro(d.endAt)) <= BounceAge, err
	}
	err = t.QueryRowContext(ctx, `SELECT d.campaign FROM delivery d JOIN campaign c ON c.id = d.campaign
		LEFT JOIN claim k ON k.campaign = d.campaign AND k.address = d.address WHERE d.address = $1 AND `+handedOver+`
		AND c.class IN ('newsletter', 'partner_offer') AND ($2 = 0 OR c.topic = $2) AND COALESCE(k.at, d.end_at, d.claimed) > $3
		ORDER BY COALESCE(k.at, d.end_at, d.claimed) DESC LIMIT 1`,
		l.Address.String(), int(l.Scope), received.Add(-BounceAge).UnixMicro()).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("finding what was called spam: %w", err)
	}
	return id, true, nil
}

// domainOf is where the mail of a person is read; empty of nobody on file.
func (t *tx) domainOf(ctx context.Context, key consent.Key) (domain string, err error) {
	var email string
	err = t.QueryRowContext(ctx, `SELECT email FROM person WHERE address = $1`, key.String()).Scan(&email)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for the provider of a reader: %w", err)
	}
	return email[strings.LastIndexByte(email, '@')+1:], nil
}

// countComplaint counts one, and says why the campaign must stop, if it must.
func (t *tx) countComplaint(ctx context.Context, campaign int64, domain string) (said string, err error) {
	var fresh, accepted int
	err = t.QueryRowContext(ctx, `INSERT INTO complaint (campaign, provider, n, fresh) VALUES ($1, $2, 1, 1)
		ON CONFLICT (campaign, provider) DO UPDATE SET n = complaint.n + 1, fresh = complaint.fresh + 1 RETURNING fresh, accepted`,
		campaign, t.s.providerKey(domain)).Scan(&fresh, &accepted)
	if err != nil {
		return "", fmt.Errorf("counting complaints: %w", err)
	}
	limit := t.s.complaints
	if limit.Share <= 0 || fresh < max(limit.Least, 1) {
		return "", nil
	}
	enough := int(math.Ceil(float64(fresh) / limit.Share)) // where so many were accepted the limit is kept
	if accepted < enough {
		accepted, err = t.countAccepted(ctx, campaign, domain, max(enough, NamedReaders))
	}
	if err != nil || accepted >= enough {
		return "", err
	}
	return fmt.Sprintf("%d of %d readers%s called it spam, which is more than %.2g %%; look at whom it goes to and why they get it, then resume",
		fresh, accepted, atDomain(domain, accepted), limit.Share*100), nil
}

// countAccepted counts some way beyond enough and keeps what it found, so that a
// campaign is counted a few times and not with each complaint. One that does not
// send has nothing to stop.
func (t *tx) countAccepted(ctx context.Context, campaign int64, domain string, enough int) (n int, err error) {
	var state string
	err = t.QueryRowContext(ctx, `SELECT state FROM campaign WHERE id = $1`, campaign).Scan(&state)
	if err != nil || state != "sending" {
		return enough, err
	}
	if n, err = t.acceptedOf(ctx, campaign, domain, 4*enough); err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, `UPDATE complaint SET accepted = $3 WHERE campaign = $1 AND provider = $2`, campaign, t.s.providerKey(domain), n)
	return n, err
}

// NamedReaders is how many readers a domain has at least where staff are told its
// name: one with fewer may be that of a family, and would name who complained.
const NamedReaders = 50

// atDomain says where complaints came from; nothing where they are those of all.
func atDomain(domain string, readers int) string {
	switch {
	case domain == "":
		return ""
	case readers < NamedReaders:
		return " at one domain"
	}
	return " at " + domain
}

// providerKey is a keyed hash: a domain may be that of one family.
func (s *Store) providerKey(domain string) string {
	if domain == "" {
		return ""
	}
	return s.digest("provider", domain)
}

// smallCampaign is up to how many deliveries are looked at one by one for the readers
// of a provider; in a larger campaign the readers are looked for.
const smallCampaign = 20000

// atProvider is what the index person_domain is made of.
const atProvider = `replace(p.email, rtrim(p.email, replace(p.email, '@', '')), '')`

// acceptedOf counts no further than enough. CROSS has SQLite begin with the table that
// is named first.
func (t *tx) acceptedOf(ctx context.Context, campaign int64, domain string, enough int) (n int, err error) {
	if domain == "" {
		return t.count(ctx, `SELECT 1 FROM delivery WHERE campaign = $1 AND state = 'accepted' LIMIT $2`, campaign, enough)
	}
	size, err := t.count(ctx, `SELECT 1 FROM delivery WHERE campaign = $1 LIMIT $2`, campaign, smallCampaign+1)
	if err != nil {
		return 0, err
	}
	of := `person p CROSS JOIN delivery d`
	if size <= smallCampaign {
		of = `delivery d CROSS JOIN person p`
	}
	return t.count(ctx, `SELECT 1 FROM `+of+` WHERE d.campaign = $1 AND d.address = p.address AND d.state = 'accepted' AND `+atProvider+` = $3 LIMIT $2`,
		campaign, enough, domain)
}

func (t *tx) count(ctx context.Context, of string, args ...any) (n int, err error) {
	if err = t.QueryRowContext(ctx, `SELECT count(*) FROM (`+of+`) AS d`, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("counting what was accepted: %w", err)
	}
	return n, nil
}

// pauseForComplaints stops marketing, and begins the count anew: whoever resumes it
// has looked, and is told again only of what comes then.
func (t *tx) pauseForComplaints(ctx context.Context, campaign int64, said string) (int64, error) {
	n, err := t.exec(ctx, `UPDATE campaign SET state = 'paused', note = $2 WHERE id = $1 AND state = 'sending' AND class IN ('newsletter', 'partner_offer')`, campaign, said)
	if err != nil || n == 0 {
		return 0, err
	}
	if _, err := t.exec(ctx, `UPDATE complaint SET fresh = 0 WHERE campaign = $1`, campaign); err != nil {
		return 0, fmt.Errorf("beginning the count of complaints anew: %w", err)
	}
	return campaign, t.raise(ctx, AlarmPaused, campaignKey(campaign))
}

// Complaints tells how many readers called a campaign spam.
func (s *Store) Complaints(ctx context.Context, campaign int64) (n int, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT COALESCE(max(n), 0) FROM complaint WHERE campaign = $1 AND provider = ''`, campaign).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting complaints: %w", err)
	}
	return n, nil
}
