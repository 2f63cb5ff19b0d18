package worker

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"heed/consent"
	"heed/mailer"
	"heed/store"
)

// letter is a mail to one person, as it goes out.
type letter struct {
	to, subject, text string
	inReplyTo         string // Message-ID of the mail that it answers, or empty
	replyTo           string // where an answer to it goes; empty: to the sender
	byHand            bool   // a person wrote it, so that it is no automatic answer
	loop              string // marks it as ours, should it come back
}

// loopHeader is what inbox looks for.
const loopHeader = "Heed-Loop"

var msgID = regexp.MustCompile(`^<[!-;=?-~]{1,200}@[!-;=?-~]{1,200}>$`)

// write sends what heed has to say to one person. What is no longer wanted
// when its turn comes is dropped: a question whose case has ended, or a mail to
// somebody who was deleted meanwhile.
func (w *Worker) write(ctx context.Context, j store.Job) error {
	c, err := w.Store.Correspondence(ctx, j.Subject)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err != nil || c.State != "waiting" { // not there: whom it was for was erased
		return w.Store.EndJob(ctx, j, time.Time{})
	}
	if turn, err := w.Store.LetterTurn(ctx, c); err != nil || !turn.IsZero() {
		return errors.Join(err, w.Store.EndJob(ctx, j, turn))
	}
	l, wanted, err := w.letter(ctx, c)
	if err != nil {
		return err
	}
	state, code := "dropped", 0
	if wanted {
		if state, code, err = w.deliver(ctx, fmt.Sprintf("letter-%d", c.ID), l); err != nil {
			return err
		}
		if state == "" && w.Now().Sub(c.Created) < letterTime {
			return w.Store.EndJob(ctx, j, w.Now().Add(w.letterWait(j.Attempts)))
		} else if state == "" {
			state = "rejected"
		}
		w.Log.Info("letter_done", "kind", c.Kind, "outcome", state, "code", code)
		c = w.kept(c, l)
	}
	if err := w.Store.EndCorrespondence(ctx, c, state, code); err != nil {
		return err
	}
	return w.Store.EndJob(ctx, j, time.Time{})
}

// letterTime is how long a letter is tried that the relay defers (RFC 5321
// §4.5.4.1: four to five days at least). Then it counts as refused.
const letterTime = 5 * 24 * time.Hour

// letterWait is the time until the next try: a minute, and longer and longer.
func (w *Worker) letterWait(attempts int) time.Duration {
	return min(w.RetryFirst/30<<min(max(attempts-1, 0), 10), time.Hour)
}

// letter finds who it goes to and puts it into words, each kind by its own
// rule.
func (w *Worker) letter(ctx context.Context, c store.Correspondence) (l letter, wanted bool, err error) {
	p, found, err := w.recipient(ctx, c)
	if err != nil || !found || p.State.Restricted != 0 && c.Case == 0 {
		return l, false, err // whoever is restricted gets letters about their own requests and nothing else
	}
	l = letter{to: p.Email, inReplyTo: c.InReplyTo}
	l.loop = w.loopMark(c)
	switch c.Kind {
	case store.WriteConfirm:
		l.subject, l.text, wanted, err = w.confirm(ctx, c, p)
	case store.WriteErased:
		l.subject, l.text, wanted, err = w.certificate(ctx, c)
	case store.WriteRemind, store.WriteStaff, store.WriteExtended, store.WriteOutcome, store.WriteRefused:
		l, wanted, err = w.caseLetter(ctx, c, p)
		l.to, l.inReplyTo = p.Email, c.InReplyTo
	case store.WriteReport:
		l.subject, l.text, wanted, err = w.copyReady(ctx, c, p)
	case store.WriteNotice, store.WriteAnswer, store.WriteForged:
		l.subject, l.text, wanted, err = w.aboutOptOut(ctx, c, p)
	case store.WriteChoices:
		l.subject, l.text, wanted = w.choicesLink(c, p)
	case store.WriteUnknown:
		l.subject, l.text, wanted = w.unknown(c)
	case store.WriteReceipt:
		l.subject, l.text, wanted, err = w.receipt(ctx, c, p)
	case store.WriteCorrected, store.WriteRestricted, store.WriteLifting:
		l.subject, l.text, wanted, err = w.aboutRight(ctx, c, p)
	case store.WriteSignUp:
		l.subject, l.text, wanted, err = w.signUp(ctx, c, p)
	case store.WriteRegistered:
		l.subject, l.text, wanted = w.registered(c, p)
	case store.WriteMove, store.WriteMoved:
		l.subject, l.text, wanted, err = w.moving(ctx, c, p)
	default:
		err = fmt.Errorf("no letter is called %q; a newer heed made it", c.Kind)
	}
	if wanted && err == nil && tellsStatus[c.Kind] {
		l.text, err = w.withStatus(ctx, c, p, l.text)
	}
	return l, wanted, err
}

