package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"heed/consent"
)

// fanChunk is how many people one step of a fan-out takes. The first step is
// small, so that the first message leaves at once.
const (
	firstChunk = 100
	fanChunk   = 500
)

// A job carries between leastBatch and mostBatch messages, fewer the nearer the end
// of the audience is: all lanes then have work until nearly the last message, also
// in a small campaign. A job costs as much as some ten messages.
const (
	leastBatch = 25
	mostBatch  = 200
)

// batchSize is for somebody behind whom at most so many people follow.
func batchSize(behind int64) int { return int(min(max(behind/100, leastBatch), mostBatch)) }

// FanOut writes the next chunk of a sending campaign's deliveries together with
// the jobs that carry them. done tells that all of the audience is written.
func (s *Store) FanOut(ctx context.Context, id int64) (done bool, err error) {
	err = s.inTx(ctx, fmt.Sprintf("fanning out campaign %d", id), func(t *tx) error {
		done, err = t.fanOut(ctx, id)
		return err
	})
	s.pokeHere()
	return done, err
}

func (t *tx) fanOut(ctx context.Context, id int64) (done bool, err error) {
	c, err := scanCampaign(t.QueryRowContext(ctx, `SELECT `+campaignColumns+` FROM campaign WHERE id = $1`+t.s.d.forUpdate, id))
	if err != nil {
		return false, err
	}
	var cursor, bound int64
	var fanned int
	if err := t.QueryRowContext(ctx, `SELECT fan_cursor, bound, fanned FROM campaign WHERE id = $1`, id).Scan(&cursor, &bound, &fanned); err != nil {
		return false, err
	}
	if fanned == 1 || c.State != "sending" {
		return true, nil
	}
	reached, last, err := t.reach(ctx, c, cursor, bound)
	if err != nil {
		return false, err
	}
	if err := t.writeDeliveries(ctx, c, reached, batchSize(bound-last)); err != nil {
		return false, err
	}
	done = last >= bound
	_, err = t.exec(ctx, `UPDATE campaign SET fan_cursor = $2, fanned = $3 WHERE id = $1`, id, last, flag(done))
	return done, err
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

// reached is somebody in the audience, and the reason for which they are
// skipped already now, if any.
type reached struct {
	person int64
	key    string
	reason consent.Reason
}

// reach reads the next people of the audience. This is a first sieve: whoever
// passes it is asked again when their message is about to end.
func (t *tx) reach(ctx context.Context, c Campaign, cursor, bound int64) (found []reached, last int64, err error) {
	audience, err := consent.ParseAudience(c.Audience)
	if err != nil {
		return nil, 0, fmt.Errorf("reading its audience: %w", err)
	}
	limit := fanChunk
	if cursor == 0 {
		limit = firstChunk
	}
	people, err := t.members(ctx, c, cursor, bound, limit, audience.All())
	if err != nil {
		return nil, 0, err
	}
	last = bound
	if len(people) == limit {
		last = people[len(people)-1].ID
	}
	lists, err := t.lists(ctx, audience.NeedsLists(), people)
	if err != nil {
		return nil, 0, err
	}
	for _, p := range people {
		if audience.Match(lists.Traits(p)) {
			found = append(found, reached{p.ID, p.Key.String(), t.sieve(c, p)})
		}
	}
	return found, last, nil
}

func (t *tx) sieve(c Campaign, p Person) consent.Reason {
	if !c.Class.Marketing() {
		return "" // what depends on counts is only decided at the claim
	}
	return consent.Decide(consent.Person{At: t.now, State: p.State}, c.Message(), t.s.limits)
}

// members reads the people that a campaign can reach at all: everybody, for an
// alert the holders of its service, or the one address that it is for. Of somebody
// read in brief only the number, the key and the state are known.
func (t *tx) members(ctx context.Context, c Campaign, cursor, bound int64, limit int, brief bool) ([]Person, error) {
	columns, scan := personColumns, scanPerson
	if brief {
		columns, scan = `p.id, p.address, a.state`, scanBrief
	}
	query := `SELECT ` + columns + ` FROM person p JOIN address a ON a.key = p.address WHERE p.id > $1 AND p.id <= $2`
	args, order := []any{cursor, bound}, "p.id"
	if c.Service != 0 { // from the holders, who are few among all people
		query = `SELECT ` + columns + ` FROM holding h JOIN person p ON p.id = h.person JOIN address a ON a.key = p.address
			WHERE h.person > $1 AND h.person <= $2 AND h.service = $3`
		args, order = append(args, c.Service), "h.person"
	}
	if c.OnlyTo != "" {
		args = append(args, c.OnlyTo)
		query += fmt.Sprintf(` AND p.address = $%d`, len(args))
	}
	query += fmt.Sprintf(` ORDER BY %s LIMIT %d`, order, limit)
	found, err := t.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("reading the audience: %w", err)
	}
	return gather(found, scan)
}

