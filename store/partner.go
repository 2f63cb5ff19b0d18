package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"heed/consent"
)

// PartnerNotice is something that a partner has to answer: that somebody shares
// no more, or is erased.
type PartnerNotice struct {
	ID      int64
	Case    int64  // of an erasure; 0: somebody withdrew
	State   string // due | accepted
	Created time.Time
	Erased  // whom it is about
}

// ErrSaid means that an answer does not fit what was told.
var ErrSaid = errors.New("this answer does not fit the notice")

// partnerNotices are those of both kinds that a partner has not answered. They
// share one counter, so that a number names one notice.
const partnerNotices = `SELECT n.id, n.id_case, n.state, n.created FROM (
		SELECT id, 0 AS id_case, state, created FROM outside_notice WHERE kind = 'sharing' AND party = $1 AND ended IS NULL
		UNION ALL SELECT s.id, s.caseno, s.state, e.begun FROM system_notice s JOIN erasure e ON e.caseno = s.caseno WHERE s.system = $1 AND s.ended IS NULL) n`

func scanPartnerNotice(row scanner) (n PartnerNotice, err error) {
	var created int64
	err = row.Scan(&n.ID, &n.Case, &n.State, &created)
	n.Created = time.UnixMicro(created).UTC()
	return n, err
}

// PartnerNotices lists the next n notices behind a number that a partner has not
// answered, with what it needs to find the person.
func (s *Store) PartnerNotices(ctx context.Context, partner string, after int64, n int) (all []PartnerNotice, err error) {
	found, err := s.read.QueryContext(ctx, partnerNotices+` WHERE n.id > $2 ORDER BY n.id LIMIT $3`, partner, after, n)
	if err != nil {
		return nil, fmt.Errorf("listing what a partner was told: %w", err)
	}
	if all, err = gather(found, scanPartnerNotice); err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Erased, err = s.noticed(ctx, all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// noticed reads whom a notice is about; nobody where it was answered meanwhile.
func (s *Store) noticed(ctx context.Context, n PartnerNotice) (who Erased, err error) {
	if n.Case != 0 {
		_, who, err = s.Notice(ctx, n.ID)
	} else {
		_, who, err = s.Outside(ctx, n.ID)
	}
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return who, err
}

// PartnerSaid records what a partner answers to a notice of its own. stopped is
// for a withdrawal, deleted and kept are for an erasure; accepted is good for
// both and leaves the notice open.
func (s *Store) PartnerSaid(ctx context.Context, partner string, id int64, said Answer) error {
	n, err := scanPartnerNotice(s.asker(ctx).QueryRowContext(ctx, partnerNotices+` WHERE n.id = $2`, partner, id))
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("notice %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("looking for a notice: %w", err)
	}
	withdrawn := n.Case == 0
	switch {
	case said.State == "accepted" && withdrawn:
		return s.OutsideUnanswered(ctx, OutsideNotice{ID: id}, true)
	case said.State == "accepted":
		return s.Unanswered(ctx, Notice{ID: id, Case: n.Case, System: partner}, true)
	case withdrawn != (said.State == "stopped"):
		return ErrSaid
	case withdrawn:
		return s.Acknowledged(ctx, id, "")
	}
	return s.Answered(ctx, n.Case, partner, said)
}

// tells says whether a system is told of an erasure. A partner is told only of
// those whose data it was given: to name others would give them away. After a
// restore nobody knows whose data that was.
func (t *tx) tells(ctx context.Context, system string, keys []consent.Key, restored bool) (bool, error) {
	if restored || !slices.ContainsFunc(t.s.plan.Partners, func(p System) bool { return p.ID == system }) {
		return true, nil
	}
	for _, key := range keys {
		var n int
		err := t.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM shared WHERE address = $1 AND partner = $2)
			+ (SELECT count(*) FROM outside_notice WHERE address = $1 AND party = $2 AND kind = 'sharing')`, key.String(), system).Scan(&n)
		if err != nil || n > 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// Kind is how the notice is called where it is sent.
func (n PartnerNotice) Kind() string {
	if n.Case != 0 {
		return "person.erase"
	}
	return "sharing.stopped"
}

// Reference is how the notice is named where it is sent.
func (n PartnerNotice) Reference() string {
	if n.Case != 0 {
		return fmt.Sprintf("H-%d", n.Case)
	}
	return fmt.Sprintf("N-%d", n.ID)
}
