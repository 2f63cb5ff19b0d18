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
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The size of the benchmarks. HEED_BENCH_MESSAGES, HEED_BENCH_RUNS and
// HEED_BENCH_PEOPLE make them smaller for a quick look.
const (
	benchMessages = 50_000    // of one run
	benchRuns     = 5         // whose median counts
	benchPeople   = 1_000_000 // where what is measured grows with the people stored
)

func fromEnv(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

func messages() int { return fromEnv("HEED_BENCH_MESSAGES", benchMessages) }

func runs() int { return fromEnv("HEED_BENCH_RUNS", benchRuns) }

// figure is one line of bench.json. A figure without a unit is a ratio, of which
// more is better, as of rates; of all others less is.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Floor float64 `json:"floor,omitempty"`
	Aim   float64 `json:"aim,omitempty"`

	strict bool // nothing but 0 will do
}

// word says how a figure stands to its floor and its aim.
func (f figure) word() string {
	more := f.Unit == "" || strings.Contains(f.Unit, "/s")
	reaches := func(goal float64) bool { return more && f.Value >= goal || !more && f.Value <= goal }
	switch {
	case f.strict && f.Value == 0:
		return "as promised"
	case f.strict:
		return "BROKEN"
	case f.Floor == 0 && f.Aim == 0:
		return ""
	case reaches(f.Aim):
		return "aim reached"
	case reaches(f.Floor):
		return "floor held"
	}
	return "BELOW THE FLOOR"
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// percentile is nearest-rank: of a hundred figures p99 is the last but one.
func percentile(all []float64, p int) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[min(len(all)-1, len(all)*p/100)]
}

// report prints the table and writes the file that HEED_BENCH_JSON names. What is
// below its floor is told, and fails nothing: machines differ.
func report(t *testing.T, figures []figure) {
	t.Helper()
	for _, f := range figures {
		t.Logf("%-66s %10.3f %-10s floor %-5g aim %-5g %s", f.Name, f.Value, f.Unit, f.Floor, f.Aim, f.word())
	}
	path := os.Getenv("HEED_BENCH_JSON")
	if path == "" {
		return
	}
	machine := fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	text, err := json.MarshalIndent(map[string]any{"commit": commit(), "machine": machine,
		"results": append(reported(t, path), figures...)}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	if page := os.Getenv("HEED_BENCH_PAGE"); page != "" && whole() {
		if err := tellFigures(page, commit(), machine, figures); err != nil {
			t.Fatal(err)
		}
	}
}

// whole tells whether this is more than a quick look, of which no page tells.
func whole() bool {
	for _, setting := range os.Environ() {
		name, _, _ := strings.Cut(setting, "=")
		if strings.HasPrefix(name, "HEED_BENCH_") && name != "HEED_BENCH_JSON" && name != "HEED_BENCH_PAGE" {
			return false
		}
	}
	return true
}

func commit() string {
	name, _ := exec.Command("git", "rev-parse", "--short", "HEAD").Output() // without git it has no name
	return strings.TrimSpace(string(name))
}

// reported is what other benchmarks of this run wrote before.
func reported(t *testing.T, path string) []figure {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var file struct{ Results []figure }
	if err = errors.Join(err, json.Unmarshal(text, &file)); err != nil {
		t.Fatal(err)
	}
	return file.Results
}

// processCPU is the user and system time of a process in seconds, from fields
// 14 and 15 of /proc/PID/stat, in hundredths.
func processCPU(pid int) float64 { return cpuFields(pid, 11, 12) }

// familyCPU is that of a process, its children, and those that have ended.
func familyCPU(pid int) (seconds float64) {
	if pid == 0 {
		return 0
	}
	seconds = cpuFields(pid, 11, 12, 13, 14)
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // gone: it counts as 0
	for _, task := range tasks {
		list, _ := os.ReadFile(task)
		for _, child := range strings.Fields(string(list)) {
			if id, err := strconv.Atoi(child); err == nil {
				seconds += processCPU(id)
			}
		}
	}
	return seconds
}

// cpuFields counts from the state on, which follows the name in brackets.
func cpuFields(pid int, fields ...int) (seconds float64) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	words := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, field := range fields {
		ticks, _ := strconv.ParseFloat(words[field], 64)
		seconds += ticks / 100
	}
	return seconds
}

// peakMemory is the most that a process had in memory so far, in MB.
func peakMemory(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kB, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return kB / 1000 * 1.024
}
