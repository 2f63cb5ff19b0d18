package mailer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
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
	return c.Send(context.Background(), Envelope{"bounce@example.org", to}, testMessage, claim)
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
		verbs := []string{"MAIL", "RCPT", "BDAT", "END"}
		if opts.NoChunking {
			verbs[2] = "DATA"
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

// TestClaimSaysNo covers all ways not to complete: nothing may arrive in any of them.
func TestClaimSaysNo(t *testing.T) {
	boom := errors.New("database away")
	claims := map[string]struct {
		claim func(clock *time.Duration, cancel func()) Claim
		want  Outcome
	}{
		"no":    {func(*time.Duration, func()) Claim { return no }, Skipped},
		"error": {func(*time.Duration, func()) Claim { return func(context.Context) (bool, error) { return true, boom } }, GivenBack},
		"slow": {func(clock *time.Duration, _ func()) Claim {
			return func(context.Context) (bool, error) { *clock += ClaimWindow; return true, nil }
		}, GivenBack},
		"cancelled": {func(_ *time.Duration, cancel func()) Claim {
			return func(context.Context) (bool, error) { cancel(); return true, nil }
		}, GivenBack},
	}
	for mode, opts := range modes {
		for name, tc := range claims {
			t.Run(mode+"/"+name, func(t *testing.T) {
				sink := startSink(t, opts)
				r := relayTo(t, sink)
				var clock time.Duration
				r.Clock = func() time.Duration { return clock }
				c := dialSink(t, r)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				res := c.Send(ctx, Envelope{"b@example.org", "p@example.net"}, testMessage, tc.claim(&clock, cancel))
				if res.Outcome != tc.want || !res.EndAt.IsZero() || res.Stage != StageClaim {
					t.Fatalf("got %+v", res)
				}
				if wantAlive := !opts.NoChunking && name != "cancelled"; res.Alive != wantAlive {
					t.Errorf("alive %v, want %v", res.Alive, wantAlive)
				}
				if !res.Alive {
					_ = c.Close()
				}
				if sink.Count() != 0 || sink.Seen("END") != 0 || (opts.NoChunking && sink.Seen("QUIT")+sink.Seen("RSET") != 0) {
					t.Errorf("the relay was told to complete or sent a command inside the text")
				}
				afterwards(t, c, r, sink, res.Alive, 1)
			})
		}
	}
}

// TestClaimWindowEdge: a nanosecond before the window ends the message goes out.
func TestClaimWindowEdge(t *testing.T) {
	sink := startSink(t, mailertest.Options{})
	r := relayTo(t, sink)
	var clock time.Duration
	r.Clock = func() time.Duration { return clock }
	c := dialSink(t, r)
	step := ClaimWindow - 10*time.Millisecond
	res := send(c, "p@example.net", func(context.Context) (bool, error) { clock += step; return true, nil })
	if res.Outcome != Accepted {
		t.Errorf("got %+v", res)
	}
}

// TestCancel: before the end it aborts, after the end it does not.
func TestCancel(t *testing.T) {
	for mode, opts := range modes {
		t.Run(mode+"/before", func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			opts := opts
			opts.Script = func(verb string, _ int) mailertest.Action {
				if verb != "RCPT" {
					return mailertest.Action{}
				}
				cancel()
				return mailertest.Action{Stall: 5 * time.Second}
			}
			sink := startSink(t, opts)
			c := dialSink(t, relayTo(t, sink))
			began := time.Now()
			res := c.Send(ctx, Envelope{"b@example.org", "p@example.net"}, testMessage, yes)
			if res.Outcome != GivenBack || res.Alive || !errors.Is(res.Err, context.Canceled) || time.Since(began) > 900*time.Millisecond {
				t.Errorf("got %+v", res)
			}
			sink.Close()
			if sink.Count() != 0 {
				t.Error("completed although cancelled")
			}
		})
		t.Run(mode+"/after", func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			opts := opts
			opts.EndDelay = 100 * time.Millisecond
			opts.Script = func(verb string, _ int) mailertest.Action {
				if verb == "END" {
					cancel()
				}
				return mailertest.Action{}
			}
			sink := startSink(t, opts)
			c := dialSink(t, relayTo(t, sink))
			if res := c.Send(ctx, Envelope{"b@example.org", "p@example.net"}, testMessage, yes); res.Outcome != Accepted || !res.Alive {
				t.Errorf("got %+v", res)
			}
		})
	}
}

// TestAcceptedThenClosed: 250 counts whatever follows (RFC 5321 §4.2.5).
func TestAcceptedThenClosed(t *testing.T) {
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			opts := opts
			opts.Script = func(verb string, n int) mailertest.Action {
				if verb == "END" && n == 1 {
					return mailertest.Action{Raw: "250 2.0.0 taken\r\n421 4.3.2 going\r\n"}
				}
				return mailertest.Action{}
			}
			sink := startSink(t, opts)
			c := dialSink(t, relayTo(t, sink))
			if res := send(c, "p@example.net", yes); res.Outcome != Accepted {
				t.Fatalf("got %+v", res)
			}
			time.Sleep(20 * time.Millisecond)
			if res := send(c, "q@example.net", yes); res.Outcome == Accepted || res.Alive {
				t.Errorf("the 421 was taken for an answer: %+v", res)
			}
		})
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

