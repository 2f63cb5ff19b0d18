package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"heed/mailer/mailertest"
	"heed/store"
	"heed/store/storetest"
)

// mutant is a change that makes heed break a promise. The alarms must then go
// off, or their silence would mean nothing.
type mutant struct {
	Why     string `json:"why"`
	File    string `json:"file"` // below the root of the module
	Find    string `json:"find"`
	Replace string `json:"replace"`
}

// TestE2EMutantIgnoresOptOuts: with the mutant, heed's own count and heed verify
// tell of the broken promise; with the true program, the same story is clean.
func TestE2EMutantIgnoresOptOuts(t *testing.T) {
	t.Run("mutant", func(t *testing.T) {
		storetest.Long(t)
		s := leavingStory(t, buildMutant(t, "claims-ignore-opt-outs"))
		if n := s.figure(t, "heed_sends_after_optout_total"); n < 1 {
			t.Errorf("heed_sends_after_optout_total is %v with a program that ignores opt-outs", n)
		}
		if broken := s.broken(t, exitFound); len(broken["I1"]) == 0 {
			t.Errorf("heed verify finds broken %v, but not I1", broken)
		}
		if p := s.afterwards(t); p.SentAfter == 0 {
			t.Error("the sink shows no message after an opt-out: the story does not meet the mutant")
		}
	})
	t.Run("true", func(t *testing.T) {
		s := leavingStory(t, "")
		if n := s.figure(t, "heed_sends_after_optout_total"); n != 0 {
			t.Errorf("heed_sends_after_optout_total is %v", n)
		}
		if broken := s.broken(t, exitDone); len(broken) != 0 {
			t.Errorf("heed verify finds broken %v", broken)
		}
		if p := s.afterwards(t); p.SentAfter != 0 {
			t.Errorf("the sink shows %d messages after an opt-out", p.SentAfter)
		}
	})
}

// leavingStory sends a campaign at a slow pace, in whose middle every second
// reader opts out.
func leavingStory(t *testing.T, binary string) *story {
	t.Helper()
	const n, rate = 120, 60
	ctx := t.Context()
	s := beginOn(t, scenario{binary: binary, people: crowd(n, 2), connections: 3, keep: mailertest.KeepHeader}, setUp{}, func(*stage) {})
	s.arrives(ctx, t)
	s.finishes(ctx, t, s.starts(ctx, t, helloFile(s.site.url)))
	links := map[string]string{}
	for _, m := range s.sink.Records() {
		links[m.To], _ = oneClick(m.Header())
	}
	id := s.starts(ctx, t, newsFile(s.site.url, rate))
	s.sends(t, 5)
	s.leavesInTime(t, links)
	s.heed.ends(t, exitDone, "campaign", "wait", id, "--timeout", "60s")
	return s
}

// afterwards counts the sink's record.
func (s *story) afterwards(t *testing.T) proof {
	t.Helper()
	p := countRecord(s.handed(), s.acks)
	t.Logf("%d messages, %d of them after one of %d opt-outs", p.Messages, p.SentAfter, p.OptOuts)
	return p
}

// figure reads one of heed's own figures, summed over its labels.
func (s *story) figure(t *testing.T, name string) (sum float64) {
	t.Helper()
	page, err := readPage(t.Context(), s.web+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, line := range strings.Split(page, "\n") {
		series, value, _ := strings.Cut(line, " ")
		if base, _, _ := strings.Cut(series, "{"); base != name {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum, found = sum+n, true
	}
	if !found {
		t.Errorf("%s is not among the figures", name)
	}
	return sum
}

// broken runs heed verify and gives what it finds broken, by invariant.
func (s *story) broken(t *testing.T, code int) map[string][]string {
	t.Helper()
	all, err := objects[struct {
		Invariants map[string]store.Invariant `json:"invariants"`
	}](s.heed.ends(t, code, "verify", "--json").out)
	if err != nil || len(all) != 1 {
		t.Fatalf("heed verify gave %v, %v", all, err)
	}
	broken := map[string][]string{}
	for name, one := range all[0].Invariants {
		if len(one.Broken) > 0 {
			broken[name] = one.Broken
		}
	}
	return broken
}

// buildMutant compiles heed with one text replaced, and gives the program.
func buildMutant(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "mutants", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var m mutant
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, m.File)
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.Find); n != 1 {
		t.Fatalf("the mutant %s is none any more: %q stands in %s %d times; write it anew", name, m.Find, m.File, n)
	}
	folder := t.TempDir()
	d := &driver{folder: folder}
	changed := d.put(t, "changed.go", strings.Replace(string(source), m.Find, m.Replace, 1))
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(folder, "heed")
	build := exec.CommandContext(context.Background(), "go", "build", "-overlay", d.put(t, "overlay.json", string(overlay)), "-o", binary, "./cmd/heed")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("compiling the mutant %s: %v: %s", name, err, out)
	}
	return binary
}
