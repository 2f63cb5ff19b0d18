package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heed/mailer/mailertest"
	"heed/store/storetest"
)

// The secrets of these tests. None may ever be shown, right or wrong.
const (
	rightWord = "Rightly-Told-4711"
	wrongWord = "Wrongly/Told@0815"
	wrongCode = "Wrongly%2FTold%400815" // as it stands in a URL
)

// secretive fails where a text shows a secret.
func secretive(t *testing.T, what, text string) {
	t.Helper()
	for _, word := range []string{rightWord, wrongWord, wrongCode} {
		if strings.Contains(text, word) {
			t.Errorf("%s shows a secret: %.600s", what, text)
		}
	}
}

// TestE2EBadPasswords: with wrong passwords for the relay and the mailboxes heed
// still serves those who click, says what is wrong, and goes on once it is right.
func TestE2EBadPasswords(t *testing.T) {
	relay, err := mailertest.Start(mailertest.Options{STARTTLS: true, User: "notes", Password: rightWord, Keep: mailertest.KeepHeader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(relay.Close)
	s := beginOn(t, awayScenario(), setUp{}, func(*stage) {})
	s.arrives(t.Context(), t)
	s.finishes(t.Context(), t, s.starts(t.Context(), t, helloFile(s.site.url)))
	ca := filepath.Join(s.folder, "ca.pem")
	if err := relay.WriteCA(ca); err != nil {
		t.Fatal(err)
	}
	imap, err := os.ReadFile(filepath.Join(s.folder, "imap-password"))
	if err != nil {
		t.Fatal(err)
	}
	s.heed.put(t, "imap-password", wrongWord+"\n")
	s.restarts(t, "SMTP_URL=smtp://notes:"+wrongCode+"@"+relay.Addr()+"?tls=starttls&ca="+ca)
	id := s.starts(t.Context(), t, newsFile(s.site.url, 0))
	got := s.sink.Records()[0]
	link, _ := oneClick(got.Header())
	s.leavesAtOnce(t, map[string]string{got.To: link})
	serve := s.children["serve"]
	err = eventually(t.Context(), 20*time.Second, "both complaints", func() (bool, error) {
		log := serve.allWords(t)
		return strings.Contains(log, "relay_unreachable") && strings.Contains(log, "mailbox_lost"), nil
	})
	if err != nil {
		t.Error(err)
	}
	log := serve.allWords(t)
	wants(t, "the log with wrong passwords", log, "535", "AUTHENTICATIONFAILED", "password_file")
	secretive(t, "the log", log)
	s.heed.put(t, "imap-password", string(imap))
	s.restarts(t, "SMTP_URL=smtp://notes:"+rightWord+"@"+relay.Addr()+"?tls=starttls&ca="+ca)
	s.heed.ends(t, exitDone, "campaign", "wait", id, "--timeout", "30s")
	if n := relay.Count(); n != len(s.people)-1 {
		t.Errorf("%d messages came after all, want %d", n, len(s.people)-1)
	}
	s.byMail(t, s.people[1].email)
	secretive(t, "the log", s.children["serve"].allWords(t))
}

// restarts stops heed and starts it with another setting.
func (s *story) restarts(t *testing.T, setting string) {
	t.Helper()
	if err := s.children["serve"].stop(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	s.heed.env = append(slices.Clone(s.heed.env), setting)
	if err := s.launch(t.Context(), "serve"); err != nil {
		t.Fatal(err)
	}
}

// TestE2EBadSettings: a secret that is not there, or whose place is wrong, is
// named by its place.
func TestE2EBadSettings(t *testing.T) {
	for _, name := range []string{"SMTP_URL", "DATABASE_URL", "REDIS_URL"} {
		d := workroom(t, name+"_FILE=nowhere", "LISTEN=127.0.0.1:0")
		said := d.doesNotServe(t)
		wants(t, name+" in a file that is not there", said, name+"_FILE", "nowhere")
		d.put(t, "nowhere", "\n")
		said = d.doesNotServe(t)
		wants(t, name+" in an empty file", said, name+"_FILE", "empty")
		d.put(t, "nowhere", "mysql://heed:"+wrongCode+"@host.example/x?y\n")
		said = d.doesNotServe(t)
		wants(t, name+" of no known kind", said, name)
		secretive(t, name+" of no known kind", said)
		d.put(t, "nowhere", "smtp://heed:"+wrongWord+"%zz@ho st:x\n")
		said = d.doesNotServe(t)
		secretive(t, name+" that cannot be read", said)
	}
	d := workroom(t, "LISTEN=127.0.0.1:0")
	d.put(t, "heed.toml", "[sender]\nfrom = \"notes@"+domain+"\"\n[[mailbox]]\nrole = \"unsubscribe\"\naddress = \"unsubscribe@"+domain+
		"\"\nurl = \"imap://u@127.0.0.1:1/INBOX?tls=none\"\npassword_file = \"nowhere\"\n")
	c, err := d.start("serve")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.await(t.Context(), 20*time.Second); err != nil { // whoever clicks is served all the same
		t.Error(err)
	}
	err = eventually(t.Context(), 10*time.Second, "the complaint", func() (bool, error) {
		return strings.Contains(c.allWords(t), "password_file: open nowhere"), nil
	})
	if err := errors.Join(err, c.stop(20*time.Second)); err != nil {
		t.Error(err)
	}
	wants(t, "the log of a mailbox without its password", c.allWords(t), "mailbox unsubscribe")
}

// TestE2EBadDatabasePassword: PostgreSQL says no.
func TestE2EBadDatabasePassword(t *testing.T) {
	storetest.Long(t)
	cluster := storetest.OwnPostgres(t, storetest.PostgresOptions{NoSync: true})
	rules := filepath.Join(filepath.Dir(cluster.Log()), "cluster", "pg_hba.conf")
	trusting, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	asking := "host all stranger 127.0.0.1/32 scram-sha-256\n" // the first rule that fits counts
	if err := errors.Join(os.WriteFile(rules, append([]byte(asking), trusting...), 0o600), cluster.Stop(), cluster.Start()); err != nil {
		t.Fatal(err)
	}
	url := strings.Replace(cluster.URL("postgres"), "heed@", "stranger:"+wrongCode+"@", 1)
	d := workroom(t, "DATABASE_URL="+url, "LISTEN=127.0.0.1:0")
	said := d.doesNotServe(t)
	wants(t, "a wrong password of the database", said, "authentication", "check user and password in DATABASE_URL")
	secretive(t, "a wrong password of the database", said)
}

// doesNotServe starts a server that must end by itself, and gives what it said.
func (d *driver) doesNotServe(t *testing.T) string {
	t.Helper()
	r := d.ends(t, exitFailed, "serve")
	if r.out != "" || !strings.Contains(r.err, "heed: ") || strings.Contains(r.err, "goroutine ") {
		t.Errorf("heed serve said %q and %q", r.out, r.err)
	}
	return r.err
}

// TestE2EBadKeys: with keys that are damaged, or are not those of the database,
// nothing is opened: every address would be a stranger.
func TestE2EBadKeys(t *testing.T) {
	d := workroom(t)
	d.ends(t, exitDone, "contact", "import", d.put(t, "people.csv", csvHead+soundRow("ann")))
	keys := filepath.Join(d.folder, "heed-data", "keys")
	text, err := os.ReadFile(filepath.Join(keys, "pepper"))
	if err != nil {
		t.Fatal(err)
	}
	pepper := string(text)
	other := strings.Repeat("0123456789abcdef", 4) + "\n"
	for _, one := range []struct{ file, bad, says string }{
		{"pepper", other, "not the one that this database was made with"}, {"pepper", "", "damaged"}, {"pepper", other[:40], "damaged"},
		{"pepper", "no key at all", "damaged"}, {"links/1", "no key at all", "damaged"}, {"links/1", "", "damaged"},
		{"people.db", strings.Repeat("no database ", 500), "person keys"}, {"journal", "no journal\n", "not a journal"},
	} {
		path := filepath.Join(keys, one.file)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d.put(t, path[len(d.folder):], one.bad)
		c := d.complains(t, exitFailed, "explain", "ann@sound.example")
		wants(t, one.file, c.Error+c.Hint, one.says)
		if key := strings.TrimSpace(string(good)); len(key) == 64 && strings.Contains(c.Error+c.Hint, key) {
			t.Errorf("%s: the error shows the key", one.file)
		}
		d.put(t, path[len(d.folder):], string(good))
	}
	if err := os.Remove(filepath.Join(keys, "pepper")); err != nil {
		t.Fatal(err)
	}
	c := d.complains(t, exitFailed, "explain", "ann@sound.example")
	wants(t, "a pepper that is gone", c.Error+c.Hint, "pepper", "HEED_DATA")
	d.put(t, filepath.Join("heed-data", "keys", "pepper"), pepper)
	if e, err := ask[explained](t.Context(), d, "explain", "ann@sound.example"); err != nil || !e.gets() {
		t.Errorf("with the right keys again: %+v, %v", e, err)
	}
}
