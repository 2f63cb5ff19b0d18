package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"heed/consent"
)

// BounceAge is how long after a message was handed over a report about it is
// believed: servers give up within five days (RFC 5321 §4.5.4.1), and a return
// path that is older may have been read by anybody.
const BounceAge = 14 * 24 * time.Hour

// sent is the delivery that a report is about.
type sent struct {
	campaign, endAt   int64
	inFlight, planned bool // no result yet; no second copy yet
	returned          bool
}

// bounce acts only on reports that name a message of ours by what only its
// receiver can know, our return path or Message-ID (RFC 3464 §4.1: anybody can
// write one), once for each message, and for a while. A mailbox that does not
// exist makes its address dead; what is our fault or passing never does.
func (t *tx) bounce(ctx context.Context, m Inbound) (outcome string, k kept, paused int64, err error) {
	l := m.Request.Link
	if l == nil || l.Purpose != consent.PurposeBounce {
		return "no_action", kept{}, 0, nil
	}
	d, found, err := t.sentTo(ctx, *l)
	if err != nil || !found {
		return "no_action", kept{}, 0, err
	}
	k.key = l.Address.String()
	fate := t.fateOf(m.Request.Bounces, l.Address)
	if fate.Action != "failed" || d.returned || m.Received.Sub(time.UnixMicro(d.endAt)) > BounceAge || d.planned && !fate.Hard {
		return "no_action", k, 0, nil
	}
	held, err := t.lockKeys(ctx, []consent.Key{l.Address})
	if err != nil {
		return "", kept{}, 0, err
	}
	paused, err = t.cameBack(ctx, d, held, m, fate)
	return "returned", k, paused, err
}

// cameBack writes down what a report that is believed says.
func (t *tx) cameBack(ctx context.Context, d sent, held map[consent.Key]*standing, m Inbound, fate consent.Bounce) (paused int64, err error) {
	who := m.Request.Link.Address
	marked, err := t.markReturned(ctx, d, who.String())
	if err != nil {
		return 0, fmt.Errorf("noting a returned message: %w", err)
	}
	dies := fate.Hard && held[who].state.Dead == 0
	if !marked && !(d.planned && dies) {
		return 0, nil
	}
	if err := t.happened(ctx, happening{event: "bounce", kind: "message.bounced", at: t.now, subject: held[who].subject,
		body: HookBody{Campaign: strconv.FormatInt(d.campaign, 10), Hard: &fate.Hard, Status: fate.Status}}); err != nil {
		return 0, fmt.Errorf("noting a returned message: %w", err)
	}
	switch {
	case dies:
		_, err = t.record(ctx, held, []act{{key: who, scope: consent.ScopeDead, choice: consent.Set,
			received: m.Received, via: consent.ViaBounce, evidence: evidence(m)}})
	case fate.Policy:
		paused, err = t.policyRefused(ctx, d.campaign, fate.Status)
	}
	return paused, err
}

// markReturned notes that the message came back. Where its own result is not known
// yet, because a report can be faster than the reply of the server that wrote it, or
// the worker died before it wrote the reply down, the report is the result.
func (t *tx) markReturned(ctx context.Context, d sent, key string) (marked bool, err error) {
	if d.inFlight {
		if err := t.endClaim(ctx, d.campaign, key); err != nil {
			return false, err
		}
	}
	n, err := t.exec(ctx, `UPDATE delivery SET state = 'accepted', returned = $3, changed = $3 WHERE address = $1 AND campaign = $2
		AND state IN ('accepted', 'uncertain') AND returned IS NULL`, key, d.campaign, t.now.UnixMicro())
	return n > 0, err
}

// endClaim calls a message that is in flight uncertain, unless its result came
// meanwhile.
func (t *tx) endClaim(ctx context.Context, campaign int64, key string) error {
	found, err := t.QueryContext(ctx, `DELETE FROM claim WHERE campaign = $1 AND address = $2 RETURNING campaign, address, token, at`, campaign, key)
	if err != nil {
		return err
	}
	claims, err := gather(found, scanClaim)
	if err != nil || len(claims) == 0 {
		return err
	}
	return t.markUncertain(ctx, claims)
}

// handedOver is true of a message that somebody has had whole, so that what names it
// may be believed: also while its result is awaited, and before a second copy.
const handedOver = `(d.state IN ('accepted', 'uncertain') OR k.token IS NOT NULL OR d.state IN ('waiting', 'deferred') AND d.claimed IS NOT NULL)`

// sentTo finds the delivery that a link of a return path names; the link holds
// only the end of the campaign's number.
func (t *tx) sentTo(ctx context.Context, l consent.Link) (d sent, found bool, err error) {
	err = t.QueryRowContext(ctx, `SELECT d.campaign, COALESCE(k.at, d.end_at, d.claimed), k.token IS NOT NULL, k.token IS NULL AND d.state IN ('waiting', 'deferred'),
		d.returned IS NOT NULL FROM delivery d JOIN campaign c ON c.id = d.campaign LEFT JOIN claim k ON k.campaign = d.campaign AND k.address = d.address
		WHERE d.address = $1 AND c.id % 65536 = $2 AND `+handedOver+`
		ORDER BY c.id DESC LIMIT 1`, l.Address.String(), int(l.Scope)).Scan(&d.campaign, &d.endAt, &d.inFlight, &d.planned, &d.returned)
	if errors.Is(err, sql.ErrNoRows) {
		return d, false, nil
	}
	if err != nil {
		return d, false, fmt.Errorf("finding what was returned: %w", err)
	}
	return d, true, nil
}

