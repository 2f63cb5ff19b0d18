package main_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the top of the project, seen from this folder.
const root = "../.."

// sources reads the imports of each Go file of the project. It parses instead
// of asking `go list`, so that the go command knows which files the result
// depends on and never shows a stale one.
func sources(t *testing.T) []source {
	t.Helper()
	var found []source
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && entry.Name() == ".git" {
			return skip(err)
		}
		if entry.IsDir() || !strings.HasSuffix(file, ".go") {
			return nil
		}
		s, err := readSource(file)
		found = append(found, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func skip(err error) error {
	if err != nil {
		return err
	}
	return filepath.SkipDir
}

func readSource(file string) (source, error) {
	folder, err := filepath.Rel(root, filepath.Dir(file))
	if err != nil {
		return source{}, err
	}
	s := source{folder: filepath.ToSlash(folder), name: filepath.Base(file)}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		return s, err
	}
	for _, spec := range parsed.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return s, err
		}
		s.imports = append(s.imports, path)
	}
	return s, nil
}

func TestEveryImportKeepsToTheHouse(t *testing.T) {
	all := sources(t)
	if len(all) == 0 {
		t.Fatal("found no Go file at all")
	}
	for _, s := range all {
		for _, wrong := range judge(s) {
			t.Error(wrong)
		}
	}
}

// TestTheHouseRefuses shows that each rule of the table can say no.
func TestTheHouseRefuses(t *testing.T) {
	for _, bad := range []source{
		{"consent", "a.go", []string{"os"}},
		{"consent", "a.go", []string{"heed/store"}},
		{"consent", "a.go", []string{"github.com/prometheus/client_golang/prometheus"}},
		{"store", "a.go", []string{"heed/store/storetest"}},
		{"store", "a_test.go", []string{"heed/worker"}},
		{"web", "a.go", []string{"heed/worker"}},
		{"web", "a.go", []string{"database/sql"}},
		{"web", "a_test.go", []string{"github.com/hibiken/asynq"}},
		{"worker", "a.go", []string{"github.com/wneessen/go-mail/smtp"}},
		{"worker", "a.go", []string{"testing"}},
		{"cmd/heed", "a.go", []string{"testing"}},
		{"worker", "a.go", []string{"github.com/alicebob/miniredis/v2"}},
		{"inbox", "a.go", []string{"heed/mailer"}},
		{"store/storetest", "a.go", []string{"github.com/redis/go-redis/v9"}},
		{"utils", "a.go", nil},
		{"store/models", "a.go", nil},
	} {
		if len(judge(bad)) == 0 {
			t.Errorf("nothing is said against %v", bad)
		}
	}
	for _, good := range []source{
		{"consent", "a.go", []string{"time", "golang.org/x/net/idna"}},
		{"worker", "a_test.go", []string{"heed/worker", "heed/store/storetest", "github.com/alicebob/miniredis/v2"}},
		{"cmd/heed", "demo.go", []string{"heed/inbox/inboxtest", "github.com/alicebob/miniredis/v2"}},
	} {
		for _, wrong := range judge(good) {
			t.Error(wrong)
		}
	}
}

// TestNoFolderIsNamedAfterNothing refuses the names that say nothing of what
// lies inside, and Go's own way of hiding packages.
func TestNoFolderIsNamedAfterNothing(t *testing.T) {
	never := []string{"internal", "pkg", "models", "utils", "core", "types", "queue"}
	err := filepath.WalkDir(root, func(folder string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if slices.Contains(never, entry.Name()) {
			t.Errorf("%s: no folder may have this name", folder)
		}
		if entry.Name() == ".git" {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheTopHoldsOnlyWhatTheHouseNames(t *testing.T) {
	known := []string{"docs", "cmd"}
	for folder := range maps.Keys(house()) {
		known = append(known, strings.Split(folder, "/")[0])
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		hidden := strings.HasPrefix(entry.Name(), ".") || entry.Name() == "heed-data"
		if entry.IsDir() && !hidden && !slices.Contains(known, entry.Name()) {
			t.Errorf("the house has no folder %s", entry.Name())
		}
	}
}

// TestTheDemoOnlyUsesTheOutside keeps the demo a judge of the program: it drives
// it by command line, SMTP, IMAP and HTTP, and looks into no table.
func TestTheDemoOnlyUsesTheOutside(t *testing.T) {
	for _, s := range sources(t) {
		if s.folder != "cmd/heed" || !strings.HasPrefix(s.name, "demo") {
			continue
		}
		for _, inside := range []string{"heed/store", "heed/consent", "heed/worker"} {
			if slices.Contains(s.imports, inside) {
				t.Errorf("%s imports %s", s.name, inside)
			}
		}
	}
}

// TestTheRulesHaveNoClock looks for calls that ask what time it is.
func TestTheRulesHaveNoClock(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "consent", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d files in consent (%v)", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.NewT"} {
			if strings.Contains(string(text), call) && !strings.HasSuffix(file, "_test.go") {
				t.Errorf("%s calls %s", file, call)
			}
		}
	}
}
