package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/store/storetest"
)

const smallConfig = `[sender]
name = "News"
from = "news@example.com"
postal_address = "Pier 1"
[[topic]]
id = "news"
name = "News"
`

// served is a heed serve in a folder of its own.
type served struct {
	*exec.Cmd
	folder, url string
	talk        *buffer
	gone        chan error
}

// buffer may be written and read at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startServe starts heed serve and waits for its ready line.
func startServe(t *testing.T, env ...string) *served {
	t.Helper()
	return startServeWith(t, smallConfig, env...)
}

func startServeWith(t *testing.T, config string, env ...string) *served {
	t.Helper()
	s := &served{folder: t.TempDir(), talk: &buffer{}, gone: make(chan error, 1)}
	if err := os.WriteFile(filepath.Join(s.folder, "heed.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Cmd = exec.Command("heed", "serve", "--listen", "127.0.0.1:0")
	s.Dir, s.Stderr = s.folder, s.talk
	s.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.folder, "LOG_FORMAT=json"}, env...)
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	var ready struct{ Event, URL string }
	if err := json.NewDecoder(out).Decode(&ready); err != nil || ready.Event != "ready" {
		t.Fatalf("no ready line: %v %v: %s", ready, err, s.talk)
	}
	s.url = ready.URL
	go func() {
		io.Copy(io.Discard, out)
		s.gone <- s.Wait()
	}()
	t.Cleanup(func() { s.Process.Kill() })
	return s
}

// ends waits for the end and gives the exit code.
func (s *served) ends(t *testing.T) int {
	t.Helper()
	select {
	case err := <-s.gone:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return s.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		t.Fatalf("it did not end within 30 s: %s", s.talk)
	}
	return -1
}

// link seals an opt-out link of the server's own keys.
func (s *served) link(t *testing.T, address string) string {
	t.Helper()
	data := filepath.Join(s.folder, "heed-data")
	db, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(data, "heed.db"), Keys: filepath.Join(data, "keys")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	key, _, err := db.Key(address)
	if err != nil {
		t.Fatal(err)
	}
	return s.url + "/u/" + db.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeOptOut, Address: key, Scope: 1})
}

func TestSignalEndsServe(t *testing.T) {
	sink, err := mailertest.Start(mailertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		s := startServe(t, "SMTP_URL="+sink.URL())
		time.Sleep(300 * time.Millisecond) // the worker's servers have started
		s.Process.Signal(signal)
		if code := s.ends(t); code != 0 {
			t.Errorf("%v: exit code %d: %s", signal, code, s.talk)
		}
	}
}

// heed runs a command beside the server.
func (s *served) heed(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.Command("heed", args...)
	c.Dir, c.Env = s.folder, s.Env
	out, err := c.Output()
	if err != nil {
		t.Fatalf("heed %v: %v %s", args, err, out)
	}
	return string(out)
}

