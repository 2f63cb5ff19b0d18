package mailer

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// The bytes that complete a message.
const (
	endOfData  = ".\r\n"
	endOfChunk = "BDAT 0 LAST\r\n"
)

var errTooLate = fmt.Errorf("the claim took longer than %v, so that its message was not completed", ClaimWindow)

// end completes the message, if the claim that was begun at began is still fresh.
// The check stands right before the write, and the write may not outlast the window:
// a full socket buffer would otherwise complete the message at any later time. text
// begins with the end; behind it the next message may go along, up to its own end.
func (t *transaction) end(began time.Duration, text []byte, next *transaction) Result {
	left := ClaimWindow - (t.c.relay.Clock() - began)
	if left <= 0 {
		return t.giveBack(GivenBack, errTooLate)
	}
	if err := t.c.raw.SetWriteDeadline(time.Now().Add(left)); err != nil {
		return t.broken(StageEnd, err)
	}
	n, err := t.c.pushed(text, next.rides())
	cut := err != nil && n >= len(t.endText()) && t.c.offers.TLS == "" // within the next message
	if err != nil && !cut {
		return t.notEnded(n, err)
	}
	t.c.sent++
	at := t.c.relay.Now()
	if !cut {
		t.c.ahead = next
	}
	if t.then.Meanwhile != nil {
		t.then.Meanwhile()
	}
	res := t.verdict()
	res.EndAt = at
	t.c.dead = t.c.dead || cut
	return res
}

// endText is what completes this message.
func (t *transaction) endText() string {
	if t.c.offers.Chunking {
		return endOfChunk
	}
	return endOfData
}

// notEnded is an end that could not be written. Where not one byte of it went out the
// relay can't have the message; under TLS one cannot know.
func (t *transaction) notEnded(n int, err error) Result {
	unsent := n <= 0 && t.c.offers.TLS == ""
	t.c.hangUp()
	switch {
	case !unsent:
		t.c.sent++
		return Result{Outcome: Uncertain, Stage: StageEnd, EndAt: t.c.relay.Now(), Err: fmt.Errorf("write the end of the message: %w", err)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Result{Outcome: GivenBack, Stage: StageClaim, Err: errTooLate}
	}
	return t.broken(StageEnd, err)
}

// verdict reads the answer to the end. 2yz is an accepted message whatever happens to
// the connection afterwards, 4yz and 5yz a message the relay does not have
// (RFC 5321 §4.2.5, §6.1); anything else leaves it open.
func (t *transaction) verdict() Result {
	rep, err := t.c.read(t.c.relay.Timeouts.End)
	if err != nil || rep.ok(3) {
		t.c.hangUp()
		if err == nil {
			err = errGarbage
		}
		return Result{Outcome: Uncertain, Stage: StageEnd, Err: fmt.Errorf("no answer to the end of the message: %w", err)}
	}
	t.c.midway = t.c.ahead != nil
	res := t.answered(StageEnd, rep)
	if rep.ok(2) {
		res.Outcome = Accepted
		return res
	}
	res.Outcome = rep.outcome()
	if t.c.offers.Chunking { // RFC 3030 §2: after a refused chunk the state is open until RSET
		if t.c.ahead == nil {
			t.c.reset()
		}
		t.c.Retract()
	}
	return res
}
