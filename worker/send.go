package worker

import (
	"context"
	"errors"
	"net/mail"
	"time"

	"heed/consent"
	"heed/mailer"
	"heed/store"
	"heed/templates"
)

// send walks a batch. Whatever is still waiting at its end, because the pace,
// the relay or a stop cut it short, is carried again.
func (w *Worker) send(ctx context.Context, j store.Job) error {
	c, err := w.content(ctx, j.Campaign)
	var broken errContent
	if errors.As(err, &broken) {
		return errors.Join(w.Store.Fail(ctx, j.Campaign, broken.Error()), w.Store.EndJob(ctx, j, time.Time{}))
	}
	if err != nil {
		return err
	}
	letters, err := w.Store.Batch(ctx, j)
	if err != nil {
		return err
	}
	lists, err := w.lists(ctx, c, letters)
	if err != nil {
		return err
	}
	b := batch{c: c, j: j, lists: lists, gave: new(bool)}
	rest, err := w.inTurn(ctx, b, letters)
	if err != nil {
		w.Log.Error("pace_failed", "step", "turns", "error", err)
		rest = backOff(j.Attempts)
	}
	if j.Pace != "" {
		defer w.pace.again()
	}
	return w.endBatch(ctx, b, rest)
}

// batch is what all letters of a job share.
type batch struct {
	*lane
	c     *content
	j     store.Job
	lists store.Lists
	used  map[consent.Key]bool // who got something; nil where nobody wants to know
	gave  *bool                // it made room for another campaign's
}

// round sends letters by one lane, over the relay that was chosen for them; nil:
// any. whole tells that nothing cut it short.
func (w *Worker) round(ctx context.Context, b batch, r *relay, letters []store.Letter) (rest time.Duration, whole bool) {
	b.lane = w.lane(b)
	b.lane.relay, b.lane.bound = r, r != nil
	defer func() {
		b.lane.settle(ctx)
		b.lane.leave()
		w.lanes[b.j.Queue] <- b.lane
	}()
	return w.walk(ctx, b, letters)
}

// lists reads services and topics where the text has conditions that may ask
// for them.
func (w *Worker) lists(ctx context.Context, c *content, letters []store.Letter) (store.Lists, error) {
	if !c.words.Dynamic() {
		return store.Lists{}, nil
	}
	people := make([]store.Person, len(letters))
	for i, letter := range letters {
		people[i] = letter.Person
	}
	return w.Store.Lists(ctx, people)
}

func (w *Worker) endBatch(ctx context.Context, b batch, rest time.Duration) error {
	j := b.j
	if done, err := w.deskOf(j).End(j); done || err != nil {
		return err
	}
	if err := w.deskOf(j).Flush(ctx); err != nil {
		return err
	}
	left, err := w.Store.Waiting(ctx, j)
	if err != nil {
		return err
	}
	if left == 0 {
		return w.Store.EndJob(ctx, j, time.Time{})
	}
	if *b.gave {
		return w.Store.Rest(ctx, j, j.Pace, w.Now().Add(rest))
	}
	if rest == 0 && !w.stopped() {
		rest = backOff(j.Attempts) // another lane waits for the answer to one of them
	}
	return w.Store.EndJob(ctx, j, w.Now().Add(rest))
}

// step is what a letter means for the rest of its batch.
type step int

const (
	goOn step = iota
	stopBatch
	relayAway
)

// stubborn is how often a batch is begun before the letter at its head, and
// not the relay, is taken to be the trouble.
const stubborn = 40

// one hands over one message, by the protocol: send all but the end, claim, end.
func (w *Worker) one(ctx context.Context, b batch, d *draft, then mailer.Then) step {
	for try := 0; ; try++ {
		conn, err := b.lane.ready(ctx)
		if err != nil {
			return relayAway // the lane has told which, and why
		}
		if conn.Sent()+1 >= recycle {
			then.Next = nil // goes by another connection
		}
		p := &passage{w: w, c: b.c, lane: b.lane, used: b.used, letter: d.letter, began: w.Now()}
		r := conn.Carry(ctx, d.message, p.claim, then)
		if r.Outcome == mailer.GivenBack && !r.Alive && p.verdict.Token == 0 && try == 0 && !w.stopped() {
			continue // a kept connection that the relay had closed meanwhile
		}
		return p.settle(r, b.j)
	}
}

func (w *Worker) skip(ctx context.Context, c *content, letter store.Letter, reason consent.Reason) step {
	if err := w.Store.Skip(ctx, letter.Ask, reason); err != nil {
		w.Log.Error("skip_failed", "campaign", c.ID, "error", err)
		return stopBatch
	}
	w.figures.skipped(c.Class, reason)
	return goOn
}