func (s *served) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSignalWhileSending: a relay that is slow to answer makes a shutdown wait
// for what is claimed, and nothing stays claimed or unknown.
func TestSignalWhileSending(t *testing.T) {
	sink, err := mailertest.Start(mailertest.Options{EndDelay: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	s := startServe(t, "SMTP_URL="+sink.URL())
	people := "email,topics,consent_at,consent_source,consent_text\n"
	for i := range 200 {
		people += fmt.Sprintf("p%d@example.com,news,2026-01-02,form,I want it\n", i)
	}
	s.write(t, "people.csv", people)
	s.write(t, "news.md", "---\nsubject: Hello\ntopic: news\n---\nText.\n")
	s.heed(t, "contact", "import", "people.csv")
	s.heed(t, "campaign", "new", "news.md")
	s.heed(t, "campaign", "start", "1")
	for end := time.Now().Add(20 * time.Second); sink.Seen("END")+sink.Count() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nothing is sent: %s", s.talk)
		}
	}
	s.Process.Signal(syscall.SIGTERM)
	if code := s.ends(t); code != 0 {
		t.Errorf("exit code %d: %s", code, s.talk)
	}
	var status struct {
		Accepted, Uncertain, Waiting int
		InFlight                     int `json:"in_flight"`
	}
	if err := json.Unmarshal([]byte(s.heed(t, "campaign", "status", "1", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	if status.Accepted != sink.Count() || status.Accepted+status.Waiting != 200 || status.InFlight+status.Uncertain != 0 || status.Waiting == 0 {
		t.Errorf("after the shutdown: %+v, the relay took %d", status, sink.Count())
	}
	s.heed(t, "verify")
}

// TestOptOutWithoutRedisAndRelay: what an opt-out needs is the database.
func TestOptOutWithoutRedisAndRelay(t *testing.T) {
	s := startServe(t, "REDIS_URL=redis://user:s3cret@127.0.0.1:1", "SMTP_URL=smtp://127.0.0.1:1?tls=none")
	answer, err := http.Post(s.link(t, "ann@example.com"), "application/x-www-form-urlencoded", strings.NewReader("List-Unsubscribe=One-Click"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Heed-In-Flight") != "0" || answer.Header.Get("Heed-Effective-At") == "" {
		t.Errorf("an opt-out was answered %d %v", answer.StatusCode, answer.Header)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/metrics": 200} {
		answer, err := http.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s answered %d, want %d", path, answer.StatusCode, want)
		}
	}
	s.Process.Signal(syscall.SIGTERM)
	if code := s.ends(t); code != 0 || strings.Contains(s.talk.String(), "s3cret") || !strings.Contains(s.talk.String(), "redis_away") {
		t.Errorf("exit code %d, log %s", code, s.talk)
	}
}

func TestRedisThatDropsWorkIsRefused(t *testing.T) {
	address := storetest.Redis(t)
	r, err := openRedis(address)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	var warnings []string
	warn := func(text string) { warnings = append(warnings, text) }
	ctx := t.Context()
	if err := r.fit(ctx, warn); err != nil || len(warnings) > 0 {
		t.Fatalf("a good Redis is refused: %v %v", err, warnings)
	}
	if err := r.ConfigSet(ctx, "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	err = r.fit(ctx, warn)
	var p problem
	if !errors.Is(err, errUnfit) || !errors.As(err, &p) || !strings.Contains(p.hint, "CONFIG SET maxmemory-policy noeviction") {
		t.Errorf("a Redis that evicts is taken: %v", err)
	}
	warnings = nil
	silent := redisOfUser(t, r, address)
	if err := silent.fit(ctx, warn); err != nil || len(warnings) == 0 {
		t.Errorf("a Redis that hides its settings: %v, warned of %v", err, warnings)
	}
}

// redisOfUser connects as somebody who may not ask for the settings.
func redisOfUser(t *testing.T, r *transport, address string) *transport {
	t.Helper()
	if err := r.Do(t.Context(), "ACL", "SETUSER", "quiet", "on", ">pw", "~*", "&*", "+@all", "-config").Err(); err != nil {
		t.Fatal(err)
	}
	other, err := openRedis(strings.Replace(address, "redis://", "redis://quiet:pw@", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.close)
	return other
}

func TestInProcessRedisAges(t *testing.T) {
	r, err := openRedis("")
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := r.Set(ctx, "lock", "held", time.Second).Err(); err != nil {
		t.Fatal(err)
	}
	for {
		err := r.Get(ctx, "lock").Err()
		if errors.Is(err, redis.Nil) {
			return
		}
		if err != nil {
			t.Fatalf("a lock of a second is still held: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestRedisURLs(t *testing.T) {
	for _, address := range []string{"redis://127.0.0.1:1/0", "rediss://user:pw@127.0.0.1:1", "unix:///tmp/nowhere.sock",
		"redis+sentinel://127.0.0.1:1?master_name=m&addr=127.0.0.1:2", "redis+cluster://127.0.0.1:1?addr=127.0.0.1:2"} {
		r, err := openRedis(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		r.close()
	}
	for _, address := range []string{"127.0.0.1:6379", "http://x", "redis://u:s3cret@h:port", "redis+sentinel://127.0.0.1:1"} {
		if _, err := openRedis(address); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestPace(t *testing.T) {
	start := time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)
	rate, eta := pace(store.Campaign{State: "sending", Started: start}, store.Account{Accepted: 100, Waiting: 50}, start.Add(10*time.Second))
	if rate != 10 || eta == nil || !eta.Equal(start.Add(15*time.Second)) {
		t.Errorf("pace is %v until %v", rate, eta)
	}
	rate, eta = pace(store.Campaign{State: "done", Started: start, Ended: start.Add(5 * time.Second)}, store.Account{Accepted: 100}, start.Add(time.Hour))
	if fmt.Sprint(rate) != "20" || eta != nil {
		t.Errorf("of a campaign that is done the pace is %v until %v", rate, eta)
	}
}
