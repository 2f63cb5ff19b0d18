package worker

import (
	"context"
	"fmt"
	"time"

	"heed/consent"
	"heed/mailer"
	"heed/store"
	"heed/templates"
)

// confirm mails the confirmation link to the address on file, and to no other
// (RFC 3834 §4: an address in the mail proves nothing).
func (w *Worker) confirm(ctx context.Context, j store.Job) error {
	c, p, err := w.caseAndPerson(ctx, j)
	if err != nil {
		return err
	}
	if c.State != consent.CaseWaiting || p.ID == 0 {
		return w.Store.EndJob(ctx, j, time.Time{})
	}
	token, err := w.Store.ConfirmLink(c)
	if err != nil {
		return err
	}
	subject, text := templates.ErasureConfirm(templates.ErasureConfirmData{Language: language(c, p), Sender: w.Sender.Name,
		Link: w.PublicURL + "/c/" + token, Reference: reference(c)})
	if err := w.write(ctx, p, fmt.Sprintf("case-%d-%d", c.ID, j.ID), subject, text); err != nil {
		return err
	}
	w.Log.Info("confirmation_asked", "case", c.ID)
	if err := w.Store.Asked(ctx, c.ID); err != nil {
		return err
	}
	return w.Store.EndJob(ctx, j, time.Time{})
}

// erase deletes a person and tells them, as the last message that they get.
func (w *Worker) erase(ctx context.Context, j store.Job) error {
	c, p, err := w.caseAndPerson(ctx, j)
	if err != nil {
		return err
	}
	if c.State != consent.CaseConfirmed {
		return w.Store.EndJob(ctx, j, time.Time{})
	}
	if err := w.Store.Erase(ctx, c.ID); err != nil {
		return err
	}
	w.Log.Info("person_erased", "case", c.ID)
	if p.ID != 0 {
		subject, text := templates.ErasureDone(templates.ErasureDoneData{Language: language(c, p), Sender: w.Sender.Name, Reference: reference(c)})
		if err := w.write(ctx, p, fmt.Sprintf("case-%d-done", c.ID), subject, text); err != nil {
			w.Log.Warn("goodbye_failed", "case", c.ID, "error", err) // the address is gone; there is no second try
		}
	}
	return w.Store.EndJob(ctx, j, time.Time{})
}

func (w *Worker) caseAndPerson(ctx context.Context, j store.Job) (c store.Case, p store.Person, err error) {
	if c, err = w.Store.Case(ctx, j.Subject); err != nil {
		return c, p, err
	}
	key, err := consent.ParseKey(c.Key)
	if err != nil {
		return c, p, fmt.Errorf("case %d names nobody: %w", c.ID, err)
	}
	p, _, err = w.Store.PersonByKey(ctx, key)
	return c, p, err
}

func language(c store.Case, p store.Person) string {
	if c.Language != "" {
		return c.Language
	}
	return p.Language
}

func reference(c store.Case) string { return fmt.Sprintf("H-%d", c.ID) }

// write sends correspondence: an answer to what a person asked. It carries the
// null return path and says that a machine wrote it (RFC 3834 §3.3, §5).
func (w *Worker) write(ctx context.Context, p store.Person, id, subject, text string) error {
	msg, err := mailer.Plain(mailer.Headers{From: mailer.Address{Name: w.Sender.Name, Addr: w.Sender.From}, To: mailer.Address{Addr: p.Email},
		Subject: subject, Date: w.Now(), MessageID: id + "@" + w.Sender.Domain,
		Extra: []mailer.Header{{Name: "Auto-Submitted", Value: "auto-replied"}}}, text)
	if err != nil {
		return err
	}
	if w.Signer != nil {
		if msg, err = w.Signer.Sign(nil, msg); err != nil {
			return err
		}
	}
	l := <-w.lanes["privacy"]
	defer func() { w.lanes["privacy"] <- l }()
	conn, err := l.ready(ctx)
	if err != nil {
		return err
	}
	r := conn.Send(ctx, mailer.Envelope{To: p.Email}, msg, func(context.Context) (bool, error) { return true, nil })
	if r.Outcome == mailer.Accepted || r.Outcome == mailer.Uncertain {
		return nil
	}
	if r.Outcome == mailer.Rejected {
		w.Log.Warn("correspondence_rejected", "code", r.Code, "status", r.Enhanced)
		return nil
	}
	return fmt.Errorf("the relay did not take the answer yet: %s %d %s", r.Outcome, r.Code, r.Enhanced)
}
