package inbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"heed/store/storetest"
)

// TestDovecotOAuth reads a real server's mailbox with access tokens: one that
// the server no longer takes is replaced once; a changed refresh token is kept;
// when the endpoint withdraws that too, the log says what to do, and a new one
// in the file is enough.
func TestDovecotOAuth(t *testing.T) {
	for _, auth := range []string{AuthOAuthBearer, AuthXOAuth2} {
		t.Run(auth, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, "unsubscribe")
			i.rotates = true
			server := storetest.DovecotWith(t, storetest.DovecotOptions{Introspect: i.URL + "/introspect"})
			s, o := openStore(t), i.oauth(t)
			arrives := func(n int, from string) {
				t.Helper()
				if err := server.Deliver("unsubscribe", letter(from, "unsubscribe@news.example", "stop", "")); err != nil {
					t.Fatal(err)
				}
				eventually(t, from+" in Processed", func() bool {
					mails, err := server.Messages("unsubscribe", "Processed")
					return err == nil && len(mails) == n
				})
			}
			log := runNoted(t, &Poller{Store: s, Poll: 500 * time.Millisecond, Mailbox: Mailbox{Role: RoleUnsubscribe,
				Address: "unsubscribe@news.example", URL: server.URL("unsubscribe"), Auth: auth, OAuth: o}})
			arrives(1, "one@example.org")
			if n := i.requests(); n != 1 || contents(t, o.RefreshTokenFile) != "refresh-secret-1" {
				t.Errorf("%d requests, and the file holds %q", n, contents(t, o.RefreshTokenFile))
			}
			restart := func() {
				if err := server.Restart(); err != nil {
					t.Fatal(err)
				}
			}
			restart()
			arrives(2, "two@example.org")
			if n := i.requests(); n != 1 {
				t.Errorf("a token that still counts was replaced: %d requests", n)
			}
			i.withdraw()
			restart()
			arrives(3, "three@example.org")
			if n := i.requests(); n != 2 {
				t.Errorf("a token that was withdrawn took %d requests", n-1)
			}
			i.mu.Lock()
			i.refresh = "refresh-by-hand"
			i.mu.Unlock()
			i.withdraw()
			restart()
			eventually(t, "word of the refusal", func() bool { return strings.Contains(log.String(), "invalid_grant") })
			if !strings.Contains(log.String(), "write the new one into refresh_token_file") {
				t.Error("the log does not say what to do")
			}
			i.mu.Lock()
			i.refresh = "refresh-by-hand"
			i.mu.Unlock()
			write(t, o.RefreshTokenFile, "refresh-by-hand\n")
			arrives(4, "four@example.org")
			if strings.Contains(log.String(), "secret") {
				t.Errorf("a secret is in the log: %s", log)
			}
		})
	}
}

// TestTokenRefusedTwice: where a new token is refused as well, the endpoint is
// not asked for a third.
func TestTokenRefusedTwice(t *testing.T) {
	i := newIssuer(t, "somebody-else")
	server := storetest.DovecotWith(t, storetest.DovecotOptions{Introspect: i.URL + "/introspect"})
	i.mu.Lock()
	i.user = "nobody-here"
	i.mu.Unlock()
	where, err := ParseMailboxURL(server.URL("unsubscribe"))
	if err != nil {
		t.Fatal(err)
	}
	p := &Poller{Mailbox: Mailbox{URL: server.URL("unsubscribe"), Auth: AuthXOAuth2, OAuth: i.oauth(t)}, Log: (&notes{}).log()}
	v, err := p.begin(where)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = v.enter(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "check that scope covers IMAP") || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error says %v", err)
	}
	if n := i.requests(); n != 2 {
		t.Errorf("%d requests for two visits", n)
	}
}

func newTestTokens(o OAuth, now func() time.Time) (*tokens, *notes) {
	n := &notes{}
	return newTokens(o, nil, now, n.log()), n
}

// TestTokensAreKeptUntilTheirEnd: one request an hour, a minute early.
func TestTokensAreKeptUntilTheirEnd(t *testing.T) {
	i := newIssuer(t, "x")
	at := time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
	source, _ := newTestTokens(i.oauth(t), func() time.Time { return at })
	for _, step := range []struct {
		after    time.Duration
		requests int
	}{{0, 1}, {58 * time.Minute, 1}, {61 * time.Second, 2}, {59 * time.Minute, 3}} {
		at = at.Add(step.after)
		if _, _, err := source.access(t.Context()); err != nil || i.requests() != step.requests {
			t.Errorf("after %s: %d requests, want %d (%v)", step.after, i.requests(), step.requests, err)
		}
	}
	if got := i.lastForm["scope"]; len(got) != 1 || got[0] != "mail" {
		t.Errorf("the scope was %v", got)
	}
}

