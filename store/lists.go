package store

import (
	"context"
	"fmt"
	"slices"

	"heed/consent"
)

// Lists holds what an audience or a text may ask about people beyond their own
// row: the services that they hold, and the names of topics.
type Lists struct {
	services map[int64][]string
	topics   map[int]string
}

// Lists reads them for some people.
func (s *Store) Lists(ctx context.Context, people []Person) (l Lists, err error) {
	err = s.inRead(ctx, func(t *tx) error {
		l, err = t.lists(ctx, true, people)
		return err
	})
	return l, err
}

func (t *tx) lists(ctx context.Context, needed bool, people []Person) (Lists, error) {
	l := Lists{services: map[int64][]string{}, topics: map[int]string{}}
	if !needed || len(people) == 0 {
		return l, nil
	}
	ids := make([]any, len(people))
	for i, p := range people {
		ids[i] = p.ID
	}
	found, err := t.QueryContext(ctx, `SELECT h.person, s.slug FROM holding h JOIN service s ON s.id = h.service
		WHERE h.person IN (`+list(len(people), 1)+`) ORDER BY h.person, s.id`, ids...)
	if err != nil {
		return l, fmt.Errorf("reading what people hold: %w", err)
	}
	defer found.Close()
	for found.Next() {
		var person int64
		var slug string
		if err := found.Scan(&person, &slug); err != nil {
			return l, err
		}
		l.services[person] = append(l.services[person], slug)
	}
	if err := found.Err(); err != nil {
		return l, err
	}
	topics, err := t.s.Topics(ctx)
	for _, one := range topics {
		l.topics[one.Number] = one.ID
	}
	return l, err
}

// Traits is what an audience sees of a person.
func (l Lists) Traits(p Person) consent.Traits {
	traits := consent.Traits{Email: p.Email, FirstName: p.FirstName, LastName: p.LastName, Company: p.Company,
		Language: p.Language, TimeZone: p.TimeZone, Attrs: p.Attrs, Services: l.services[p.ID]}
	for number, mark := range p.State.Topics {
		if mark.Choice == consent.In && l.topics[number] != "" {
			traits.Topics = append(traits.Topics, l.topics[number])
		}
	}
	slices.Sort(traits.Topics)
	return traits
}
