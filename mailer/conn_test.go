package mailer

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"heed/mailer/mailertest"
)

// modes are the three ways to hand a message over.
var modes = map[string]mailertest.Options{
	"chunking":         {},
	"chunking-stepped": {NoPipelining: true},
	"pipelining":       {NoChunking: true},
	"plain":            {NoChunking: true, NoPipelining: true},
}

var testMessage = []byte("From: a@example.org\r\nSubject: t\r\n\r\nhello\r\n.dot\r\n")

func yes(context.Context) (bool, error) { return true, nil }
func no(context.Context) (bool, error)  { return false, nil }

func startSink(t testing.TB, opts mailertest.Options) *mailertest.Sink {
	t.Helper()
	sink, err := mailertest.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sink.Close()
		if v := sink.Violations(); len(v) > 0 {
			t.Errorf("violations: %q", v)
		}
	})
	return sink
}

func relayTo(t testing.TB, sink *mailertest.Sink) Relay {
	t.Helper()
	r, err := ParseRelay(sink.URL())
	if err != nil {
		t.Fatal(err)
	}
	wait := time.Second
	r.Timeouts = Timeouts{Dial: 5 * time.Second, Mail: wait, Rcpt: wait, Data: wait, Block: wait, End: wait}
	return r
}

func dialSink(t testing.TB, r Relay) *Conn {
	t.Helper()
	c, err := Dial(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func send(c *Conn, to string, claim Claim) Result {
	return c.Send(context.Background(), Envelope{From: "bounce@example.org", To: to}, testMessage, claim)
}

func TestSendAccepted(t *testing.T) {
	for name, opts := range modes {
		t.Run(name, func(t *testing.T) {
			sink := startSink(t, opts)
			c := dialSink(t, relayTo(t, sink))
			for i := range 3 {
				res := send(c, fmt.Sprintf("p%d@example.net", i), yes)
				if res.Outcome != Accepted || res.Code != 250 || !res.Alive || res.EndAt.IsZero() || res.Enhanced != "2.0.0" {
					t.Fatalf("message %d: %+v", i, res)
				}
			}
			recs := sink.Records()
			if len(recs) != 3 || sink.Sessions() != 1 || c.Sent() != 3 {
				t.Fatalf("records %d, sessions %d, sent %d", len(recs), sink.Sessions(), c.Sent())
			}
			if r := recs[2]; string(r.Data) != string(testMessage) || r.To != "p2@example.net" || r.From != "bounce@example.org" {
				t.Errorf("got %+v %q", r, r.Data)
			}
		})
	}
}

// fault is one thing that the relay does at one verb, and what must come of it.
type fault struct {
	name   string
	action mailertest.Action
	before Outcome // where the end was not written yet
	atEnd  Outcome
	closes bool
}

var faults = []fault{
	{"450", answer(450, "4.2.0"), Deferred, Deferred, false},
	{"452", answer(452, "4.5.3"), Deferred, Deferred, false},
	{"550", answer(550, "5.1.1"), Rejected, Rejected, false},
	{"554", answer(554, "5.7.1"), Rejected, Rejected, false},
	{"421", answer(421, "4.3.2"), Deferred, Deferred, true},
	{"354", answer(354, ""), Deferred, Uncertain, true},
	{"drop before", mailertest.Action{Drop: mailertest.DropBefore}, Deferred, Uncertain, true},
	{"drop after", mailertest.Action{Drop: mailertest.DropAfter}, Deferred, Uncertain, true},
	{"garbage", mailertest.Action{Raw: "what?\r\n"}, Deferred, Uncertain, true},
	{"short", mailertest.Action{Raw: "25\r\n"}, Deferred, Uncertain, true},
	{"long line", mailertest.Action{Raw: "250 " + strings.Repeat("x", 9000) + "\r\n"}, Deferred, Uncertain, true},
	{"two codes", mailertest.Action{Raw: "250-a\r\n550 b\r\n"}, Deferred, Uncertain, true},
	{"stall", mailertest.Action{Stall: time.Minute, Drop: mailertest.DropBefore}, Deferred, Uncertain, true},
}

func answer(code int, enhanced string) mailertest.Action {
	return mailertest.Action{Reply: mailertest.Reply{Code: code, Enhanced: enhanced, Text: "user P1@example.net unknown (p1)"}}
}

// TestFaults lets the relay fail in each way at each verb in each mode. After a result
// that calls the connection alive a good message must go through on it: a reply off by
// one would show there.
func TestFaults(t *testing.T) {
	for name, opts := range modes {
		verbs := []string{"MAIL", "RCPT", "BODY", "BDAT", "END"}
		if opts.NoChunking {
			verbs = []string{"MAIL", "RCPT", "DATA", "END"} // and TestFaultsInTheText
		}
		for _, verb := range verbs {
			for _, f := range faults {
				if verb == "DATA" && f.name == "354" {
					continue // is a yes there
				}
				t.Run(name+"/"+verb+"/"+f.name, func(t *testing.T) {
					t.Parallel()
					checkFault(t, opts, verb, f)
				})
			}
		}
	}
}

func checkFault(t *testing.T, opts mailertest.Options, verb string, f fault) {
	opts.Script = func(v string, n int) mailertest.Action {
		if v == verb && n == 1 {
			return f.action
		}
		return mailertest.Action{}
	}
	sink := startSink(t, opts)
	r := relayTo(t, sink)
	short := 300 * time.Millisecond
	r.Timeouts = Timeouts{Dial: 5 * time.Second, Mail: short, Rcpt: short, Data: short, Block: short, End: short}
	c := dialSink(t, r)
	claimed := false
	res := send(c, "p1@example.net", func(context.Context) (bool, error) { claimed = true; return true, nil })

	want := f.before
	if verb == "END" {
		want = f.atEnd
	}
	if res.Outcome != want || res.Alive == f.closes {
		t.Fatalf("want %s, closed %v; got %+v", want, f.closes, res)
	}
	if claimed != (verb == "END") || res.EndAt.IsZero() != (verb != "END") {
		t.Errorf("claimed %v, end at %v", claimed, res.EndAt)
	}
	if rep := f.action.Reply; rep.Code >= 400 && (res.Code != rep.Code || res.Enhanced != rep.Enhanced ||
		!strings.HasSuffix(res.Text, "user <address> unknown (<address>)")) {
		t.Errorf("reply not told: %+v", res)
	}
	wantCount := 0
	if verb == "END" && f.name == "drop after" { // the relay has it: that is what uncertain is for
		wantCount = 1
	}
	if got := sink.Count(); got != wantCount {
		t.Errorf("the relay has %d messages, want %d", got, wantCount)
	}
	afterwards(t, c, r, sink, res.Alive, wantCount+1)
}

// afterwards sends a good message, on the same connection where it is alive.
func afterwards(t *testing.T, c *Conn, r Relay, sink *mailertest.Sink, alive bool, want int) {
	t.Helper()
	if !alive {
		if res := send(c, "dead@example.net", yes); res.Outcome != GivenBack || res.Alive {
			t.Errorf("send on a dead connection: %+v", res)
		}
		c = dialSink(t, r)
	}
	if res := send(c, "next@example.net", yes); res.Outcome != Accepted || !res.Alive {
		t.Errorf("the next message: %+v", res)
	}
	recs := sink.Records()
	if len(recs) != want || recs[want-1].To != "next@example.net" {
		t.Errorf("the relay has %d messages, want %d", len(recs), want)
	}
}

// TestRefusedButGo: RCPT refused and DATA still answered 354 (RFC 2920 §3.1).
func TestRefusedButGo(t *testing.T) {
	opts := mailertest.Options{NoChunking: true, Script: func(verb string, n int) mailertest.Action {
		switch {
		case verb == "RCPT" && n == 1:
			return answer(550, "5.1.1")
		case verb == "DATA" && n == 1:
			return mailertest.Action{Raw: "354 go on\r\n"}
		}
		return mailertest.Action{}
	}}
	sink := startSink(t, opts)
	r := relayTo(t, sink)
	c := dialSink(t, r)
	res := send(c, "p@example.net", yes)
	if res.Outcome != Rejected || res.Enhanced != "5.1.1" || res.Alive {
		t.Fatalf("got %+v", res)
	}
	afterwards(t, c, r, sink, false, 1)
}

// TestQuiet asks a relay that can to tell nobody, and one that cannot nothing.
func TestQuiet(t *testing.T) {
	for _, dsn := range []bool{true, false} {
		sink := startSink(t, mailertest.Options{DSN: dsn})
		c := dialSink(t, relayTo(t, sink))
		for _, quiet := range []bool{true, false} {
			if r := c.Send(context.Background(), Envelope{To: "p@example.net", Quiet: quiet}, testMessage, yes); r.Outcome != Accepted {
				t.Fatalf("got %+v", r)
			}
			all := sink.Records()
			if got := all[len(all)-1].Notify; (got == "NEVER") != (dsn && quiet) {
				t.Errorf("dsn %v, quiet %v: NOTIFY=%q", dsn, quiet, got)
			}
		}
		if bad := sink.Violations(); len(bad) > 0 {
			t.Error(bad)
		}
	}
}
