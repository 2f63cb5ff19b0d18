package main

import (
	"bytes"
	"fmt"
	"io"
	"mime/quotedprintable"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"heed/mailer/mailertest"
)

// TestMain lets the scripts, and every child process of a test, run the real
// program: this test binary under the name heed.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"heed": main})
}

// TestScripts runs testdata/script/*.txtar: the command line as people type it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: bareEnvironment,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "relay": startRelay, "delivered": delivered, "waitfor": waitFor, "many": many, "relayed": relayed, "press": press, "ownport": ownPort, "submit": submit,
		},
	})
}

// bareEnvironment keeps the settings of whoever runs the tests out.
func bareEnvironment(env *testscript.Env) error {
	for _, s := range (settingFlags{}).table() {
		env.Setenv(s.env, "")
		env.Setenv(s.env+"_FILE", "")
	}
	env.Values[relayKey{}] = new(*mailertest.Sink)
	env.Setenv("HEED_CONFIG", "")
	env.Setenv("LISTEN", "127.0.0.1:0")
	return nil
}

// code runs heed and wants an exit code: code 3 campaign check 1.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("heed", args[1:]...)
	got := 0
	if err != nil {
		if _, scanned := fmt.Sscanf(err.Error(), "exit status %d", &got); scanned != nil {
			ts.Fatalf("heed %s: %v", strings.Join(args[1:], " "), err)
		}
	}
	if got != want {
		ts.Fatalf("heed %s ended with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

type relayKey struct{}

// startRelay starts an SMTP server that delivers nothing, and sets SMTP_URL.
// With "mute" it never answers the first message's end, with "busy ADDRESS" it
// puts the first try at that address off.
func startRelay(ts *testscript.TestScript, _ bool, args []string) {
	var o mailertest.Options
	var tries atomic.Int64
	switch {
	case len(args) == 1 && args[0] == "mute":
		o.Script = func(verb string, n int) mailertest.Action {
			if verb == "END" && n == 1 {
				return mailertest.Action{Drop: mailertest.DropAfter}
			}
			return mailertest.Action{}
		}
	case len(args) == 2 && args[0] == "busy":
		o.OnRcpt = func(_, to string) mailertest.Reply {
			if to == args[1] && tries.Add(1) == 1 {
				return mailertest.Reply{Code: 451, Enhanced: "4.7.1", Text: "later"}
			}
			return mailertest.Reply{}
		}
	}
	sink, err := mailertest.Start(o)
	ts.Check(err)
	ts.Defer(sink.Close)
	ts.Setenv("SMTP_URL", sink.URL())
	*ts.Value(relayKey{}).(**mailertest.Sink) = sink
}

// delivered wants exactly so many messages at the relay, to an address where
// one is given: delivered 3 [ADDRESS].
func delivered(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	for _, r := range (*ts.Value(relayKey{}).(**mailertest.Sink)).Records() {
		if len(args) < 2 || r.To == args[1] {
			got++
		}
	}
	if got != want {
		ts.Fatalf("the relay took %d messages, want %d", got, want)
	}
}

// relayed waits for the Nth message to an address and writes it to a file,
// with its text as one reads it: relayed N ADDRESS FILE.
func relayed(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		n := 0
		for _, r := range (*ts.Value(relayKey{}).(**mailertest.Sink)).Records() {
			if r.To != args[1] {
				continue
			}
			if n++; n == want {
				text, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(r.Data)))
				ts.Check(err)
				ts.Check(os.WriteFile(ts.MkAbs(args[2]), text, 0o600))
				return
			}
		}
	}
	ts.Fatalf("%s never got %d messages", args[1], want)
}

// waitFor waits until a file holds a text: waitfor FILE TEXT.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(text), args[1]) {
			return
		}
	}
	ts.Fatalf("%s never held %q", args[0], args[1])
}

// many writes a CSV file of people: many FILE N.
func many(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var text strings.Builder
	text.WriteString("email,topics,consent_at,consent_source,consent_text\n")
	for i := range n {
		fmt.Fprintf(&text, "p%d@example.com,news,2026-01-02,form,I want the news\n", i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text.String()), 0o600))
}
