package inbox

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"heed/inbox/inboxtest"
)

// certificate borrows the certificate of the standard library's test server,
// which is for 127.0.0.1, and the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *tls.Config) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server.TLS.Certificates[0], &tls.Config{RootCAs: roots}
}

// TestStartTLS reads a mailbox behind STARTTLS, and never logs in where the
// certificate is not trusted or the server cannot encrypt.
func TestStartTLS(t *testing.T) {
	cert, roots := certificate(t)
	server, err := inboxtest.StartTLS(map[string]string{"box": "secret"}, cert)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	where, err := ParseMailboxURL(strings.Replace(server.URL("box"), "tls=none", "tls=starttls", 1))
	if err != nil {
		t.Fatal(err)
	}
	c, err := dial(t.Context(), proof{where.User, "secret", AuthPassword, where}, roots)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Append("box", "INBOX", letter("a@example.org", "b@example.org", "x", "y"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if uids, err := c.all(); err != nil || len(uids) != 1 {
		t.Errorf("found %v, %v", uids, err)
	}
	c.close()
	if _, err := dial(t.Context(), proof{where.User, "secret", AuthPassword, where}, nil); err == nil {
		t.Error("a certificate that nobody vouches for was taken")
	}
	if _, err := dial(t.Context(), proof{where.User, "wrong", AuthPassword, where}, roots); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong password: %v", err)
	}
	plain := startIMAP(t)
	where.Addr = plain.Addr()
	if _, err := dial(t.Context(), proof{where.User, "secret", AuthPassword, where}, roots); err == nil {
		t.Error("the password went to a server that does not encrypt")
	}
}
