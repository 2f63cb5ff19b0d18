package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// ServiceCheck is that somebody says they use a service no more. Until the
// product or staff have looked, alerts go on: who forwarded a mail must not be
// able to keep its reader from what they need to know.
type ServiceCheck struct {
	ID      int64
	Address string // key
	Service Named
	State   string // open | ended | kept
	Asked   time.Time
	Ended   time.Time
}

// Question begins a check for the holder of a link, once. ok is false where the
// address holds no such service.
func (s *Store) Question(ctx context.Context, link consent.Link) (c ServiceCheck, ok bool, err error) {
	defer s.pokeAll()
	err = s.inTx(ctx, "beginning a check of a service", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{link.Address})
		if err != nil {
			return err
		}
		if c, ok, err = t.holdingOf(ctx, link); err != nil || !ok || c.ID != 0 {
			return err
		}
		if c.ID, err = t.take(ctx, "service_check", 1); err != nil {
			return err
		}
		c.State, c.Asked = "open", t.now
		if _, err := t.exec(ctx, `INSERT INTO service_check (id, address, service, state, asked) VALUES ($1, $2, $3, 'open', $4)`,
			c.ID, c.Address, c.Service.Number, t.now.UnixMicro()); err != nil {
			return err
		}
		return t.tellProducts(ctx, c, holder(link.Address, held[link.Address]))
	})
	return c, ok, err
}

// QuestionOf tells what a link could begin, or has begun.
func (s *Store) QuestionOf(ctx context.Context, link consent.Link) (c ServiceCheck, ok bool, err error) {
	err = s.inRead(ctx, func(t *tx) error {
		c, ok, err = t.holdingOf(ctx, link)
		return err
	})
	return c, ok, err
}

// holdingOf reads the service that a link names, whether its reader holds it,
// and the open check, if there is one.
func (t *tx) holdingOf(ctx context.Context, link consent.Link) (c ServiceCheck, ok bool, err error) {
	c.Address = link.Address.String()
	var id, asked sql.NullInt64
	err = t.QueryRowContext(ctx, `SELECT s.id, s.slug, s.name, k.id, k.asked FROM service s JOIN person p ON p.address = $1
		JOIN holding h ON h.person = p.id AND h.service = s.id
		LEFT JOIN service_check k ON k.address = $1 AND k.service = s.id AND k.state = 'open' WHERE s.id = $2`, c.Address, int(link.Scope)).
		Scan(&c.Service.Number, &c.Service.ID, &c.Service.Name, &id, &asked)
	if errors.Is(err, sql.ErrNoRows) {
		err = t.QueryRowContext(ctx, `SELECT slug, name FROM service WHERE id = $1`, int(link.Scope)).Scan(&c.Service.ID, &c.Service.Name)
		if errors.Is(err, sql.ErrNoRows) {
			err = fmt.Errorf("service %d: %w", link.Scope, ErrNotFound)
		}
		return c, false, err
	}
	if id.Valid {
		c.ID, c.State, c.Asked = id.Int64, "open", fromMicro(asked)
	}
	return c, err == nil, err
}

func (t *tx) tellProducts(ctx context.Context, c ServiceCheck, holder string) error {
	if len(t.s.plan.Products) == 0 {
		return nil
	}
	var who Erased
	if err := t.QueryRowContext(ctx, `SELECT email FROM person WHERE address = $1`, c.Address).Scan(&who.Email); err != nil {
		return err
	}
	ids, err := t.texts(ctx, `SELECT x.id FROM external_id x JOIN person p ON p.id = x.person WHERE p.address = $1 ORDER BY x.id`, c.Address)
	if err != nil {
		return err
	}
	who.ExternalIDs = append([]string{}, ids...)
	for _, one := range t.s.plan.Products {
		if err := t.addOutside(ctx, OutsideNotice{Kind: OutsideService, Party: one.ID, Name: one.Name, Address: c.Address, About: c.ID}, holder, who); err != nil {
			return err
		}
	}
	return nil
}

// Check ends a check: ended, and the service is held no more; kept, and it is.
// by is who of the staff looked; empty: the product answered.
func (s *Store) Check(ctx context.Context, id int64, ended bool, by string) error {
	return s.inTx(ctx, "ending a check of a service", func(t *tx) error {
		c, err := scanCheck(t.QueryRowContext(ctx, `SELECT `+checkColumns+` WHERE k.id = $1`+t.s.d.forUpdate, id))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("check %d: %w", id, ErrNotFound)
		case err != nil:
			return err
		case c.State != "open":
			return fmt.Errorf("check %d is %s: %w", id, c.State, ErrState)
		}
		state := "kept"
		if ended {
			state = "ended"
			if _, err := t.exec(ctx, `DELETE FROM holding WHERE service = $1 AND person IN (SELECT id FROM person WHERE address = $2)`, c.Service.Number, c.Address); err != nil {
				return err
			}
		}
		if _, err := t.exec(ctx, `UPDATE service_check SET state = $2, ended = $3 WHERE id = $1`, id, state, t.now.UnixMicro()); err != nil {
			return err
		}
		if err := t.endChecked(ctx, id); err != nil || by == "" {
			return err
		}
		return t.noteAct(ctx, StaffAct{Kind: ActServiceChecked, Staff: by, About: id, Address: c.Address, Said: state + " " + c.Service.ID})
	})
}

// endChecked ends what other products were still asked about.
func (t *tx) endChecked(ctx context.Context, check int64) error {
	_, err := t.exec(ctx, `UPDATE outside_notice SET state = 'done', ended = $2, asked = COALESCE(asked, $2), sealed = '' WHERE kind = 'service' AND about = $1 AND ended IS NULL`,
		check, t.now.UnixMicro())
	return err
}

const checkColumns = `k.id, k.address, s.id, s.slug, s.name, k.state, k.asked, k.ended FROM service_check k JOIN service s ON s.id = k.service`

func scanCheck(row scanner) (c ServiceCheck, err error) {
	var asked int64
	var ended sql.NullInt64
	err = row.Scan(&c.ID, &c.Address, &c.Service.Number, &c.Service.ID, &c.Service.Name, &c.State, &asked, &ended)
	c.Asked, c.Ended = time.UnixMicro(asked).UTC(), fromMicro(ended)
	return c, err
}

// ServiceChecks lists the checks; open leaves out those that have ended.
func (s *Store) ServiceChecks(ctx context.Context, open bool) ([]ServiceCheck, error) {
	query := `SELECT ` + checkColumns
	if open {
		query += ` WHERE k.state = 'open'`
	}
	found, err := s.read.QueryContext(ctx, query+` ORDER BY k.id`)
	if err != nil {
		return nil, fmt.Errorf("listing checks of services: %w", err)
	}
	return gather(found, scanCheck)
}

// ServiceCheck reads one.
func (s *Store) ServiceCheck(ctx context.Context, id int64) (ServiceCheck, error) {
	c, err := scanCheck(s.read.QueryRowContext(ctx, `SELECT `+checkColumns+` WHERE k.id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("check %d: %w", id, ErrNotFound)
	}
	return c, err
}

// UncheckedServices names for the alarm the checks at which nobody has looked
// for three days.
func (s *Store) UncheckedServices(ctx context.Context) ([]string, error) {
	found, err := s.read.QueryContext(ctx, `SELECT 'check ' || id FROM service_check WHERE state = 'open' AND asked < $1 ORDER BY id`, s.now().Add(-systemSilence).UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("looking for services that nobody checks: %w", err)
	}
	return gather(found, single[string])
}
