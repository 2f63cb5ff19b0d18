package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDemoTells(t *testing.T) {
	told := func(tl *teller) string {
		var out bytes.Buffer
		tl.out = &out
		tl.expect(10)
		tl.tell("bo", "Bo <left>", map[string]any{"in_flight": 2})
		tl.reached(5)
		tl.tell("problem", "a cross", nil)
		tl.done()
		return out.String()
	}
	if got := told(&teller{}); got != "bo: Bo <left>\nproblem: a cross\n" {
		t.Errorf("as lines: %q", got)
	}
	if got := told(&teller{tty: true, color: true}); !strings.Contains(got, "\x1b[32m✓ \x1b[0mBo <left>\n") || !strings.Contains(got, "\x1b[31m✗ \x1b[0ma cross\n") {
		t.Errorf("on a terminal: %q", got)
	}
	if got := told(&teller{tty: true}); !strings.Contains(got, "✓ Bo <left>\n") || strings.Contains(got, "\x1b[3") {
		t.Errorf("without colours: %q", got)
	}
	first, _, _ := strings.Cut(told(&teller{json: true}), "\n")
	var line struct {
		Event, Text string
		At          time.Time
		InFlight    int `json:"in_flight"`
	}
	if err := json.Unmarshal([]byte(first), &line); err != nil || line.Event != "bo" || line.Text != "Bo <left>" || line.InFlight != 2 || line.At.IsZero() {
		t.Errorf("as JSON: %q, %v", first, err)
	}
}

// TestDemoFindsNoRealServer: what the shell says to heed must not reach the
// children.
func TestDemoFindsNoRealServer(t *testing.T) {
	kept := withoutSettings([]string{"PATH=/bin", "SMTP_URL=smtp://real", "SMTP_URL_FILE=/real", "DATABASE_URL=postgres://real",
		"REDIS_URL_FILE=/real", "HEED_CONFIG=/real", "HEED_DATA=/real", "RATE=1", "TZ=UTC"})
	if !slices.Equal(kept, []string{"PATH=/bin", "TZ=UTC"}) {
		t.Errorf("kept %v", kept)
	}
}

func TestDemoPressesTheButton(t *testing.T) {
	page := `<form method="post" action="/c/x"><input type="hidden" name="confirm" value="delete"><button type="submit">Delete</button></form>`
	if got := pressed(page).Encode(); got != "confirm=delete" {
		t.Errorf("pressed %q", got)
	}
	if got := pressed("<p>nothing to press</p>"); len(got) != 0 {
		t.Errorf("pressed %v", got)
	}
}

func TestDemoFindsTheMailbox(t *testing.T) {
	for address, want := range map[string]string{"bounces+abc@notes.example": "bounces", "privacy@notes.example": "privacy", "abuse": "abuse"} {
		if got := roleOf(address); got != want {
			t.Errorf("%s goes to %s", address, got)
		}
	}
}

func TestDemoStaysOnThisMachine(t *testing.T) {
	for _, link := range []string{"https://harbour.example/", "http://127.0.0.1.example:80/", "http://192.0.2.1/"} {
		if err := follow(t.Context(), "GET", link); err == nil || !strings.Contains(err.Error(), "leaves this machine") {
			t.Errorf("%s: %v", link, err)
		}
	}
}
