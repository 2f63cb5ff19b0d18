package mailer

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"heed/mailer/mailertest"
)

// row makes messages to p1, p2 and so on.
func row(n int) []*Message {
	all := make([]*Message, n)
	for i := range all {
		all[i] = &Message{Envelope: Envelope{From: "bounce@example.org", To: fmt.Sprintf("p%d@example.net", i+1)}, Text: testMessage}
	}
	return all
}

// rowOf carries messages as a sender does: each with the next one behind it, and again
// where it was given back. It gives the one outcome of each.
func rowOf(t *testing.T, r Relay, all []*Message, claim func(i int) Claim) []Result {
	t.Helper()
	c := dialSink(t, r)
	results := make([]Result, len(all))
	for i, m := range all {
		then := Then{}
		if i+1 < len(all) {
			then.Next = all[i+1]
		}
		for try := 0; ; try++ {
			results[i] = c.Carry(context.Background(), m, claim(i), then)
			if !results[i].Alive {
				c = dialSink(t, r)
			}
			if results[i].Outcome != GivenBack || try == 2 {
				break
			}
		}
	}
	return results
}

func allYes(int) Claim { return yes }

// TestRow: each message of a row arrives once, in order, over one connection; where the
// relay allows it the next one is with it before the answer is.
func TestRow(t *testing.T) {
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			sink := startSink(t, opts)
			c := dialSink(t, relayTo(t, sink))
			all := row(5)
			for i, m := range all {
				then := Then{Meanwhile: func() {
					if want := i < 4 && !opts.NoPipelining; (c.ahead != nil) != want {
						t.Errorf("message %d: the next one went along: %v", i, !want)
					}
				}}
				if i < 4 {
					then.Next = all[i+1]
				}
				if res := c.Carry(context.Background(), m, yes, then); res.Outcome != Accepted || !res.Alive || res.EndAt.IsZero() {
					t.Fatalf("message %d: %+v", i, res)
				}
			}
			for i, rec := range sink.Records() {
				if rec.To != all[i].To || string(rec.Data) != string(testMessage) || rec.Session != 1 {
					t.Errorf("record %d: %+v", i, rec)
				}
			}
			if sink.Count() != 5 || c.midway {
				t.Errorf("%d messages, midway %v", sink.Count(), c.midway)
			}
		})
	}
}

// TestRowFaults lets the relay fail in each way at each verb of the first or the second
// message of a row, while the next one is under way. The one that was hit has the
// outcome that it has alone, all others arrive, and each exactly once.
func TestRowFaults(t *testing.T) {
	for mode, opts := range modes {
		verbs := []string{"MAIL", "RCPT", "BDAT", "BODY", "END"}
		if opts.NoChunking {
			verbs = []string{"MAIL", "RCPT", "DATA", "END"}
		}
		for _, verb := range verbs {
			for _, f := range faults {
				for hit := 1; hit <= 2; hit++ {
					if verb == "DATA" && f.name == "354" {
						continue // is a yes there
					}
					t.Run(fmt.Sprintf("%s/%s/%s/%d", mode, verb, f.name, hit), func(t *testing.T) {
						t.Parallel()
						checkRowFault(t, opts, verb, f, hit)
					})
				}
			}
		}
	}
}

func checkRowFault(t *testing.T, opts mailertest.Options, verb string, f fault, hit int) {
	opts.Script = func(v string, n int) mailertest.Action {
		if v == verb && n == hit {
			return f.action
		}
		return mailertest.Action{}
	}
	sink := startSink(t, opts)
	r := relayTo(t, sink)
	short := 300 * time.Millisecond
	r.Timeouts = Timeouts{Dial: 5 * time.Second, Mail: short, Rcpt: short, Data: short, Block: short, End: short}
	all := row(4)
	results := rowOf(t, r, all, allYes)
	if !f.closes && sink.Sessions() != 1 {
		t.Errorf("a refusal cost the connection: there were %d", sink.Sessions())
	}
	arrived := map[string]int{}
	for _, rec := range sink.Records() {
		arrived[rec.To]++
	}
	for i, res := range results {
		want, count := Accepted, 1
		if i+1 == hit {
			want, count = f.before, 0
			if verb == "END" {
				want = f.atEnd
			}
			if verb == "END" && f.name == "drop after" {
				count = 1
			}
		}
		if res.Outcome != want || arrived[all[i].To] != count {
			t.Errorf("message %d: want %s and %d at the relay; got %d, %+v", i+1, want, count, arrived[all[i].To], res)
		}
	}
}

