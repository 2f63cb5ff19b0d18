package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"heed/mailer/mailertest"
)

// TestTheAccountPageOfTheDocs takes the program out of docs/account-page.md,
// compiles it and walks through it as its user would.
func TestTheAccountPageOfTheDocs(t *testing.T) {
	sink, err := mailertest.Start(mailertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	server := startServeWith(t, doorsConfig, "SMTP_URL="+sink.URL())
	c := openContract(t, server, server.token(t, "--scope", "contacts,preferences"), "")
	c.send(shot{op: "put-contact", params: []string{"user-7"}, want: 201, body: `{"email":"ann@example.com","consent":{"topics":["news"],"at":"2026-01-02T10:00:00Z","source":"sign-up","text":"I want the news"}}`})
	address := runAccount(t, server.url, c.key)
	shown := fetch(t, http.MethodGet, "http://"+address+"/account?user=user-7")
	link := regexp.MustCompile(`href="([^"]+)"`).FindStringSubmatch(shown)
	if !strings.Contains(shown, "<li>news: in</li>") || link == nil {
		t.Fatalf("the account page is %s", shown)
	}
	if centre := fetch(t, http.MethodGet, link[1]); !strings.Contains(centre, "a••@example.com") {
		t.Errorf("the link leads to %s", centre)
	}
	if closed := fetch(t, http.MethodPost, "http://"+address+"/account/close?user=user-7"); !strings.Contains(closed, "pending, request H-") {
		t.Errorf("closing the account said %s", closed)
	}
	if err := eventually(t.Context(), 30*time.Second, "the question by mail", func() (bool, error) { return sink.Count() == 1, nil }); err != nil {
		t.Error(err)
	}
}

// runAccount compiles the program of the page and runs it.
func runAccount(t *testing.T, url, key string) (address string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/account-page.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(page)
	if code == nil {
		t.Fatal("the page holds no program")
	}
	folder := t.TempDir()
	file, binary := filepath.Join(folder, "account.go"), filepath.Join(folder, "account")
	if err := os.WriteFile(file, code[1], 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if address, err = freeAddress(); err != nil {
		t.Fatal(err)
	}
	program := exec.Command(binary)
	program.Env = []string{"HEED_URL=" + url, "HEED_KEY=" + key, "LISTEN=" + address}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Process.Kill(); _ = program.Wait() }) // it was killed
	err = eventually(t.Context(), 30*time.Second, "the account page", func() (bool, error) {
		answer, err := http.Get("http://" + address + "/")
		if err == nil {
			answer.Body.Close()
		}
		return err == nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func fetch(t *testing.T, method, url string) string {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%s %s answered %s, %v: %s", method, url, answer.Status, err, text)
	}
	return string(text)
}
