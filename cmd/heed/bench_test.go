package main

import (
	"context"
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
	"time"

	"heed/mailer/mailertest"
	"heed/store/storetest"
)

// The size of the benchmark; HEED_BENCH_MESSAGES and HEED_BENCH_RUNS make it
// smaller for a quick look.
const (
	benchMessages = 50000
	benchRuns     = 5
)

// figure is one line of bench.json.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Floor float64 `json:"floor,omitempty"`
	Aim   float64 `json:"aim,omitempty"`
}

// TestBench measures campaigns from their start to the last message that the
// server took, beside Postfix's smtp-source on the same server in the same run:
// these machines are noisy, so ratios count.
func TestBench(t *testing.T) {
	storetest.Long(t)
	storetest.Need(t, "smtp-source", "redis-server", "postgres")
	n, runs := fromEnv("HEED_BENCH_MESSAGES", benchMessages), fromEnv("HEED_BENCH_RUNS", benchRuns)
	var figures []figure
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, connections := range []int{10, 50} {
			figures = append(figures, benchEngine(t, engine, connections, n, runs)...)
		}
	}
	report(t, figures)
}

func fromEnv(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// benchEngine runs campaign and smtp-source in turn.
func benchEngine(t *testing.T, engine string, connections, n, runs int) []figure {
	b := openBench(t, engine, connections, n)
	var ours, theirs, cpu []float64
	for range runs {
		rate, seconds := b.campaign(t)
		ours, cpu = append(ours, rate), append(cpu, seconds)
		theirs = append(theirs, b.source(t))
	}
	name := fmt.Sprintf("%s, %d connections", engine, connections)
	floor, aim := 0.5, 0.7
	if connections == 10 {
		floor, aim = 0.25, 0.5
	}
	return []figure{
		{Name: name, Value: median(ours), Unit: "messages/s"},
		{Name: name + ", smtp-source", Value: median(theirs), Unit: "messages/s"},
		{Name: name + ", ratio to smtp-source", Value: median(ours) / median(theirs), Unit: "", Floor: floor, Aim: aim},
		{Name: name + ", CPU of heed per 1,000 messages", Value: median(cpu), Unit: "s", Floor: 0.15, Aim: 0.10},
	}
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// benched is a heed that serves, with n people who get everything.
type benched struct {
	heed        *driver
	child       *child
	sink        *mailertest.Sink
	n           int
	connections int
	size        int    // bytes of a message
	mailboxes   string // of the configuration
}

func openBench(t *testing.T, engine string, connections, n int) *benched {
	t.Helper()
	return openBenchWith(t, engine, connections, n, benchMailboxes)
}

func openBenchWith(t *testing.T, engine string, connections, n int, mailboxes string) *benched {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	sink, err := mailertest.Start(mailertest.Options{Keep: mailertest.KeepNone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sink.Close)
	listen, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	env := []string{"HEED_CONFIG=" + filepath.Join(folder, "heed.toml"), "HEED_DATA=" + filepath.Join(folder, "data"), "LISTEN=" + listen,
		"SMTP_URL=" + sink.URL(), fmt.Sprintf("SMTP_CONNECTIONS=%d", connections), "LOG_FORMAT=json"}
	if engine == "postgres" {
		env = append(env, "DATABASE_URL="+storetest.Postgres(t), "REDIS_URL="+storetest.Redis(t))
	}
	b := &benched{heed: &driver{binary: binary, folder: folder, env: env}, sink: sink, n: n, connections: connections, size: 23000, mailboxes: mailboxes}
	b.begin(t, folder, "http://"+listen)
	return b
}

const benchConfig = `[sender]
name = "Harbour Notes"
from = "notes@notes.example"
domain = "notes.example"
postal_address = "Harbour Notes, Pier 1, 12345 Seatown"
return_path = "bounces@notes.example"
[[topic]]
id = "news"
name = "Product news"
`

const benchMailboxes = `[[mailbox]]
role = "unsubscribe"
address = "unsubscribe@notes.example"
`

func (b *benched) begin(t *testing.T, folder, url string) {
	t.Helper()
	ctx := t.Context()
	var csv strings.Builder
	csv.WriteString("email,first_name,company,topics,consent_at,consent_source,consent_text,attr.plan\n")
	for i := range b.n {
		fmt.Fprintf(&csv, "reader-%06d@people%d.example,Ann,Pier %d Ltd,news,2026-01-02,web form,Yes please,pro\n", i, i%50, i%1000)
	}
	for name, text := range map[string]string{"heed.toml": benchConfig + b.mailboxes, "people.csv": csv.String(), "news.md": benchNews()} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.heed.run(ctx, "contact", "import", "people.csv"); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.child, err = b.heed.start("serve"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.child.stop(30 * time.Second) })
	if err := responds(ctx, url+"/readyz", time.Minute); err != nil {
		t.Fatal(err)
	}
}

// benchNews is about 20 KB of HTML with three merge fields.
func benchNews() string {
	text := "---\nsubject: 'News for {{ first_name }}'\ntopic: news\n---\nHello {{ first_name }} of {{ company }}, on plan {{ attr.plan }}.\n"
	for i := range 75 {
		text += fmt.Sprintf("\nParagraph %d of the news, with **words in bold**, a [link](https://example.com/page/%d) and some more text to read.\n", i, i)
	}
	return text
}

// campaign sends to everybody; it gives messages a second and the CPU seconds
// of heed for 1,000 of them.
func (b *benched) campaign(t *testing.T) (rate, cpu float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	made, err := ask[struct{ ID string }](ctx, b.heed, "campaign", "new", "news.md")
	if err != nil {
		t.Fatal(err)
	}
	before, used := b.sink.Count(), processCPU(b.child.cmd.Process.Pid)
	began := time.Now()
	if _, err := b.heed.run(ctx, "campaign", "start", made.ID); err != nil {
		t.Fatal(err)
	}
	if err := eventually(ctx, 10*time.Minute, "the last message", func() (bool, error) { return b.sink.Count()-before >= b.n, nil }); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	cpu = (processCPU(b.child.cmd.Process.Pid) - used) / float64(b.n) * 1000
	if _, err := b.heed.run(ctx, "campaign", "wait", made.ID, "--timeout", "60s"); err != nil {
		t.Fatal(err)
	}
	if got := b.sink.Count() - before; got != b.n {
		t.Fatalf("%d messages for %d people", got, b.n)
	}
	return float64(b.n) / took.Seconds(), cpu
}

// source is Postfix's generator with the same number and size of messages, over
// as many kept connections.
func (b *benched) source(t *testing.T) float64 {
	t.Helper()
	program, err := exec.LookPath("smtp-source")
	if err != nil {
		program = "/usr/sbin/smtp-source"
	}
	before, began := b.sink.Count(), time.Now()
	out, err := exec.CommandContext(t.Context(), program, "-d", "-s", strconv.Itoa(b.connections), "-m", strconv.Itoa(b.n),
		"-l", strconv.Itoa(b.size), "-f", "a@notes.example", "-t", "b@people.example", "inet:"+b.sink.Addr()).CombinedOutput()
	if err != nil || b.sink.Count()-before != b.n {
		t.Fatalf("smtp-source: %v, %d messages: %s", err, b.sink.Count()-before, out)
	}
	return float64(b.n) / time.Since(began).Seconds()
}

// processCPU is the user and system time of a process in seconds, from fields
// 14 and 15 of /proc/PID/stat, in hundredths.
func processCPU(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

// report prints the table and writes the file that HEED_BENCH_JSON names.
func report(t *testing.T, figures []figure) {
	t.Helper()
	for _, f := range figures {
		t.Logf("%-50s %10.2f %-10s floor %g, aim %g", f.Name, f.Value, f.Unit, f.Floor, f.Aim)
	}
	path := os.Getenv("HEED_BENCH_JSON")
	if path == "" {
		return
	}
	commit, _ := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	text, err := json.MarshalIndent(map[string]any{"commit": strings.TrimSpace(string(commit)),
		"machine": fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
		"results": append(reported(t, path), figures...)}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
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