// TestRestingConnection: a relay that went away while the connection rested costs no
// message a delay.
func TestRestingConnection(t *testing.T) {
	sink := startSink(t, mailertest.Options{})
	r := relayTo(t, sink)
	var clock time.Duration
	r.Clock = func() time.Duration { return clock }
	c := dialSink(t, r)
	clock += time.Minute
	if res := send(c, "p@example.net", yes); res.Outcome != Accepted {
		t.Fatalf("a good connection was given up: %+v", res)
	}
	sink.Stop()
	if err := sink.Resume(); err != nil {
		t.Fatal(err)
	}
	clock += time.Minute
	if res := send(c, "p@example.net", yes); res.Outcome != GivenBack || res.Stage != StageNone || res.Alive {
		t.Fatalf("got %+v", res)
	}
	afterwards(t, c, r, sink, false, 2)
}

func TestRefusedBeforeWriting(t *testing.T) {
	sink := startSink(t, mailertest.Options{Size: 1000})
	c := dialSink(t, relayTo(t, sink))
	ok := Envelope{"b@example.org", "p@example.net"}
	for name, tc := range map[string]struct {
		env  Envelope
		msg  string
		want string
	}{
		"crlf in recipient":  {Envelope{"b@example.org", "p@example.net>\r\nRCPT TO:<evil@example.com"}, "a\r\n", "5.1.3"},
		"space":              {Envelope{"b@example.org", "p q@example.net"}, "a\r\n", "5.1.3"},
		"brackets":           {Envelope{"b@example.org", "<p@example.net>"}, "a\r\n", "5.1.3"},
		"nul in return path": {Envelope{"b\x00@example.org", "p@example.net"}, "a\r\n", "5.1.7"},
		"empty recipient":    {Envelope{"b@example.org", ""}, "a\r\n", "5.1.3"},
		"no domain":          {Envelope{"b@example.org", "p"}, "a\r\n", "5.1.3"},
		"too long":           {Envelope{"b@example.org", strings.Repeat("x", 65) + "@example.net"}, "a\r\n", "5.1.3"},
		"needs SMTPUTF8":     {Envelope{"b@example.org", "jürgen@example.net"}, "a\r\n", "5.6.7"},
		"bare LF":            {ok, "a\r\n.\nb\r\n", "5.6.0"},
		"bare CR":            {ok, "a\rb\r\n", "5.6.0"},
		"no end":             {ok, "a\r\nb", "5.6.0"},
		"empty":              {ok, "", "5.6.0"},
		"too large":          {ok, strings.Repeat("a\r\n", 400), "5.3.4"},
	} {
		res := c.Send(context.Background(), tc.env, []byte(tc.msg), yes)
		if res.Outcome != Rejected || res.Enhanced != tc.want || res.Err == nil || !res.Alive || res.Code != 0 {
			t.Errorf("%s: %+v", name, res)
		}
	}
	if sink.Seen("MAIL") != 0 {
		t.Error("something was written")
	}
	if res := send(c, "p@example.net", yes); res.Outcome != Accepted {
		t.Errorf("afterwards: %+v", res)
	}
}

func TestInternationalAddresses(t *testing.T) {
	sink := startSink(t, mailertest.Options{SMTPUTF8: true})
	c := dialSink(t, relayTo(t, sink))
	for given, wire := range map[string]string{
		"alice@bücher.example":  "alice@xn--bcher-kva.example",
		"jürgen@bücher.example": "jürgen@xn--bcher-kva.example",
		"a..b@example.net":      `"a..b"@example.net`,
		"p@[127.0.0.1]":         "p@[127.0.0.1]",
	} {
		if res := send(c, given, yes); res.Outcome != Accepted {
			t.Errorf("%s: %+v", given, res)
		}
		if recs := sink.Records(); len(recs) == 0 || recs[len(recs)-1].To != wire {
			t.Errorf("%s: want %s", given, wire)
		}
	}
	if res := c.Send(context.Background(), Envelope{"", "p@example.net"}, testMessage, yes); res.Outcome != Accepted {
		t.Errorf("null return path: %+v", res)
	}
}

// TestBigMessage goes in several writes, and still not without its claim.
func TestBigMessage(t *testing.T) {
	msg := []byte("Subject: big\r\n\r\n" + strings.Repeat(strings.Repeat(".", 70)+"\r\n", 40000))
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			sink := startSink(t, opts)
			r := relayTo(t, sink)
			c := dialSink(t, r)
			res := c.Send(context.Background(), Envelope{"b@example.org", "p@example.net"}, msg, yes)
			if res.Outcome != Accepted || string(sink.Records()[0].Data) != string(msg) {
				t.Fatalf("%+v", res)
			}
			res = c.Send(context.Background(), Envelope{"b@example.org", "p@example.net"}, msg, no)
			if res.Outcome != Skipped || sink.Count() != 1 {
				t.Fatalf("%+v", res)
			}
		})
	}
}

