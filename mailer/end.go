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
// a full socket buffer would otherwise complete the message at any later time.
func (t *transaction) end(began time.Duration) Result {
	text := []byte(endOfData)
	if t.c.offers.Chunking {
		text = []byte(endOfChunk)
	}
	left := ClaimWindow - (t.c.relay.Clock() - began)
	if left <= 0 {
		return t.giveBack(GivenBack, errTooLate)
	}
	if err := t.c.raw.SetWriteDeadline(time.Now().Add(left)); err != nil {
		return t.broken(StageEnd, err)
	}
	if err := t.c.push(text); err != nil {
		return t.notEnded(len(text), err)
	}
	t.c.sent++
	at := t.c.relay.Now()
	res := t.verdict()
	res.EndAt = at
	return res
}

// notEnded is an end that could not be written. Where not one byte of it went out the
// relay can't have the message; under TLS one cannot know.
func (t *transaction) notEnded(length int, err error) Result {
	unsent := t.c.writer.Buffered() == length && t.c.offers.TLS == ""
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
	t.c.midway = false
	res := t.answered(StageEnd, rep)
	if rep.ok(2) {
		res.Outcome = Accepted
		return res
	}
	res.Outcome = rep.outcome()
	if t.c.offers.Chunking { // RFC 3030 §2: after a refused chunk the state is open until RSET
		t.c.reset()
	}
	return res
}
