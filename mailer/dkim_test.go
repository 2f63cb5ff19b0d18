package mailer

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"pgregory.net/rapid"
)

// keyring is a signer with both kinds of key, and the DNS that publishes them.
func keyring(t testing.TB, kinds ...string) (*Signer, func(string) ([]string, error)) {
	t.Helper()
	var keys []DKIMKey
	dns := map[string]string{}
	for _, kind := range kinds {
		key, err := GenerateKey(kind)
		if err != nil {
			t.Fatal(err)
		}
		name, txt, err := DNSRecord("s-"+kind, "example.org", key)
		if err != nil {
			t.Fatal(err)
		}
		keys, dns[name] = append(keys, DKIMKey{"s-" + kind, key}), txt
	}
	s, err := NewSigner("example.org", keys)
	if err != nil {
		t.Fatal(err)
	}
	return s, func(name string) ([]string, error) {
		if txt, ok := dns[strings.TrimSuffix(name, ".")]; ok {
			return []string{txt}, nil
		}
		return nil, fmt.Errorf("no record %s", name)
	}
}

// verified counts the signatures that another implementation finds valid.
func verified(t fataler, msg []byte, lookup func(string) ([]string, error)) (good, all int) {
	vs, err := dkim.VerifyWithOptions(bytes.NewReader(msg), &dkim.VerifyOptions{LookupTXT: lookup})
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	for _, v := range vs {
		if v.Err == nil && v.Domain == "example.org" {
			good++
		}
	}
	return good, len(vs)
}

func signedMessage(t *testing.T, s *Signer) []byte {
	t.Helper()
	tmpl, err := Compile(benchParts())
	if err != nil {
		t.Fatal(err)
	}
	msg, err := tmpl.Message(nil, testHeaders(), benchValues())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(nil, msg)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestSignVerifies(t *testing.T) {
	s, lookup := keyring(t, "rsa", "ed25519")
	signed := signedMessage(t, s)
	if good, all := verified(t, signed, lookup); good != 2 || all != 2 {
		t.Fatalf("%d of %d valid in\n%s", good, all, signed[:2000])
	}
	head, _, _ := strings.Cut(string(signed), "\r\nFrom:")
	checkHeader(t, head)
	if strings.Contains(head, "l=") && strings.Contains(head, " l=") {
		t.Error("the signature has l=")
	}
	names := strings.ToLower(strings.NewReplacer("\r\n", "", "\t", "", " ", "").Replace(head))
	for _, want := range []string{"from:from:", "to:to:", "subject:subject:", "date:date:", "list-unsubscribe:list-unsubscribe:",
		"list-unsubscribe-post:list-unsubscribe-post", "reply-to", "message-id", "mime-version", "content-type", "list-id", "feedback-id"} {
		if !strings.Contains(names, want) {
			t.Errorf("h= lacks %s: %s", want, head)
		}
	}
	if _, err := (&Message{Text: signed}).checkLines(); err != nil {
		t.Error(err)
	}
}

// TestSignBreaks: a field added in front, or any byte changed, breaks every signature.
func TestSignBreaks(t *testing.T) {
	s, lookup := keyring(t, "rsa", "ed25519")
	signed := string(signedMessage(t, s))
	for name, forged := range map[string]string{
		"second From":             "From: evil@example.com\r\n" + signed,
		"second To":               "To: evil@example.com\r\n" + signed,
		"second Subject":          "Subject: evil\r\n" + signed,
		"second Date":             "Date: Mon, 23 Nov 2020 04:00:00 +0000\r\n" + signed,
		"second List-Unsubscribe": "List-Unsubscribe: <https://evil.example.com/>\r\n" + signed,
		"second Post":             "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" + signed,
		"second Content-Type":     "Content-Type: text/plain\r\n" + signed,
		"Cc":                      "Cc: evil@example.com\r\n" + signed,
		"From at the end":         strings.Replace(signed, "MIME-Version", "From: evil@example.com\r\nMIME-Version", 1),
		"changed body":            strings.Replace(signed, "words", "wards", 1),
		"longer body":             signed + "more\r\n",
		"no Reply-To":             strings.Replace(signed, "Reply-To: reply@example.org\r\n", "", 1),
	} {
		if forged == signed {
			t.Fatalf("%s changes nothing", name)
		}
		if good, all := verified(t, []byte(forged), lookup); good != 0 || all != 2 {
			t.Errorf("%s: %d of %d still valid", name, good, all)
		}
	}
	// What relays do on the way must not break it.
	for name, relayed := range map[string]string{
		"trace fields": "Return-Path: <x@example.org>\r\nReceived: from a by b\r\n\t; now\r\n" + signed,
		"refolded":     strings.Replace(signed, ">,\r\n <mailto", ">, <mailto", 1),
		"respaced":     strings.Replace(signed, "Feedback-ID: ", "feedback-id:   ", 1),
		"empty lines":  signed + "\r\n\r\n",
	} {
		if good, _ := verified(t, []byte(relayed), lookup); good != 2 {
			t.Errorf("%s: only %d valid", name, good)
		}
	}
}

// TestSignAnything signs messages with odd folds, spaces, repeated and long fields.
func TestSignAnything(t *testing.T) {
	s, lookup := keyring(t, "ed25519")
	value := rapid.SampledFrom([]string{"a", " a  b ", "a\r\n\tb", " a \r\n  b\t \r\n c ", strings.Repeat(" word", 100), ""})
	name := rapid.SampledFrom([]string{"To", "Subject", "X-Other", "List-Help", "list-id", "Received", "REPLY-TO", "In-Reply-To", "References"})
	body := rapid.SampledFrom([]string{"", "\r\n", "a\r\n", "a\r\n\r\n\r\n", " a  b \r\n", "\r\na\r\n"})
	rapid.Check(t, func(t *rapid.T) {
		msg := "From: news@example.org\r\n"
		for range rapid.IntRange(0, 8).Draw(t, "fields") {
			msg += name.Draw(t, "name") + ":" + value.Draw(t, "value") + "x\r\n"
		}
		msg += "\r\n" + body.Draw(t, "body")
		signed, err := s.Sign([]byte("kept"), []byte(msg))
		if err != nil {
			t.Fatal(err)
		}
		if good, _ := verified(t, bytes.TrimPrefix(signed, []byte("kept")), lookup); good != 1 {
			t.Fatalf("not valid:\n%s", signed)
		}
	})
}

func TestSignAtOnce(t *testing.T) {
	s, lookup := keyring(t, "rsa", "ed25519")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if good, _ := verified(t, signedMessage(t, s), lookup); good != 2 {
				t.Errorf("%d valid", good)
			}
		})
	}
	wg.Wait()
}

