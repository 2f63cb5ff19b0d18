package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"heed/mailer/mailertest"
)

// TestBenchAPIAlerts measures what a product waits for: from the moment at which
// it posts an alert to one person to the moment at which the relay takes it,
// while a campaign goes out at full speed. The API's answer lies in between.
func TestBenchAPIAlerts(t *testing.T) {
	benchEngines(t, func(t *testing.T, engine string) {
		alertsByAPI(t, engine, messages(), engine+", 10 connections, alert by the API, POST to taken by the relay during a campaign")
	})
}

func alertsByAPI(t *testing.T, engine string, waiting int, name string) {
	t.Helper()
	n := fromEnv("HEED_BENCH_ALERTS", benchAlerts)
	b := openBench(t, benchPlan{engine: engine, people: waiting + n*2, holders: n * 2, config: benchAPI})
	came := &arrivals{at: map[string]chan time.Time{}}
	b.receive(t, mailertest.Options{OnMessage: came.note})
	b.serve(t, 10)
	p := b.program(t)
	took := b.traffic(t).sample(t, n, func(i int) time.Duration { return p.alert(t, b, came, i) })
	report(t, []figure{measured(t, name+", p50", percentile(took, 50)), measured(t, name+", p99", percentile(took, 99))})
}

// benchAPI lets one program ask as often as it likes.
const benchAPI = "[api]\nrate = 100000\n"

// benchProgram is a product with a key.
type benchProgram struct{ url, key string }

func (b *benched) program(t *testing.T) benchProgram {
	t.Helper()
	made, err := ask[struct{ Token string }](t.Context(), b.heed, "token", "create", "bench", "--scope", "admin")
	if err != nil {
		t.Fatal(err)
	}
	return benchProgram{b.url, made.Token}
}

// alert sends the i-th alert, to one of the holders, and waits for it at the relay.
func (p benchProgram) alert(t *testing.T, b *benched, came *arrivals, i int) time.Duration {
	t.Helper()
	if i >= b.holders {
		t.Fatal("the campaigns are too short for alerts")
	}
	who := b.reader(b.people - 1 - i)
	p.call(t, http.MethodPut, fmt.Sprintf("/v1/contacts/u%d", i), fmt.Sprintf(`{"email":%q}`, who), http.StatusOK)
	arrived, began := came.expect(who), time.Now()
	p.call(t, http.MethodPost, "/v1/alerts", fmt.Sprintf(`{"key":"api-%d","service":"ferry","subject":"The ferry is late","text":"It is late today.","to":"u%d"}`, i, i), http.StatusAccepted)
	select {
	case at := <-arrived:
		return at.Sub(began)
	case <-time.After(time.Minute):
		t.Fatal("an alert did not arrive within a minute: ", b.child.lastWords())
	}
	return 0
}

func (p benchProgram) call(t *testing.T, method, path, body string, want int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.key)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != want || !json.Valid(text) {
		t.Fatalf("%s %s answered %s, %v: %s", method, path, answer.Status, err, text)
	}
}