// TestLineLostBeforeEnd: an end of which no byte could be written is no message. Under
// TLS that cannot be known, and the result says so.
func TestLineLostBeforeEnd(t *testing.T) {
	closed := func(c *Conn) { c.Abort() }
	oneWay := func(c *Conn) { _ = c.raw.(*net.TCPConn).CloseWrite() }
	data, secure := mailertest.Options{NoChunking: true}, mailertest.Options{ImplicitTLS: true}
	for name, tc := range map[string]struct {
		opts mailertest.Options
		lose func(*Conn)
		want Outcome
	}{
		"bdat closed": {mailertest.Options{}, closed, Deferred}, "bdat one way": {mailertest.Options{}, oneWay, Deferred},
		"data closed": {data, closed, Deferred}, "data one way": {data, oneWay, Deferred},
		"tls closed": {secure, closed, Deferred}, "tls one way": {secure, oneWay, Uncertain},
	} {
		t.Run(name, func(t *testing.T) {
			sink := startSink(t, tc.opts)
			r := relayTo(t, sink)
			if tc.opts.ImplicitTLS {
				r.CAFile = t.TempDir() + "/ca.pem"
				if err := sink.WriteCA(r.CAFile); err != nil {
					t.Fatal(err)
				}
			}
			c := dialSink(t, r)
			res := send(c, "p@example.net", func(context.Context) (bool, error) { tc.lose(c); return true, nil })
			if res.Outcome != tc.want || res.Alive || res.EndAt.IsZero() != (tc.want == Deferred) {
				t.Errorf("%+v", res)
			}
			sink.Close()
			if sink.Count() != 0 {
				t.Error("completed")
			}
		})
	}
}

// TestServerGoneAfterEnd: the server dies with the end in hand.
func TestServerGoneAfterEnd(t *testing.T) {
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			opts := opts
			reached := make(chan bool)
			opts.Script = func(verb string, n int) mailertest.Action {
				if verb == "END" && n == 1 {
					close(reached)
					return mailertest.Action{Stall: time.Minute, Drop: mailertest.DropBefore}
				}
				return mailertest.Action{}
			}
			sink := startSink(t, opts)
			r := relayTo(t, sink)
			c := dialSink(t, r)
			go func() { <-reached; sink.Stop() }()
			if res := send(c, "p@example.net", yes); res.Outcome != Uncertain || res.Alive || res.EndAt.IsZero() || c.Sent() != 1 {
				t.Fatalf("%+v", res)
			}
			sink.Stop()
			if err := sink.Resume(); err != nil {
				t.Fatal(err)
			}
			afterwards(t, c, r, sink, false, 1)
		})
	}
}

// TestManyConnections sends over several connections at once, one person in ten
// skipped, and finds exactly the others at the relay.
func TestManyConnections(t *testing.T) {
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			sink := startSink(t, opts)
			r := relayTo(t, sink)
			var wg sync.WaitGroup
			for w := range 5 {
				wg.Go(func() { sendTen(t, r, w) })
			}
			wg.Wait()
			seen := map[string]bool{}
			for _, rec := range sink.Records() {
				if seen[rec.To] || strings.HasPrefix(rec.To, "p0.") {
					t.Errorf("twice, or although skipped: %s", rec.To)
				}
				seen[rec.To] = true
			}
			if len(seen) != 45 {
				t.Errorf("%d messages", len(seen))
			}
		})
	}
}

func sendTen(t *testing.T, r Relay, worker int) {
	c := dialSink(t, r)
	for i := range 10 {
		claim, want := yes, Accepted
		if i == 0 {
			claim, want = no, Skipped
		}
		res := send(c, fmt.Sprintf("p%d.w%d@example.net", i, worker), claim)
		if res.Outcome != want {
			t.Errorf("worker %d message %d: %+v", worker, i, res)
		}
		if !res.Alive {
			c = dialSink(t, r)
		}
	}
}

func BenchmarkSend(b *testing.B) {
	tmpl, err := Compile(benchParts())
	if err != nil {
		b.Fatal(err)
	}
	msg, err := tmpl.Message(nil, testHeaders(), benchValues())
	if err != nil {
		b.Fatal(err)
	}
	for mode, opts := range modes {
		b.Run(mode, func(b *testing.B) {
			opts := opts
			opts.Keep = mailertest.KeepNone
			sink := startSink(b, opts)
			r := relayTo(b, sink)
			b.SetParallelism(5)
			b.RunParallel(func(pb *testing.PB) {
				c := dialSink(b, r)
				for pb.Next() {
					if res := c.Send(context.Background(), Envelope{"b@example.org", "p@example.net"}, msg, yes); res.Outcome != Accepted {
						b.Errorf("%+v", res)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}
