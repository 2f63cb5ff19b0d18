package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/store/storetest"
)

// benchPlan is what a benchmark stands on.
type benchPlan struct {
	engine  string // sqlite | postgres
	people  int
	holders int    // of them, who get alerts and no news: the last ones
	config  string // further lines of the configuration
}

// benched is an installation with people who get its news, and the server that
// takes its mail.
type benched struct {
	benchPlan
	heed     *driver
	child    *child // nil while it does not run
	sink     *mailertest.Sink
	url      string
	env      []string
	cluster  *storetest.PostgresServer // nil on SQLite
	postgres int                       // its process
	database string
}

// benchSize is about what a message has on the wire.
const benchSize = 23000

// openBench makes one; serve starts it.
func openBench(t *testing.T, plan benchPlan) *benched {
	t.Helper()
	storetest.Long(t)
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	listen, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	b := &benched{benchPlan: plan, url: "http://" + listen}
	b.env = []string{"HEED_CONFIG=" + filepath.Join(folder, "heed.toml"), "HEED_DATA=" + filepath.Join(folder, "data"),
		"LISTEN=" + listen, "LOG_FORMAT=json", "SMTP_URL=smtp://127.0.0.1:1?tls=none"}
	if plan.engine == "postgres" {
		b.openServers(t)
	}
	b.heed = &driver{binary: binary, folder: folder, env: b.env}
	b.configure(t, "")
	b.write(t, "news.md", benchNews())
	b.write(t, "alert.md", "---\nsubject: The ferry is late\nservice: ferry\n---\nThe ferry of {{ company }} is late today.\n")
	b.populate(t)
	return b
}

