package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// Shared is what a partner may be given of one person who agreed to it.
type Shared struct {
	Number                                 int64 // of the person, for who goes on from here
	Email                                  string
	FirstName, LastName, Company, Language string
}

// FeedPage gives those among the next n people, behind a number, whom a partner
// may be given, and notes that the partner has them now. It asks what is
// committed at this moment, so that whoever withdrew is not in it. last is 0 at
// the end.
//
// It reads without a lock, and locks only those whom the partner had not got:
// who withdrew between the two is found then, and the page read again.
func (s *Store) FeedPage(ctx context.Context, partner string, after int64, n int) (page []Shared, last int64, err error) {
	for range 3 {
		var fresh []consent.Key
		if page, fresh, last, err = s.feedPage(ctx, partner, after, min(n, importChunk)); err != nil || len(fresh) == 0 {
			return page, last, err
		}
		err = s.inTx(ctx, "noting what a partner has", func(t *tx) error { return t.noteShared(ctx, partner, fresh) })
		if !errors.Is(err, errTurned) {
			break
		}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading what is shared with a partner: %w", err)
	}
	return page, last, nil
}

// feedPage reads them; fresh are those whom the partner had not got. Who shares is
// read before what the partner has: a withdrawal between the two makes fresh whom
// the lock then refuses.
func (s *Store) feedPage(ctx context.Context, partner string, after int64, n int) (page []Shared, fresh []consent.Key, last int64, err error) {
	found, err := s.read.QueryContext(ctx, `SELECT `+personColumns+` FROM person p JOIN address a ON a.key = p.address
		WHERE p.id > $1 AND a.state LIKE '%"sh":%' ORDER BY p.id LIMIT $2`, after, n)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("reading who shares: %w", err)
	}
	people, err := gather(found, scanPerson)
	if err != nil || len(people) == 0 {
		return nil, nil, 0, err
	}
	if len(people) == n {
		last = people[n-1].ID
	}
	had, err := s.alreadyShared(ctx, partner, people)
	for _, p := range people {
		if !p.State.Shares() {
			continue
		}
		page = append(page, Shared{Number: p.ID, Email: p.Email, FirstName: p.FirstName, LastName: p.LastName, Company: p.Company, Language: p.Language})
		if !had[p.Key.String()] {
			fresh = append(fresh, p.Key)
		}
	}
	return page, fresh, last, err
}

func (s *Store) alreadyShared(ctx context.Context, partner string, people []Person) (map[string]bool, error) {
	args := []any{partner}
	for _, p := range people {
		args = append(args, p.Key.String())
	}
	found, err := s.read.QueryContext(ctx, `SELECT address FROM shared WHERE partner = $1 AND address IN (`+list(len(people), 2)+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading what a partner has: %w", err)
	}
	keys, err := gather(found, single[string])
	had := make(map[string]bool, len(keys))
	for _, key := range keys {
		had[key] = true
	}
	return had, err
}

// noteShared locks the keys like an opt-out does: of the two one comes first, so
// that nobody is given out whose withdrawal would not be told.
func (t *tx) noteShared(ctx context.Context, partner string, fresh []consent.Key) error {
	held, err := t.lockKeys(ctx, fresh)
	if err != nil {
		return err
	}
	values := make([]any, 0, 3*len(fresh))
	for _, key := range fresh {
		if !held[key].state.Shares() {
			return errTurned
		}
		values = append(values, key.String(), partner, t.now.UnixMicro())
	}
	if _, err := t.exec(ctx, `INSERT INTO shared (address, partner, since) VALUES `+rows(len(fresh), 3, 1)+` ON CONFLICT DO NOTHING`, values...); err != nil {
		return fmt.Errorf("noting what a partner has: %w", err)
	}
	return nil
}

// errTurned passes: read again, the page is without who withdrew meanwhile.
var errTurned = errors.New("somebody withdrew while the page was read")

// sharingTurns looks, before acts are recorded, who begins or ceases to share by
// them. The files of the partners are then too old, and partners who have
// somebody's data are told: the withdrawal and the job that tells it are
// committed together. An erasure is told by its own notices.
func (t *tx) sharingTurns(ctx context.Context, held map[consent.Key]*standing, acts []act) error {
	after, erased := map[consent.Key]consent.State{}, map[consent.Key]bool{}
	for _, a := range acts {
		state, seen := after[a.key]
		if !seen {
			state = held[a.key].state
		}
		if state.Sharing.Choice != consent.In && a.scope != consent.ScopeSharing {
			continue
		}
		after[a.key] = state.With(t.entry(a, 0, "", "", consent.PolicyVersion{}))
		erased[a.key] = erased[a.key] || a.scope == consent.ScopeErased
	}
	turned := false
	for key, state := range after {
		was := held[key].state.Shares()
		turned = turned || was != state.Shares()
		if !was || state.Shares() || erased[key] {
			continue
		}
		if err := t.tellPartners(ctx, key, held[key]); err != nil {
			return err
		}
	}
	if !turned {
		return nil
	}
	return t.feedsTurn(ctx)
}