// TestTokensShareAFile: an endpoint that changes the refresh token with each
// answer takes an old one for stolen. Mailboxes of one account share the file.
func TestTokensShareAFile(t *testing.T) {
	i := newIssuer(t, "x")
	i.rotates = true
	o := i.oauth(t)
	var wait sync.WaitGroup
	for range 8 {
		source, _ := newTestTokens(o, time.Now)
		wait.Go(func() {
			for range 3 {
				source.drop()
				if _, _, err := source.access(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if i.requests() != 24 || contents(t, o.RefreshTokenFile) != i.refresh {
		t.Errorf("%d requests; the file holds %s, the endpoint %s", i.requests(), contents(t, o.RefreshTokenFile), i.refresh)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(o.RefreshTokenFile), ".heed-*")); len(left) > 0 {
		t.Errorf("files were left aside: %v", left)
	}
	if about, err := os.Stat(o.RefreshTokenFile); err != nil || about.Mode().Perm() != 0o600 {
		t.Errorf("the file may be read by %v (%v)", about.Mode(), err)
	}
}

// TestRefreshTokenThatCannotBeWritten goes on from memory, says so, and writes
// it as soon as it can. The folder is one in which nobody makes files.
func TestRefreshTokenThatCannotBeWritten(t *testing.T) {
	i := newIssuer(t, "x")
	i.rotates = true
	o := i.oauth(t)
	const unwritable = "/proc/sys/kernel/hostname"
	if _, err := os.Stat(unwritable); err != nil {
		t.Skip("this system has no /proc/sys")
	}
	i.refresh = contents(t, unwritable)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(unwritable, link); err != nil {
		t.Fatal(err)
	}
	real := o.RefreshTokenFile
	o.RefreshTokenFile = link
	source, log := newTestTokens(o, time.Now)
	for range 2 {
		source.drop()
		if _, _, err := source.access(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(log.String(), "refresh_token_unsaved") || !strings.Contains(log.String(), "must be writable") || strings.Contains(log.String(), "secret-") {
		t.Errorf("the log says %s", log)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if _, _, err := source.access(t.Context()); err != nil || contents(t, real) != i.refresh {
		t.Errorf("the file holds %s, the endpoint %s (%v)", contents(t, real), i.refresh, err)
	}
}

// TestTokenErrorsAreClear: each says what to do, and none shows a secret.
func TestTokenErrorsAreClear(t *testing.T) {
	leak := `"error_description":"refresh-secret-0 of ann@example.org"`
	for name, c := range map[string]struct {
		status   int
		body     string
		location string
		want     string
	}{
		"withdrawn":     {400, `{"error":"invalid_grant",` + leak + `}`, "", "refresh_token_file"},
		"client":        {401, `{"error":"invalid_client",` + leak + `}`, "", "client_secret_file"},
		"scope":         {400, `{"error":"invalid_scope",` + leak + `}`, "", "check scope"},
		"odd":           {400, `{"error":"Ann@example.org!! refresh-secret-0",` + leak + `}`, "", "oauth table"},
		"page":          {200, `<html>refresh-secret-0</html>`, "", "status 200"},
		"no token":      {200, `{"token_type":"Bearer"}`, "", "without a token"},
		"broken":        {500, `oh`, "", "status 500"},
		"redirect":      {307, ``, "/elsewhere", "status 307"},
		"token injects": {200, `{"access_token":"a\u0001\r\nb"}`, "", "without a token"},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/token" {
					t.Error("the secrets were sent on to another place")
				}
				if c.location != "" {
					w.Header().Set("Location", c.location)
				}
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			}))
			defer endpoint.Close()
			o := newIssuer(t, "x").oauth(t)
			o.TokenURL = endpoint.URL + "/token"
			source, _ := newTestTokens(o, time.Now)
			_, _, err := source.access(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "refresh-secret") || strings.Contains(err.Error(), "example.org") {
				t.Errorf("the error says %v, want %q", err, c.want)
			}
		})
	}
}

// TestOwnGrant: without a refresh token the application asks for itself.
func TestOwnGrant(t *testing.T) {
	i := newIssuer(t, "x")
	o := i.oauth(t)
	o.RefreshTokenFile = ""
	source, _ := newTestTokens(o, time.Now)
	token, fresh, err := source.access(t.Context())
	if err != nil || !fresh || token == "" || i.lastForm["grant_type"][0] != "client_credentials" {
		t.Errorf("token %v, fresh %v, %v, asked %v", token != "", fresh, err, i.lastForm["grant_type"])
	}
}

func TestCheckTokenURL(t *testing.T) {
	for text, good := range map[string]bool{"https://login.example.com/token": true, "http://127.0.0.1:1/token": true,
		"http://login.example.com/token": false, "login.example.com": false, "https://me@login.example.com/": false, "": false} {
		if err := CheckTokenURL(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
