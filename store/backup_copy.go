package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/pressly/goose/v3"
)

// export copies PostgreSQL's tables, as one snapshot sees them, into a SQLite
// file with the same schema.
func (s *Store) export(ctx context.Context, file string) error {
	db, err := openFile(file)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := migrateFile(ctx, db); err != nil {
		return err
	}
	tables, err := tablesOf(ctx, db)
	if err != nil {
		return err
	}
	from, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer from.Rollback()
	to, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer to.Rollback()
	for _, one := range tables {
		if err := one.copyRows(ctx, from, to); err != nil {
			return fmt.Errorf("copying %s: %w", one.name, err)
		}
	}
	return to.Commit()
}

// migrateFile brings a SQLite file to the schema of this heed.
func migrateFile(ctx context.Context, db *sql.DB) error {
	provider, err := (&Store{write: db, d: sqliteDialect}).provider()
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// table is what a copy needs to know of one.
type table struct {
	name    string
	columns []string
}

// tablesOf lists the tables of a SQLite file, those first that others refer to.
func tablesOf(ctx context.Context, db *sql.DB) ([]table, error) {
	names, err := column(ctx, db, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> '`+goose.DefaultTablename+`' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	var sorted []table
	placed := map[string]bool{}
	for len(sorted) < len(names) {
		before := len(sorted)
		for _, name := range names {
			parents, err := column(ctx, db, `SELECT "table" FROM pragma_foreign_key_list('`+name+`')`)
			if err != nil {
				return nil, err
			}
			free := !placed[name]
			for _, parent := range parents {
				free = free && (placed[parent] || parent == name)
			}
			if !free {
				continue
			}
			columns, err := column(ctx, db, `SELECT name FROM pragma_table_info('`+name+`') ORDER BY cid`)
			if err != nil {
				return nil, err
			}
			placed[name] = true
			sorted = append(sorted, table{name, columns})
		}
		if len(sorted) == before {
			return nil, errors.New("the tables refer to each other in a circle")
		}
	}
	return sorted, nil
}

func column(ctx context.Context, db *sql.DB, query string) (all []string, err error) {
	found, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return gather(found, single[string])
}

// copyRows empties the table of a SQLite file and fills it.
func (t table) copyRows(ctx context.Context, from, to *sql.Tx) error {
	if _, err := to.ExecContext(ctx, "DELETE FROM "+t.name); err != nil {
		return err
	}
	into, err := to.PrepareContext(ctx, `INSERT INTO `+t.name+` (`+strings.Join(t.columns, ", ")+`) VALUES (`+strings.Repeat("?, ", len(t.columns)-1)+`?)`)
	if err != nil {
		return err
	}
	defer into.Close()
	found, err := from.QueryContext(ctx, `SELECT `+strings.Join(t.columns, ", ")+` FROM `+t.name)
	if err != nil {
		return err
	}
	defer found.Close()
	row := newRow(len(t.columns))
	for found.Next() {
		if err := found.Scan(row.places...); err != nil {
			return err
		}
		if _, err := into.ExecContext(ctx, row.values...); err != nil {
			return err
		}
	}
	return found.Err()
}

// row takes whatever a database gives.
type row struct{ values, places []any }

func newRow(n int) row {
	r := row{make([]any, n), make([]any, n)}
	for i := range r.values {
		r.places[i] = &r.values[i]
	}
	return r
}
