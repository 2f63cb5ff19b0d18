package mailertest_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"heed/mailer"
	"heed/mailer/mailertest"
)

func signed(t *testing.T, kind, message string) (raw []byte, lookup func(string) ([]string, error)) {
	t.Helper()
	key, err := mailer.GenerateKey(kind)
	if err != nil {
		t.Fatal(err)
	}
	name, txt, err := mailer.DNSRecord("one", "example.org", key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := mailer.NewSigner("example.org", []mailer.DKIMKey{{Selector: "one", PEM: key}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err = signer.Sign(nil, []byte(strings.ReplaceAll(message, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return raw, func(asked string) ([]string, error) {
		if strings.TrimSuffix(asked, ".") != name {
			return nil, errors.New("no such record")
		}
		return []string{txt}, nil
	}
}

func TestVerifyDKIM(t *testing.T) {
	const plain = "From: a@example.org\nTo: b@example.net\nSubject: x\nList-Unsubscribe: <https://example.org/u/1>\n\ntext\n"
	raw, lookup := signed(t, "ed25519", plain)
	covered, err := mailertest.VerifyDKIM(raw, lookup)
	if err != nil || !slices.Contains(covered, "list-unsubscribe") || slices.Contains(covered, "x-other") {
		t.Errorf("covered %v, %v", covered, err)
	}
	if _, err := mailertest.VerifyDKIM(bytes.Replace(raw, []byte("/u/1"), []byte("/u/2"), 1), lookup); err == nil {
		t.Error("a changed header passes")
	}
	if _, err := mailertest.VerifyDKIM(raw[bytes.Index(raw, []byte("From:")):], lookup); err == nil {
		t.Error("an unsigned message passes")
	}
	other, _ := signed(t, "ed25519", plain)
	if _, err := mailertest.VerifyDKIM(other, lookup); err == nil {
		t.Error("a signature of another key passes")
	}
}
