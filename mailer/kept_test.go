package mailer

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"heed/mailer/mailertest"
)

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
	ok := Envelope{From: "b@example.org", To: "p@example.net"}
	for name, tc := range map[string]struct {
		env  Envelope
		msg  string
		want string
	}{
		"crlf in recipient":  {Envelope{From: "b@example.org", To: "p@example.net>\r\nRCPT TO:<evil@example.com"}, "a\r\n", "5.1.3"},
		"space":              {Envelope{From: "b@example.org", To: "p q@example.net"}, "a\r\n", "5.1.3"},
		"brackets":           {Envelope{From: "b@example.org", To: "<p@example.net>"}, "a\r\n", "5.1.3"},
		"nul in return path": {Envelope{From: "b\x00@example.org", To: "p@example.net"}, "a\r\n", "5.1.7"},
		"empty recipient":    {Envelope{From: "b@example.org", To: ""}, "a\r\n", "5.1.3"},
		"no domain":          {Envelope{From: "b@example.org", To: "p"}, "a\r\n", "5.1.3"},
		"too long":           {Envelope{From: "b@example.org", To: strings.Repeat("x", 65) + "@example.net"}, "a\r\n", "5.1.3"},
		"needs SMTPUTF8":     {Envelope{From: "b@example.org", To: "jürgen@example.net"}, "a\r\n", "5.6.7"},
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
	if res := c.Send(context.Background(), Envelope{From: "", To: "p@example.net"}, testMessage, yes); res.Outcome != Accepted {
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
			res := c.Send(context.Background(), Envelope{From: "b@example.org", To: "p@example.net"}, msg, yes)
			if res.Outcome != Accepted || string(sink.Records()[0].Data) != string(msg) {
				t.Fatalf("%+v", res)
			}
			res = c.Send(context.Background(), Envelope{From: "b@example.org", To: "p@example.net"}, msg, no)
			if res.Outcome != Skipped || sink.Count() != 1 {
				t.Fatalf("%+v", res)
			}
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
					if res := c.Send(context.Background(), Envelope{From: "b@example.org", To: "p@example.net"}, msg, yes); res.Outcome != Accepted {
						b.Errorf("%+v", res)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}