func scanBrief(row scanner) (p Person, err error) {
	var key, state string
	if err = row.Scan(&p.ID, &key, &state); err != nil {
		return p, err
	}
	if p.Key, err = consent.ParseKey(key); err != nil {
		return p, err
	}
	p.State, err = consent.DecodeState(state)
	return p, err
}

// writeDeliveries writes a row for everybody reached, and jobs of so many messages
// for those who are to be sent to.
func (t *tx) writeDeliveries(ctx context.Context, c Campaign, all []reached, size int) error {
	due := 0
	for _, r := range all {
		if r.reason == "" {
			due++
		}
	}
	jobs := (due + size - 1) / size
	first, err := t.addJobs(ctx, jobs, Job{Queue: c.queue(), Kind: "send", Campaign: c.ID})
	if err != nil {
		return err
	}
	waiting, skipped := make([]any, 0, 3*due), []any(nil)
	for _, r := range all {
		if r.reason != "" {
			skipped = append(skipped, r.key, r.person, string(r.reason))
			continue
		}
		// Neighbours go into different jobs: what is sent at the same time then lies
		// side by side, and a group of claims writes few pages.
		waiting = append(waiting, r.key, r.person, first+int64(len(waiting)/3%jobs))
	}
	if err := t.insertDeliveries(ctx, c, `'waiting', '', v.column3`, "BIGINT", waiting); err != nil {
		return err
	}
	return t.insertDeliveries(ctx, c, `'skipped', v.column3, NULL`, "TEXT", skipped)
}

// insertDeliveries writes rows of key, person and a third value, whose type is kind.
func (t *tx) insertDeliveries(ctx context.Context, c Campaign, columns, kind string, values []any) error {
	if len(values) == 0 {
		return nil
	}
	table, args := t.s.d.given(values, 3, "TEXT", "BIGINT", kind)
	_, err := t.exec(ctx, `INSERT INTO delivery (campaign, address, person, state, reason, job, changed)
		SELECT CAST($1 AS BIGINT), v.column1, v.column2, `+columns+`, CAST($2 AS BIGINT) FROM `+table+` WHERE true ON CONFLICT DO NOTHING`,
		append([]any{c.ID, t.now.UnixMicro()}, args...)...)
	if err != nil {
		return fmt.Errorf("writing deliveries: %w", err)
	}
	return nil
}

// queue is the asynq queue that carries a campaign's batches. It is that of the
// newsletters for whatever goes to everybody: an alert must not wait behind a notice
// to all.
func (c Campaign) queue() string {
	if c.Class.Marketing() || c.Class == consent.Legal || c.Class == consent.PolicyNotice {
		return "newsletter"
	}
	return "alert"
}

