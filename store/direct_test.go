package store

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

// TestDirectlyAllOrNothing: what a step did before it failed is forgotten, and the next
// one begins anew.
func TestDirectlyAllOrNothing(t *testing.T) {
	ctx, s := context.Background(), openHere(t)
	broken := errors.New("broken")
	write := func(name string, then error) error {
		return s.directly(ctx, func(d directTx) error {
			if _, err := d.exec(ctx, `INSERT INTO counter (name, value) VALUES ($1, 1)`, []any{name}); err != nil {
				return err
			}
			return then
		})
	}
	if err := write("lost", broken); !errors.Is(err, broken) {
		t.Fatalf("the error of the step is %v", err)
	}
	if err := write("kept", nil); err != nil {
		t.Fatal(err)
	}
	if err := write("kept", nil); err == nil {
		t.Fatal("one name is written twice")
	}
	var names string
	if err := s.read.QueryRowContext(ctx, `SELECT group_concat(name) FROM counter WHERE name IN ('lost', 'kept')`).Scan(&names); err != nil || names != "kept" {
		t.Fatalf("written are %q, %v", names, err)
	}
}

// TestDirectlySaysWhatCannotBeRead: a column that is read as what it is not is an error,
// and no zero.
func TestDirectlySaysWhatCannotBeRead(t *testing.T) {
	ctx, s := context.Background(), openHere(t)
	for _, tt := range []struct {
		sql string
		to  any
	}{{`SELECT NULL`, new(int64)}, {`SELECT 'word'`, new(int)}, {`SELECT NULL`, new(string)}, {`SELECT 'yes'`, new(bool)}, {`SELECT 1`, new(float64)}} {
		err := s.directly(ctx, func(d directTx) error {
			return d.rows(ctx, tt.sql, nil, func(found scanned) error {
				found.Next()
				return found.Scan(tt.to)
			})
		})
		if err == nil || !strings.Contains(err.Error(), "cannot be read as") {
			t.Errorf("%s into %T: %v", tt.sql, tt.to, err)
		}
	}
}

// TestClosedDatabaseIsLetGo: a connection with statements that nobody let go of would
// keep its file open, and the log beside it.
func TestClosedDatabaseIsLetGo(t *testing.T) {
	ctx, s := context.Background(), openHere(t)
	err := s.directly(ctx, func(d directTx) error {
		_, err := d.exec(ctx, `INSERT INTO counter (name, value) VALUES ('any', 1)`, nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.file + "-wal"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.file + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the log is still there: %v", err)
	}
}
