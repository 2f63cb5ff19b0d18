package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"heed/consent"
)

// Welcome is the mail that follows a first yes to a topic: a campaign of its own,
// to which people are added as they come.
type Welcome struct {
	Topic  int
	Name   string
	Source string // the file that it was made from
}

// kindWelcome marks these campaigns.
const kindWelcome = "welcome"

// SyncWelcomes makes the welcome mails of the configuration known. A text that
// changed is a new campaign: what is being sent never changes. Topics without one
// send none.
func (s *Store) SyncWelcomes(ctx context.Context, all []Welcome) error {
	same, err := s.sameWelcomes(ctx, all)
	if err != nil || same {
		return err
	}
	return s.inTx(ctx, "storing welcome mails", func(t *tx) error {
		if _, err := t.exec(ctx, `UPDATE campaign SET only_to = $1 WHERE kind = $2 AND only_to = ''`, retired, kindWelcome); err != nil {
			return err
		}
		for _, one := range all {
			if err := t.addWelcome(ctx, one); err != nil {
				return err
			}
		}
		return nil
	})
}

// retired stands in only_to of a welcome mail that nobody is added to any more.
const retired = "retired"

func (s *Store) sameWelcomes(ctx context.Context, all []Welcome) (bool, error) {
	found, err := s.read.QueryContext(ctx, `SELECT topic, source FROM campaign WHERE kind = $1 AND only_to = ''`, kindWelcome)
	if err != nil {
		return false, fmt.Errorf("reading welcome mails: %w", err)
	}
	have, err := gather(found, func(row scanner) (w Welcome, err error) {
		err = row.Scan(&w.Topic, &w.Source)
		return w, err
	})
	sources := map[int]string{}
	for _, one := range have {
		sources[one.Topic] = one.Source
	}
	for _, one := range all {
		if sources[one.Topic] != one.Source {
			return false, err
		}
	}
	return len(have) == len(all), err
}

// addWelcome stores one as a campaign that is over: it begins anew with each
// person that is added.
func (t *tx) addWelcome(ctx context.Context, w Welcome) error {
	id, err := t.take(ctx, "campaign", 1)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO campaign (id, name, class, topic, state, source, audience, created, started, ended, fanned, kind)
		VALUES ($1, $2, 'newsletter', $3, 'done', $4, 'all', $5, $5, $5, 1, $6)`, id, w.Name, w.Topic, w.Source, t.now.UnixMicro(), kindWelcome)
	if err != nil {
		return fmt.Errorf("storing a welcome mail: %w", err)
	}
	return nil
}

// welcome adds somebody to the welcome mails of the topics that they are about to
// say yes to and did not get before, each once for ever. Whether they still want
// it is asked again when it is sent, like with any newsletter.
func (t *tx) welcome(ctx context.Context, before consent.State, u SignUpAsked) error {
	for _, scope := range u.Scopes {
		topic, is := scope.Topic()
		if !is || consent.Decide(consent.Person{At: t.now, State: before}, consent.Message{Class: consent.Newsletter, Topic: topic}, t.s.limits) == "" {
			continue
		}
		if err := t.welcomeTo(ctx, topic, u.Key); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) welcomeTo(ctx context.Context, topic int, key consent.Key) error {
	var id int64
	err := t.QueryRowContext(ctx, `SELECT id FROM campaign WHERE kind = $1 AND topic = $2 AND only_to = '' AND held = '' AND state IN ('done', 'sending')
		ORDER BY id DESC LIMIT 1`+t.s.d.forUpdate, kindWelcome, topic).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for a welcome mail: %w", err)
	}
	n, err := t.exec(ctx, `INSERT INTO welcomed (address, topic, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, key.String(), topic, t.now.UnixMicro())
	if err != nil || n == 0 {
		return err
	}
	job, err := t.addJobs(ctx, 1, Job{Queue: "newsletter", Kind: "send", Campaign: id})
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, `INSERT INTO delivery (campaign, address, person, state, job, changed)
		SELECT $1, $2, p.id, 'waiting', $3, $4 FROM person p WHERE p.address = $2 ON CONFLICT DO NOTHING`, id, key.String(), job, t.now.UnixMicro()); err != nil {
		return fmt.Errorf("adding somebody to a welcome mail: %w", err)
	}
	_, err = t.exec(ctx, `UPDATE campaign SET state = 'sending', ended = NULL WHERE id = $1`, id)
	return err
}