// Estimate counts who a campaign would reach if it began now, and who not and
// why. It asks the same questions as the send.
func (s *Store) Estimate(ctx context.Context, c Campaign, each func(Person, consent.Reason)) error {
	audience, err := consent.ParseAudience(c.Audience)
	if err != nil {
		return err
	}
	return s.inRead(ctx, func(t *tx) error {
		for cursor := int64(0); ; {
			people, err := t.members(ctx, c, cursor, 1<<62, fanChunk, false)
			if err != nil || len(people) == 0 {
				return err
			}
			lists, err := t.lists(ctx, audience.NeedsLists(), people)
			if err != nil {
				return err
			}
			for _, p := range people {
				if audience.Match(lists.Traits(p)) {
					each(p, t.decide(ctx, c, p))
				}
				cursor = p.ID
			}
		}
	})
}

func (t *tx) decide(ctx context.Context, c Campaign, p Person) consent.Reason {
	who := consent.Person{At: t.now, State: p.State, Holds: true}
	switch c.Class {
	case consent.Alert:
		_ = t.QueryRowContext(ctx, alertsReceived, p.Key.String(), t.now.Add(-AlertWindow).UnixMicro(), c.ID).Scan(&who.Received)
	case consent.PolicyNotice, consent.ConsentRequest:
		_ = t.QueryRowContext(ctx, aboutVersion(`$1`, `$2`, `$3`, `$4`), string(c.Class), c.Policy, c.ID, p.Key.String()).Scan(&who.Received)
	}
	return consent.Decide(who, c.Message(), t.s.limits)
}

// AlertWindow is the time over which the cap on alerts counts.
const AlertWindow = 30 * 24 * time.Hour

const alertsReceived = `SELECT count(*) FROM delivery d JOIN campaign c ON c.id = d.campaign
	WHERE c.class = 'alert' AND d.address = $1 AND d.state IN ('accepted', 'uncertain') AND d.changed > $2 AND c.id <> $3`

// inSnapshot runs a step whose reads all see the same moment.
func (s *Store) inSnapshot(ctx context.Context, step func(*tx) error) error {
	options := &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
	if s.d.sqlite() {
		options = nil // a reading transaction is a snapshot there
	}
	raw, err := s.read.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	defer raw.Rollback()
	if !s.d.sqlite() { // it holds nobody up, and may think for long
		if _, err := raw.ExecContext(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
			return err
		}
	}
	return step(&tx{Tx: raw, s: s, now: s.now().UTC(), reads: true})
}

// inRead runs a step that only reads, on the pool of readers.
func (s *Store) inRead(ctx context.Context, step func(*tx) error) error {
	raw, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer raw.Rollback()
	return step(&tx{Tx: raw, s: s, now: s.now().UTC(), reads: true})
}

// Unfanned is a sending campaign whose audience is not yet written.
type Unfanned struct {
	ID    int64
	Ahead bool // enough is written for a while
}

// ahead is how many jobs of a campaign may wait before its fan-out takes its
// time: whoever has an opt-out to record waits for each of its steps.
const ahead = 100

// Unfanned lists them: what is urgent, such as alerts, or what is not.
func (s *Store) Unfanned(ctx context.Context, urgent bool) ([]Unfanned, error) {
	which := `c.class IN ('newsletter', 'partner_offer', 'legal')`
	if urgent {
		which = `c.class NOT IN ('newsletter', 'partner_offer', 'legal')`
	}
	found, err := s.look(ctx, `SELECT c.id, (SELECT count(*) FROM (SELECT 1 FROM job j WHERE j.campaign = c.id AND j.state = 'ready' LIMIT $1) x)
		FROM campaign c WHERE c.state = 'sending' AND c.fanned = 0 AND `+which+` ORDER BY c.id`, ahead)
	if err != nil {
		return nil, fmt.Errorf("looking for audiences to write: %w", err)
	}
	return gather(found, func(row scanner) (u Unfanned, err error) {
		var ready int
		err = row.Scan(&u.ID, &ready)
		u.Ahead = ready >= ahead
		return u, err
	})
}
