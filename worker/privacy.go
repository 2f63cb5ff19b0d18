package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// erase deletes a person, as far as that can be done now. What mailboxes, other
// systems and the certificate bring later makes a job of its own.
func (w *Worker) erase(ctx context.Context, j store.Job) error {
	c, err := w.Store.Case(ctx, j.Subject)
	if err != nil {
		return err
	}
	if c.State != consent.CaseConfirmed && c.State != consent.CaseDone {
		return w.Store.EndJob(ctx, j, time.Time{})
	}
	before, err := w.ended(ctx, c.ID)
	if err != nil {
		return err
	}
	if err := w.Store.Erase(ctx, c.ID); err != nil {
		return err
	}
	if after, err := w.ended(ctx, c.ID); err != nil || after && !before {
		w.Log.Info("person_erased", "case", c.ID)
	}
	return w.Store.EndJob(ctx, j, time.Time{})
}

// ended tells whether a case's erasure is complete but for its certificate.
func (w *Worker) ended(ctx context.Context, caseNo int64) (bool, error) {
	c, err := w.Store.Certificate(ctx, caseNo)
	if errors.Is(err, store.ErrNoErasure) {
		return false, nil
	}
	return !c.Ended.IsZero(), err
}

// certificate is the last letter: it goes to the address that was deleted,
// which is forgotten when the relay has taken it, or after it was tried for
// long enough.
func (w *Worker) certificate(ctx context.Context, c store.Correspondence) (subject, text string, wanted bool, err error) {
	done, err := w.Store.Certificate(ctx, c.Case)
	if err != nil || w.Now().Sub(c.Created) > certificateTime {
		return "", "", false, err
	}
	d := templates.ErasureDoneData{Language: c.Language, Sender: w.Sender.Name, Reference: fmt.Sprintf("H-%d", c.Case),
		Asked: done.Received, LastBackup: done.LastBackup}
	for _, one := range done.Systems {
		if one.State == "kept" {
			d.Kept = append(d.Kept, templates.Kept{Name: one.Name, Law: one.Law, Until: one.Until})
		} else {
			d.Deleted = append(d.Deleted, one.Name)
		}
	}
	for _, one := range done.Backups {
		d.Backups = append(d.Backups, templates.Cycle{Name: one.Name, Days: int((one.Cycle + 24*time.Hour - 1) / (24 * time.Hour))})
	}
	subject, text = templates.ErasureDone(d)
	return subject, text, true, nil
}

// certificateTime is how long the last letter is tried (RFC 5321 §4.5.4.1).
const certificateTime = 5 * 24 * time.Hour

// language is that in which the person wrote, where there are words in it, or
// their own.
func language(c store.Case, p store.Person) string {
	if templates.Speaks(c.Language) || p.Language == "" {
		return c.Language
	}
	return p.Language
}

func reference(c store.Case) string { return fmt.Sprintf("H-%d", c.ID) }
