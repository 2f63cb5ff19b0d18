package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"heed/consent"
)

// Explanation is all that is known of one address: what was decided, and what
// was sent or not, and why.
type Explanation struct {
	Email    string          `json:"email"`
	Known    bool            `json:"known"` // somebody is stored under this address
	State    ExplainState    `json:"state"`
	Ledger   []ExplainLine   `json:"ledger"`
	Messages []ExplainSent   `json:"messages"`
	Letters  []ExplainLetter `json:"letters"`
	Cases    []ExplainCase   `json:"cases"`
	Given    []ReportGiven   `json:"given_to_others"`
}

// ExplainState is the fold of the ledger in words.
type ExplainState struct {
	Marketing     string            `json:"marketing"` // in | out | unknown
	Topics        map[string]string `json:"topics"`
	PartnerOffers string            `json:"partner_offers"`
	Sharing       string            `json:"sharing"`
	OnHold        bool              `json:"on_hold"`
	Restricted    bool              `json:"restricted"`
	Dead          bool              `json:"dead"`
	Erased        bool              `json:"erased"`
	Suppressed    bool              `json:"suppressed"`
	PausedUntil   *time.Time        `json:"paused_until,omitempty"` // by the person's wish; marketing waits till then
}

// ExplainLine is a row of the ledger.
type ExplainLine struct {
	At     time.Time `json:"at"`
	Scope  string    `json:"scope"`
	Choice string    `json:"choice"`
	Via    string    `json:"via"`
	Policy string    `json:"policy"`

	Until *time.Time `json:"until,omitempty"` // of a pause
}

