package mailer

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
)

const minRSABits = 2048 // RFC 8301 §3.2

// GenerateKey makes a private key for DKIM, kind "rsa" (2048 bits) or "ed25519", as
// PKCS #8 in PEM form.
func GenerateKey(kind string) ([]byte, error) {
	var key any
	var err error
	switch kind {
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, minRSABits)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("make a DKIM key: kind %q is not known, only rsa and ed25519", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("make a DKIM key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make a DKIM key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// DNSRecord gives the name and text of the TXT record that publishes the public half of
// a private key (RFC 6376 §3.6). The text of an RSA key is longer than 255 bytes: a
// zone file wants it cut into several quoted strings.
func DNSRecord(selector, domain string, key []byte) (name, txt string, err error) {
	if selector, domain, err = checkNames(selector, domain); err != nil {
		return "", "", err
	}
	k, err := parseKey(key)
	if err != nil {
		return "", "", fmt.Errorf("DKIM key %s: %w", selector, err)
	}
	kind, public := "ed25519", []byte(nil)
	switch pub := k.Public().(type) {
	case ed25519.PublicKey:
		public = pub // RFC 8463 §4: the bare 32 bytes
	case *rsa.PublicKey:
		kind = "rsa"
		if public, err = x509.MarshalPKIXPublicKey(pub); err != nil {
			return "", "", fmt.Errorf("DKIM key %s: %w", selector, err)
		}
	}
	txt = "v=DKIM1; k=" + kind + "; p=" + base64.StdEncoding.EncodeToString(public)
	return selector + "._domainkey." + domain, txt, nil
}

// parseKey reads an RSA or Ed25519 private key and refuses weak ones.
func parseKey(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("the file is not in PEM form; heed init makes a key")
	}
	key, err := parseDER(block)
	if err != nil {
		return nil, fmt.Errorf("the private key cannot be read: %w", err)
	}
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return k, nil
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("the RSA key has %d bits and receivers ask for at least %d: make a new one with a new selector and publish it", k.N.BitLen(), minRSABits)
		}
		return k, nil
	}
	return nil, errors.New("the key is neither RSA nor Ed25519")
}

func parseDER(block *pem.Block) (any, error) {
	if block.Type == "RSA PRIVATE KEY" {
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	return x509.ParsePKCS8PrivateKey(block.Bytes)
}

// checkNames returns selector and domain as they stand in DNS.
func checkNames(selector, domain string) (string, string, error) {
	d, err := domainPart(domain)
	if err != nil || d[0] == '[' {
		return "", "", fmt.Errorf("DKIM domain %q is not a domain name", domain)
	}
	s, err := domainPart(selector)
	if err != nil || s[0] == '[' {
		return "", "", fmt.Errorf("DKIM selector %q may have letters, digits, hyphens and dots only", selector)
	}
	return s, d, nil
}
