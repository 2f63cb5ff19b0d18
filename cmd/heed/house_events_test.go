package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheLogSaysOnlyWhatIsListed holds docs/events.md against the calls in the
// code: the set of events is closed, and every event is explained.
func TestTheLogSaysOnlyWhatIsListed(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "events.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z_, ]+) \|`).FindAllStringSubmatch(string(page), -1) {
		for _, event := range strings.Split(row[1], ", ") {
			listed[event] = event != "event"
		}
	}
	delete(listed, "event")
	said := loggedEvents(t, root)
	if want, got := slices.Sorted(maps.Keys(listed)), slices.Sorted(maps.Keys(said)); !slices.Equal(want, got) {
		t.Errorf("docs/events.md lists %v\nthe code says %v", want, got)
	}
}

// loggedEvents finds the first argument of every call that writes to the log.
func loggedEvents(t *testing.T, root string) map[string]bool {
	t.Helper()
	out, err := exec.Command("grep", "-rhE", "--include=*.go", "--exclude=*_test.go", `\.(Info|Warn|Error|Debug)\(`, root).Output()
	if err != nil {
		t.Fatal(err)
	}
	events := map[string]bool{}
	for _, call := range regexp.MustCompile(`(?i)log(?:\(\))?\.(?:Info|Warn|Error|Debug)\(([^,)]*)`).FindAllStringSubmatch(string(out), -1) {
		name := strings.Trim(call[1], `"`)
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(name) || name == call[1] {
			t.Errorf("an event must be a literal of small letters: %s", call[0])
		}
		events[name] = true
	}
	if len(events) < 30 {
		t.Fatalf("only %d events were found", len(events))
	}
	return events
}