// ExplainSent is what became of one message.
type ExplainSent struct {
	Campaign string    `json:"campaign"`
	Name     string    `json:"name"`
	Outcome  string    `json:"outcome"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
}

// ExplainLetter is a mail of ours to this person alone.
type ExplainLetter struct {
	Kind  string    `json:"kind"`
	State string    `json:"state"` // waiting | sent | rejected | dropped
	Case  int64     `json:"case,omitempty"`
	At    time.Time `json:"at"`
}

// ExplainCase is a request of this person.
type ExplainCase struct {
	Reference string     `json:"reference"`
	Kind      string     `json:"kind"`
	State     string     `json:"state"`
	Via       string     `json:"via"`
	Received  time.Time  `json:"received"`
	Ended     *time.Time `json:"ended,omitempty"`
}

// Explain tells everything about one address, stored or not.
func (s *Store) Explain(ctx context.Context, address string) (Explanation, error) {
	key, email, err := s.Key(address)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Email: email, Ledger: []ExplainLine{}, Messages: []ExplainSent{}, Letters: []ExplainLetter{}}
	topics, err := s.Topics(ctx)
	if err != nil {
		return e, err
	}
	state, err := s.State(ctx, key)
	if err != nil {
		return e, err
	}
	e.State = StateInWords(state, topics, s.now())
	if _, e.Known, err = s.PersonByKey(ctx, key); err != nil {
		return e, err
	}
	if e.Ledger, err = s.explainLedger(ctx, key, topics); err != nil {
		return e, err
	}
	if e.Messages, err = s.explainSent(ctx, key); err != nil {
		return e, err
	}
	letters, err := s.Letters(ctx, key)
	for _, one := range letters {
		at := one.Created
		if !one.Ended.IsZero() {
			at = one.Ended
		}
		e.Letters = append(e.Letters, ExplainLetter{one.Kind, one.State, one.Case, at})
	}
	if err != nil {
		return e, err
	}
	return e, s.explainRest(ctx, key, &e)
}

// explainRest adds the person's requests, and what others were given or told.
func (s *Store) explainRest(ctx context.Context, key consent.Key, e *Explanation) error {
	var r Held
	err := s.inSnapshot(ctx, func(t *tx) error {
		g, err := t.gather(ctx, key)
		if err != nil {
			return err
		}
		if err := g.cases(ctx, &r); err != nil {
			return err
		}
		return g.given(ctx, &r)
	})
	e.Cases, e.Given = []ExplainCase{}, append([]ReportGiven{}, r.Given...)
	for _, c := range r.Cases {
		e.Cases = append(e.Cases, ExplainCase{c.Reference, c.Kind, c.State, c.Via, c.Received, c.Ended})
	}
	return err
}

// StateInWords says what a state means for each topic, at a moment.
func StateInWords(s consent.State, topics []Named, now time.Time) ExplainState {
	e := ExplainState{Marketing: word(s.Marketing), PartnerOffers: word(s.Partner), Sharing: word(s.Sharing), Topics: map[string]string{},
		OnHold: s.Hold != 0, Restricted: s.Restricted != 0, Dead: s.Dead != 0, Erased: s.Erased != 0, Suppressed: s.Suppressed != 0}
	if s.Paused(now) {
		until := time.UnixMicro(s.Pause).UTC()
		e.PausedUntil = &until
	}
	for _, topic := range topics {
		mark := s.Consent(consent.Message{Class: consent.Newsletter, Topic: topic.Number})
		if mark.Choice == "" && s.Marketing.Choice == consent.Out {
			mark = s.Marketing
		}
		e.Topics[topic.ID] = word(mark)
		if mark.Choice == consent.In && s.Marketing.Choice == "" {
			e.Marketing = "in"
		}
	}
	return e
}

func word(m consent.Mark) string {
	if m.Choice == "" {
		return "unknown"
	}
	return string(m.Choice)
}

func (s *Store) explainLedger(ctx context.Context, key consent.Key, topics []Named) ([]ExplainLine, error) {
	entries, err := s.Ledger(ctx, key)
	if err != nil {
		return nil, err
	}
	slugs := map[consent.Scope]string{}
	for _, topic := range topics {
		slugs[consent.TopicScope(topic.Number)] = "topic:" + topic.ID
	}
	lines := make([]ExplainLine, 0, len(entries))
	for _, e := range entries {
		scope := string(e.Scope)
		if slug, isTopic := slugs[e.Scope]; isTopic {
			scope = slug
		}
		line := ExplainLine{At: e.Received, Scope: scope, Choice: string(e.Choice), Via: string(e.Via), Policy: e.PolicyID}
		if until, pause := e.Scope.Pause(); pause {
			line.Scope, line.Until = "pause", &until
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// Ledger reads the rows of one address key, oldest first.
func (s *Store) Ledger(ctx context.Context, key consent.Key) ([]consent.Entry, error) {
	found, err := s.read.QueryContext(ctx, ledgerOf, key.String())
	return scanLedger(found, err)
}

// ledger reads them inside a transaction that holds the key.
func (t *tx) ledger(ctx context.Context, key consent.Key) ([]consent.Entry, error) {
	found, err := t.QueryContext(ctx, ledgerOf, key.String())
	return scanLedger(found, err)
}

const ledgerOf = `SELECT ` + ledgerColumns + ` FROM ledger WHERE address = $1 ORDER BY seq`

func scanLedger(found *sql.Rows, err error) ([]consent.Entry, error) {
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	defer found.Close()
	var entries []consent.Entry
	for found.Next() {
		e, _, err := scanEntry(found)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, found.Err()
}

func (s *Store) explainSent(ctx context.Context, key consent.Key) ([]ExplainSent, error) {
	found, err := s.read.QueryContext(ctx, `SELECT c.id, c.name, CASE WHEN k.token IS NOT NULL THEN 'in_flight' ELSE d.state END, d.reason, d.changed, d.returned
		FROM campaign c JOIN delivery d ON d.campaign = c.id AND d.address = $1
		LEFT JOIN claim k ON k.campaign = d.campaign AND k.address = d.address ORDER BY c.id`, key.String())
	if err != nil {
		return nil, fmt.Errorf("reading what was sent: %w", err)
	}
	defer found.Close()
	all := []ExplainSent{}
	for found.Next() {
		var one ExplainSent
		var id, changed int64
		var returned sql.NullInt64
		if err := found.Scan(&id, &one.Name, &one.Outcome, &one.Reason, &changed, &returned); err != nil {
			return nil, err
		}
		one.Campaign, one.At = strconv.FormatInt(id, 10), time.UnixMicro(changed).UTC()
		if returned.Valid {
			one.Outcome, one.At = "returned", fromMicro(returned)
		}
		all = append(all, one)
	}
	return all, found.Err()
}
