package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// Campaign is one message to many people, or an alert.
type Campaign struct {
	ID                                          int64
	Name                                        string
	Class                                       consent.Class
	Topic                                       int
	Service                                     int
	State                                       string
	Source                                      string  // the file it was made from
	Audience                                    string  // expression
	OnlyTo                                      string  // an alert for one address
	AlertKey                                    string  // an alert with the same key is the same alert
	Rate                                        float64 // messages a second; 0: as fast as the relay takes them
	Created, Scheduled, StartBy, Started, Ended time.Time
	Note                                        string // why it failed or was paused
	Pruned                                      bool   // only the sums of its deliveries are kept
	Held                                        string // its state when a restore put it on hold; empty: it is not
	SentBy                                      string // who sent an alert or wrote a notice
	OverCap                                     string // what was decided about those whom the cap holds back: approved, refused; empty: nothing yet
	Notice                                      string // kind of a notice: legal or sale; empty: it is none
	Purpose                                     string // what it uses data for; people whose version does not name it are skipped
	Policy                                      string // version that it tells of or asks about
}

// Message is what Decide needs of the campaign.
func (c Campaign) Message() consent.Message {
	return consent.Message{Class: c.Class, Topic: c.Topic, Service: c.Service, Approved: c.OverCap == overApproved, Purpose: c.Purpose, Version: c.Policy}
}

// ErrNotFound means that there is no such campaign, case or person.
var ErrNotFound = errors.New("there is none with this number")

// ErrState means that a step does not fit the state that a campaign or case is
// in.
var ErrState = errors.New("this cannot be done in its present state")

// AddCampaign stores a draft and gives its number. An alert whose key is known
// gives the first one's number, and fresh is false.
func (s *Store) AddCampaign(ctx context.Context, c Campaign) (id int64, fresh bool, err error) {
	err = s.inTx(ctx, "storing a campaign", func(t *tx) error {
		if c.AlertKey != "" {
			err := t.QueryRowContext(ctx, `SELECT id FROM campaign WHERE alert_key = $1`, c.AlertKey).Scan(&id)
			if !errors.Is(err, sql.ErrNoRows) {
				fresh = false
				return err
			}
		}
		fresh = true
		if id, err = t.take(ctx, "campaign", 1); err != nil {
			return err
		}
		_, err = t.exec(ctx, `INSERT INTO campaign (id, name, class, topic, service, state, source, audience, only_to, alert_key, rate, created, scheduled, start_by, purpose, policy, kind, sent_by, notice)
			VALUES ($1, $2, $3, $4, $5, 'draft', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`, id, c.Name, c.law(), number(c.Topic), number(c.Service),
			c.Source, c.Audience, c.OnlyTo, text(c.AlertKey), c.Rate, t.now.UnixMicro(), micro(c.Scheduled), micro(c.StartBy), c.Purpose, c.Policy, c.kind(), c.SentBy, c.Notice)
		return err
	})
	return id, fresh, err
}

