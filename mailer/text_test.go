package mailer

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"heed/mailer/mailertest"
)

// TestFaultsInTheText lets the relay fail in each way while the text of a message
// comes after DATA. Nothing is completed there, so that "accepted" would be a lie; and
// where a relay was only seen to close, or was never heard, "uncertain" is the truth.
func TestFaultsInTheText(t *testing.T) {
	for name, opts := range modes {
		if !opts.NoChunking {
			continue // one step with the command: TestFaults
		}
		for _, f := range faults {
			t.Run(name+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				faultInText(t, opts, f, testMessage)
			})
		}
		t.Run(name+"/stall, long", func(t *testing.T) {
			t.Parallel()
			long := append(slices.Clone(testMessage), bytes.Repeat([]byte("all work and no play\r\n"), 1<<19)...)
			stall := faults[len(faults)-1]
			stall.atEnd = Deferred // more than fits into the buffers between us
			faultInText(t, opts, stall, long)
		})
	}
}

func faultInText(t *testing.T, opts mailertest.Options, f fault, msg []byte) {
	opts.Script = func(verb string, n int) mailertest.Action {
		if verb == "BODY" && n == 1 {
			return f.action
		}
		return mailertest.Action{}
	}
	sink := startSink(t, opts)
	r := relayTo(t, sink)
	short := 300 * time.Millisecond
	r.Timeouts = Timeouts{Dial: 5 * time.Second, Mail: time.Second, Rcpt: time.Second, Data: time.Second, Block: short, End: short}
	c := dialSink(t, r)
	res := c.Send(context.Background(), Envelope{From: "b@example.org", To: "p@example.net"}, msg, yes)
	want := []Outcome{f.atEnd}
	if f.action.Drop != mailertest.DropNever && f.action.Stall == 0 {
		want = []Outcome{Deferred, Uncertain} // as the loss is felt before the end or after
	}
	if !slices.Contains(want, res.Outcome) || res.Alive == f.closes {
		t.Errorf("want one of %s, closed %v; got %+v", want, f.closes, res)
	}
	if sink.Count() != 0 {
		t.Error("the relay has the message")
	}
	afterwards(t, c, r, sink, res.Alive, 1)
}
