package inbox

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// OAuth says where a mailbox's access tokens come from.
type OAuth struct {
	TokenURL         string
	ClientID         string
	ClientSecretFile string // empty for a public client
	RefreshTokenFile string // written anew where the endpoint changes the token; empty: the client's own grant
	Scope            string // may be empty
}

// Limits of a token endpoint.
const (
	tokenTime  = 30 * time.Second
	tokenReply = 64 << 10
	tokenEarly = time.Minute     // before a token ends it is no longer used
	tokenLife  = 5 * time.Minute // of one whose end is not told (RFC 6749 §5.1)
)

// CheckTokenURL refuses an endpoint to which a secret would go in the clear.
func CheckTokenURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("token_url must be like https://login.example.com/oauth2/token, without user and fragment")
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return errors.New("token_url must begin with https:// (http:// is for loopback hosts only), because secrets go there")
}

// tokens holds the access token of one mailbox until shortly before its end.
type tokens struct {
	from   OAuth
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	value   string
	until   time.Time
	unsaved string // a new refresh token that could not be written yet
}

func newTokens(from OAuth, roots *tls.Config, now func() time.Time, log *slog.Logger) *tokens {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if roots != nil {
		transport.TLSClientConfig = roots.Clone()
	}
	return &tokens{from: from, now: now, log: log, client: &http.Client{Transport: transport, Timeout: tokenTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// drop forgets a token that was refused.
func (t *tokens) drop() { t.value = "" }

// access gives a token, and tells whether it was made just now.
func (t *tokens) access(ctx context.Context) (token string, fresh bool, err error) {
	t.saveAgain()
	if t.value != "" && t.now().Before(t.until.Add(-tokenEarly)) {
		return t.value, false, nil
	}
	if err := t.refresh(ctx); err != nil {
		return "", false, fmt.Errorf("asking %s for an access token: %w", hostOf(t.from.TokenURL), err)
	}
	return t.value, true, nil
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the token endpoint"
	}
	return u.Host
}

// refresh asks for a new access token. The file of the refresh token stays
// locked meanwhile: an endpoint that gives a new one with each answer takes a
// second use of the old one for theft, and withdraws both.
func (t *tokens) refresh(ctx context.Context) error {
	if t.from.RefreshTokenFile == "" {
		granted, err := t.ask(ctx, url.Values{"grant_type": {"client_credentials"}})
		return t.keep(granted, err)
	}
	file, err := lockSecret(t.from.RefreshTokenFile)
	if err != nil {
		return fmt.Errorf("reading refresh_token_file: %w", err)
	}
	defer file.close()
	held := file.text
	if t.unsaved != "" {
		held = t.unsaved
	}
	granted, err := t.ask(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {held}})
	if err := t.keep(granted, err); err != nil {
		return err
	}
	if granted.RefreshToken != "" && granted.RefreshToken != file.text {
		t.unsaved = granted.RefreshToken
		t.save(file)
	}
	return nil
}

// saveAgain tries to write what could not be written before: until then a
// restart would lose the mailbox.
func (t *tokens) saveAgain() {
	if t.unsaved == "" {
		return
	}
	file, err := lockSecret(t.from.RefreshTokenFile)
	if err != nil {
		t.log.Error("refresh_token_unsaved", "cause", err.Error())
		return
	}
	defer file.close()
	t.save(file)
}

func (t *tokens) save(file *lockedSecret) {
	if err := file.replace(t.unsaved); err != nil {
		t.log.Error("refresh_token_unsaved", "cause", err.Error())
		return
	}
	t.unsaved = ""
	t.log.Info("refresh_token_saved")
}

// grant is the endpoint's answer (RFC 6749 §5.1, §5.2).
type grant struct {
	AccessToken  string  `json:"access_token"`
	ExpiresIn    seconds `json:"expires_in"`
	RefreshToken string  `json:"refresh_token"`
	Error        string  `json:"error"`
}

// seconds is a number that some endpoints write as a string.
type seconds float64

// UnmarshalJSON takes both forms.
func (s *seconds) UnmarshalJSON(raw []byte) error {
	return json.Unmarshal([]byte(strings.Trim(string(raw), `"`)), (*float64)(s))
}

func (t *tokens) keep(g grant, err error) error {
	if err != nil {
		return err
	}
	life := time.Duration(float64(g.ExpiresIn) * float64(time.Second))
	if life <= 0 {
		life = tokenLife
	}
	t.value, t.until = g.AccessToken, t.now().Add(life)
	return nil
}

// ask sends the request. Secrets stand in its body and nowhere else, so that
// no error can show them.
func (t *tokens) ask(ctx context.Context, form url.Values) (g grant, err error) {
	form.Set("client_id", t.from.ClientID)
	if t.from.Scope != "" {
		form.Set("scope", t.from.Scope)
	}
	if t.from.ClientSecretFile != "" {
		secret, err := readLine(t.from.ClientSecretFile)
		if err != nil {
			return g, fmt.Errorf("reading client_secret_file: %w", err)
		}
		form.Set("client_secret", secret)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.from.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return g, errors.New("token_url cannot be used")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	answer, err := t.client.Do(request)
	if err != nil {
		return g, err
	}
	defer answer.Body.Close()
	return readGrant(answer)
}

func readGrant(answer *http.Response) (g grant, err error) {
	raw, err := io.ReadAll(io.LimitReader(answer.Body, tokenReply))
	if err != nil {
		return g, fmt.Errorf("reading its answer: %w", err)
	}
	broken := json.Unmarshal(raw, &g) != nil
	switch {
	case answer.StatusCode == http.StatusOK && !broken && sendable(g.AccessToken):
		return g, nil
	case answer.StatusCode/100 == 4 && g.Error != "":
		return g, fmt.Errorf("%w: %s (%s)", errToken, plainWord(g.Error), remedy(g.Error))
	}
	return g, fmt.Errorf("it answered with status %d and without a token; check token_url", answer.StatusCode)
}

// errToken means that the endpoint was reached and gives us no token.
var errToken = errors.New("it refuses")

// remedy says what to do about an error of RFC 6749 §5.2. What else the
// endpoint says is not shown: it may name the account.
func remedy(code string) string {
	switch code {
	case "invalid_grant":
		return "the refresh token has ended or was withdrawn: consent again and write the new one into refresh_token_file"
	case "invalid_client", "unauthorized_client":
		return "check client_id and client_secret_file, and that the application may use this grant"
	case "invalid_scope":
		return "check scope"
	}
	return "check the oauth table of this mailbox"
}

// plainWord keeps of a server's word what cannot be a secret or an address.
func plainWord(text string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return -1
	}, text)
	return plain[:min(len(plain), 30)]
}

// sendable tells whether a token can stand in a login without changing it.
func sendable(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// readLine reads a secret from a file.
func readLine(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	line := strings.TrimSpace(string(raw))
	if line == "" || strings.ContainsAny(line, "\r\n") {
		return "", fmt.Errorf("%s must hold the secret on one line and nothing else", path)
	}
	return line, nil
}