// recipient is the person on file; where nobody is, the address that the words
// name. found is false where there is nobody to write to any more.
func (w *Worker) recipient(ctx context.Context, c store.Correspondence) (p store.Person, found bool, err error) {
	if c.Key == "" {
		p.Email = c.To
		return p, c.To != "", nil
	}
	key, err := consent.ParseKey(c.Key)
	if err != nil {
		return p, false, fmt.Errorf("correspondence %d: %w", c.ID, err)
	}
	if p, found, err = w.Store.PersonByKey(ctx, key); err == nil && !found && c.To != "" {
		p.Email, found = c.To, true
	}
	return p, found, err
}

// deliver hands a letter to the relay. It carries the null return path and says
// that a machine wrote it, and nobody is to report on it (RFC 3834 §3.3, §5),
// unless a person did. The state is sent or rejected, or empty where the relay wants
// it later.
func (w *Worker) deliver(ctx context.Context, id string, l letter) (state string, code int, err error) {
	headers := mailer.Headers{From: mailer.Address{Name: w.Sender.Name, Addr: w.Sender.From}, To: mailer.Address{Addr: l.to},
		Subject: l.subject, Date: w.Now(), MessageID: id + "@" + w.Sender.Domain}
	if !l.byHand {
		headers.Extra = append(headers.Extra, mailer.Header{Name: "Auto-Submitted", Value: "auto-replied"})
	}
	if l.replyTo != "" {
		headers.ReplyTo = mailer.Address{Addr: l.replyTo}
	}
	if msgID.MatchString(l.inReplyTo) { // RFC 3834 §3.1.6; what is no Message-ID is nothing to refer to
		headers.Extra = append(headers.Extra, mailer.Header{Name: "In-Reply-To", Value: l.inReplyTo}, mailer.Header{Name: "References", Value: l.inReplyTo})
	}
	if l.loop != "" {
		headers.Extra = append(headers.Extra, mailer.Header{Name: loopHeader, Value: l.loop})
	}
	msg, err := mailer.Plain(headers, l.text)
	if err != nil {
		return "", 0, err
	}
	if w.Signer != nil {
		if msg, err = w.Signer.Sign(nil, msg); err != nil {
			return "", 0, err
		}
	}
	return w.handOver(ctx, l.to, msg)
}

func (w *Worker) handOver(ctx context.Context, to string, msg []byte) (state string, code int, err error) {
	l := <-w.lanes["privacy"]
	defer func() {
		l.leave()
		w.lanes["privacy"] <- l
	}()
	conn, err := l.ready(ctx)
	if err != nil {
		return "", 0, errWaits{err}
	}
	r := conn.Send(ctx, mailer.Envelope{To: to, Quiet: true}, msg, func(context.Context) (bool, error) { return true, nil })
	l.heard(r)
	switch r.Outcome {
	case mailer.Accepted, mailer.Uncertain:
		return "sent", r.Code, nil
	case mailer.Rejected:
		return "rejected", r.Code, nil
	}
	if failed, _ := trouble(r); failed || r.Code == 0 {
		return "", r.Code, errWaits{fmt.Errorf("the relay did not take the letter yet: %s %d %s", r.Outcome, r.Code, r.Enhanced)}
	}
	return "", r.Code, nil
}
