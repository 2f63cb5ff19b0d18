package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// benchRows lists every row that the benchmarks measure, with its floor and aim.
func benchRows() (all []figure) {
	add := func(name, unit string, floor, aim float64) {
		all = append(all, figure{Name: name, Unit: unit, Floor: floor, Aim: aim})
	}
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, connections := range []int{10, 50} {
			on := fmt.Sprintf("%s, %d connections", engine, connections)
			add(on, "messages/s", 0, 0)
			add(on+", smtp-source", "messages/s", 0, 0)
			if connections == 10 {
				add(on+", ratio to smtp-source", "", 0.25, 0.5)
			} else {
				add(on+", ratio to smtp-source", "", 0.5, 0.7)
			}
			add(on+", CPU of heed per 1,000 messages", "s", 0.15, 0.10)
			if engine == "postgres" {
				add(on+", CPU of PostgreSQL per 1,000 messages", "s", 0, 0)
				continue
			}
			add(on+", relay 5 ms away", "messages/s", 0, 0)
			add(on+", relay 5 ms away, bare sender", "messages/s", 0, 0)
			add(on+", relay 5 ms away, ratio to a bare sender", "", 0.8, 0.9)
		}
		on := engine + ", 10 connections"
		if engine == "sqlite" {
			add(on+", signed Ed25519, ratio to unsigned", "", 0.6, 0.75)
			add(engine+", 50 connections, signed RSA-2048, ratio to cores x crypto/rsa", "", 0.75, 0.9)
		}
		alert := on + ", alert stored to taken by the relay during a campaign"
		add(alert+", p50", "ms", 200, 50)
		add(alert+", p99", "ms", 1000, 300)
		api := on + ", alert by the API, POST to taken by the relay during a campaign"
		add(api+", p50", "ms", 200, 50)
		add(api+", p99", "ms", 1000, 300)
		click := on + ", opt-out POST to 200 during a campaign"
		add(click+", p50", "ms", 0, 0)
		add(click+", p99", "ms", 250, 30)
		add(click+", max", "ms", 2500, 2100)
		pause := on + ", pause called to the last end of a message"
		add(pause+", p50", "ms", 0, 0)
		add(pause+", p99", "ms", 500, 100)
		kill := on + ", kill -9"
		all = append(all, figure{Name: kill + ", lost", Unit: "messages", strict: true}, figure{Name: kill + ", sent twice", Unit: "messages", strict: true})
		add(kill+", uncertain, most of one kill", "messages", 10, 10)
		add(kill+", restart to the first message, p50", "s", 5, 1)
		add(kill+", restart to the first message, max", "s", 5, 1)
		add(engine+", disk per delivery", "bytes", 0, 0)
		add(engine+", disk per person", "bytes", 0, 0)
		add(engine+", deliveries pruned while sending", "rows/s", 0, 0)
		add(engine+", rate of sending while pruning, ratio to before", "", 0, 0)
		for _, page := range knownPages {
			of := engine + ", known or unknown address: " + page
			add(of+", ranks apart", "sigma", 4, 3)
			add(of+", median apart", "ms", 0, 0)
		}
		all = append(all, multitudeRows(engine, "a million", 128, 64)...)
	}
	all = append(all, multitudeRows("sqlite", "ten million", 256, 160)...)
	add("inbox, mails read per second and core", "mails/s", 100, 500)
	for _, when := range []string{"idle", "during a campaign"} {
		add("opt-out by mail, Dovecot to effect, "+when+", p50", "s", 2, 0.5)
		add("opt-out by mail, Dovecot to effect, "+when+", p99", "s", 5, 1)
	}
	return all
}

func multitudeRows(engine, people string, floor, aim float64) []figure {
	on := engine + ", 10 connections, " + people + " people, "
	alert := on + "alert by the API, POST to taken by the relay, "
	return []figure{{Name: on + "start called to the first message", Unit: "s", Floor: 1, Aim: 0.1},
		{Name: alert + "p50", Unit: "ms", Floor: 200, Aim: 50}, {Name: alert + "p99", Unit: "ms", Floor: 1000, Aim: 300},
		{Name: on + "start called to its return", Unit: "s"}, {Name: on + "a draft stored", Unit: "s"},
		{Name: on + "rate", Unit: "messages/s"}, {Name: on + "peak memory", Unit: "MB", Floor: floor, Aim: aim}}
}

