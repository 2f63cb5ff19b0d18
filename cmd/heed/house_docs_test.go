package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPromisesNameWhatExists holds docs/promises.md against the tree: a test
// or a file that it names must be there.
func TestPromisesNameWhatExists(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "promises.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t, root)
	named := regexp.MustCompile(`\bTest[A-Z]\w*`).FindAllString(string(page), -1)
	if len(named) < 30 {
		t.Fatalf("the page names %d tests", len(named))
	}
	for _, name := range named {
		if !tests[name] {
			t.Errorf("docs/promises.md names %s, which does not exist", name)
		}
	}
	for _, file := range regexp.MustCompile(`\b[a-z]+(?:/[a-z]+)+\.go\b`).FindAllString(string(page), -1) {
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			t.Errorf("docs/promises.md names %s, which does not exist", file)
		}
	}
}

// testNames lists the tests of the whole tree.
func testNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	out, err := exec.Command("grep", "-rhoE", "--include=*_test.go", `^func Test\w+`, root).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, line := range strings.Split(string(out), "\n") {
		names[strings.TrimPrefix(line, "func ")] = true
	}
	return names
}
