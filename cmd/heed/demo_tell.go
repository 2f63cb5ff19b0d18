package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// teller tells the story: to a person at a terminal with ticks and a bar, to a
// log a line an event, to a program an object a line.
type teller struct {
	out   io.Writer
	json  bool
	tty   bool
	color bool

	mu  sync.Mutex
	bar *progressbar.ProgressBar
}

// tell says what happened. Data is for programs, the text for people.
func (t *teller) tell(event, text string, data map[string]any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.json:
		t.object(event, text, data)
	case t.tty:
		t.clear()
		fmt.Fprintln(t.out, t.mark(event)+text)
		t.draw()
	default:
		fmt.Fprintln(t.out, event+": "+text)
	}
}

func (t *teller) object(event, text string, data map[string]any) {
	line := map[string]any{"event": event, "at": time.Now().UTC().Format(time.RFC3339Nano), "text": text}
	for key, value := range data {
		line[key] = value
	}
	encoder := json.NewEncoder(t.out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(line) // nobody is left to tell
}

// mark is what stands before a line: a tick, a cross, or nothing for talk.
func (t *teller) mark(event string) string {
	sign, shade := "✓ ", "32"
	switch event {
	case "note", "url":
		return "  "
	case "problem", "failed":
		sign, shade = "✗ ", "31"
	}
	if !t.color {
		return sign
	}
	return "\x1b[" + shade + "m" + sign + "\x1b[0m"
}

// expect begins the bar for a number of messages.
func (t *teller) expect(messages int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tty {
		t.bar = progressbar.NewOptions(messages, progressbar.OptionSetWriter(t.out), progressbar.OptionSetDescription("  sending"),
			progressbar.OptionShowCount(), progressbar.OptionSetWidth(40), progressbar.OptionUseANSICodes(t.color),
			progressbar.OptionSetPredictTime(false), progressbar.OptionThrottle(100*time.Millisecond))
	}
}

// reached moves the bar.
func (t *teller) reached(messages int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bar != nil {
		_ = t.bar.Set(messages) // more than expected is told at the end
	}
}

// done takes the bar away.
func (t *teller) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
	t.bar = nil
}

func (t *teller) clear() {
	if t.bar != nil {
		_ = t.bar.Clear() // only looks
	}
}

func (t *teller) draw() {
	if t.bar != nil {
		_ = t.bar.RenderBlank() // only looks
	}
}