// fateOf is what a report says of the message to this address: of the
// recipient itself where it is named, and otherwise, since mail is forwarded,
// the worst that it says of anybody.
func (t *tx) fateOf(bounces []consent.Bounce, who consent.Key) (worst consent.Bounce) {
	for _, b := range bounces {
		if key, _, err := t.s.Key(b.Recipient); err == nil && key == who {
			return b
		}
		if worst.Action != "failed" || b.Action == "failed" && b.Hard && !worst.Hard {
			worst = b
		}
	}
	return worst
}

// When a campaign stops itself: the receiving side refuses our mail by its
// policy so often that it is no single odd receiver, and each further message
// makes it worse.
const (
	PolicyLimit  = 5         // refusals, at least
	PolicyShare  = 20        // one of so many messages that were accepted meanwhile
	PolicyWindow = time.Hour // within
)

// PolicyRefused notes that a message was refused for a reason that lies with
// us, and pauses its campaign once there are too many. The person is none the
// worse for it.
func (s *Store) PolicyRefused(ctx context.Context, campaign int64, status string) (paused bool, err error) {
	err = s.inTx(ctx, "noting a refusal by policy", func(t *tx) error {
		id, err := t.policyRefused(ctx, campaign, status)
		paused = id != 0
		return err
	})
	return paused, err
}

func (t *tx) policyRefused(ctx context.Context, campaign int64, status string) (paused int64, err error) {
	id, err := t.take(ctx, "policy_refusal", 1)
	if err != nil {
		return 0, err
	}
	since := t.now.Add(-PolicyWindow).UnixMicro()
	if _, err := t.exec(ctx, `DELETE FROM policy_refusal WHERE at < $1`, since); err != nil {
		return 0, fmt.Errorf("forgetting old refusals: %w", err)
	}
	if _, err := t.exec(ctx, `INSERT INTO policy_refusal (id, campaign, at) VALUES ($1, $2, $3)`, id, campaign, t.now.UnixMicro()); err != nil {
		return 0, fmt.Errorf("noting a refusal by policy: %w", err)
	}
	refused, too, err := t.tooManyRefusals(ctx, campaign, since)
	if err != nil || !too {
		return 0, err
	}
	return t.pauseFor(ctx, campaign, refused, status)
}

// tooManyRefusals counts no further than the answer needs.
func (t *tx) tooManyRefusals(ctx context.Context, campaign, since int64) (refused int, too bool, err error) {
	if err := t.QueryRowContext(ctx, `SELECT count(*) FROM policy_refusal WHERE campaign = $1`, campaign).Scan(&refused); err != nil {
		return 0, false, fmt.Errorf("counting refusals: %w", err)
	}
	if refused < PolicyLimit {
		return refused, false, nil
	}
	var accepted int
	err = t.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM delivery WHERE campaign = $1 AND state = 'accepted' AND end_at > $2 LIMIT $3) AS d`,
		campaign, since, refused*PolicyShare+1).Scan(&accepted)
	if err != nil {
		return 0, false, fmt.Errorf("counting what was accepted: %w", err)
	}
	return refused, accepted <= refused*PolicyShare, nil
}

// pauseFor stops marketing only: an alert is tried to the end.
func (t *tx) pauseFor(ctx context.Context, campaign int64, refused int, status string) (int64, error) {
	if status == "" {
		status = "no code"
	}
	note := fmt.Sprintf("the receiving side refuses our mail by policy: %s (%d messages within an hour); look at authentication, reputation and content, then resume", status, refused)
	n, err := t.exec(ctx, `UPDATE campaign SET state = 'paused', note = $2 WHERE id = $1 AND state = 'sending' AND class IN ('newsletter', 'partner_offer')`, campaign, note)
	if err != nil || n == 0 {
		return 0, err
	}
	if _, err := t.exec(ctx, `DELETE FROM policy_refusal WHERE campaign = $1`, campaign); err != nil {
		return 0, fmt.Errorf("beginning the count anew: %w", err)
	}
	return campaign, t.raise(ctx, AlarmPaused, campaignKey(campaign))
}

// campaignKey names a campaign in an alarm.
func campaignKey(id int64) string { return "campaign " + strconv.FormatInt(id, 10) }

// PausedThemselves lists the campaigns that wait for a person because something
// went wrong, by their alarm's key. What a person paused has no note, and what a
// restore has put on hold has an alarm of its own.
func (s *Store) PausedThemselves(ctx context.Context) ([]string, error) {
	found, err := s.read.QueryContext(ctx, `SELECT id FROM campaign WHERE state = 'paused' AND note <> '' AND held = '' ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("looking for campaigns that paused themselves: %w", err)
	}
	ids, err := gather(found, single[int64])
	var keys []string
	for _, id := range ids {
		keys = append(keys, campaignKey(id))
	}
	return keys, err
}

// How many reports about mail of somebody else are too many. A few come to
// everybody whose domain a spammer once used.
const (
	foreignLimit  = 20
	foreignWindow = time.Hour
)

// ManyForeignReports tells whether bounces and spam reports come in number that
// name no message of ours.
func (s *Store) ManyForeignReports(ctx context.Context) (bool, error) {
	var n int
	err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM inbound WHERE address = '' AND recorded > $3
		AND (kind = $1 AND outcome = 'no_action' OR kind = $2 AND outcome = 'case')`,
		string(consent.KindBounce), string(consent.KindSpamReport), s.now().Add(-foreignWindow).UnixMicro()).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("counting reports about mail of others: %w", err)
	}
	return n >= foreignLimit, nil
}
