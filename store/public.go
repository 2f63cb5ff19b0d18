package store

import (
	"context"
	"fmt"
	"time"
)

// SmallestCell is how many people a figure that is shown outside must count at
// least: of fewer somebody could be guessed.
const SmallestCell = 10

// PublicFigures are counts that may be shown to anybody. They hold no ids, and a
// count below SmallestCell is left out; so are totals, by which a count that is
// left out could be reckoned.
type PublicFigures struct {
	Since  time.Time    `json:"since"`
	Until  time.Time    `json:"until"`
	Alerts []PublicCell `json:"people_by_alerts"` // how many people got how many alerts in these days
	Topics []PublicCell `json:"people_by_topic"`  // who said yes to a topic
	Wishes []PublicCell `json:"people_by_choice"` // how many opted out of everything, and share with partners
	Sent   []PublicCell `json:"messages_by_class"`
	Least  int          `json:"smallest_count_shown"`
}

// PublicCell is one count, or that it is too small to be shown.
type PublicCell struct {
	Name  string `json:"name"`
	Count *int   `json:"count"` // null: fewer than smallest_count_shown
}

func cell(name string, n int) PublicCell {
	if n < SmallestCell {
		return PublicCell{Name: name}
	}
	return PublicCell{name, &n}
}

// Public counts the last thirty days.
func (s *Store) Public(ctx context.Context) (f PublicFigures, err error) {
	err = s.inSnapshot(ctx, func(t *tx) error {
		f = PublicFigures{Since: t.now.Add(-AlertWindow).Truncate(time.Hour), Until: t.now.Truncate(time.Hour), Least: SmallestCell}
		if err := t.publicAlerts(ctx, &f); err != nil {
			return err
		}
		if err := t.publicSent(ctx, &f); err != nil {
			return err
		}
		return t.publicChoices(ctx, &f)
	})
	if err != nil {
		return f, fmt.Errorf("counting what may be shown outside: %w", err)
	}
	return f, nil
}

// publicAlerts counts people by the alerts that they got: 0, 1, 2, 3, 4, and more.
func (t *tx) publicAlerts(ctx context.Context, f *PublicFigures) error {
	found, err := t.QueryContext(ctx, `SELECT n, count(*) FROM (SELECT p.id, (SELECT count(*) FROM delivery d JOIN campaign c ON c.id = d.campaign WHERE c.class = 'alert'
		AND d.address = p.address AND d.state IN ('accepted', 'uncertain') AND d.changed > $1) AS n FROM person p) x GROUP BY n ORDER BY n`, f.Since.UnixMicro())
	if err != nil {
		return err
	}
	defer found.Close()
	var by [6]int
	for found.Next() {
		var alerts, people int
		if err := found.Scan(&alerts, &people); err != nil {
			return err
		}
		by[min(alerts, 5)] += people
	}
	for i, name := range []string{"0", "1", "2", "3", "4", "5 or more"} {
		f.Alerts = append(f.Alerts, cell(name, by[i]))
	}
	return found.Err()
}

func (t *tx) publicSent(ctx context.Context, f *PublicFigures) error {
	found, err := t.QueryContext(ctx, `SELECT c.class, count(*) FROM campaign c JOIN delivery d ON d.campaign = c.id
		WHERE d.state = 'accepted' AND d.changed > $1 GROUP BY c.class ORDER BY c.class`, f.Since.UnixMicro())
	if err != nil {
		return err
	}
	defer found.Close()
	f.Sent = []PublicCell{}
	for found.Next() {
		var class string
		var n int
		if err := found.Scan(&class, &n); err != nil {
			return err
		}
		f.Sent = append(f.Sent, cell(class, n))
	}
	return found.Err()
}

// publicChoices folds what people decided.
func (t *tx) publicChoices(ctx context.Context, f *PublicFigures) error {
	topics, err := t.s.Topics(ctx)
	if err != nil {
		return err
	}
	in, out, shares := map[int]int{}, 0, 0
	for after := int64(0); ; {
		found, err := t.QueryContext(ctx, `SELECT `+personColumns+` FROM person p JOIN address a ON a.key = p.address WHERE p.id > $1 ORDER BY p.id LIMIT 1000`, after)
		if err != nil {
			return err
		}
		people, err := gather(found, scanPerson)
		if err != nil {
			return err
		}
		for _, p := range people {
			after = p.ID
			for topic, mark := range p.State.Topics {
				if mark.Choice == "in" {
					in[topic]++
				}
			}
			if p.State.Marketing.Choice == "out" && !wantsSome(p.State) {
				out++
			}
			if p.State.Shares() {
				shares++
			}
		}
		if len(people) < 1000 {
			break
		}
	}
	f.Topics = []PublicCell{}
	for _, topic := range topics {
		f.Topics = append(f.Topics, cell(topic.ID, in[topic.Number]))
	}
	f.Wishes = []PublicCell{cell("no_marketing", out), cell("sharing", shares)}
	return nil
}
