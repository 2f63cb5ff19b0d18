package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"heed/store"
	"heed/templates"
)

// TestEveryAlarmIsInTheRunbook holds docs/runbook.md against the code: each
// kind that can be raised is explained, in the words that the alarm itself
// uses, and the page explains nothing else.
func TestEveryAlarmIsInTheRunbook(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "runbook.md"))
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z_]+) \| (.*) \| (.*) \|$`).FindAllStringSubmatch(string(page), -1) {
		if row[1] == "alarm" {
			continue
		}
		listed = append(listed, row[1])
		if words := templates.WordsForAlarm(row[1]); row[2] != words.Means || row[3] != words.Do {
			t.Errorf("%s: the page says %q, %q; the alarm %q, %q", row[1], row[2], row[3], words.Means, words.Do)
		}
	}
	for what, kinds := range map[string][]string{"the store": store.AlarmKinds(), "the words": templates.AlarmKinds()} {
		slices.Sort(kinds)
		slices.Sort(listed)
		if !slices.Equal(kinds, listed) {
			t.Errorf("the runbook has %v\n%s has %v", listed, what, kinds)
		}
	}
}

// TestAlarmsAreRaisedByTheirNames: a kind that is written out where it is
// raised would pass the runbook by.
func TestAlarmsAreRaisedByTheirNames(t *testing.T) {
	out, err := exec.Command("grep", "-rnE", "--include=*.go", "--exclude=*_test.go", `(raise|raiseNew|clearAlarm|RaiseAlarm|ClearAlarm|MatchAlarms)\((t\.)?ctx, "`, filepath.Join("..", "..")).Output()
	if len(out) > 0 || err == nil {
		t.Errorf("use the constants of store/alarms.go:\n%s", strings.TrimSpace(string(out)))
	}
}