func (b *benched) openServers(t *testing.T) {
	t.Helper()
	storetest.Need(t, "redis-server", "postgres")
	cluster := storetest.OwnPostgres(t, storetest.PostgresOptions{})
	database, _, err := cluster.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	about, err := os.ReadFile(filepath.Join(cluster.Files(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	b.cluster = cluster
	b.postgres, _ = strconv.Atoi(strings.SplitN(string(about), "\n", 2)[0])
	b.database = database
	b.env = append(b.env, "DATABASE_URL="+database, "REDIS_URL="+storetest.Redis(t))
}

// configure writes the configuration, with further lines of [sender].
func (b *benched) configure(t *testing.T, sender string) {
	t.Helper()
	b.write(t, "heed.toml", `[sender]
name = "Harbour Notes"
from = "notes@notes.example"
domain = "notes.example"
postal_address = "Harbour Notes, Pier 1, 12345 Seatown"
return_path = "bounces@notes.example"
`+sender+`
[[topic]]
id = "news"
name = "Product news"
[[service]]
id = "ferry"
name = "Ferry"
[[mailbox]]
role = "unsubscribe"
address = "unsubscribe@notes.example"
`+b.config)
}

func (b *benched) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.heed.folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *benched) reader(i int) string { return fmt.Sprintf("reader-%07d@people%d.example", i, i%50) }

// populate imports the people as their user does.
func (b *benched) populate(t *testing.T) {
	t.Helper()
	file, err := os.Create(filepath.Join(b.heed.folder, "people.csv"))
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(file)
	fmt.Fprintln(w, "email,first_name,company,topics,services,consent_at,consent_source,consent_text,attr.plan")
	for i := range b.people {
		wants := "news,,2026-01-02,web form,Yes please"
		if i >= b.people-b.holders {
			wants = ",ferry,,,"
		}
		fmt.Fprintf(w, "%s,Ann,Pier %d Ltd,%s,pro\n", b.reader(i), i%1000, wants)
	}
	if err := firstError(w.Flush(), file.Close()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	b.run(t, "contact", "import", "people.csv")
	t.Logf("%s: %d people imported in %.1f s", b.engine, b.people, time.Since(began).Seconds())
}

// run runs a command that must succeed.
func (b *benched) run(t *testing.T, args ...string) {
	t.Helper()
	if _, err := b.heed.run(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
}

// receive starts the server that takes the mail.
func (b *benched) receive(t *testing.T, o mailertest.Options) {
	t.Helper()
	o.Keep = mailertest.KeepNone
	if b.sink != nil {
		b.sink.Close()
	}
	var err error
	if b.sink, err = mailertest.Start(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.sink.Close)
}

// serve starts heed serve with so many connections.
func (b *benched) serve(t *testing.T, connections int) {
	t.Helper()
	b.heed.env = append(b.env[:len(b.env):len(b.env)], "SMTP_URL="+b.sink.URL(), fmt.Sprintf("SMTP_CONNECTIONS=%d", connections))
	var err error
	if b.child, err = b.heed.start("serve"); err != nil {
		t.Fatal(err)
	}
	c := b.child
	t.Cleanup(func() { _ = c.stop(30 * time.Second) }) // it may have been stopped or killed
	if err := responds(t.Context(), b.url+"/readyz", time.Minute); err != nil {
		t.Fatal(err, c.lastWords())
	}
}

func (b *benched) stop(t *testing.T) {
	t.Helper()
	if err := b.child.stop(30 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// open looks into the database of the heed that serves.
func (b *benched) open(t *testing.T) *store.Store {
	t.Helper()
	data := filepath.Join(b.heed.folder, "data")
	url := b.database
	if url == "" {
		url = "sqlite:" + filepath.Join(data, "heed.db")
	}
	s, err := store.Open(t.Context(), store.Options{URL: url, Keys: filepath.Join(data, "keys"), Journal: filepath.Join(data, "keys", "journal")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// link is the opt-out link that a reader finds in the newsletter.
func (b *benched) link(t *testing.T, s *store.Store, i int) (token string, key consent.Key) {
	t.Helper()
	key, _, err := s.Key(b.reader(i))
	if err != nil {
		t.Fatal(err)
	}
	return s.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeOptOut, Address: key}), key
}

// benchNews is about 20 KB of HTML with three merge fields.
func benchNews() string {
	text := "---\nsubject: 'News for {{ first_name }}'\ntopic: news\n---\nHello {{ first_name }} of {{ company }}, on plan {{ attr.plan }}.\n"
	for i := range 75 {
		text += fmt.Sprintf("\nParagraph %d of the news, with **words in bold**, a [link](https://example.com/page/%d) and some more text to read.\n", i, i)
	}
	return text
}

// draft stores the newsletter as a campaign.
func (b *benched) draft(t *testing.T) string {
	t.Helper()
	made, err := ask[struct{ ID string }](t.Context(), b.heed, "campaign", "new", "news.md")
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

// arrives waits until n messages have arrived since before.
func (b *benched) arrives(t *testing.T, before, n int) {
	t.Helper()
	err := eventually(t.Context(), 10*time.Minute, fmt.Sprintf("%d messages", n), func() (bool, error) { return b.sink.Count()-before >= n, nil })
	if err != nil {
		t.Fatal(err, b.child.lastWords())
	}
}

// campaign sends to everybody, from start to the last message that the server
// took.
func (b *benched) campaign(t *testing.T) (took time.Duration) {
	t.Helper()
	id, before, began := b.draft(t), b.sink.Count(), time.Now()
	b.run(t, "campaign", "start", id)
	b.arrives(t, before, b.people)
	took = time.Since(began)
	b.run(t, "campaign", "wait", id, "--timeout", "60s")
	if got := b.sink.Count() - before; got != b.people {
		t.Fatalf("%d messages for %d people", got, b.people)
	}
	return took
}

// source is Postfix's generator with the same number and size of messages, over
// as many kept connections.
func (b *benched) source(t *testing.T, connections int) float64 {
	t.Helper()
	program, err := exec.LookPath("smtp-source")
	if err != nil {
		program = "/usr/sbin/smtp-source"
	}
	before, began := b.sink.Count(), time.Now()
	out, err := exec.CommandContext(t.Context(), program, "-d", "-s", strconv.Itoa(connections), "-m", strconv.Itoa(b.people),
		"-l", strconv.Itoa(benchSize), "-f", "a@notes.example", "-t", "b@people.example", "inet:"+b.sink.Addr()).CombinedOutput()
	if err != nil || b.sink.Count()-before != b.people {
		t.Fatalf("smtp-source: %v, %d messages: %s", err, b.sink.Count()-before, out)
	}
	return float64(b.people) / time.Since(began).Seconds()
}

// status asks where the people of a campaign stand.
func (b *benched) status(ctx context.Context, id string) (statusView, error) {
	return ask[statusView](ctx, b.heed, "campaign", "status", id)
}
