package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// OutsideNotice is that a partner or the product is told of something about a
// person, and has to answer.
type OutsideNotice struct {
	ID      int64
	Kind    string
	Party   string // id in the configuration
	Name    string
	Address string // key
	About   int64  // the check of a service
	State   string // due | accepted | done
	Created time.Time
	Asked   time.Time // when it was told first; zero: not yet
	Tries   int
	Ended   time.Time
}

// The kinds: somebody shares no more; somebody says that they use a service no
// more.
const (
	OutsideSharing = "sharing"
	OutsideService = "service"
)

// addOutside lists a notice with the job that tells it. Its number comes from
// the counter of the notices of erasures, which the same kind of job tells.
func (t *tx) addOutside(ctx context.Context, n OutsideNotice, holder string, who Erased) error {
	id, err := t.take(ctx, "system_notice", 1)
	if err != nil {
		return err
	}
	sealed, err := t.seal(ctx, holder, who)
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, `INSERT INTO outside_notice (id, kind, party, name, address, about, holder, sealed, state, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'due', $9)`,
		id, n.Kind, n.Party, n.Name, n.Address, number(int(n.About)), holder, sealed, t.now.UnixMicro()); err != nil {
		return fmt.Errorf("listing who is to be told: %w", err)
	}
	_, err = t.addJobs(ctx, 1, Job{Queue: "privacy", Kind: "tell", Subject: id})
	return err
}

const outsideColumns = `id, kind, party, name, address, COALESCE(about, 0), state, created, asked, tries, ended`

func scanOutside(row scanner) (n OutsideNotice, err error) {
	var created int64
	var asked, ended sql.NullInt64
	err = row.Scan(&n.ID, &n.Kind, &n.Party, &n.Name, &n.Address, &n.About, &n.State, &created, &asked, &n.Tries, &ended)
	n.Created, n.Asked, n.Ended = time.UnixMicro(created).UTC(), fromMicro(asked), fromMicro(ended)
	return n, err
}

// Outside reads a notice, with what its party needs to find the person.
func (s *Store) Outside(ctx context.Context, id int64) (n OutsideNotice, who Erased, err error) {
	n, err = scanOutside(s.read.QueryRowContext(ctx, `SELECT `+outsideColumns+` FROM outside_notice WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return n, who, fmt.Errorf("notice %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return n, who, err
	}
	var holder, sealed string
	if err := s.read.QueryRowContext(ctx, `SELECT holder, sealed FROM outside_notice WHERE id = $1`, id).Scan(&holder, &sealed); err != nil {
		return n, who, err
	}
	_, err = s.unseal(ctx, holder, sealed, &who)
	return n, who, err
}

// OutsideNotices lists what partners and the product were told; open leaves out
// what was answered.
func (s *Store) OutsideNotices(ctx context.Context, open bool) ([]OutsideNotice, error) {
	query := `SELECT ` + outsideColumns + ` FROM outside_notice`
	if open {
		query += ` WHERE ended IS NULL`
	}
	found, err := s.read.QueryContext(ctx, query+` ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("listing what others were told: %w", err)
	}
	return gather(found, scanOutside)
}

// OutsideUnanswered notes that a party was told in vain, or has only accepted.
func (s *Store) OutsideUnanswered(ctx context.Context, n OutsideNotice, accepted bool) error {
	return s.inTx(ctx, "noting that a notice has no answer", func(t *tx) error {
		state := "due"
		if accepted {
			state = "accepted"
		}
		_, err := t.exec(ctx, `UPDATE outside_notice SET state = CASE WHEN state = 'due' THEN $2 ELSE state END, tries = tries + 1, asked = COALESCE(asked, $3)
			WHERE id = $1 AND ended IS NULL`, n.ID, state, t.now.UnixMicro())
		return err
	})
}

// Acknowledged records that a party has heard. by is who of the staff heard it
// from them; empty: they answered themselves.
func (s *Store) Acknowledged(ctx context.Context, id int64, by string) error {
	return s.inTx(ctx, "recording that a notice was heard", func(t *tx) error {
		n, err := scanOutside(t.QueryRowContext(ctx, `SELECT `+outsideColumns+` FROM outside_notice WHERE id = $1`+t.s.d.forUpdate, id))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("notice %d: %w", id, ErrNotFound)
		case err != nil:
			return err
		case !n.Ended.IsZero():
			return fmt.Errorf("notice %d was answered already: %w", id, ErrState)
		}
		if err := t.endOutside(ctx, id); err != nil || by == "" {
			return err
		}
		return t.noteAct(ctx, StaffAct{Kind: ActAcknowledged, Staff: by, About: id, Address: n.Address, Said: n.Kind + " " + n.Party})
	})
}

// endOutside lets a notice forget whom it was about.
func (t *tx) endOutside(ctx context.Context, id int64) error {
	_, err := t.exec(ctx, `UPDATE outside_notice SET state = 'done', ended = $2, asked = COALESCE(asked, $2), sealed = '' WHERE id = $1 AND ended IS NULL`, id, t.now.UnixMicro())
	return err
}

// SilentPartners names for the alarm the partners who have not answered for
// three days.
func (s *Store) SilentPartners(ctx context.Context) ([]string, error) {
	found, err := s.read.QueryContext(ctx, `SELECT DISTINCT 'partner ' || party FROM outside_notice WHERE kind = 'sharing' AND ended IS NULL AND created < $1 ORDER BY 1`,
		s.now().Add(-systemSilence).UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("looking for partners who are silent: %w", err)
	}
	return gather(found, single[string])
}