func TestSignRefuses(t *testing.T) {
	s, _ := keyring(t, "ed25519")
	for _, msg := range []string{"", "no header end\r\n", "no field\r\n\r\nbody", " fold first: x\r\n\r\n", ": x\r\n\r\n"} {
		if _, err := s.Sign(nil, []byte(msg)); err == nil {
			t.Errorf("%q was signed", msg)
		}
	}
}

func TestNewSignerRefuses(t *testing.T) {
	good, err := GenerateKey("ed25519")
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weakPEM := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(weak)})
	for name, tc := range map[string]struct {
		domain string
		keys   []DKIMKey
		want   string
	}{
		"no key":       {"example.org", nil, "heed init"},
		"weak":         {"example.org", []DKIMKey{{"s", weakPEM}}, "1024 bits"},
		"not PEM":      {"example.org", []DKIMKey{{"s", []byte("x")}}, "PEM"},
		"bad selector": {"example.org", []DKIMKey{{"s; d=evil", good}}, "selector"},
		"bad domain":   {"exa mple", []DKIMKey{{"s", good}}, "domain"},
		"not a key":    {"example.org", []DKIMKey{{"s", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})}}, "read"},
	} {
		if _, err := NewSigner(tc.domain, tc.keys); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := GenerateKey("dsa"); err == nil {
		t.Error("made a DSA key")
	}
}

// TestPKCS1 reads the older form of RSA keys too.
func TestPKCS1(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	old := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	_, txt, err := DNSRecord("s", "bücher.example", old)
	if err != nil || !strings.HasPrefix(txt, "v=DKIM1; k=rsa; p=MIIB") {
		t.Errorf("%q, %v", txt, err)
	}
}

func BenchmarkSignEd25519(b *testing.B) {
	s, _ := keyring(b, "ed25519")
	tmpl, err := Compile(benchParts())
	if err != nil {
		b.Fatal(err)
	}
	msg, err := tmpl.Message(nil, testHeaders(), benchValues())
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	for b.Loop() {
		if buf, err = s.Sign(buf[:0], msg); err != nil {
			b.Fatal(err)
		}
	}
}
