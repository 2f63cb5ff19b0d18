package inbox

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// zone is the DNS of a test.
type zone struct {
	records map[string]string
	err     error

	mu    sync.Mutex // the signatures of one mail are looked at side by side
	asked []string
}

func (z *zone) lookup(_ context.Context, name string) ([]string, error) {
	z.mu.Lock()
	z.asked = append(z.asked, name)
	z.mu.Unlock()
	if z.err != nil {
		return nil, z.err
	}
	if text := z.records[strings.TrimSuffix(name, ".")]; text != "" {
		return []string{text}, nil
	}
	return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
}

// signers makes keys whose public halves lie in the zone.
func signers(t *testing.T, domains ...string) (*zone, map[string]crypto.Signer) {
	t.Helper()
	z, all := &zone{records: map[string]string{}}, map[string]crypto.Signer{}
	for _, domain := range domains {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		all[domain] = private
		z.records["s1._domainkey."+domain] = "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	}
	return z, all
}

const arrivedAt = "2026-11-03T09:00:00Z"

func arrivalTime(t *testing.T) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, arrivedAt)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// note is a mail as its writer's program makes it; changes replace header
// fields by name, and an empty value leaves one out.
func noteBy(from string, changes map[string]string) string {
	fields := [][2]string{{"From", from}, {"To", "Privacy <privacy@news.example>"}, {"Date", "Mon, 2 Nov 2026 10:00:00 +0000"},
		{"Message-ID", "<1@example.net>"}, {"Subject", "My data"}, {"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=utf-8"}}
	text := ""
	for _, f := range fields {
		value, changed := changes[f[0]]
		if !changed {
			value = f[1]
		}
		if value != "" {
			text += f[0] + ": " + value + "\r\n"
		}
	}
	return text + "\r\nPlease delete all my personal data.\r\n"
}

