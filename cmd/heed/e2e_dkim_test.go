package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"heed/mailer/mailertest"
	"heed/store/storetest"
)

// TestE2ESignaturesHoldBehindPostfix: every message verifies as it arrives behind
// a real relay, for two verifiers that share no code, with each kind of key, and
// also where the relay and the server behind it take seven bits only.
func TestE2ESignaturesHoldBehindPostfix(t *testing.T) {
	sevenBits := []string{"smtpd_discard_ehlo_keywords = 8bitmime, smtputf8", "smtp_discard_ehlo_keywords = 8bitmime, smtputf8"}
	noChunks := []string{"smtpd_discard_ehlo_keywords = chunking", "smtp_discard_ehlo_keywords = 8bitmime"}
	for name, settings := range map[string][]string{"8BITMIME": nil, "seven bits": sevenBits, "DATA, then seven bits": noChunks} {
		t.Run(name, func(t *testing.T) { signaturesHold(t, settings) })
	}
}

func signaturesHold(t *testing.T, settings []string) {
	storetest.Need(t, "postfix")
	people := holders(20)
	for i := range people {
		people[i].first, people[i].company = []string{"Jürgen", "Zoë", "Ann", "Łukasz", "太郎"}[i%5], []string{"Größe & Söhne", ".", "From us"}[i%3]
	}
	s := beginOn(t, scenario{people: people, connections: 4, keep: mailertest.KeepAll}, setUp{}, func(st *stage) {})
	relay := storetest.Postfix(t, storetest.PostfixOptions{Relay: s.sink.Addr(), Settings: settings})
	s.relayedBy(t, relay)
	s.arrives(t.Context(), t)
	s.finishes(t.Context(), t, s.starts(t.Context(), t, newsFile(s.site.url, 0)))
	path, err := s.write("alert.md", []byte(strings.Replace(alertFile(), "Hello", "Grüß Gott,\n.\n..\nFrom here: Hello", 1)))
	if err == nil {
		_, err = s.heed.run(t.Context(), "alert", "send", path, "--key", "one")
	}
	if err == nil {
		err = eventually(t.Context(), patience, "all messages", func() (bool, error) {
			return s.got(kindNews) == len(people) && s.got(kindAlert) == len(people), nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.verify(t, s.sink.Records())
}

// relayedBy starts heed anew with another relay.
func (s *story) relayedBy(t *testing.T, relay *storetest.PostfixServer) {
	t.Helper()
	s.heed.env = append(s.heed.env, "SMTP_URL="+relay.URL())
	for role, c := range s.children {
		if err := c.stop(patience); err != nil {
			t.Fatal(err)
		}
		if err := s.launch(t.Context(), role); err != nil {
			t.Fatal(err)
		}
	}
}

// verify has both verifiers look at messages: each must carry a valid signature
// by every key of the sender.
func (s *story) verify(t *testing.T, messages []mailertest.Record) {
	t.Helper()
	var published string
	for name, record := range s.dns {
		if strings.Contains(name, "._domainkey.") {
			published += record + "\n"
		}
	}
	keys := strings.Count(published, "\n")
	if !strings.Contains(published, "k=ed25519") || !strings.Contains(published, "k=rsa") {
		t.Fatalf("the keys are %s", published)
	}
	forged := messages[0]
	forged.Data = bytes.Replace(forged.Data, []byte("\nSubject:"), []byte("\nSubject: Re:"), 1)
	if all := s.dkimpy(t, []mailertest.Record{forged}); all[0].Valid != 0 {
		t.Error("dkimpy accepts a message that was changed")
	}
	for i, checked := range s.dkimpy(t, messages) {
		if checked.Signatures != keys || checked.Valid != keys {
			t.Errorf("dkimpy finds %d signatures valid of %d, want %d, in message %d:\n%s", checked.Valid, checked.Signatures, keys, i, messages[i].Data)
		}
	}
	for _, m := range messages {
		covered, err := mailertest.VerifyDKIM(m.Data, s.lookup)
		if err != nil || !slices.Contains(covered, "from") {
			t.Errorf("go-msgauth: %v, covered are %v", err, covered)
		}
		if bytes.ContainsFunc(m.Data, func(c rune) bool { return c > 127 }) {
			t.Error("a message has eight-bit text, which a relay may have to change")
		}
	}
}

// checked is what dkimpy says of a message.
type checked struct{ Signatures, Valid int }

func (s *story) dkimpy(t *testing.T, messages []mailertest.Record) []checked {
	t.Helper()
	given := struct {
		DNS      map[string]string `json:"dns"`
		Messages [][]byte          `json:"messages"`
	}{DNS: s.dns}
	for _, m := range messages {
		given.Messages = append(given.Messages, m.Data)
	}
	text, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/verify_dkim.py")
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("dkimpy (Debian: python3-dkim): %v\n%s", err, out)
	}
	all, err := objects[checked](string(out))
	if err != nil || len(all) != len(messages) {
		t.Fatalf("dkimpy looked at %d of %d messages: %v", len(all), len(messages), err)
	}
	return all
}