func (w *Worker) unrenderable(ctx context.Context, c *content, letter store.Letter, err error) step {
	field := "other"
	var missing templates.ErrMissing
	if errors.As(err, &missing) {
		field = missing.Field
	}
	w.Log.Warn("message_unrenderable", "campaign", c.ID, "address_key", letter.Address.String(), "field", field)
	return w.skip(ctx, c, letter, consent.Unrenderable)
}

// passage is one attempt at one message.
type passage struct {
	w       *Worker
	c       *content
	lane    *lane
	used    map[consent.Key]bool
	letter  store.Letter
	began   time.Time
	verdict store.Verdict
}

// claim is called when everything but the end is with the relay.
func (p *passage) claim(ctx context.Context) (bool, error) {
	for {
		v, err := p.lane.desk().Claim(ctx, p.letter.Ask)
		if err != nil {
			return false, err
		}
		if v.Later != "locked" {
			p.verdict = v
			return v.Granted, nil
		}
		// Somebody is changing this very address. Their commit is near; the
		// window in which the end may be written is watched by the mailer.
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
		if p.w.Now().Sub(p.began) > mailer.ClaimWindow {
			return false, nil
		}
	}
}

// settle records the outcome and says how the batch goes on.
func (p *passage) settle(r mailer.Result, j store.Job) step {
	p.w.pace.heard(p.lane.relay, p.letter.Email, r)
	if p.used != nil && r.Code != 0 {
		p.used[p.letter.Address] = true
	}
	p.lane.heard(r)
	result := store.Result{Ask: p.letter.Ask, Token: p.verdict.Token, Code: r.Code, Status: r.Enhanced, EndAt: r.EndAt}
	next := goOn
	switch r.Outcome {
	case mailer.Accepted:
		result.Outcome = store.Accepted
	case mailer.Uncertain:
		result.Outcome = store.Uncertain
	case mailer.Rejected:
		result.Outcome = store.Refused
		next = p.blame(r)
	case mailer.Deferred:
		return p.deferred(result, r, j)
	case mailer.Skipped:
		return p.skipped(r)
	default:
		return p.givenBack(result, r)
	}
	p.lane.desk().Finish(result)
	p.w.figures.sent(p.c.Class, result.Outcome, p.w.Now().Sub(p.began))
	return next
}

// deferred plans the next attempt. A connection that broke or was refused says
// nothing about the recipient: the batch rests and nothing is counted.
func (p *passage) deferred(result store.Result, r mailer.Result, j store.Job) step {
	if (r.Code == 0 || r.Code == 421) && j.Attempts < stubborn {
		result.Outcome = store.GivenBack
		p.lane.desk().Finish(result)
		return relayAway
	}
	result.Outcome, result.Due = store.Deferred, p.w.Now().Add(p.w.patience(p.c, p.letter.Attempts))
	if p.c.since(p.w.Now()) > giveUp(p.c.Class) {
		result.Outcome = store.Expired
	}
	p.lane.desk().Finish(result)
	p.w.figures.sent(p.c.Class, result.Outcome, p.w.Now().Sub(p.began))
	return goOn
}

func (p *passage) skipped(r mailer.Result) step {
	if p.verdict.Skipped != "" {
		p.w.figures.skipped(p.c.Class, p.verdict.Skipped)
		return goOn
	}
	if p.verdict.Later == "gone" {
		return goOn
	}
	return stopBatch // paused
}

func (p *passage) givenBack(result store.Result, r mailer.Result) step {
	result.Outcome = store.GivenBack
	if result.Token != 0 {
		p.lane.desk().Finish(result)
	}
	if r.Err != nil && !p.w.stopped() {
		p.w.Log.Warn("message_given_back", "campaign", p.c.ID, "error", r.Err)
	}
	return relayAway
}

// patience is the time until the next attempt: the first half hour, twice in
// the first hour, then longer and longer (RFC 5321 §4.5.4.1). An alert is worth
// nothing tomorrow and is tried more often.
func (w *Worker) patience(c *content, attempts int) time.Duration {
	first := w.RetryFirst
	if c.Class == consent.Alert {
		first = min(first, 5*time.Minute)
	}
	return min(first*time.Duration(1+attempts*attempts), 6*time.Hour)
}

// giveUp is how long temporary failures are tried (RFC 5321 §4.5.4.1: at least
// four to five days).
func giveUp(class consent.Class) time.Duration {
	if class == consent.Alert {
		return 24 * time.Hour
	}
	return 5 * 24 * time.Hour
}

// sender reads the From of a campaign; without one it is the configured one.
func sender(from string, s Sender) (mailer.Address, error) {
	if from == "" {
		return mailer.Address{Name: s.Name, Addr: s.From}, nil
	}
	a, err := mail.ParseAddress(from)
	if err != nil {
		return mailer.Address{}, err
	}
	name := a.Name
	if name == "" {
		name = s.Name
	}
	return mailer.Address{Name: name, Addr: a.Address}, nil
}
