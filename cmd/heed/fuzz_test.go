package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzConfigFile: a configuration is taken whole, or refused in one line that
// tells where and what to do next.
func FuzzConfigFile(f *testing.F) {
	example, err := os.ReadFile("example.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte("[sender]\nnam = \"x\"\n[[topic]]\nid = 3\n"))
	path := filepath.Join(f.TempDir(), "heed.toml")
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		file, present, err := readConfigFile(path, true)
		if !present {
			t.Error("a file that is there is absent")
		}
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without a word")
			}
			return
		}
		file.settings() // must not panic
	})
}
