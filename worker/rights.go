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
