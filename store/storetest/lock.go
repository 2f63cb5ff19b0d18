package storetest

import (
	"database/sql"
	"testing"
)

// Lock begins a transaction on PostgreSQL that is nobody's. hold runs the query by
// which it locks rows; end lets them go, and does nothing a second time.
func Lock(t testing.TB, url string) (hold func(query string) error, end func()) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	lock, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	hold = func(query string) error {
		_, err := lock.Exec(query)
		return err
	}
	end = func() { _ = lock.Rollback() } // it may have ended
	t.Cleanup(end)
	return hold, end
}
