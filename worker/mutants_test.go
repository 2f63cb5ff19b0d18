package worker

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"heed/store/storetest"
)

// mutant is a change that breaks a promise. The tests must find it, or their
// silence would mean nothing.
type mutant struct {
	Why     string `json:"why"`
	Package string `json:"package"` // whose tests find it; empty: worker, with the simulation
	Run     string `json:"run"`     // which of them
	Breaks  string `json:"breaks"`  // what they say then
	Edits   []edit `json:"edits"`
}

// edit replaces a text that stands once in a file below the root of the module.
type edit struct {
	File    string `json:"file"`
	Find    string `json:"find"`
	Replace string `json:"replace"`
}

// TestMutants: each mutant is found, those of the simulation within a hundred
// seeds. They are applied to the code of today, as an overlay; a mutant that does
// not fit it any more is to be written anew.
func TestMutants(t *testing.T) {
	storetest.Long(t)
	names, err := filepath.Glob(filepath.Join("testdata", "mutants", "*.json"))
	if err != nil || len(names) < 8 {
		t.Fatalf("%d mutants, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".json"), func(t *testing.T) { readMutant(t, name).hunt(t) })
	}
}

func readMutant(t *testing.T, name string) (m mutant) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	if m.Package == "" {
		m.Package, m.Run = "worker", "^TestSimulation$"
	}
	return m
}

// overlay writes the changed files, and the file that tells go of them.
func (m mutant) overlay(t *testing.T, root, folder string) string {
	t.Helper()
	changed := map[string]string{}
	for _, e := range m.Edits {
		file := filepath.Join(root, e.File)
		if changed[file] == "" {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			changed[file] = string(source)
		}
		if n := strings.Count(changed[file], e.Find); n != 1 {
			t.Fatalf("this is no mutant any more: %q stands in %s %d times; write it anew", e.Find, e.File, n)
		}
		changed[file] = strings.Replace(changed[file], e.Find, e.Replace, 1)
	}
	replace := map[string]string{}
	for file, text := range changed {
		replace[file] = write(t, filepath.Join(folder, strings.ReplaceAll(filepath.ToSlash(file), "/", "_")), text)
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Join(folder, "overlay.json"), string(list))
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var foundBy = regexp.MustCompile(`seed (\d+): .*`)

// hunt builds the tests with the mutant and wants them to fail, for the right
// reason.
func (m mutant) hunt(t *testing.T) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	binary := filepath.Join(folder, "mutant.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", m.overlay(t, root, folder), "-o", binary, "./"+m.Package)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("compiling the mutant: %v: %s", err, out)
	}
	run := exec.CommandContext(t.Context(), binary, "-test.run", m.Run, "-test.timeout", "10m")
	run.Dir = filepath.Join(root, m.Package)
	run.Env = append(os.Environ(), "HEED_SIM_SEEDS=100", "HEED_SIM_SEED=", "HEED_SIM_FROM=")
	out, err := run.CombinedOutput()
	if err == nil {
		t.Fatalf("nobody notices that %s", m.Why)
	}
	if !strings.Contains(string(out), m.Breaks) {
		t.Fatalf("the tests fail, but not by %q:\n%.4000s", m.Breaks, out)
	}
	t.Logf("%s: %s", m.Why, foundBy.FindString(string(out)))
}
