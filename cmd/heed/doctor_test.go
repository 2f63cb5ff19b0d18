package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heed/mailer"
	"heed/store/storetest"
)

// clinic is a configuration with a real relay and a real mailbox.
type clinic struct {
	*office
	dns map[string]string
}

// openClinic starts them; extra are lines for Postfix's configuration.
func openClinic(t *testing.T, signed bool, extra ...string) *clinic {
	dovecot := storetest.Dovecot(t)
	postfix := storetest.Postfix(t, storetest.PostfixOptions{Domains: []string{"notes.example"}, Mailboxes: dovecot, Settings: extra})
	key := ""
	if signed {
		key = `dkim = [{ selector = "one", key_file = "one.pem" }]`
	}
	o := newOffice(t, fmt.Sprintf(`[[relay]]
name = "one"
url = "smtp://%[1]s?tls=none"
[[relay]]
name = "two"
url = "smtp://%[1]s?tls=none"
[[relay]]
name = "away"
url = "smtp://127.0.0.1:1?tls=none"
[sender]
name = "Harbour Notes"
from = "notes@notes.example"
domain = "notes.example"
postal_address = "Pier 1"
%[2]s
[[topic]]
id = "news"
name = "News"
[inbox]
trusted_authserv_id = "mx.notes.example"
[[mailbox]]
role = "unsubscribe"
address = "unsubscribe@notes.example"
url = "%[3]s"
password_file = "%[4]s"
`, postfix.Address(), key, dovecot.URL("unsubscribe"), dovecot.PasswordFile("unsubscribe")))
	c := &clinic{o, map[string]string{"notes.example.": "v=spf1 mx ~all", "_dmarc.notes.example.": "v=DMARC1; p=none"}}
	c.publishKey()
	return c
}

func (c *clinic) publishKey() {
	key, err := mailer.GenerateKey("ed25519")
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "one.pem"), key, 0o600); err != nil {
		c.t.Fatal(err)
	}
	name, text, err := mailer.DNSRecord("one", "notes.example", key)
	if err != nil {
		c.t.Fatal(err)
	}
	c.dns[name+"."] = text
}

// examine gives what heed doctor finds, by check, and its exit code.
func (c *clinic) examine(wait time.Duration) (findings map[string]findingView, code int) {
	c.t.Helper()
	var out, talk bytes.Buffer
	a := &app{voice: voice{out: &out, err: &talk, json: true}, ctx: context.Background(), env: os.Environ()}
	defer a.close()
	conf, err := a.config()
	if err != nil {
		c.t.Fatal(err)
	}
	e := &examination{app: a, c: conf, wait: wait, lookup: c.lookup}
	code = a.fail(e.run())
	findings = map[string]findingView{}
	for line := range strings.Lines(out.String()) {
		var one findingView
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			c.t.Fatal(err)
		}
		findings[one.Check] = one
	}
	return findings, code
}

func (c *clinic) lookup(_ context.Context, name string) ([]string, error) {
	if text, known := c.dns[name]; known {
		return []string{text}, nil
	}
	return nil, &net.DNSError{Name: name, IsNotFound: true}
}

// TestDoctor sends a mail to itself through two of three relays, both Postfix,
// into Dovecot: where the server lets a forged verdict through, where nothing signs, where all is well,
// and where no mail comes.
func TestDoctor(t *testing.T) {
	storetest.Need(t, "postfix", "dovecot")
	strip := "header_checks = regexp:{{/^Authentication-Results: *mx\\.notes\\.example/ IGNORE}}"
	for _, one := range []struct {
		name   string
		signed bool
		extra  []string
		wait   time.Duration
		ill    []string
	}{
		{"well", true, []string{strip}, time.Minute, []string{}},
		{"forged", true, nil, time.Minute, []string{"trusted_authserv_id"}},
		{"unsigned", false, []string{strip}, time.Minute, []string{"signature by one", "signature by two"}},
		{"held", true, []string{"header_checks = regexp:{{/^Subject: A mail to itself/ DISCARD}}"}, time.Second, []string{"round trip to unsubscribe by one", "round trip to unsubscribe by two"}},
	} {
		t.Run(one.name, func(t *testing.T) {
			c := openClinic(t, one.signed, one.extra...)
			findings, code := c.examine(one.wait)
			if code != exitFound {
				t.Errorf("exit code %d; postmaster@ has no mailbox there", code)
			}
			ill := map[string]bool{"address postmaster@notes.example": true, "relay away": true}
			for _, check := range one.ill {
				ill[check] = true
			}
			for check, f := range findings {
				if f.OK == ill[check] || !f.OK && f.Hint == "" {
					t.Errorf("%s: %+v", check, f)
				}
			}
			for check := range ill {
				if _, told := findings[check]; !told {
					t.Errorf("nothing was said of %s: %v", check, findings)
				}
			}
		})
	}
}

// TestDoctorTellsWhatIsAway has no server that answers: each is named, with
// what to do, and no password is shown.
func TestDoctorTellsWhatIsAway(t *testing.T) {
	c := &clinic{office: newOffice(t, `smtp_url = "smtp://user:hidden-word@127.0.0.1:1?tls=none"
redis_url = "redis://:hidden-word@127.0.0.1:1/0"
[sender]
name = "Harbour Notes"
from = "notes@notes.example"
domain = "notes.example"
postal_address = "Pier 1"
[[mailbox]]
role = "unsubscribe"
address = "unsubscribe@notes.example"
url = "imap://box@127.0.0.1:1/INBOX?tls=none"
password_file = "missing"
`)}
	findings, code := c.examine(time.Second)
	if code != exitFound {
		t.Errorf("exit code %d", code)
	}
	for _, check := range []string{"redis", "relay", "mailbox unsubscribe", "SPF of notes.example", "DMARC of notes.example"} {
		f, told := findings[check]
		if !told || f.OK || f.Hint == "" {
			t.Errorf("%s: %+v", check, f)
		}
		if strings.Contains(f.Says+f.Hint, "hidden-word") {
			t.Errorf("%s shows a password: %s", check, f.Says)
		}
	}
}
