package storetest

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
)

// Plant runs a statement on a database behind the back of all rules. url is as
// in DATABASE_URL; empty, it is the SQLite file of a data folder.
func Plant(t testing.TB, url, data, query string) {
	t.Helper()
	driver, name := "pgx", url
	if path, file := strings.CutPrefix(url, "sqlite:"); file || url == "" {
		driver, name = "sqlite", path
	}
	if name == "" {
		name = filepath.Join(data, "heed.db")
	}
	if driver == "sqlite" { // who serves may be writing
		name = "file:" + name + "?_pragma=busy_timeout(15000)"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	done, err := db.ExecContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		t.Fatalf("%s: %d rows, %v", query, n, err)
	}
}