func number(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// law is the kind of message by which the law looks at it, as the schema knows
// them: a request for consent is an offer, which an opt-out stops.
func (c Campaign) law() string {
	switch c.Class {
	case consent.PolicyNotice:
		return string(consent.Legal)
	case consent.ConsentRequest:
		return string(consent.PartnerOffer)
	}
	return string(c.Class)
}

// kind is what the schema keeps beside it.
func (c Campaign) kind() string {
	if c.law() != string(c.Class) {
		return string(c.Class)
	}
	return ""
}

// classOf is the class of a campaign in SQL.
func classOf(campaign string) string {
	return `CASE WHEN ` + campaign + `.kind IN ('policy_notice', 'consent_request') THEN ` + campaign + `.kind ELSE ` + campaign + `.class END`
}

const campaignColumns = `id, name, CASE WHEN kind IN ('policy_notice', 'consent_request') THEN kind ELSE class END, COALESCE(topic, 0), COALESCE(service, 0), state, source, audience, only_to,
	COALESCE(alert_key, ''), rate, created, scheduled, start_by, started, ended, note, held, pruned = 1, purpose, policy, sent_by, over_cap, notice`

func scanCampaign(row scanner) (c Campaign, err error) {
	var created, scheduled, startBy, started, ended sql.NullInt64
	err = row.Scan(&c.ID, &c.Name, &c.Class, &c.Topic, &c.Service, &c.State, &c.Source, &c.Audience, &c.OnlyTo,
		&c.AlertKey, &c.Rate, &created, &scheduled, &startBy, &started, &ended, &c.Note, &c.Held, &c.Pruned, &c.Purpose, &c.Policy, &c.SentBy, &c.OverCap, &c.Notice)
	c.Created, c.Scheduled, c.StartBy = fromMicro(created), fromMicro(scheduled), fromMicro(startBy)
	c.Started, c.Ended = fromMicro(started), fromMicro(ended)
	return c, err
}

// Campaign reads one campaign.
func (s *Store) Campaign(ctx context.Context, id int64) (Campaign, error) {
	c, err := scanCampaign(s.asker(ctx).QueryRowContext(ctx, `SELECT `+campaignColumns+` FROM campaign WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("campaign %d: %w", id, ErrNotFound)
	}
	return c, err
}

// Campaigns lists those in any of the states, all where none is named.
func (s *Store) Campaigns(ctx context.Context, states ...string) ([]Campaign, error) {
	query, args := `SELECT `+campaignColumns+` FROM campaign`, []any{}
	if len(states) > 0 {
		query += ` WHERE state IN (` + list(len(states), 1) + `)`
		for _, state := range states {
			args = append(args, state)
		}
	}
	found, err := s.read.QueryContext(ctx, query+` ORDER BY id`, args...)
	if err != nil {
		return nil, fmt.Errorf("listing campaigns: %w", err)
	}
	return gather(found, scanCampaign)
}

// Schedule sets when a draft begins, and until when at the latest.
func (s *Store) Schedule(ctx context.Context, id int64, at, startBy time.Time) error {
	return s.step(ctx, id, "scheduling", `UPDATE campaign SET state = 'scheduled', scheduled = $2, start_by = COALESCE($3, start_by)
		WHERE id = $1 AND state IN ('draft', 'scheduled') AND `+approvedByTwo+` AND `+s.provenOr(), at.UnixMicro(), micro(startBy))
}

// Start begins a campaign at once. Its audience is everybody stored by now.
func (s *Store) Start(ctx context.Context, id int64) error {
	err := s.step(ctx, id, "starting", `UPDATE campaign SET state = 'sending', started = $2,
		bound = COALESCE((SELECT value FROM counter WHERE name = 'person'), 0)
		WHERE id = $1 AND state IN ('draft', 'scheduled') AND held = '' AND `+approvedByTwo+` AND `+s.provenOr(), s.now().UnixMicro())
	s.pokeAll()
	return err
}

// StartDue begins what is due, and marks as missed what may no longer begin.
func (s *Store) StartDue(ctx context.Context) error {
	now := s.now().UnixMicro()
	var due int
	if err := s.lookRow(ctx, `SELECT count(*) FROM campaign WHERE state = 'scheduled' AND scheduled <= $1 AND held = ''`, now).Scan(&due); err != nil || due == 0 {
		return err
	}
	return s.inTx(ctx, "starting what is due", func(t *tx) error {
		if _, err := t.exec(ctx, `UPDATE campaign SET state = 'missed', ended = $1, note = 'it could not start before its start_by'
			WHERE state = 'scheduled' AND scheduled <= $1 AND held = '' AND start_by IS NOT NULL AND start_by < $1`, now); err != nil {
			return err
		}
		_, err := t.exec(ctx, `UPDATE campaign SET state = 'sending', started = $1,
			bound = COALESCE((SELECT value FROM counter WHERE name = 'person'), 0)
			WHERE state = 'scheduled' AND scheduled <= $1 AND held = '' AND `+approvedByTwo, now)
		return err
	})
}

// Pause stops a campaign and waits for what is in flight; it gives how many
// messages then still were. note tells why, empty for a person's wish.
func (s *Store) Pause(ctx context.Context, id int64, note string) (inFlight int, err error) {
	if err := s.step(ctx, id, "pausing", `UPDATE campaign SET state = 'paused', note = $2 WHERE id = $1 AND state = 'sending'`, note); err != nil {
		return 0, err
	}
	return s.AwaitCampaign(ctx, id)
}

// Resume lets a paused campaign go on.
func (s *Store) Resume(ctx context.Context, id int64) error {
	err := s.step(ctx, id, "resuming", `UPDATE campaign SET state = 'sending', note = '', held = '' WHERE id = $1 AND state = 'paused'`)
	s.pokeAll()
	return err
}

// Cancel ends a campaign: whoever still waits will not get it. It waits for
// what is in flight like Pause.
func (s *Store) Cancel(ctx context.Context, id int64) (inFlight int, err error) {
	now := s.now().UnixMicro()
	if err := s.step(ctx, id, "cancelling", `UPDATE campaign SET state = 'cancelled', ended = $2
		WHERE id = $1 AND state IN ('draft', 'scheduled', 'sending', 'paused')`, now); err != nil {
		return 0, err
	}
	return s.AwaitCampaign(ctx, id)
}

// AwaitCampaign waits, after a campaign was paused or cancelled, for what is in
// flight, and gives everybody who still waits for a cancelled one their outcome.
// Inside Together it does nothing: whoever calls calls it again afterwards.
func (s *Store) AwaitCampaign(ctx context.Context, id int64) (inFlight int, err error) {
	if s.in(ctx) != nil {
		return 0, nil
	}
	c, err := s.Campaign(ctx, id)
	if err != nil {
		return 0, err
	}
	inFlight, err = s.awaitCampaign(ctx, id)
	if err != nil || c.State != "cancelled" {
		return inFlight, err
	}
	return inFlight, s.skipWaiting(ctx, id, consent.Cancelled)
}

// Fail ends a campaign that cannot be sent, and says why.
func (s *Store) Fail(ctx context.Context, id int64, why string) error {
	err := s.step(ctx, id, "failing", `UPDATE campaign SET state = 'failed', ended = $2, note = $3
		WHERE id = $1 AND state IN ('sending', 'scheduled')`, s.now().UnixMicro(), why)
	if err != nil && !errors.Is(err, ErrState) { // another batch may have said so already
		return err
	}
	return s.skipWaiting(ctx, id, consent.Unrenderable)
}

// step moves a campaign along one arrow of its state machine.
func (s *Store) step(ctx context.Context, id int64, what, query string, args ...any) error {
	return s.inTx(ctx, what+" campaign "+fmt.Sprint(id), func(t *tx) error {
		n, err := t.exec(ctx, query, append([]any{id}, args...)...)
		if err != nil || n > 0 {
			return err
		}
		var state, held string
		var approved, authentic bool
		if err := t.QueryRowContext(ctx, `SELECT state, held, `+approvedByTwo+`, `+s.provenOr()+` FROM campaign WHERE id = $1`, id).Scan(&state, &held, &approved, &authentic); err != nil {
			return ErrNotFound
		}
		if held != "" {
			return ErrHeld
		}
		if !approved && (state == "draft" || state == "scheduled") {
			return errApproval
		}
		if !authentic && (state == "draft" || state == "scheduled") {
			return errUnproven
		}
		return fmt.Errorf("it is %s: %w", state, ErrState)
	})
}

// awaitCampaign waits, after a campaign's state changed, for the claims that
// were made before: first for transactions that read the old state, then for
// the relay's answers.
func (s *Store) awaitCampaign(ctx context.Context, id int64) (int, error) {
	if s.d.awaitCampaign != "" {
		err := s.inTx(ctx, "waiting for claims", func(t *tx) error {
			_, err := t.exec(ctx, s.d.awaitCampaign, id)
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return s.await(ctx, `SELECT count(*) FROM claim WHERE campaign = $1`, id)
}

// skipWaiting gives everybody who still waits one outcome, in bounded steps.
func (s *Store) skipWaiting(ctx context.Context, id int64, reason consent.Reason) error {
	for {
		var n int64
		err := s.inTx(ctx, "ending what waits", func(t *tx) (err error) {
			if n, err = t.exec(ctx, `UPDATE delivery SET state = 'skipped', reason = $2, changed = $3 WHERE campaign = $1 AND address IN (
				SELECT d.address FROM delivery d LEFT JOIN claim k ON k.campaign = d.campaign AND k.address = d.address
				WHERE d.campaign = $1 AND d.state IN ('waiting', 'deferred') AND k.token IS NULL LIMIT 2000)`, id, string(reason), t.now.UnixMicro()); err != nil {
				return err
			}
			_, err = t.exec(ctx, `DELETE FROM retry WHERE campaign = $1`, id)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}