// measured is a row with its value.
func measured(t *testing.T, name string, value float64) figure {
	t.Helper()
	rows := benchRows()
	at := slices.IndexFunc(rows, func(f figure) bool { return f.Name == name })
	if at < 0 {
		t.Fatalf("benchRows has no %q", name)
	}
	rows[at].Value = value
	return rows[at]
}

// The part of docs/promises.md that a run writes.
const (
	benchBegin = "<!-- written by make bench -->\n"
	benchEnd   = "<!-- end of what make bench wrote -->\n"
)

// page is docs/promises.md around what a run writes.
func benchPage(text string) (before, rows, after string, err error) {
	before, rest, begun := strings.Cut(text, benchBegin)
	rows, after, ended := strings.Cut(rest, benchEnd)
	if !begun || !ended {
		return "", "", "", fmt.Errorf("it lacks the lines %q and %q, between which the figures belong", benchBegin, benchEnd)
	}
	return before, rows, after, nil
}

// tellFigures writes figures into a page; rows that were not measured this time
// stay as they were, with the commit at which they were.
func tellFigures(page, commit, machine string, figures []figure) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, old, after, err := benchPage(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	lines := map[string]string{}
	for _, line := range strings.Split(old, "\n") {
		if found := benchLine.FindStringSubmatch(line); found != nil {
			lines[found[1]] = line
		}
	}
	for _, f := range figures {
		lines[f.Name] = f.line(commit)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "Last measured on %s, rates as the median of %d runs of %d messages.\n\n| what | measured | floor | aim | | at |\n|---|---|---|---|---|---|\n", machine, runs(), messages())
	for _, row := range benchRows() {
		if line := lines[row.Name]; line != "" {
			out.WriteString(line + "\n")
		}
	}
	return os.WriteFile(page, []byte(before+benchBegin+out.String()+benchEnd+after), 0o644)
}

var benchLine = regexp.MustCompile(`^\| ([^|]+) \| ([-0-9.]+)[^|]* \| ([^|]*) \| ([^|]*) \|[^|]*\| ([0-9a-f]+) \|$`)

func (f figure) line(commit string) string {
	goal := func(n float64) string {
		if n == 0 && !f.strict {
			return ""
		}
		return fmt.Sprint(n)
	}
	value := strings.TrimSpace(fmt.Sprintf("%.*f %s", f.digits(), f.Value, f.Unit))
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |", f.Name, value, goal(f.Floor), goal(f.Aim), f.word(), commit)
}

// digits is as many as say something.
func (f figure) digits() int {
	if f.Value >= 100 || f.Value == 0 {
		return 0
	}
	return 3
}

// TestFiguresOfThePromisesAreOurs holds what docs/promises.md says was measured
// against the rows that are measured.
func TestFiguresOfThePromisesAreOurs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "promises.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _, err := benchPage(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(block, "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| what |") {
			continue
		}
		found := benchLine.FindStringSubmatch(line)
		if found == nil {
			t.Errorf("no row: %s", line)
			continue
		}
		row := measured(t, found[1], 1)
		if want := benchLine.FindStringSubmatch(row.line("0")); found[3] != want[3] || found[4] != want[4] {
			t.Errorf("%s: floor %s and aim %s, but they are %s and %s", found[1], found[3], found[4], want[3], want[4])
		}
	}
}

// TestFiguresAreWrittenIntoAPage: what is measured anew replaces what stood there,
// and the rest of the page stays.
func TestFiguresAreWrittenIntoAPage(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("before\n"+benchBegin+benchEnd+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const lost, ratio = "sqlite, 10 connections, kill -9, lost", "sqlite, 10 connections, ratio to smtp-source"
	for commit, figures := range []([]figure){{measured(t, lost, 3), measured(t, ratio, 0.1)}, {measured(t, lost, 0)}} {
		if err := tellFigures(page, fmt.Sprint("abc", commit), "a machine", figures); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf("Last measured on a machine, rates as the median of %d runs of %d messages.\n\n", runs(), messages())
	want := "before\n" + benchBegin + head + "| what | measured | floor | aim | | at |\n|---|---|---|---|---|---|\n" +
		"| " + ratio + " | 0.100 | 0.25 | 0.5 | BELOW THE FLOOR | abc0 |\n| " + lost + " | 0 messages | 0 | 0 | as promised | abc1 |\n" + benchEnd + "after\n"
	if string(text) != want {
		t.Errorf("the page is\n%s\nwant\n%s", text, want)
	}
}
