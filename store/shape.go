package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// A shape is the list of the details that are known of somebody. Of a million
// people there are a handful, so that a campaign's merge fields can be held
// against all of them at once, where a look at each person takes half a minute.

// mostShapes is how many are looked at; where people are so different, each of
// them is.
const mostShapes = 500

// Shapes lists what is known of the people stored, by the names of merge fields.
// whole is false where it cannot be said of everybody.
func (s *Store) Shapes(ctx context.Context) (all [][]string, whole bool, err error) {
	found, err := s.read.QueryContext(ctx, `WITH RECURSIVE s (shape) AS (SELECT min(shape) FROM person
		UNION ALL SELECT (SELECT min(p.shape) FROM person p WHERE p.shape > s.shape) FROM s WHERE s.shape IS NOT NULL)
		SELECT COALESCE(h.fields, '?') FROM s LEFT JOIN shape h ON h.id = s.shape WHERE s.shape IS NOT NULL LIMIT $1`, mostShapes)
	if err != nil {
		return nil, false, fmt.Errorf("asking what is known of people: %w", err)
	}
	texts, err := gather(found, single[string])
	if err != nil || len(texts) == mostShapes || slices.Contains(texts, "?") {
		return nil, false, err
	}
	for _, text := range texts {
		all = append(all, strings.Split(text, "\n"))
	}
	return all, true, nil
}

// shapeText names what is known, a line each.
func shapeText(p Contact) string {
	known := []string{}
	for name, value := range map[string]string{"first_name": p.FirstName, "last_name": p.LastName, "company": p.Company,
		"language": p.Language, "time_zone": p.TimeZone} {
		if visible(value) {
			known = append(known, name)
		}
	}
	for name, value := range p.Attrs {
		if visible(value) {
			known = append(known, "attr."+name)
		}
	}
	slices.Sort(known)
	return strings.Join(known, "\n")
}

// visible tells whether a value shows at all; one that does not is as good as
// none.
func visible(value string) bool {
	return strings.ContainsFunc(value, func(r rune) bool {
		return r != unicode.ReplacementChar && unicode.IsGraphic(r) && !unicode.IsSpace(r)
	})
}

// shapesOf gives the number of the shape of each row of an import.
func (t *tx) shapesOf(ctx context.Context, fresh []incoming) ([]int64, error) {
	numbers, known := make([]int64, len(fresh)), map[string]int64{}
	for i, one := range fresh {
		text := shapeText(one.Contact)
		if known[text] == 0 {
			number, err := t.shapeNumber(ctx, text)
			if err != nil {
				return nil, err
			}
			known[text] = number
		}
		numbers[i] = known[text]
	}
	return numbers, nil
}

// shapeNumber gives the number of a shape, a new one where it is seen first.
func (t *tx) shapeNumber(ctx context.Context, text string) (int64, error) {
	const look = `SELECT id FROM shape WHERE fields = $1`
	found, err := t.QueryContext(ctx, look, text)
	if err != nil {
		return 0, fmt.Errorf("looking for a shape: %w", err)
	}
	if known, err := gather(found, single[int64]); err != nil || len(known) > 0 {
		return first(known), err
	}
	id, err := t.take(ctx, "shape", 1)
	if err != nil {
		return 0, err
	}
	if _, err := t.exec(ctx, `INSERT INTO shape (id, fields) VALUES ($1, $2) ON CONFLICT DO NOTHING`, id, text); err != nil {
		return 0, fmt.Errorf("storing a shape: %w", err)
	}
	err = t.QueryRowContext(ctx, look, text).Scan(&id) // somebody else may have been faster
	return id, err
}

func first(all []int64) int64 {
	if len(all) == 0 {
		return 0
	}
	return all[0]
}

// reshape notes what is known of somebody whose details changed.
func (t *tx) reshape(ctx context.Context, key string) error {
	p, err := scanPerson(t.QueryRowContext(ctx, `SELECT `+personColumns+` FROM person p JOIN address a ON a.key = p.address WHERE p.address = $1`, key))
	if err != nil {
		return fmt.Errorf("reading what is known of a person: %w", err)
	}
	number, err := t.shapeNumber(ctx, shapeText(p.Contact))
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE person SET shape = $2 WHERE address = $1`, key, number)
	return err
}

// Reshape looks at people whom nobody has looked at yet, in small steps: those who
// were stored by a heed that did not note it.
func (s *Store) Reshape(ctx context.Context) error {
	for ctx.Err() == nil {
		found, err := s.read.QueryContext(ctx, fmt.Sprintf(`SELECT address FROM person WHERE shape = 0 LIMIT %d`, portion))
		if err != nil {
			return fmt.Errorf("looking for people without a shape: %w", err)
		}
		keys, err := gather(found, single[string])
		if err != nil || len(keys) == 0 {
			return err
		}
		err = s.inTx(ctx, "noting what is known of people", func(t *tx) error {
			for _, key := range keys {
				if err := t.reshape(ctx, key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
