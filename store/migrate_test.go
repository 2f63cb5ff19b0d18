package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"heed/store"
)

// TestDeliveriesAreCheckedWithoutATable: what a delivery may be is checked as the
// first migration says, and SQLite makes no table of a list for each row to do so.
func TestDeliveriesAreCheckedWithoutATable(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "heed.db")
	s, err := store.Open(ctx, store.Options{URL: "sqlite:" + path, Keys: t.TempDir()})
	must(t, err)
	must(t, s.Close())
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer db.Close()
	for state, allowed := range map[string]bool{"waiting": true, "deferred": true, "rejected": true, "accepted": true, "uncertain": true, "skipped": false, "sent": false, "": false} {
		wants(t, db, state, "", allowed)
	}
	reasons := []string{"opted_out", "no_consent", "suppressed", "dead_address", "on_hold", "restricted", "erased", "capped", "policy", "unrenderable", "expired", "cancelled"}
	for _, reason := range append(reasons, "bored") {
		wants(t, db, "skipped", reason, slices.Contains(reasons, reason))
		wants(t, db, "waiting", reason, false)
	}
	var tables int
	const written = `UPDATE delivery SET state = 'accepted', reason = '', claimed = 1 WHERE address = 'a'`
	steps, err := db.Query(`EXPLAIN ` + written)
	must(t, err)
	defer steps.Close()
	for steps.Next() {
		var opcode string
		var other any
		must(t, steps.Scan(&other, &opcode, &other, &other, &other, &other, &other, &other))
		if opcode == "OpenEphemeral" {
			tables++
		}
	}
	must(t, steps.Err())
	if tables > 1 { // of the rows that are to be written
		t.Errorf("SQLite makes %d tables to write a delivery", tables)
	}
}

// wants writes a delivery, and takes it back.
func wants(t *testing.T, db *sql.DB, state, reason string, allowed bool) {
	t.Helper()
	tx, err := db.Begin()
	must(t, err)
	defer tx.Rollback()
	_, err = tx.Exec(`INSERT INTO delivery (campaign, address, state, reason, claimed, changed) VALUES (1, 'a', ?, ?, 1, 1)`, state, reason)
	if (err == nil) != allowed {
		t.Error(fmt.Sprintf("a delivery in state %q with reason %q: ", state, reason), err)
	}
}
