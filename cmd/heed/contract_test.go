package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heed/mailer/mailertest"
	"heed/store/storetest"
)

// doorsConfig has a topic and a service.
const doorsConfig = smallConfig + `[[topic]]
id = "events"
name = "Events"
[[service]]
id = "files"
name = "Files"
[[partner]]
id = "acme"
name = "Acme"
purpose = "offers"
contract = "of 2026"
country = "France"
fields = ["first_name"]
fetches = true
`

// contract is the published file, and a server that is held against it.
type contract struct {
	t      *testing.T
	doc    map[string]any
	server *served
	key    string
	acme   string // the key of a partner
	called map[string]bool
	etag   string // of the answer before
}

func openContract(t *testing.T, server *served, key, acme string) *contract {
	t.Helper()
	text, err := os.ReadFile("../../docs/openapi.json")
	c := &contract{t: t, server: server, key: key, acme: acme, called: map[string]bool{}}
	if err == nil {
		err = json.Unmarshal(text, &c.doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// token makes a key as its user does.
func (s *served) token(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("heed", append([]string{"token", "create", "a test", "--json"}, args...)...)
	cmd.Dir, cmd.Env = s.folder, s.Env
	out, err := cmd.Output()
	var made struct{ Token string }
	if err == nil {
		err = json.Unmarshal(out, &made)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return made.Token
}

// operation finds one by its id.
func (c *contract) operation(id string) (method, path string, op map[string]any) {
	for path, item := range c.doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			if o, is := op.(map[string]any); is && o["operationId"] == id {
				return strings.ToUpper(method), path, o
			}
		}
	}
	c.t.Fatalf("the published file has no operation %q", id)
	return "", "", nil
}

func (c *contract) operations() (ids []string) {
	for _, item := range c.doc["paths"].(map[string]any) {
		for _, op := range item.(map[string]any) {
			if o, is := op.(map[string]any); is {
				ids = append(ids, o["operationId"].(string))
			}
		}
	}
	return slices.Sorted(slices.Values(ids))
}

// shot is one request.
type shot struct {
	op     string
	params []string // of the path, in their order
	query  string
	body   string
	header []string
	want   int
	code   string // of a problem
}

// send makes a request of the published file, and holds the answer against it.
func (c *contract) send(s shot) map[string]any {
	c.t.Helper()
	method, path, op := c.operation(s.op)
	for _, value := range s.params {
		before, rest, _ := strings.Cut(path, "{")
		_, after, _ := strings.Cut(rest, "}")
		path = before + value + after
	}
	r, err := http.NewRequest(method, c.server.url+path+s.query, strings.NewReader(s.body))
	if err != nil {
		c.t.Fatal(err)
	}
	if s.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+c.keyFor(op))
	for i := 0; i < len(s.header); i += 2 {
		r.Header.Set(s.header[i], s.header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	c.etag = answer.Header.Get("ETag")
	return c.judge(s, op, answer, text)
}

// keyFor is the key of the run, unless only a partner's own will do.
func (c *contract) keyFor(op map[string]any) string {
	if c.acme != "" && op["tags"].([]any)[0] == "partner" {
		return c.acme
	}
	return c.key
}

const contractCampaign = `{"source":"---\nname: June\nsubject: News\ntopic: news\n---\nHello {{ first_name | default: \"there\" }}"}`

// goods is a good request for each operation, in an order in which they can be
// done one after the other.
func (c *contract) goods() {
	c.t.Helper()
	consent := `{"topics":["news"],"sharing":true,"at":"2026-01-02T10:00:00Z","source":"sign-up","text":"I want the news"}`
	for i, who := range []string{"ann", "ben", "cleo"} {
		c.send(shot{op: "put-contact", params: []string{who}, body: fmt.Sprintf(`{"email":"%s@example.com","first_name":"P%d","services":["files"],"consent":%s}`, who, i, consent), want: 201})
	}
	c.send(shot{op: "put-contact", params: []string{"ann"}, body: `{"company":"Pier"}`, want: 200})
	c.send(shot{op: "put-contact", params: []string{"ben"}, body: `{"email":"ben@example.org"}`, want: 202})
	c.send(shot{op: "get-contact", params: []string{"ann"}, want: 200})
	c.send(shot{op: "post-event", params: []string{"ann"}, body: `{"type":"holds","service":"files"}`, want: 200})
	c.send(shot{op: "post-event", params: []string{"cleo"}, body: `{"type":"address_changed","email":"cleo@example.org"}`, want: 202})
	c.send(shot{op: "post-event", params: []string{"dora"}, body: `{"type":"registered","email":"dora@example.com"}`, want: 200})
	c.send(shot{op: "put-preferences", params: []string{"dora"}, body: `{"topics":{"news":"in"}}`, want: 202})
	c.send(shot{op: "get-preferences", params: []string{"ann"}, want: 200})
	c.send(shot{op: "put-preferences", params: []string{"cleo"}, body: `{"topics":{"events":"out"}}`, want: 200})
	c.send(shot{op: "make-preference-link", params: []string{"ann"}, want: 201})
	c.partners()
	alert := `{"key":"outage-1","service":"files","subject":"Files are slow","text":"They are slow, {{ first_name }}."}`
	c.send(shot{op: "send-alert", body: alert, want: 202})
	c.send(shot{op: "send-alert", body: alert, want: 200})
	c.send(shot{op: "get-alert", params: []string{"outage-1"}, want: 200})
	c.send(shot{op: "list-alert-messages", params: []string{"outage-1"}, query: "?limit=2", want: 200})
	c.campaigns()
	c.send(shot{op: "open-case", body: `{"kind":"complaint","external_id":"ann","note":"too slow"}`, want: 201})
	c.send(shot{op: "list-cases", want: 200})
	c.send(shot{op: "get-case", params: []string{"1"}, want: 200})
	c.send(shot{op: "get-case", params: []string{"1"}, query: "?reveal=true", want: 200})
	c.send(shot{op: "add-suppressions", body: `{"suppressions":[{"email":"x@example.com","source":"old list"},{"email":"nobody"}]}`, want: 200})
	c.send(shot{op: "list-suppressions", query: "?limit=1", want: 200})
}

// partners has a partner read who shares, and hear of somebody who does no more.
func (c *contract) partners() {
	c.t.Helper()
	first := c.send(shot{op: "get-feed", query: "?limit=2", want: 200})
	tag := c.etag
	c.send(shot{op: "get-feed", query: "?limit=2", header: []string{"If-None-Match", tag}, want: 304})
	rest := c.send(shot{op: "get-feed", query: fmt.Sprint("?limit=2&cursor=", first["next_cursor"]), want: 200})
	if n := len(first["people"].([]any)) + len(rest["people"].([]any)); n != 3 || rest["next_cursor"] != nil {
		c.t.Errorf("the feed has %v and %v", first, rest)
	}
	c.send(shot{op: "put-preferences", params: []string{"ben"}, body: `{"sharing":"out"}`, want: 200})
	after := c.send(shot{op: "get-feed", query: "?limit=2", header: []string{"If-None-Match", tag}, want: 200})
	if strings.Contains(fmt.Sprint(after), "ben@") {
		c.t.Errorf("after the withdrawal the feed has %v", after)
	}
	told := c.send(shot{op: "list-notices", want: 200})["notices"].([]any)
	if len(told) != 1 || told[0].(map[string]any)["email"] != "ben@example.com" {
		c.t.Fatalf("the partner is told %v", told)
	}
	id := []string{fmt.Sprint(told[0].(map[string]any)["id"])}
	c.send(shot{op: "answer-notice", params: id, body: `{"status":"deleted"}`, want: 422, code: "invalid_request"})
	c.send(shot{op: "answer-notice", params: id, body: `{"status":"accepted"}`, want: 200})
	c.send(shot{op: "answer-notice", params: id, body: `{"status":"stopped"}`, want: 200})
	c.send(shot{op: "answer-notice", params: id, body: `{"status":"stopped"}`, want: 404, code: "not_found"})
}

func (c *contract) campaigns() {
	c.t.Helper()
	made := c.send(shot{op: "create-campaign", body: contractCampaign, want: 201, header: []string{"Idempotency-Key", "june"}})
	again := c.send(shot{op: "create-campaign", body: contractCampaign, want: 201, header: []string{"Idempotency-Key", "june"}})
	if made["id"] != again["id"] {
		c.t.Errorf("the same request made the campaigns %v and %v", made["id"], again["id"])
	}
	id := []string{fmt.Sprint(made["id"])}
	tag := c.etag
	c.send(shot{op: "list-campaigns", query: "?limit=1", want: 200})
	c.send(shot{op: "get-campaign", params: id, want: 200})
	c.send(shot{op: "check-campaign", params: id, want: 200})
	c.send(shot{op: "estimate-campaign", params: id, want: 200})
	c.send(shot{op: "estimate-audience", body: `{"topic":"news"}`, want: 200})
	c.send(shot{op: "schedule-campaign", params: id, body: `{"at":"2099-01-01T00:00:00Z"}`, header: []string{"If-Match", tag}, want: 200})
	c.send(shot{op: "start-campaign", params: id, header: []string{"If-Match", tag}, want: 412, code: "changed"})
	c.send(shot{op: "start-campaign", params: id, want: 200})
	c.send(shot{op: "pause-campaign", params: id, want: 200})
	c.send(shot{op: "resume-campaign", params: id, want: 200})
	c.send(shot{op: "cancel-campaign", params: id, want: 200})
	c.send(shot{op: "start-campaign", params: id, want: 409, code: "wrong_state"})
	c.send(shot{op: "list-campaign-messages", params: id, want: 200})
}

// bads sends what each operation says that it refuses.
func (c *contract) bads(preferences, send string) {
	c.t.Helper()
	key, acme := c.key, c.acme
	for i, id := range c.operations() {
		c.acme = ""
		method, path, op := c.operation(id)
		params := slices.Repeat([]string{"999999"}, strings.Count(path, "{"))
		body := ""
		if op["requestBody"] != nil {
			body = `{}`
		}
		c.key = "heed_live_wrong"
		if i < 20 { // from then on they would be put off
			c.send(shot{op: id, params: params, body: body, want: 401, code: "key_unknown"})
		}
		if c.key = preferences; op["tags"].([]any)[0] == "preferences" {
			c.key = send
		}
		c.send(shot{op: id, params: params, body: body, want: 403, code: "scope_missing"})
		c.key, c.acme = key, acme
		if body != "" {
			c.send(shot{op: id, params: params, body: `{`, want: 400, code: "invalid_request"})
			c.send(shot{op: id, params: params, body: `{"unheard_of":1}`, want: 422, code: "invalid_request"})
			c.send(shot{op: id, params: params, body: `{"x":"` + strings.Repeat("x", 1<<20) + `"}`, want: 413, code: "too_large"})
		}
		c.send(shot{op: id, params: params, query: "?unheard_of=1", body: body, want: 422, code: "invalid_request"})
		if op["responses"].(map[string]any)["404"] != nil && (body == "" || method == "GET") {
			code := "not_found"
			if strings.Contains(path, "external_id") {
				code = "contact_unknown"
			}
			c.send(shot{op: id, params: params, want: 404, code: code})
		}
	}
}

// TestContract drives a real server by nothing but the published file: each
// operation with a good request and with what it refuses, in the sandbox and
// outside it.
func TestContract(t *testing.T) {
	sink, err := mailertest.Start(mailertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	server := startServeWith(t, doorsConfig+"[api]\nrate = 10000\n", "SMTP_URL="+sink.URL())
	live, test := server.token(t, "--scope", "admin"), server.token(t, "--scope", "admin", "--test")

	inside := openContract(t, server, test, server.token(t, "--scope", "partner:acme", "--test"))
	inside.goods()
	inside.delivers("outage-1", "simulated")
	outside := openContract(t, server, live, server.token(t, "--scope", "partner:acme"))
	outside.send(shot{op: "get-contact", params: []string{"ann"}, want: 404, code: "contact_unknown"})
	outside.send(shot{op: "get-alert", params: []string{"outage-1"}, want: 404, code: "not_found"})
	if n := sink.Count(); n != 0 {
		t.Errorf("the sandbox handed %d messages to the relay", n)
	}
	outside.goods()
	outside.delivers("outage-1", "accepted")
	for _, id := range outside.operations() {
		if !outside.called[id] || !inside.called[id] {
			t.Errorf("%s was not called", id)
		}
	}
	outside.bads(server.token(t, "--scope", "preferences"), server.token(t, "--scope", "send"))
	if strings.Contains(server.talk.String(), "ann@") || strings.Contains(server.talk.String(), "@example") {
		t.Error("the log holds an address")
	}
	if _, err := os.Stat(filepath.Join(server.folder, "heed-data", "sandbox", "heed.db")); err != nil {
		t.Error(err)
	}
}

// delivers waits until every message of an alert has the status.
func (c *contract) delivers(alert, status string) {
	c.t.Helper()
	var last bytes.Buffer
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		got := c.send(shot{op: "list-alert-messages", params: []string{alert}, want: 200})
		messages, _ := got["messages"].([]any)
		last.Reset()
		fmt.Fprint(&last, messages)
		if len(messages) == 3 && !slices.ContainsFunc(messages, func(m any) bool { return m.(map[string]any)["status"] != status }) {
			return
		}
	}
	c.t.Errorf("the messages never were %s: %s", status, &last)
}

// TestContractWithoutADatabase: every operation says 503 while the database is
// away, with a live key and with a test key, and works again when it is back.
func TestContractWithoutADatabase(t *testing.T) {
	sink, err := mailertest.Start(mailertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	line, near := storetest.LineTo(t, storetest.QuickPostgres(t))
	server := startServeWith(t, doorsConfig+"[api]\nrate = 10000\n", "SMTP_URL="+sink.URL(), "DATABASE_URL="+near)
	live := openContract(t, server, server.token(t, "--scope", "admin"), server.token(t, "--scope", "partner:acme"))
	test := openContract(t, server, server.token(t, "--scope", "admin", "--test"), server.token(t, "--scope", "partner:acme", "--test"))
	line.Cut()
	for _, id := range live.operations() {
		_, path, op := live.operation(id)
		if op["responses"].(map[string]any)["503"] == nil {
			t.Errorf("%s needs the database, and does not say that it may be away", id)
			continue
		}
		one := shot{op: id, params: slices.Repeat([]string{"1"}, strings.Count(path, "{")), want: 503, code: "unavailable"}
		if op["requestBody"] != nil {
			one.body = `{}`
		}
		live.send(one)
		test.send(one)
	}
	line.Mend()
	live.goods()
	test.goods()
}
