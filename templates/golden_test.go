package templates

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"heed/consent"
)

var update = flag.Bool("update", false, "write the golden files in testdata anew")

// golden compares got with testdata/name, byte for byte.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run go test ./templates -update and look at what it writes", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

func layout() LayoutData {
	return LayoutData{Sender: "Harbour Notes", PostalAddress: "Kaistraße 7\n20457 Hamburg\nGermany", PrivacyContact: "privacy@harbour.example"}
}

func links() Links {
	return Links{
		Unsubscribe: "https://news.harbour.example/u/abc234",
		Preferences: "https://news.harbour.example/p/abc234",
		Unused:      "https://news.harbour.example/n/abc234",
		Reason:      Reason{Topic: "Product news", Source: "website form", At: time.Date(2026, 5, 3, 14, 3, 0, 0, time.UTC)},
	}
}

func ann() Person {
	return Person{Email: "ann@example.com", FirstName: "Ann", LastName: "O’Neill", Company: "Söder & Co", Language: "en",
		Attr: map[string]string{"plan": "pro"}, Services: []string{"files", "mail"}, Topics: []string{"product-news"}}
}

// compiled compiles a body under plain front matter.
func compiled(t *testing.T, body string) *Content {
	t.Helper()
	c, err := Compile(campaign(body), layout())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func campaign(body string) Campaign {
	return Campaign{Subject: "News", Topic: "product-news", Class: consent.Newsletter, Audience: "all", TimeZone: "UTC", Body: body, BodyLine: 1}
}

// full renders both parts for one person.
func full(t *testing.T, c *Content, p Person) (text, html string) {
	t.Helper()
	text, html, err := c.Full(p, links())
	if err != nil {
		t.Fatal(err)
	}
	return text, html
}
