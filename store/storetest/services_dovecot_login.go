package storetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// oauthConfig lets access tokens in, beside passwords, where the test says who
// knows them. The endpoint answers with "active" and "username".
func (s *DovecotServer) oauthConfig() string {
	if s.options.Introspect == "" {
		return ""
	}
	return fmt.Sprintf(`
auth_mechanisms = plain login oauthbearer xoauth2
passdb {
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = %s
}
`, s.shop.path("oauth2.conf"))
}

func (s *DovecotServer) writeOAuth() error {
	text := fmt.Sprintf("introspection_mode = post\nintrospection_url = %s\nusername_attribute = username\nactive_attribute = active\nactive_value = true\n",
		s.options.Introspect)
	if err := os.WriteFile(s.shop.path("oauth2.conf"), []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing Dovecot's OAuth2 configuration: %w", err)
	}
	return nil
}

// tlsConfig offers STARTTLS on the usual port and TLS on another.
func (s *DovecotServer) tlsConfig() string {
	if !s.options.TLS {
		return ""
	}
	return fmt.Sprintf(`
ssl = yes
ssl_cert = <%[1]s/cert.pem
ssl_key = <%[1]s/key.pem
service imap-login {
  inet_listener imaps {
    address = 127.0.0.1
    port = %[2]d
    ssl = yes
  }
}
`, s.shop.folder, s.tlsPort)
}

// certify makes a certificate for 127.0.0.1 that nobody vouches for but Roots.
func (s *DovecotServer) certify() (err error) {
	if s.tlsPort, err = freePort(); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	certificate, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	s.roots = x509.NewCertPool()
	s.roots.AppendCertsFromPEM(public)
	return errors.Join(os.WriteFile(s.shop.path("cert.pem"), public, 0o644),
		os.WriteFile(s.shop.path("key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}

// Roots trusts the server's certificate, where it has one.
func (s *DovecotServer) Roots() *tls.Config { return &tls.Config{RootCAs: s.roots} }

// URLSecure is URL with STARTTLS, or with TLS from the first byte.
func (s *DovecotServer) URLSecure(name string, implicit bool) string {
	if implicit {
		return fmt.Sprintf("imaps://%s@%s/INBOX", url.PathEscape(name), loopback(s.tlsPort))
	}
	return fmt.Sprintf("imap://%s@%s/INBOX?tls=starttls", url.PathEscape(name), s.Address())
}

// ForgetUIDs removes what the server knows of an inbox's UIDs, as a mailbox
// that was put back from a copy: UIDVALIDITY changes.
func (s *DovecotServer) ForgetUIDs(name string) error {
	found, err := filepath.Glob(filepath.Join(s.box(name), "dovecot*"))
	for _, file := range found {
		if e := os.Remove(file); e != nil {
			err = errors.Join(err, e)
		}
	}
	return err
}
