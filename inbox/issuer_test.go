package inbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// issuer is a token endpoint, and the introspection endpoint of the IMAP
// server that trusts it.
type issuer struct {
	*httptest.Server
	mu       sync.Mutex
	refresh  string          // the only refresh token that counts
	rotates  bool            // each answer brings a new one, and an old one ends all
	active   map[string]bool // access tokens
	user     string
	asked    int
	life     int
	lastForm map[string][]string
}

func newIssuer(t *testing.T, user string) *issuer {
	t.Helper()
	i := &issuer{refresh: "refresh-secret-0", active: map[string]bool{}, user: user, life: 3600}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("/introspect", i.introspect)
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	_ = r.ParseForm()
	i.asked++
	i.lastForm = r.PostForm
	w.Header().Set("Content-Type", "application/json")
	if r.PostForm.Get("client_id") != "app" || r.PostForm.Get("client_secret") != "client-secret" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"invalid_client","error_description":"wrong: client-secret"}`)
		return
	}
	if held := r.PostForm.Get("refresh_token"); r.PostForm.Get("grant_type") == "refresh_token" && held != i.refresh {
		if i.rotates {
			i.refresh = "withdrawn"
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"%s of %s"}`, held, i.user)
		return
	}
	answer := map[string]any{"access_token": fmt.Sprintf("access-secret-%d", i.asked), "token_type": "Bearer", "expires_in": i.life}
	i.active[answer["access_token"].(string)] = true
	if i.rotates {
		i.refresh = fmt.Sprintf("refresh-secret-%d", i.asked)
		answer["refresh_token"] = i.refresh
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (i *issuer) introspect(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	_ = r.ParseForm()
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"active":%v,"username":"%s"}`, i.active[r.Form.Get("token")], i.user)
}

func (i *issuer) requests() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// withdraw ends all access tokens before their time.
func (i *issuer) withdraw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.active)
}

// oauth writes the files of a mailbox that uses the issuer.
func (i *issuer) oauth(t *testing.T) OAuth {
	t.Helper()
	folder := t.TempDir()
	o := OAuth{TokenURL: i.URL + "/token", ClientID: "app", ClientSecretFile: filepath.Join(folder, "client"),
		RefreshTokenFile: filepath.Join(folder, "refresh"), Scope: "mail"}
	write(t, o.ClientSecretFile, "client-secret\n")
	write(t, o.RefreshTokenFile, i.refresh+"\n")
	return o
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// notes is a log that a test can read while it is written.
type notes struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

func (n *notes) log() *slog.Logger { return slog.New(slog.NewTextHandler(n, nil)) }

// runNoted is run with a log to read.
func runNoted(t *testing.T, p *Poller) *notes {
	t.Helper()
	n := &notes{}
	p.Log, p.Owner = n.log(), "test"
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return n
}
