package store

import (
	"context"
	"errors"
	"fmt"

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
//
// Its people are read before the writer is taken, for which claims and opt-outs wait.
// Where one of them was erased or moved meanwhile, they are read again.
func (s *Store) FanOut(ctx context.Context, id int64) (done bool, err error) {
	read, err := s.readAhead(ctx, id)
	if err != nil {
		return false, fmt.Errorf("reading ahead for campaign %d: %w", id, err)
	}
	return s.fanOutRead(ctx, id, read)
}

func (s *Store) readAhead(ctx context.Context, id int64) (read stretch, err error) {
	err = s.inRead(ctx, func(t *tx) error {
		if read, err = t.stretch(ctx, id, ""); err != nil || read.over() {
			return err
		}
		return t.reach(ctx, &read)
	})
	return read, err
}

func (s *Store) fanOutRead(ctx context.Context, id int64, read stretch) (done bool, err error) {
	defer s.room.ring() // for whoever carries: there are jobs
	if done, err = s.fanOut(ctx, id, read); errors.Is(err, errMoved) {
		done, err = s.fanOut(ctx, id, stretch{})
	}
	return done, err
}

// errMoved means that not all people are as they were when they were read.
var errMoved = errors.New("people of its audience changed since they were read")

func (s *Store) fanOut(ctx context.Context, id int64, read stretch) (done bool, err error) {
	err = s.inTx(ctx, fmt.Sprintf("fanning out campaign %d", id), func(t *tx) error {
		done, err = t.fanOut(ctx, id, read)
		return err
	})
	return done, err
}

func (t *tx) fanOut(ctx context.Context, id int64, read stretch) (done bool, err error) {
	if err := t.barrier(ctx, t.s.d.shareFanOuts); err != nil {
		return false, err
	}
	now, err := t.stretch(ctx, id, t.s.d.forUpdate)
	if err != nil || now.over() {
		return now.over(), err
	}
	early := read.last > 0 && read.cursor == now.cursor
	if early {
		now.last, now.reached = read.last, read.reached
	} else if err := t.reach(ctx, &now); err != nil {
		return false, err
	}
	written, err := t.writeDeliveries(ctx, now, batchSize(now.bound-now.last), early)
	if err != nil {
		return false, err
	}
	if early && written < len(now.reached) {
		return false, errMoved
	}
	done = now.last >= now.bound
	_, err = t.exec(ctx, `UPDATE campaign SET fan_cursor = $2, fanned = $3 WHERE id = $1`, id, now.last, flag(done))
	return done, err
}

// betweenSteps waits for the steps of fan-outs that may have read a person as they
// were, and holds the next ones off until the transaction has ended: all rows of the
// person are there then, and none is written under a key that is no longer theirs.
// It comes before counters and the ledger: a step takes numbers too, and each would
// wait for the other.
func (t *tx) betweenSteps(ctx context.Context) error { return t.barrier(ctx, t.s.d.awaitFanOuts) }

func (t *tx) barrier(ctx context.Context, lock string) error {
	if lock == "" {
		return nil
	}
	if _, err := t.exec(ctx, lock); err != nil {
		return fmt.Errorf("waiting between a fan-out and a change of keys: %w", err)
	}
	return nil
}

// stretch is the part of an audience that is written next.
type stretch struct {
	Campaign
	cursor, bound int64 // people behind the one, up to the other, are yet to be written
	fanned        int
	last          int64 // of those reached
	reached       []reached
}

func (s stretch) over() bool { return s.fanned == 1 || s.State != "sending" }

// stretch reads where a campaign stands.
func (t *tx) stretch(ctx context.Context, id int64, lock string) (s stretch, err error) {
	if s.Campaign, err = scanCampaign(t.QueryRowContext(ctx, `SELECT `+campaignColumns+` FROM campaign WHERE id = $1`+lock, id)); err != nil {
		return s, err
	}
	err = t.QueryRowContext(ctx, `SELECT fan_cursor, bound, fanned FROM campaign WHERE id = $1`, id).Scan(&s.cursor, &s.bound, &s.fanned)
	return s, err
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
func (t *tx) reach(ctx context.Context, s *stretch) error {
	audience, err := consent.ParseAudience(s.Audience)
	if err != nil {
		return fmt.Errorf("reading its audience: %w", err)
	}
	limit := fanChunk
	if s.cursor == 0 {
		limit = firstChunk
	}
	people, err := t.members(ctx, s.Campaign, s.cursor, s.bound, limit, audience.All())
	if err != nil {
		return err
	}
	s.last = s.bound
	if len(people) == limit {
		s.last = people[len(people)-1].ID
	}
	lists, err := t.lists(ctx, audience.NeedsLists(), people)
	if err != nil {
		return err
	}
	for _, p := range people {
		if audience.Match(lists.Traits(p)) {
			s.reached = append(s.reached, reached{p.ID, p.Key.String(), t.sieve(s.Campaign, p)})
		}
	}
	return nil
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
// for those who are to be sent to. written counts the rows: not those of people who had
// one, or, where they were read early, who are no more as they were.
func (t *tx) writeDeliveries(ctx context.Context, s stretch, size int, early bool) (written int, err error) {
	c, due := s.Campaign, 0
	for _, r := range s.reached {
		if r.reason == "" {
			due++
		}
	}
	jobs := (due + size - 1) / size
	first, err := t.addJobs(ctx, jobs, Job{Queue: c.queue(), Kind: "send", Campaign: c.ID})
	if err != nil {
		return 0, err
	}
	waiting, skipped := make([]any, 0, 3*due), []any(nil)
	for _, r := range s.reached {
		if r.reason != "" {
			skipped = append(skipped, r.key, r.person, string(r.reason))
			continue
		}
		// Neighbours go into different jobs: what is sent at the same time then lies
		// side by side, and a group of claims writes few pages.
		waiting = append(waiting, r.key, r.person, first+int64(len(waiting)/3%jobs))
	}
	if written, err = t.insertDeliveries(ctx, c, `'waiting', '', v.column3`, "BIGINT", waiting, early); err != nil {
		return 0, err
	}
	further, err := t.insertDeliveries(ctx, c, `'skipped', v.column3, NULL`, "TEXT", skipped, early)
	return written + further, err
}

// insertDeliveries writes rows of key, person and a third value, whose type is kind.
// Of people who were read early it writes those who still have that key, and tells of
// one who has a row already: to look for it beforehand costs a fifth of the whole.
func (t *tx) insertDeliveries(ctx context.Context, c Campaign, columns, kind string, values []any, early bool) (written int, err error) {
	if len(values) == 0 {
		return 0, nil
	}
	table, args := t.s.d.given(values, 3, "TEXT", "BIGINT", kind)
	which := `true ON CONFLICT DO NOTHING`
	if early { // by the index: for a join PostgreSQL would read all people, where they are no more than some thousands
		which = `v.column1 = (SELECT p.address FROM person p WHERE p.id = v.column2)`
	}
	n, err := t.exec(ctx, `INSERT INTO delivery (campaign, address, person, state, reason, job, changed)
		SELECT CAST($1 AS BIGINT), v.column1, v.column2, `+columns+`, CAST($2 AS BIGINT) FROM `+table+` WHERE `+which,
		append([]any{c.ID, t.now.UnixMicro()}, args...)...)
	switch {
	case early && taken(err):
		return 0, errMoved
	case err != nil:
		return 0, fmt.Errorf("writing deliveries: %w", err)
	}
	return int(n), nil
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
