package store

import (
	"context"
	"fmt"
	"time"

	"heed/consent"
)

// Erase deletes a person whose case is confirmed. It can be run again from any
// point at which it was cut off.
//
// First a ledger row blocks every new claim; then it waits until the messages
// that were already claimed have a result; then everything that names the
// person is deleted, and what is left is the address key on the list of those
// who are never written to again.
func (s *Store) Erase(ctx context.Context, id int64) error {
	c, err := s.Case(ctx, id)
	if err != nil {
		return err
	}
	if c.State != consent.CaseConfirmed {
		return fmt.Errorf("erasing: case %d is %s: %w", id, c.State, ErrState)
	}
	key, err := consent.ParseKey(c.Key)
	if err != nil {
		return fmt.Errorf("erasing: case %d names nobody: %w", id, err)
	}
	holders, err := s.block(ctx, key)
	if err != nil {
		return err
	}
	if err := s.awaitAnswers(ctx, key); err != nil {
		return err
	}
	if err := s.keys.forget(ctx, holders...); err != nil {
		return err
	}
	if err := s.deletePerson(ctx, key, holders); err != nil {
		return err
	}
	if err := s.settle(ctx, "person", "external_id", "privacy_case", "annex", "address", "correspondence", "mail_text", "case_event"); err != nil {
		return err
	}
	return s.endCases(ctx, key)
}

// block writes the erased row, and gives the holders whose evidence goes.
func (s *Store) block(ctx context.Context, key consent.Key) (holders []string, err error) {
	err = s.inTx(ctx, "blocking an erased address", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{key})
		if err != nil {
			return err
		}
		holders = []string{key.String()}
		if subject := held[key].subject; subject != "" {
			holders = append(holders, subject)
		}
		if held[key].state.Erased != 0 {
			return nil
		}
		_, err = t.record(ctx, held, []act{{key: key, scope: consent.ScopeErased, choice: consent.Set, via: consent.ViaConfirmed, authenticated: true}})
		return err
	})
	return holders, err
}

// awaitAnswers waits for the relay's answer to every message to the address
// that is in flight, however long it takes.
func (s *Store) awaitAnswers(ctx context.Context, key consent.Key) error {
	for {
		n, err := s.await(ctx, `SELECT count(*) FROM claim WHERE address = $1`, key.String())
		if err != nil || n == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (s *Store) deletePerson(ctx context.Context, key consent.Key, holders []string) error {
	return s.inTx(ctx, "erasing a person", func(t *tx) error {
		if _, err := t.lockKeys(ctx, []consent.Key{key}); err != nil {
			return err
		}
		if err := t.settleDeliveries(ctx, key); err != nil {
			return err
		}
		for _, query := range []string{
			`DELETE FROM external_id WHERE person IN (SELECT id FROM person WHERE address = $1)`,
			`DELETE FROM holding WHERE person IN (SELECT id FROM person WHERE address = $1)`,
			`DELETE FROM person WHERE address = $1`,
			`UPDATE privacy_case SET email = '' WHERE address = $1`,
		} {
			if _, err := t.exec(ctx, query, key.String()); err != nil {
				return err
			}
		}
		for _, holder := range holders {
			for _, query := range []string{
				`DELETE FROM annex WHERE holder = $1`,
				`DELETE FROM correspondence WHERE holder = $1`,
				`DELETE FROM mail_text WHERE holder = $1`,
				`UPDATE case_event SET sealed = '' WHERE holder = $1`,
			} {
				if _, err := t.exec(ctx, query, holder); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// endCases closes what was open for the person, as the last step: until then
// the job begins again.
func (s *Store) endCases(ctx context.Context, key consent.Key) error {
	return s.inTx(ctx, "ending the cases of an erased person", func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE privacy_case SET state = 'done', ended = $2, outcome = 'erased' WHERE address = $1 AND ended IS NULL`,
			key.String(), t.now.UnixMicro())
		return err
	})
}

// settleDeliveries gives what waited for the person its outcome, writes the
// rows that a running fan-out will no longer find, and lets all rows forget
// who it was.
func (t *tx) settleDeliveries(ctx context.Context, key consent.Key) error {
	now := t.now.UnixMicro()
	if _, err := t.exec(ctx, `UPDATE delivery SET state = 'skipped', reason = 'erased', changed = $2
		WHERE campaign IN (SELECT id FROM campaign) AND address = $1 AND state IN ('waiting', 'deferred')`, key.String(), now); err != nil {
		return fmt.Errorf("ending what waited: %w", err)
	}
	if _, err := t.exec(ctx, `INSERT INTO delivery (campaign, address, state, reason, changed) SELECT c.id, p.address, 'skipped', 'erased', $2
		FROM campaign c JOIN person p ON p.address = $1 WHERE c.state IN ('sending', 'paused') AND c.fanned = 0 AND c.audience = 'all'
		AND c.service IS NULL AND c.only_to = '' AND p.id > c.fan_cursor AND p.id <= c.bound ON CONFLICT DO NOTHING`, key.String(), now); err != nil {
		return fmt.Errorf("writing what a fan-out would miss: %w", err)
	}
	if _, err := t.exec(ctx, `UPDATE delivery SET person = NULL WHERE campaign IN (SELECT id FROM campaign) AND address = $1`, key.String()); err != nil {
		return fmt.Errorf("forgetting who it was: %w", err)
	}
	_, err := t.exec(ctx, `DELETE FROM retry WHERE address = $1`, key.String())
	return err
}
