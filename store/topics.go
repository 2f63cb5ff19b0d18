package store

import (
	"context"
	"fmt"
)

// Named is a topic or a service: a short id that files use, and a name that
// people read. Its number never changes, so that old links keep their meaning.
type Named struct {
	Number int    `json:"-"`
	ID     string `json:"id"`
	Name   string `json:"name"`
}

// SyncTopics makes the topics and services of the configuration known. Names
// may change; what is no longer configured stays known, because links and
// ledger rows name it.
func (s *Store) SyncTopics(ctx context.Context, topics, services []Named) error {
	same, err := s.sameNames(ctx, topics, services)
	if err != nil || same {
		return err
	}
	return s.inTx(ctx, "storing topics and services", func(t *tx) error {
		if err := t.syncNamed(ctx, "topic", topics); err != nil {
			return err
		}
		return t.syncNamed(ctx, "service", services)
	})
}

func (s *Store) sameNames(ctx context.Context, topics, services []Named) (bool, error) {
	for table, want := range map[string][]Named{"topic": topics, "service": services} {
		have, err := s.named(ctx, table)
		if err != nil {
			return false, err
		}
		names := map[string]string{}
		for _, n := range have {
			names[n.ID] = n.Name
		}
		for _, n := range want {
			if name, known := names[n.ID]; !known || name != n.Name {
				return false, nil
			}
		}
	}
	return true, nil
}

func (t *tx) syncNamed(ctx context.Context, table string, all []Named) error {
	for _, n := range all {
		changed, err := t.exec(ctx, `UPDATE `+table+` SET name = $2 WHERE slug = $1`, n.ID, n.Name)
		if err != nil {
			return err
		}
		if changed > 0 {
			continue
		}
		number, err := t.take(ctx, table, 1)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO `+table+` (id, slug, name) VALUES ($1, $2, $3)`, number, n.ID, n.Name); err != nil {
			return fmt.Errorf("storing %s %s: %w", table, n.ID, err)
		}
	}
	return nil
}

// Topics lists all topics that are or were configured.
func (s *Store) Topics(ctx context.Context) ([]Named, error) { return s.named(ctx, "topic") }

// Services lists all services that are or were configured.
func (s *Store) Services(ctx context.Context) ([]Named, error) { return s.named(ctx, "service") }

func (s *Store) named(ctx context.Context, table string) ([]Named, error) {
	found, err := s.read.QueryContext(ctx, `SELECT id, slug, name FROM `+table+` ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("listing each %s: %w", table, err)
	}
	defer found.Close()
	var all []Named
	for found.Next() {
		var n Named
		if err := found.Scan(&n.Number, &n.ID, &n.Name); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, found.Err()
}

func (s *Store) topicName(ctx context.Context, number int) (name string, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT name FROM topic WHERE id = $1`, number).Scan(&name)
	return name, err
}
