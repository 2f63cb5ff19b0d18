package store_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"heed/store"
)

// machines are the tables whose states docs/state-machines.md draws.
var machines = []string{"campaign", "delivery", "job", "privacy_case", "signup", "policy_version"}

var (
	stateList = regexp.MustCompile(`\bstate\s+TEXT NOT NULL CHECK \(state IN \(([^)]*)\)\)`)
	arrow     = regexp.MustCompile(`^\s+(\S+) --> (\S+): (.+)$`)
)

// TestStateMachines holds docs/state-machines.md against the CHECK constraints
// of the schema, and against the ways that rows really go: every state and every
// way is drawn, and nothing else is.
func TestStateMachines(t *testing.T) {
	page, err := os.ReadFile("../docs/state-machines.md")
	must(t, err)
	seen := waysGone(t)
	for _, table := range machines {
		states, ways, names := drawn(t, string(page), table)
		if want := declared(t, table); !slices.Equal(states, want) {
			t.Errorf("%s: the page draws the states %v, the schema has %v", table, states, want)
		}
		for _, way := range ways {
			if !slices.Contains(seen[table], way) {
				t.Errorf("%s: the page draws %s, which no row went", table, way)
			}
		}
		for _, way := range seen[table] {
			if !slices.Contains(ways, way) {
				t.Errorf("%s: a row went %s, which the page does not draw", table, way)
			}
		}
		for _, name := range names {
			if !isFunction(t, name) {
				t.Errorf("%s: the page names %s, which is no function of store", table, name)
			}
		}
	}
}

// declared reads the states that a table may have out of the migrations; the
// last one that makes the table counts.
func declared(t *testing.T, table string) (states []string) {
	t.Helper()
	files, err := filepath.Glob("migrations/*.sql")
	must(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		for _, part := range strings.Split(string(text), "CREATE TABLE ")[1:] {
			if name, _, _ := strings.Cut(part, " "); name != table && name != table+"_new" {
				continue
			}
			list := stateList.FindStringSubmatch(part)
			if list == nil {
				t.Fatalf("%s: %s has no list of states", file, table)
			}
			states = strings.Split(strings.ReplaceAll(list[1], "'", ""), ", ")
		}
	}
	slices.Sort(states)
	return states
}

// drawn reads the diagram of a table.
func drawn(t *testing.T, page, table string) (states, ways, names []string) {
	t.Helper()
	_, part, found := strings.Cut(page, "\n## "+table+"\n")
	if !found {
		t.Fatalf("the page has no part called %s", table)
	}
	part, _, _ = strings.Cut(part, "\n## ")
	for _, line := range strings.Split(part, "\n") {
		if mark, name, lone := strings.Cut(strings.TrimSpace(line), "state "); lone && mark == "" {
			states = append(states, name)
		}
		if a := arrow.FindStringSubmatch(line); a != nil {
			from := strings.Replace(a[1], "[*]", "", 1)
			ways = append(ways, from+">"+a[2])
			states = append(states, a[2])
			names = append(names, strings.Split(a[3], ", ")...)
		}
	}
	slices.Sort(states)
	return slices.Compact(states), ways, names
}

func isFunction(t *testing.T, name string) bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	must(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		if !strings.HasSuffix(file, "_test.go") && regexp.MustCompile(`(?m)^func \(\w+ \*\w+\) `+name+`\(`).Match(text) {
			return true
		}
	}
	return false
}

// waysGone takes rows along every way, and gives those that they went.
func waysGone(t *testing.T) map[string][]string {
	t.Helper()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "heed.db")
	w := &walk{t: t, now: time.Now()}
	w.Store = opened(t, store.Options{URL: "sqlite:" + path, Keys: t.TempDir(), Now: func() time.Time { return w.now },
		Clock: func() time.Duration { return time.Duration(w.now.UnixNano()) }})
	must(t, w.Do(ctx, `CREATE TABLE seen (machine TEXT, way TEXT)`))
	for _, table := range machines {
		must(t, w.Do(ctx, `CREATE TRIGGER made_`+table+` AFTER INSERT ON `+table+` BEGIN INSERT INTO seen VALUES ('`+table+`', '>' || new.state); END`))
		must(t, w.Do(ctx, `CREATE TRIGGER moved_`+table+` AFTER UPDATE ON `+table+` WHEN old.state <> new.state
			BEGIN INSERT INTO seen VALUES ('`+table+`', old.state || '>' || new.state); END`))
	}
	w.campaigns()
	w.deliveries()
	w.failures()
	w.cases()
	w.signUps()
	w.versions()
	w.hooks()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer db.Close()
	found, err := db.QueryContext(ctx, `SELECT DISTINCT machine, way FROM seen`)
	must(t, err)
	defer found.Close()
	seen := map[string][]string{}
	for found.Next() {
		var table, way string
		must(t, found.Scan(&table, &way))
		seen[table] = append(seen[table], way)
	}
	must(t, found.Err())
	return seen
}
