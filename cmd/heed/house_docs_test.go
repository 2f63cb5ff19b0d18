package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestPromisesNameWhatExists holds docs/promises.md against the tree: a test
// or a file that it names must be there.
func TestPromisesNameWhatExists(t *testing.T) {
	checkNames(t, "promises.md", 30)
}

// TestStandardsNameWhatExists holds docs/rfc.md against the tree in the same
// way; a row without a test says that it is not met.
func TestStandardsNameWhatExists(t *testing.T) {
	page := checkNames(t, "rfc.md", 3)
	for _, line := range strings.Split(page, "\n") {
		row := regexp.MustCompile(`^\| [A-Z]{1,2}\d+ \|`).MatchString(line)
		if row && !anyTest.MatchString(line) && !strings.Contains(line, "not met") {
			t.Errorf("docs/rfc.md: neither a test nor \"not met\": %.60s", line)
		}
	}
}

// TestThePolicyIsMetOrSaysWhereNot holds docs/policy.md against the tree: 44
// promises, each with the test that checks it, or saying that it is not met.
func TestThePolicyIsMetOrSaysWhereNot(t *testing.T) {
	page := checkNames(t, "policy.md", 44)
	next := 1
	for _, line := range strings.Split(page, "\n") {
		row := regexp.MustCompile(`^\| (\d+) \|`).FindStringSubmatch(line)
		if row == nil {
			continue
		}
		if row[1] != strconv.Itoa(next) {
			t.Errorf("docs/policy.md: row %s stands where %d should", row[1], next)
		}
		next++
		if !anyTest.MatchString(line) && !strings.Contains(strings.ToLower(line), "not met") {
			t.Errorf("docs/policy.md: neither a test nor \"not met\": %.60s", line)
		}
	}
	if next != 45 {
		t.Errorf("docs/policy.md has %d rows", next-1)
	}
}

// TestTheStandardsAreAllThere: a row that is taken off the page is not met by
// that.
func TestTheStandardsAreAllThere(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "rfc.md"))
	if err != nil {
		t.Fatal(err)
	}
	for part, n := range map[string]int{"OC": 12, "LH": 5, "FM": 5, "BN": 7, "AR": 6, "AU": 6, "IM": 8, "MB": 1, "PV": 5, "US": 5, "EU": 10, "CA": 1, "CC": 2, "CH": 1} {
		for i := 1; i <= n; i++ {
			if row := "| " + part + strconv.Itoa(i) + " |"; strings.Count(string(page), row) != 1 {
				t.Errorf("docs/rfc.md has %d rows %s", strings.Count(string(page), row), row)
			}
		}
	}
}

var (
	anyTest = regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w*`)
	anyFile = regexp.MustCompile(`\b[a-z]+(?:/[a-z_]+)+\.go\b`)
)

// checkNames looks for the tests, at least some, and the files that a page
// names.
func checkNames(t *testing.T, name string, atLeast int) string {
	t.Helper()
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t, root)
	named := anyTest.FindAllString(string(page), -1)
	if len(named) < atLeast {
		t.Fatalf("docs/%s names %d tests", name, len(named))
	}
	for _, test := range named {
		if !tests[test] {
			t.Errorf("docs/%s names %s, which does not exist", name, test)
		}
	}
	for _, file := range anyFile.FindAllString(string(page), -1) {
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			t.Errorf("docs/%s names %s, which does not exist", name, file)
		}
	}
	return string(page)
}

// testNames lists the tests of the whole tree.
func testNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	out, err := exec.Command("grep", "-rhoE", "--include=*_test.go", `^func (Test|Fuzz)\w+`, root).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, line := range strings.Split(string(out), "\n") {
		names[strings.TrimPrefix(line, "func ")] = true
	}
	return names
}
