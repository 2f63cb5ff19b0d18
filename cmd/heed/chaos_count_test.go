package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// chaosCount is what chaos.json keeps: how many rounds were played, and how they
// ended. It is written after each round, so that a run which was cut goes on
// where it stopped.
type chaosCount struct {
	Commit  string `json:"commit"` // of the last round
	Machine string `json:"machine"`

	Goal int    `json:"goal"` // rounds that the present run is to play
	Run  int    `json:"run"`  // and how many of them were
	Next uint64 `json:"next"` // seed

	Rounds int `json:"rounds"` // ever
	Clean  int `json:"clean"`  // since the last violation

	Messages  int     `json:"messages"`
	OptOuts   int     `json:"opt_outs"`
	InFlight  int     `json:"declared_in_flight"`
	Uncertain int     `json:"uncertain"`
	Seconds   float64 `json:"seconds"`

	Stages  map[string]int `json:"stages"`
	Faults  map[string]int `json:"faults"`
	LeftOut map[string]int `json:"left_out"` // faults that this machine cannot have

	Violations []chaosViolation `json:"violations"`

	path string
}

// chaosViolation is a round that broke a promise.
type chaosViolation struct {
	Seed   uint64   `json:"seed"`
	Commit string   `json:"commit"`
	Plan   string   `json:"plan"`
	Broken []string `json:"broken"`
}

// openCount reads the file, and says how many rounds the present run still has
// to play. Without a path nothing is kept.
func openCount(path string, goal int) (*chaosCount, error) {
	c := &chaosCount{path: path, Next: 1}
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil {
			if err := json.Unmarshal(text, c); err != nil {
				return nil, fmt.Errorf("%s: %w (delete it to begin a new count)", path, err)
			}
		}
	}
	for _, counts := range []*map[string]int{&c.Stages, &c.Faults, &c.LeftOut} {
		if *counts == nil {
			*counts = map[string]int{}
		}
	}
	if c.Goal != goal || c.Run >= c.Goal {
		c.Goal, c.Run = goal, 0
	}
	return c, nil
}

// add counts a round that ended. One that broke is played by the same seed again
// whenever somebody asks; the count goes on.
func (c *chaosCount) add(r *chaosRound, p proof, seconds float64, broken []string) error {
	commit, _ := exec.Command("git", "rev-parse", "--short", "HEAD").Output() // outside a clone it has no name
	c.Commit = strings.TrimSpace(string(commit))
	c.Machine = fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	c.Run, c.Next, c.Rounds, c.Clean = c.Run+1, c.Next+1, c.Rounds+1, c.Clean+1
	c.Messages, c.OptOuts, c.InFlight = c.Messages+p.Messages, c.OptOuts+p.OptOuts, c.InFlight+p.InFlight
	c.Uncertain, c.Seconds = c.Uncertain+p.Uncertain, c.Seconds+seconds
	c.Stages[r.plan.stage()]++
	for _, f := range r.plan.faults {
		c.Faults[f.fault]++
	}
	if r.short != "" {
		c.LeftOut[diskFull]++
	}
	if len(broken) > 0 {
		c.Clean = 0
		c.Violations = append(c.Violations, chaosViolation{r.plan.seed, c.Commit, r.plan.String(), broken})
	}
	return c.write()
}

// The part of docs/promises.md that a run writes.
const (
	chaosBegin = "<!-- written by make chaos -->\n"
	chaosEnd   = "<!-- end of what make chaos wrote -->\n"
)

// tell writes the count into a page.
func (c *chaosCount) tell(page string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, begun := strings.Cut(string(text), chaosBegin)
	_, after, ended := strings.Cut(rest, chaosEnd)
	if !begun || !ended {
		return fmt.Errorf("%s lacks the lines %q and %q, between which the count belongs", page, chaosBegin, chaosEnd)
	}
	return os.WriteFile(page, []byte(before+chaosBegin+c.words()+chaosEnd+after), 0o644)
}

// words is the count for people.
func (c *chaosCount) words() string {
	var out strings.Builder
	fmt.Fprintf(&out, "Last played at %s on %s: %d rounds, %d since the last violation, %.1f s each.\n", c.Commit, c.Machine, c.Rounds, c.Clean, c.Seconds/float64(max(1, c.Rounds)))
	fmt.Fprintf(&out, "%d messages came to the sink; %d people opted out meanwhile, of whom %d were told of a message in flight; %d deliveries were declared uncertain.\n",
		c.Messages, c.OptOuts, c.InFlight, c.Uncertain)
	fmt.Fprint(&out, "\n| fault | times |\n|---|---|\n")
	for _, fault := range sorted(c.Faults) {
		fmt.Fprintf(&out, "| %s | %d |\n", fault, c.Faults[fault])
	}
	fmt.Fprint(&out, "\n| played on | rounds |\n|---|---|\n")
	for _, stage := range sorted(c.Stages) {
		fmt.Fprintf(&out, "| %s | %d |\n", stage, c.Stages[stage])
	}
	for _, fault := range sorted(c.LeftOut) {
		fmt.Fprintf(&out, "\nLeft out %d times, where the machine forbade it: %s.\n", c.LeftOut[fault], fault)
	}
	return out.String()
}

// write replaces the file at once: a run may be killed at any moment.
func (c *chaosCount) write() error {
	if c.path == "" {
		return nil
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	beside := filepath.Join(filepath.Dir(c.path), ".chaos.json.new")
	if err := os.WriteFile(beside, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(beside, c.path)
}

// TestCountOfRoundsGoesOn: a run that was cut goes on where it stopped, and one
// that ended begins a new one; the counts of both stay.
func TestCountOfRoundsGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chaos.json")
	play := func(goal, rounds int, broken ...string) *chaosCount {
		t.Helper()
		c, err := openCount(path, goal)
		for range rounds {
			if err == nil {
				err = c.add(&chaosRound{plan: planRound(c.Next)}, proof{Messages: 10}, 5, broken)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := play(20, 7); c.Run != 7 || c.Next != 8 || c.Clean != 7 {
		t.Errorf("after 7 of 20: %+v", c)
	}
	if c := play(20, 13); c.Run != 20 || c.Rounds != 20 {
		t.Errorf("after the other 13: %+v", c)
	}
	if c := play(20, 1, "it was lost"); c.Run != 1 || c.Rounds != 21 || c.Clean != 0 || len(c.Violations) != 1 || c.Violations[0].Seed != 21 {
		t.Errorf("after a violation in a new run: %+v", c)
	}
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("before\n"+chaosBegin+"STALE\n"+chaosEnd+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := play(5, 2)
	if err := c.tell(page); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil || !strings.HasPrefix(string(text), "before\n") || !strings.HasSuffix(string(text), "after\n") ||
		!strings.Contains(string(text), "23 rounds, 2 since the last violation") || strings.Contains(string(text), "STALE") {
		t.Errorf("the page is now %v\n%s", err, text)
	}
}
