package main_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEachDependencyHasAReason compares docs/dependencies.md with go.mod.
func TestEachDependencyHasAReason(t *testing.T) {
	used, listed := directModules(t), reasons(t)
	for _, module := range slices.Sorted(maps.Keys(used)) {
		if listed[module] == "" {
			t.Errorf("docs/dependencies.md has no row for %s %s", module, used[module])
		} else if listed[module] != used[module] {
			t.Errorf("docs/dependencies.md says %s %s, go.mod says %s", module, listed[module], used[module])
		}
	}
	for module := range listed {
		if used[module] == "" {
			t.Errorf("docs/dependencies.md has a row for %s, which go.mod does not name as direct", module)
		}
	}
}

// directModules maps the modules that go.mod requires directly, and those of
// its tools, to their versions.
func directModules(t *testing.T) map[string]string {
	t.Helper()
	text := read(t, "go.mod")
	direct, all := map[string]string{}, map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(?:require )?\s*(\S+\.\S+/\S+) (v\S+)( // indirect)?$`).FindAllStringSubmatch(text, -1) {
		all[m[1]] = m[2]
		if m[3] == "" {
			direct[m[1]] = m[2]
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^(?:tool )?\s*(\S+\.\S+/\S+)$`).FindAllStringSubmatch(text, -1) {
		for module, version := range all {
			if strings.HasPrefix(m[1], module+"/") {
				direct[module] = version
			}
		}
	}
	if len(direct) < 2 {
		t.Fatalf("read only %v from go.mod", direct)
	}
	return direct
}

// reasons maps the modules of docs/dependencies.md to their versions. A row
// without a reason does not count.
func reasons(t *testing.T) map[string]string {
	t.Helper()
	rows := map[string]string{}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (v\\S+) \\| (\\S.{10,}) \\|$")
	for _, m := range row.FindAllStringSubmatch(read(t, "docs/dependencies.md"), -1) {
		rows[m[1]] = m[2]
	}
	return rows
}

// read returns a file named from the top of the project.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
