package inbox

import (
	"strings"
	"testing"
	"time"
)

// FuzzProve: whatever a mail looks like, it proves nothing where nothing is
// trusted; with a trusted server it has one From at least, which is the one that
// everybody else reads.
func FuzzProve(f *testing.F) {
	at := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
	plain := noteBy("Ann <ann@example.org>", nil)
	for _, seed := range []string{plain, "Authentication-Results: mx.news.example; dkim=pass header.d=example.org\r\n" + plain,
		"Authentication-Results: mx.news.example 1 (a;b); dmarc = pass header.from=example.org\r\nFrom : eve@example.net\r\n" + plain,
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s1; h=from:to:date; bh=YQ==; b=YQ==\r\n" + plain} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if p := Prove(raw, at, testOurs(), nil); p.Authenticated {
			t.Fatal("a mail proved its writer to nobody")
		}
		ours := testOurs()
		ours.Trusted = "mx.news.example"
		p := Prove(raw, at, ours, nil)
		m := Mail{}
		m.readHeader(raw)
		if p.Authenticated && (m.From() == "" || len(m.Header.Values("From")) != 1 || p.Once == "" || !strings.Contains(strings.ToLower(string(raw)), "authentication-results")) {
			t.Fatalf("%+v", p)
		}
	})
}
