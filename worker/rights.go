package worker

import (
	"context"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// confirm asks the holder of the address on file, and nobody else, whether a
// request is theirs (RFC 3834 §4: an address in a mail proves nothing).
func (w *Worker) confirm(ctx context.Context, c store.Correspondence, p store.Person) (subject, text string, wanted bool, err error) {
	about, err := w.Store.Case(ctx, c.Case)
	if err != nil || about.State != consent.CaseWaiting {
		return "", "", false, err
	}
	token, err := w.Store.ConfirmLink(about)
	if err != nil {
		return "", "", false, err
	}
	also, err := w.optOutData(ctx, c, p)
	if err != nil {
		return "", "", false, err
	}
	also.Language = language(about, p)
	link := w.PublicURL + "/c/" + token
	if about.Kind == consent.CaseAccess {
		subject, text = templates.CopyConfirm(templates.RightData{Language: language(about, p), Sender: w.Sender.Name, Link: link, Reference: reference(about)})
		return subject, templates.Beside(text, about.Due, also), true, nil
	}
	subject, text = templates.ErasureConfirm(templates.ErasureConfirmData{Language: language(about, p), Sender: w.Sender.Name,
		Link: link, Reference: reference(about)})
	return subject, templates.Beside(text, about.Due, also), true, nil
}

// copyReady brings the link to a copy, unless it was closed meanwhile.
func (w *Worker) copyReady(ctx context.Context, c store.Correspondence, p store.Person) (subject, text string, wanted bool, err error) {
	about, err := w.Store.Case(ctx, c.Case)
	if err != nil {
		return "", "", false, err
	}
	links, err := w.Store.ReportLinks(ctx, c.Case)
	if err != nil || len(links) == 0 || !links[len(links)-1].Open(w.Now()) {
		return "", "", false, err
	}
	link := links[len(links)-1]
	d := templates.RightData{Language: language(about, p), Sender: w.Sender.Name, Link: w.PublicURL + "/r/" + w.Store.SealReport(link),
		Reference: reference(about), Until: link.Until}
	if link.Key != link.Reader {
		child, known, err := w.Store.PersonByKey(ctx, link.Key)
		if err != nil || !known {
			return "", "", false, err
		}
		d.Child = templates.Mask(child.Email)
	}
	subject, text = templates.CopyReady(d)
	return subject, text, true, nil
}

// moving writes to one of the two mailboxes of a change of address: the link,
// or that it is done. Each is told the other address with all but its first
// letter hidden.
func (w *Worker) moving(ctx context.Context, c store.Correspondence, p store.Person) (subject, text string, wanted bool, err error) {
	change, err := w.Store.AddressChange(ctx, c.Change)
	if err != nil || change.State == "dropped" {
		return "", "", false, err
	}
	d := templates.RightData{Language: p.Language, Sender: w.Sender.Name, Contact: w.contact(), Old: templates.Mask(change.OldEmail), New: templates.Mask(change.NewEmail)}
	if d.Language == "" { // the mailbox where nobody is on file
		holder, err := w.mover(ctx, change)
		if err != nil {
			return "", "", false, err
		}
		d.Language = holder.Language
	}
	if c.Kind == store.WriteMoved {
		subject, text = templates.Moved(d)
		return subject, text, true, nil
	}
	if change.State != "waiting" || w.Now().After(change.Until) {
		return "", "", false, nil
	}
	half := change.Old
	if c.Key == "" {
		half = change.New
	}
	d.Link = w.PublicURL + "/m/" + w.Store.Half(change, half)
	subject, text = templates.MoveConfirm(d)
	return subject, text, true, nil
}

// mover is the person whose address changes, wherever they are stored now.
func (w *Worker) mover(ctx context.Context, c store.AddressChange) (store.Person, error) {
	p, found, err := w.Store.PersonByKey(ctx, c.Old)
	if err != nil || found {
		return p, err
	}
	p, _, err = w.Store.PersonByKey(ctx, c.New)
	return p, err
}

// contact is where people write with questions about their data.
func (w *Worker) contact() string {
	if w.Sender.Privacy != "" {
		return w.Sender.Privacy
	}
	return w.Sender.From
}

// aboutRight tells a person that their details were corrected, that their data
// is restricted, or that this ends.
func (w *Worker) aboutRight(ctx context.Context, c store.Correspondence, p store.Person) (subject, text string, wanted bool, err error) {
	about, err := w.Store.Case(ctx, c.Case)
	if err != nil {
		return "", "", false, err
	}
	d := templates.RightData{Language: language(about, p), Sender: w.Sender.Name, Contact: w.contact(), Reference: reference(about), Reason: c.Text}
	for _, one := range c.Changes {
		d.Changes = append(d.Changes, templates.Correction{Field: one.Field, Value: one.To})
	}
	switch {
	case c.Kind == store.WriteCorrected:
		subject, text = templates.Corrected(d)
	case c.Kind == store.WriteRestricted:
		subject, text = templates.Restricted(d)
	case p.State.Restricted == 0:
		return "", "", false, nil // it ended otherwise
	default:
		subject, text = templates.Lifting(d)
	}
	return subject, text, true, nil
}
