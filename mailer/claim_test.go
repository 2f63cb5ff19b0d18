package mailer

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"heed/mailer/mailertest"
)

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
				res := c.Send(ctx, Envelope{From: "b@example.org", To: "p@example.net"}, testMessage, tc.claim(&clock, cancel))
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
			res := c.Send(ctx, Envelope{From: "b@example.org", To: "p@example.net"}, testMessage, yes)
			if res.Outcome != GivenBack || res.Alive || !errors.Is(res.Err, context.Canceled) || time.Since(began) > 4*time.Second {
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
			if res := c.Send(ctx, Envelope{From: "b@example.org", To: "p@example.net"}, testMessage, yes); res.Outcome != Accepted || !res.Alive {
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
			if res := send(c, "q@example.net", yes); res.Outcome != GivenBack || res.Alive {
				t.Errorf("the 421 was taken for an answer: %+v", res)
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

// TestOutOfTurn: a reply too many is never taken for the answer to the end.
func TestOutOfTurn(t *testing.T) {
	sink := startSink(t, mailertest.Options{Script: func(verb string, n int) mailertest.Action {
		if verb == "BDAT" && n == 1 {
			return mailertest.Action{Raw: "250 2.0.0 chunk ok\r\n250 2.0.0 taken\r\n"}
		}
		return mailertest.Action{}
	}})
	r := relayTo(t, sink)
	c := dialSink(t, r)
	if res := send(c, "p@example.net", yes); res.Outcome != GivenBack || res.Alive {
		t.Errorf("%+v", res)
	}
	afterwards(t, c, r, sink, false, 1)
}
