package store

import (
	"context"
	"errors"
	"strings"

	"heed/consent"
)

// What the tests of this folder see of its inside.

// EraseOne does one item of a case's erasure, and tells whether more are open.
func (s *Store) EraseOne(ctx context.Context, id int64) (more bool, err error) {
	e, err := s.beginErasure(ctx, id)
	if err != nil {
		return false, err
	}
	return s.eraseNext(ctx, e)
}

// ForgetKinds makes the database one of a heed whose journals kept less.
func (s *Store) ForgetKinds(ctx context.Context) error {
	return s.inTx(ctx, "forgetting", func(t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM counter WHERE name LIKE 'journal % kinds'`)
		return err
	})
}

// Schema lists the columns of the database, "table.column".
func (s *Store) Schema(ctx context.Context) (all []string, err error) {
	query := `SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'`
	if !s.d.sqlite() {
		query = `SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = current_schema()`
	}
	return all, s.inTx(ctx, "reading the schema", func(t *tx) (err error) {
		all, err = t.texts(ctx, query)
		return err
	})
}

// Holding lists the rows of which a column holds a word, "table.column".
func (s *Store) Holding(ctx context.Context, word string) (all []string, err error) {
	columns, err := s.Schema(ctx)
	if err != nil {
		return nil, err
	}
	for _, one := range columns {
		table, column, _ := strings.Cut(one, ".")
		var n int
		if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM `+table+` WHERE lower(CAST(`+column+` AS TEXT)) LIKE $1`, "%"+strings.ToLower(word)+"%").Scan(&n); err != nil {
			return nil, err
		}
		if n > 0 {
			all = append(all, one)
		}
	}
	return all, nil
}

// Do runs a statement behind the back of all rules.
func (s *Store) Do(ctx context.Context, query string, args ...any) error {
	return s.inTx(ctx, "planting", func(t *tx) error {
		_, err := t.exec(ctx, query, args...)
		return err
	})
}

// Classes gives the class of every column, and those that have two.
func Classes() (classes map[string]string, twice []string) {
	classes = map[string]string{}
	add := func(class string, tables []string) {
		for _, columns := range tables {
			names := strings.Fields(columns)
			for _, column := range names[1:] {
				name := names[0] + "." + column
				if classes[name] != "" {
					twice = append(twice, name)
				}
				classes[name] = class
			}
		}
	}
	for _, one := range pieces() {
		add(one.name, one.holds)
	}
	add("coded", coded)
	add("impersonal", impersonal)
	return classes, twice
}

// Yes stores a person by their own act, as a page would.
func (s *Store) Yes(ctx context.Context, key consent.Key, email string) error {
	return s.inTx(ctx, "storing who said yes", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{key})
		if err != nil {
			return err
		}
		id, err := t.take(ctx, "person", 1)
		if err != nil {
			return err
		}
		subject := newSubject()
		if _, err := t.exec(ctx, `INSERT INTO person (id, subject, address, email, created, updated) VALUES ($1, $2, $3, $4, $5, $5)`,
			id, subject, key.String(), email, t.now.UnixMicro()); err != nil {
			return err
		}
		held[key].subject = subject
		_, err = t.record(ctx, held, []act{{key: key, scope: consent.TopicScope(1), choice: consent.In, via: consent.ViaPage, authenticated: true, evidence: "pressed the button"}})
		return err
	})
}

// OwnYes records a yes by somebody's own act, as a page would.
func (s *Store) OwnYes(ctx context.Context, key consent.Key, scope consent.Scope) error {
	return s.inTx(ctx, "recording a yes", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{key})
		if err != nil {
			return err
		}
		_, err = t.record(ctx, held, []act{{key: key, scope: scope, choice: consent.In, via: consent.ViaPage, authenticated: true, evidence: "pressed the button"}})
		return err
	})
}

// Ringing counts the open alarms of a kind.
func (s *Store) Ringing(ctx context.Context, kind string) (n int, err error) {
	return n, s.read.QueryRowContext(ctx, `SELECT count(*) FROM alarm WHERE kind = $1 AND cleared IS NULL`, kind).Scan(&n)
}

// Cut writes SQLite's log back into its file.
func (s *Store) Cut(ctx context.Context) (bool, error) { return true, s.cutLog(ctx) }

// Alter runs a statement in a SQLite file.
func Alter(file, query string) error {
	db, err := openFile(file)
	if err != nil {
		return err
	}
	_, err = db.Exec(query)
	return errors.Join(err, db.Close())
}

// Count counts the rows of a table.
func (s *Store) Count(ctx context.Context, table string) (n int, err error) {
	return n, s.read.QueryRowContext(ctx, `SELECT count(*) FROM `+table).Scan(&n)
}

// ForgetShapes makes everybody one whose details nobody has looked at.
func (s *Store) ForgetShapes(ctx context.Context, t interface{ Fatal(...any) }) {
	if _, err := s.write.ExecContext(ctx, `UPDATE person SET shape = 0`); err != nil {
		t.Fatal(err)
	}
}

// SmallCampaign is where the readers of a provider begin to be looked for by an index.
const SmallCampaign = smallCampaign

// AcceptedOf counts the readers of a campaign at a domain, no further than enough.
func (s *Store) AcceptedOf(ctx context.Context, campaign int64, domain string, enough int) (n int, err error) {
	return n, s.inTx(ctx, "counting", func(t *tx) (err error) {
		n, err = t.acceptedOf(ctx, campaign, domain, enough)
		return err
	})
}

// FanOutAround is FanOut, between whose reading and writing something happens.
func (s *Store) FanOutAround(ctx context.Context, id int64, between func()) (done bool, err error) {
	read, err := s.readAhead(ctx, id)
	if err != nil {
		return false, err
	}
	between()
	return s.fanOutRead(ctx, id, read)
}