// feedsTurn notes that the files of the partners are older than what is decided.
func (t *tx) feedsTurn(ctx context.Context) error {
	for _, one := range t.s.plan.Partners {
		_, err := t.exec(ctx, `INSERT INTO feed (partner, version, since) VALUES ($1, 1, $2) ON CONFLICT (partner)
			DO UPDATE SET version = feed.version + 1, since = COALESCE(feed.since, excluded.since)`, one.ID, t.now.UnixMicro())
		if err != nil {
			return fmt.Errorf("noting that a feed is old: %w", err)
		}
	}
	return nil
}

// tellPartners lists a notice, with its job, for each partner who has somebody's
// data.
func (t *tx) tellPartners(ctx context.Context, key consent.Key, one *standing) error {
	partners, err := t.texts(ctx, `SELECT partner FROM shared WHERE address = $1 ORDER BY partner`, key.String())
	if err != nil || len(partners) == 0 {
		return err
	}
	var email string
	err = t.QueryRowContext(ctx, `SELECT email FROM person WHERE address = $1`, key.String()).Scan(&email)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	for _, partner := range partners {
		n := OutsideNotice{Kind: OutsideSharing, Party: partner, Name: nameOf(t.s.plan.Partners, partner), Address: key.String()}
		if err := t.addOutside(ctx, n, holder(key, one), Erased{Email: email}); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, `DELETE FROM shared WHERE address = $1`, key.String())
	return err
}

func nameOf(all []System, id string) string {
	for _, one := range all {
		if one.ID == id {
			return one.Name
		}
	}
	return id
}

// Feed is how the file of a partner stands.
type Feed struct {
	Partner string
	Version int64
	Since   time.Time // of the first change that is not in the file; zero: it is up to date
	Built   time.Time
	People  int
}

// Old tells whether something is decided that is not in the file.
func (f Feed) Old() bool { return !f.Since.IsZero() || f.Built.IsZero() }

// FeedOf reads how the file of a partner stands.
func (s *Store) FeedOf(ctx context.Context, partner string) (f Feed, err error) {
	f.Partner = partner
	var since, built sql.NullInt64
	err = s.read.QueryRowContext(ctx, `SELECT version, since, built_at, people FROM feed WHERE partner = $1`, partner).Scan(&f.Version, &since, &built, &f.People)
	if errors.Is(err, sql.ErrNoRows) {
		return f, nil
	}
	f.Since, f.Built = fromMicro(since), fromMicro(built)
	return f, err
}

// FeedBuilt notes that a file holds what a version said.
func (s *Store) FeedBuilt(ctx context.Context, partner string, version int64, people int) error {
	return s.inTx(ctx, "noting that a feed was built", func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO feed (partner, version, built, built_at, people) VALUES ($1, $2, $2, $3, $4) ON CONFLICT (partner) DO UPDATE
			SET built = excluded.built, built_at = excluded.built_at, people = excluded.people,
			since = CASE WHEN feed.version = excluded.built THEN NULL ELSE feed.since END WHERE feed.built <= excluded.built`,
			partner, version, t.now.UnixMicro(), people)
		return err
	})
}

// FeedPatience is how long a file may hold somebody who withdrew.
const FeedPatience = time.Minute

// LateFeeds names for the alarm the partners whose file is too old. What was
// never built is not there to be too old.
func (s *Store) LateFeeds(ctx context.Context) ([]string, error) {
	found, err := s.read.QueryContext(ctx, `SELECT 'partner ' || partner FROM feed WHERE since < $1 AND built_at IS NOT NULL ORDER BY partner`, s.now().Add(-FeedPatience).UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("looking for feeds that are old: %w", err)
	}
	return gather(found, single[string])
}

// SharedCount counts whose data a partner has.
func (s *Store) SharedCount(ctx context.Context, partner string) (n int, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM shared WHERE partner = $1`, partner).Scan(&n)
	return n, err
}