// TestRowClaims: a message that went ahead and whose claim says no, fails or comes too
// late is never completed, and those around it arrive.
func TestRowClaims(t *testing.T) {
	for mode, opts := range modes {
		for _, kind := range []string{"no", "late"} {
			t.Run(mode+"/"+kind, func(t *testing.T) {
				sink := startSink(t, opts)
				r := relayTo(t, sink)
				var clock time.Duration
				r.Clock = func() time.Duration { return clock }
				tries := 0
				results := rowOf(t, r, row(4), func(i int) Claim {
					if i != 1 {
						return yes
					}
					return func(context.Context) (bool, error) {
						if tries++; kind == "late" && tries == 1 {
							clock += ClaimWindow
						}
						return kind == "late", nil
					}
				})
				want := []Outcome{Accepted, Skipped, Accepted, Accepted}
				if kind == "late" {
					want[1] = Accepted // at the second try
				}
				for i := range want {
					if results[i].Outcome != want[i] {
						t.Errorf("message %d: %+v", i+1, results[i])
					}
				}
				got := ""
				for _, rec := range sink.Records() {
					got += " " + rec.To[:2]
				}
				if strings.Contains(got, "p2") != (kind == "late") || len(got) != 3*sink.Count() || sink.Count() != 3+tries/2 {
					t.Errorf("the relay has%s", got)
				}
			})
		}
	}
}

// TestRetract: what went ahead and is not wanted now is taken back, or goes with its
// connection; another message goes out after it.
func TestRetract(t *testing.T) {
	for mode, opts := range modes {
		for _, asked := range []bool{true, false} {
			t.Run(fmt.Sprint(mode, asked), func(t *testing.T) {
				sink := startSink(t, opts)
				r := relayTo(t, sink)
				c := dialSink(t, r)
				all := row(3)
				if res := c.Carry(context.Background(), all[0], yes, Then{Next: all[1]}); res.Outcome != Accepted {
					t.Fatalf("%+v", res)
				}
				if asked {
					c.Retract()
				}
				res := c.Carry(context.Background(), all[2], yes, Then{})
				if res.Outcome == GivenBack && !res.Alive && opts.NoChunking && !opts.NoPipelining {
					c = dialSink(t, r)
					res = c.Carry(context.Background(), all[2], yes, Then{})
				}
				if res.Outcome != Accepted || sink.Count() != 2 || sink.Records()[1].To != "p3@example.net" {
					t.Errorf("%+v, the relay has %d", res, sink.Count())
				}
			})
		}
	}
}

// TestRowRefusedNext: a message that can't be sent at all keeps nothing from going.
func TestRowRefusedNext(t *testing.T) {
	sink := startSink(t, mailertest.Options{})
	all := row(3)
	all[1].To = "nowhere"
	results := rowOf(t, relayTo(t, sink), all, allYes)
	if results[0].Outcome != Accepted || results[1].Outcome != Rejected || results[1].Enhanced != "5.1.3" || results[2].Outcome != Accepted {
		t.Errorf("%+v", results)
	}
}

// TestRowLineLost: a line that goes dead while the second message is behind the end of
// the first leaves the first without an answer and the second not sent.
func TestRowLineLost(t *testing.T) {
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			sink := startSink(t, opts)
			r := relayTo(t, sink)
			c := dialSink(t, r)
			all := row(2)
			res := c.Carry(context.Background(), all[0], yes, Then{Next: all[1], Meanwhile: c.Abort})
			if res.Outcome != Uncertain || res.Alive || c.ahead != nil {
				t.Fatalf("%+v", res)
			}
			if res := c.Carry(context.Background(), all[1], yes, Then{}); res.Outcome != GivenBack || res.Alive {
				t.Errorf("on a dead connection: %+v", res)
			}
			c = dialSink(t, r)
			if res := c.Carry(context.Background(), all[1], yes, Then{}); res.Outcome != Accepted {
				t.Errorf("%+v", res)
			}
			for i, rec := range sink.Records() {
				if i > 1 || sink.Count() == 2 && rec.To != all[i].To {
					t.Errorf("record %d is for %s", i, rec.To)
				}
			}
		})
	}
}