// signed adds a signature of the domain over the named fields.
func signed(t *testing.T, mail, domain string, key crypto.Signer, fields ...string) string {
	t.Helper()
	if fields == nil {
		fields = []string{"From", "To", "Date", "Message-ID", "Subject"}
	}
	var out bytes.Buffer
	err := dkim.Sign(&out, strings.NewReader(mail), &dkim.SignOptions{Domain: domain, Selector: "s1", Signer: key, HeaderKeys: fields,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func testOurs() Ours {
	return Ours{Addresses: []string{"privacy@news.example"}, Domain: "news.example"}
}

// TestProve: who wrote a mail, by its signature.
func TestProve(t *testing.T) {
	z, keys := signers(t, "example.org", "mail.example.org", "evil.example.net", "co.uk", "xn--mller-kva.example")
	plain := noteBy("Ann <ann@example.org>", nil)
	good := signed(t, plain, "example.org", keys["example.org"])
	evil := func(mail string) string { return signed(t, mail, "evil.example.net", keys["evil.example.net"]) }
	own := func(changes map[string]string) string {
		return signed(t, noteBy("ann@example.org", changes), "example.org", keys["example.org"])
	}
	for name, c := range map[string]struct {
		mail string
		want bool
		why  string
	}{
		"signed":                      {good, true, "example.org"},
		"signed by the organisation":  {signed(t, noteBy("ann@people.example.org", nil), "mail.example.org", keys["mail.example.org"]), true, "mail.example.org"},
		"with a link's token in To":   {own(map[string]string{"To": "privacy+abc@news.example"}), true, "example.org"},
		"among other recipients":      {own(map[string]string{"To": "friend@example.net, privacy@news.example"}), true, "example.org"},
		"an international domain":     {signed(t, noteBy("ann@müller.example", nil), "xn--mller-kva.example", keys["xn--mller-kva.example"]), true, "xn--mller-kva.example"},
		"unsigned":                    {plain, false, "not signed"},
		"changed":                     {strings.Replace(good, "personal data", "personal files", 1), false, "no good signature"},
		"signed by somebody else":     {evil(plain), false, "no good signature"},
		"signed by a public suffix":   {signed(t, noteBy("ann@example.co.uk", nil), "co.uk", keys["co.uk"]), false, "no good signature"},
		"To not signed":               {signed(t, plain, "example.org", keys["example.org"], "From", "Date", "Message-ID"), false, "no good signature"},
		"Date not signed":             {signed(t, plain, "example.org", keys["example.org"], "From", "To", "Message-ID"), false, "no good signature"},
		"To somebody else":            {own(map[string]string{"To": "friend@example.net"}), false, "none of our addresses"},
		"To a longer name than ours":  {own(map[string]string{"To": "privacyx@news.example"}), false, "none of our addresses"},
		"no To":                       {own(map[string]string{"To": ""}), false, "exactly one to"},
		"an old date":                 {own(map[string]string{"Date": "Mon, 19 Oct 2026 10:00:00 +0000"}), false, "date"},
		"a date to come":              {own(map[string]string{"Date": "Mon, 30 Nov 2026 10:00:00 +0000"}), false, "date"},
		"no Message-ID":               {own(map[string]string{"Message-ID": ""}), false, "message-id"},
		"a second To":                 {"To: privacy@news.example\r\n" + good, false, "exactly one to"},
		"a second Date":               {"Date: Tue, 3 Nov 2026 08:00:00 +0000\r\n" + good, false, "exactly one date"},
		"victim before the signer":    {"From: ann@example.org\r\n" + evil(noteBy("eve@evil.example.net", nil)), false, "exactly one from"},
		"victim behind the signer":    {strings.Replace(evil(noteBy("eve@evil.example.net", nil)), "To: ", "From: ann@example.org\r\nTo: ", 1), false, "exactly one from"},
		"victim with a space":         {"From : ann@example.org\r\n" + evil(noteBy("eve@evil.example.net", nil)), false, "exactly one from"},
		"victim behind a lone CR":     {"X-A: b\rFrom: ann@example.org\r\n" + evil(noteBy("eve@evil.example.net", nil)), false, "one way only"},
		"a line without a colon":      {"nothing here\r\n" + good, false, "one way only"},
		"a NUL":                       {"X-A: b\x00\r\n" + good, false, "one way only"},
		"two addresses":               {evil(noteBy("ann@example.org, eve@evil.example.net", nil)), false, "one plain address"},
		"a group":                     {own(map[string]string{"From": "Friends: ann@example.org;"}), false, "one plain address"},
		"an address as name":          {evil(noteBy(`"ann@example.org" <eve@evil.example.net>`, nil)), true, "evil.example.net"},
		"an address as bare name":     {evil(noteBy(`ann@example.org <eve@evil.example.net>`, nil)), false, "one plain address"},
		"letters that look alike":     {own(map[string]string{"From": "аnn@example.org"}), false, "one plain address"},
		"another sender":              {own(map[string]string{"Subject": "x\r\nSender: eve@evil.example.net"}), false, "somebody else"},
		"passed on":                   {own(map[string]string{"Subject": "x\r\nResent-From: eve@evil.example.net"}), false, "somebody else"},
		"an empty mail":               {"", false, "one way only"},
		"a signature that is rubbish": {"DKIM-Signature: v=1; a=rsa-sha256\r\n" + plain, false, "no good signature"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Prove([]byte(c.mail), arrivalTime(t), testOurs(), &Keys{Lookup: z.lookup})
			if p.Authenticated != c.want || len(p.Evidence) != 1 || !strings.Contains(p.Evidence[0].Text, c.why) {
				t.Errorf("%+v, want %v because of %q", p, c.want, c.why)
			}
		})
	}
}

// TestProveNeedsStrongKeys: SHA-1, short keys and signatures over a part of the
// body are none (RFC 8301 §3, RFC 6376 §8.2).
func TestProveNeedsStrongKeys(t *testing.T) {
	z := &zone{records: map[string]string{}}
	for _, c := range []struct {
		bits int
		algo string
		l    string
		want bool
	}{{1024, "rsa-sha256", "", true}, {1024, "rsa-sha1", "", false}, {1024, "rsa-sha256", " l=10;", false}, {512, "rsa-sha256", "", false}} {
		key := weakKey(t, c.bits)
		public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		z.records["s1._domainkey.example.org"] = "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)
		mail := signByHand(t, noteBy("ann@example.org", nil), key, c.algo, c.l)
		if p := Prove([]byte(mail), arrivalTime(t), testOurs(), &Keys{Lookup: z.lookup}); p.Authenticated != c.want {
			t.Errorf("%d bits, %s%s: %+v", c.bits, c.algo, c.l, p)
		}
	}
}

// weakKey makes a key of any size, which crypto/rsa alone no longer does.
func weakKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signByHand signs in the simple form, with any algorithm and tags.
func signByHand(t *testing.T, mail string, key *rsa.PrivateKey, algo, tags string) string {
	t.Helper()
	header, body, _ := strings.Cut(mail, "\r\n\r\n")
	sum := func(text string) (crypto.Hash, []byte) {
		if algo == "rsa-sha1" {
			h := sha1.Sum([]byte(text))
			return crypto.SHA1, h[:]
		}
		h := sha256.Sum256([]byte(text))
		return crypto.SHA256, h[:]
	}
	covered := body
	if tags != "" {
		covered = body[:10]
	}
	_, bodySum := sum(covered)
	signature := fmt.Sprintf("DKIM-Signature: v=1; a=%s; c=simple/simple; d=example.org; s=s1; h=From:To:Date;%s bh=%s; b=", algo, tags,
		base64.StdEncoding.EncodeToString(bodySum))
	text := ""
	for _, name := range []string{"From: ", "To: ", "Date: "} {
		for line := range strings.SplitSeq(header, "\r\n") {
			if strings.HasPrefix(line, name) {
				text += line + "\r\n"
			}
		}
	}
	hash, digest := sum(text + signature)
	value, err := rsa.SignPKCS1v15(rand.Reader, key, hash, digest)
	if err != nil {
		t.Fatal(err)
	}
	return signature + base64.StdEncoding.EncodeToString(value) + "\r\n" + mail
}

// TestProveAsksLittle: only keys that could prove something are looked for, an
// answer is remembered, and no answer never counts as one.
func TestProveAsksLittle(t *testing.T) {
	z, keys := signers(t, "example.org", "evil.example.net")
	now := arrivalTime(t)
	k := &Keys{Lookup: z.lookup, Now: func() time.Time { return now }}
	mail := signed(t, noteBy("ann@example.org", nil), "example.org", keys["example.org"])
	prove := func(mail string) Proof { return Prove([]byte(mail), arrivalTime(t), testOurs(), k) }
	for range 3 {
		prove(mail)
	}
	prove(signed(t, noteBy("ann@example.org", nil), "evil.example.net", keys["evil.example.net"]))
	if !slices.Equal(z.asked, []string{"s1._domainkey.example.org."}) {
		t.Errorf("asked for %v", z.asked)
	}
	many := mail
	for i := range 500 {
		many = fmt.Sprintf("DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s%d; h=from:to:date; bh=YQ==; b=YQ==\r\n", i) + many
	}
	z.asked = nil
	if prove(many).Authenticated || len(z.asked) > maxSignatures {
		t.Errorf("500 signatures made %d questions", len(z.asked))
	}
	now = now.Add(keyKept + time.Second)
	z.err = &net.DNSError{Err: "server misbehaving", IsTemporary: true}
	if p := prove(mail); p.Authenticated || !strings.Contains(p.Evidence[0].Text, "at present") {
		t.Errorf("without an answer: %+v", p)
	}
	z.err = nil
	if p := prove(mail); !p.Authenticated {
		t.Errorf("the missing answer was remembered: %+v", p)
	}
}

// TestSlowNamesHoldNobodyUp: after one look-up that takes too long, the next
// mails do not wait for theirs.
func TestSlowNamesHoldNobodyUp(t *testing.T) {
	now := arrivalTime(t)
	asked := 0
	k := &Keys{Now: func() time.Time { return now }, Lookup: func(ctx context.Context, _ string) ([]string, error) {
		asked++
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	for i := range 100 {
		if _, err := k.find(fmt.Sprintf("s%d._domainkey.example.org", i)); !err.(net.Error).Timeout() {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("%d questions", asked)
	}
}

// TestAuthenticationResults: what the mail server noted counts where it is
// named, from the topmost header alone.
func TestAuthenticationResults(t *testing.T) {
	mail := noteBy("ann@example.org", nil)
	results := func(lines ...string) string {
		text := ""
		for _, line := range lines {
			text += "Authentication-Results: " + line + "\r\n"
		}
		return text + mail
	}
	pass := "mx.news.example; dkim=pass header.d=example.org"
	for name, c := range map[string]struct {
		mail    string
		trusted string
		want    bool
	}{
		"nobody is trusted":             {results(pass), "", false},
		"another server":                {results(pass), "mx.other.example", false},
		"signature":                     {results(pass), "mx.news.example", true},
		"in capitals, with comments":    {results(`MX.News.Example 1 (by; us); DKIM = Pass (good; key) header.d = Example.ORG`), "mx.news.example", true},
		"policy":                        {results("mx.news.example; spf=fail; dmarc=pass (p=none) header.from=example.org"), "mx.news.example", true},
		"of the organisation":           {results("mx.news.example; dkim=pass header.d=mail.example.org header.s=s1"), "mx.news.example", true},
		"of somebody else":              {results("mx.news.example; dkim=pass header.d=evil.example.net"), "mx.news.example", false},
		"policy for somebody else":      {results("mx.news.example; dmarc=pass header.from=evil.example.net"), "mx.news.example", false},
		"failed":                        {results("mx.news.example; dkim=fail header.d=example.org"), "mx.news.example", false},
		"unknown method":                {results("mx.news.example; magic=pass header.d=example.org"), "mx.news.example", false},
		"unknown result":                {results("mx.news.example; dkim=passed header.d=example.org"), "mx.news.example", false},
		"unknown version":               {results("mx.news.example 2; dkim=pass header.d=example.org"), "mx.news.example", false},
		"pass in a comment":             {results("mx.news.example; dkim=fail (dkim=pass header.d=example.org)"), "mx.news.example", false},
		"pass in a quoted string":       {results(`mx.news.example; dkim=fail reason="; dkim=pass header.d=example.org"`), "mx.news.example", false},
		"forged below":                  {results("mx.news.example; dkim=fail header.d=example.org", pass), "mx.news.example", false},
		"another server above":          {results("mx.other.example; dkim=fail header.d=example.org", pass), "mx.news.example", true},
		"nothing noted":                 {results("mx.news.example; none"), "mx.news.example", false},
		"inside a mail that it carries": {strings.Replace(mail, "Please delete", results(pass), 1), "mx.news.example", false},
		"two From":                      {"From: ann@example.org\r\n" + results(pass), "mx.news.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			ours := testOurs()
			ours.Trusted = c.trusted
			if p := Prove([]byte(c.mail), arrivalTime(t), ours, nil); p.Authenticated != c.want {
				t.Errorf("%+v", p)
			}
		})
	}
}

// TestPollerProves: the poller asks for the proof of a request, and only of
// one; two mails of one domain make one question.
func TestPollerProves(t *testing.T) {
	s, server := openStore(t), startIMAP(t)
	z, keys := signers(t, "example.org")
	now := arrivalTime(t)
	p := poller(s, server, RolePrivacy)
	p.Now, p.Ours, p.Keys = func() time.Time { return now }, testOurs(), &Keys{Lookup: z.lookup}
	for from, text := range map[string]string{"ann@example.org": "Please unsubscribe me.", "ben@example.org": "Please send me a copy of my data.",
		"cat@example.org": "Lunch?"} {
		request := strings.Replace(noteBy(from, map[string]string{"Subject": "Hello"}), "Please delete all my personal data.", text, 1)
		if err := server.Append("box", "INBOX", []byte(signed(t, request, "example.org", keys["example.org"])), now); err != nil {
			t.Fatal(err)
		}
	}
	log := runNoted(t, p)
	eventually(t, "an empty INBOX", func() bool { return counts(t, server, "INBOX", 0) })
	if n := len(z.asked); n != 1 {
		t.Errorf("%d questions", n)
	}
	if yes, no := strings.Count(log.String(), "authenticated=true"), strings.Count(log.String(), "authenticated=false"); yes != 2 || no != 1 {
		t.Errorf("%d mails were authenticated and %d not: %s", yes, no, log)
	}
}
