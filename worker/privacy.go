package worker

import (
	"context"
	"fmt"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

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
		if _, _, err := w.deliver(ctx, fmt.Sprintf("case-%d-done", c.ID), letter{to: p.Email, subject: subject, text: text}); err != nil {
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
