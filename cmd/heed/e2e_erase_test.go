package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"heed/mailer/mailertest"
	"heed/store/storetest"
)

// A person is erased end to end, on real servers: by mail, by the click, in
// every file, and again after an older copy was put back.

func TestE2EErasureSQLite(t *testing.T) { eraseEndToEnd(t, setUp{redis: true, mail: true}, nil) }

func TestE2EErasurePostgres(t *testing.T) {
	storetest.Long(t)
	eraseEndToEnd(t, setUp{redis: true, mail: true}, storetest.OwnPostgres(t, storetest.PostgresOptions{}))
}

// forgotten is the person of this story.
type forgotten struct {
	*story
	t        *testing.T
	postgres *storetest.PostgresServer // nil: SQLite
	dovecot  *storetest.DovecotServer
	redis    string
}

func eraseEndToEnd(t *testing.T, u setUp, postgres *storetest.PostgresServer) {
	ctx := t.Context()
	f := &forgotten{t: t, postgres: postgres}
	f.story = beginOn(t, scenario{connections: 2, keep: mailertest.KeepAll}, u, func(st *stage) { f.listen(st) })
	f.heed.ends(t, exitDone, "contact", "import", f.heed.put(t, "people.csv", canaryCSV()))
	must(t, os.Remove(filepath.Join(f.folder, "people.csv")))
	f.heed.ends(t, exitDone, "campaign", "wait", f.starts(ctx, t, newsFile(f.site.url, 0)), "--timeout", "60s")
	archive := filepath.Join(t.TempDir(), "archive")
	f.heed.ends(t, exitDone, "backup", archive)
	if len(f.traces()) == 0 {
		t.Fatal("no file holds the address before the erasure: nothing would be shown afterwards")
	}
	f.asks(ctx)
	f.isGone(ctx, 3) // the news, the question, the certificate
	f.heed.ends(t, exitDone, "verify")
	must(t, f.children["serve"].stop(30*time.Second))
	f.expectNoTrace("after a stop")

	f.heed.ends(t, exitDone, "restore", archive)
	if len(f.traces()) == 0 {
		t.Fatal("the older copy does not hold the address: nothing would be shown afterwards")
	}
	must(t, f.launch(ctx, "serve"))
	f.isGone(ctx, 3)
	f.heed.ends(t, exitDone, "verify")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// listen learns where the servers are.
func (f *forgotten) listen(st *stage) {
	if f.postgres != nil {
		url, drop, err := f.postgres.NewDatabase(f.t.Context())
		must(f.t, err)
		f.t.Cleanup(func() { _ = drop() })
		st.env = append(st.env, "DATABASE_URL="+url)
	}
	f.dovecot = st.world.(*tap).dovecot
	for _, pair := range st.env {
		if url, is := strings.CutPrefix(pair, "REDIS_URL="); is {
			f.redis = url
		}
	}
}

// asks writes to privacy@ and presses the button behind the link of the answer.
func (f *forgotten) asks(ctx context.Context) {
	f.t.Helper()
	l := plainLetter(canaryForget, "privacy@"+domain, "Kanarie: my data", "Please delete all data that you hold about me.\n\nKanarie Vergiss, "+canaryForget)
	if _, _, err := f.mail(ctx, l); err != nil {
		f.t.Fatal(err)
	}
	confirm := ""
	must(f.t, eventually(ctx, 30*time.Second, "the question", func() (bool, error) {
		for _, m := range f.to(canaryForget) {
			confirm = cmp.Or(f.confirmLink(m.Data), confirm)
		}
		return confirm != "", nil
	}))
	must(f.t, f.confirm(ctx, confirm))
}

// to gives what somebody got.
func (f *forgotten) to(who string) (all []mailertest.Record) {
	for _, m := range f.sink.Records() {
		if strings.EqualFold(m.To, who) {
			all = append(all, m)
		}
	}
	return all
}

// isGone waits until every item of every erasure is done, and looks everywhere.
func (f *forgotten) isGone(ctx context.Context, messages int) {
	f.t.Helper()
	err := eventually(ctx, time.Minute, "the end of the erasure", func() (bool, error) {
		all, err := askAll[caseView](ctx, f.heed, "case", "list", "--all")
		ended := 0
		for _, c := range all {
			if c.Kind != "erasure" {
				continue
			}
			done, err := ask[certificateView](ctx, f.heed, "case", "certificate", c.ID)
			if err != nil || done.Ended == nil || done.Items[len(done.Items)-1].State != "done" {
				return false, nil
			}
			ended++
		}
		return ended > 0, err
	})
	must(f.t, err)
	e, err := f.explain(ctx, canaryForget)
	if err != nil || e.Known || !e.State.Erased {
		f.t.Errorf("after the erasure: %+v, %v", e, err)
	}
	if got := f.to(canaryForget); len(got) != messages {
		f.t.Errorf("%d messages came, want %d", len(got), messages)
	} else if text := strings.ReplaceAll(string(got[messages-1].Data), "=\r\n", ""); !strings.Contains(text, "By our backup schedule the last copy is overwritten by") {
		f.t.Errorf("the last message is no certificate: %q", text)
	}
	f.expectNoTrace("after the erasure")
}

func (f *forgotten) expectNoTrace(when string) {
	f.t.Helper()
	for _, trace := range f.traces() {
		f.t.Errorf("%s the address is still in %s", when, trace)
	}
	for _, folder := range []string{"INBOX", "Processed", "Review"} {
		mails, err := f.dovecot.Messages("privacy", folder)
		must(f.t, err)
		for _, raw := range mails {
			if holds(raw, canaryErased) {
				f.t.Errorf("%s a mail of the person is still in %s", when, folder)
			}
		}
	}
}

// traces lists the files and the keys of Redis that hold the address. The log
// of changes of PostgreSQL is a backup, and has its declared cycle.
func (f *forgotten) traces() (found []string) {
	f.t.Helper()
	folders := []string{f.folder}
	if f.postgres != nil {
		must(f.t, f.postgres.Checkpoint(f.t.Context()))
		folders = append(folders, f.postgres.Files())
	}
	for _, folder := range folders {
		must(f.t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if entry != nil && entry.IsDir() && entry.Name() == "pg_wal" {
				return filepath.SkipDir
			}
			if err != nil || !entry.Type().IsRegular() {
				return nil // a file of a moment
			}
			if raw, err := os.ReadFile(path); err == nil && holds(raw, canaryErased) {
				found = append(found, path)
			}
			return nil
		}))
	}
	return append(found, f.keysThatHold()...)
}

func (f *forgotten) keysThatHold() (found []string) {
	f.t.Helper()
	options, err := redis.ParseURL(f.redis)
	must(f.t, err)
	client := redis.NewClient(options)
	defer client.Close()
	keys, err := client.Keys(f.t.Context(), "*").Result()
	must(f.t, err)
	for _, key := range keys {
		value, err := client.Dump(f.t.Context(), key).Result()
		if err == nil && holds([]byte(key+value), canaryErased) {
			found = append(found, "Redis, key "+key)
		}
	}
	return found
}

// holds tells whether bytes hold a word, plainly, in hex, in UTF-16 or in any
// shift of base64.
func holds(raw []byte, word string) bool {
	low := bytes.ToLower(raw)
	wide := strings.Join(strings.Split(word, ""), "\x00")
	for _, form := range []string{word, hex.EncodeToString([]byte(word)), wide} {
		if bytes.Contains(low, []byte(form)) {
			return true
		}
	}
	for shift := range 3 {
		code := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + word))
		if bytes.Contains(raw, []byte(code[(8*shift+5)/6:len(code)-1])) {
			return true
		}
	}
	return false
}
