package worker

import (
	"context"
	"strings"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// caseLetter puts into words what is written in a case. An answer of staff and
// an outcome go out whatever became of the case meanwhile; a reminder does not.
func (w *Worker) caseLetter(ctx context.Context, c store.Correspondence, p store.Person) (l letter, wanted bool, err error) {
	about, err := w.Store.Case(ctx, c.Case)
	if err != nil {
		return l, false, err
	}
	d := templates.CaseData{Language: language(about, p), Sender: w.Sender.Name, Reference: reference(about), Received: about.Received,
		Due: c.At, Text: c.Text, Authority: w.Sender.Authority}
	switch c.Kind {
	case store.WriteRemind:
		return w.remind(ctx, c, p, d)
	case store.WriteStaff:
		l.subject, l.text = templates.StaffLetter(d)
	case store.WriteExtended:
		l.subject, l.text = templates.Extended(d)
	case store.WriteOutcome:
		l.subject, l.text = templates.Outcome(d)
	case store.WriteRefused:
		l.subject, l.text = templates.Refused(d)
	}
	l.byHand, l.replyTo = true, w.Sender.Privacy
	return l, true, nil
}

// remind asks the question of a case once more, in the words of the first time.
func (w *Worker) remind(ctx context.Context, c store.Correspondence, p store.Person, d templates.CaseData) (l letter, wanted bool, err error) {
	subject, text, wanted, err := w.confirm(ctx, c, p)
	if err != nil || !wanted {
		return l, false, err
	}
	about, err := w.Store.CaseFile(ctx, c.Case)
	if err != nil {
		return l, false, err
	}
	for _, before := range about.Letters {
		if before.ID < c.ID && before.State == "sent" && (before.Kind == store.WriteConfirm || before.Kind == store.WriteRemind) {
			d.Received = before.Ended
		}
	}
	l.subject, l.text = templates.Reminder(d, subject, text)
	return l, about.State == consent.CaseWaiting, nil
}

// tellsStatus are the letters about a request that carry the link to the page that
// tells where it stands.
var tellsStatus = map[string]bool{store.WriteConfirm: true, store.WriteRemind: true, store.WriteReceipt: true, store.WriteStaff: true,
	store.WriteExtended: true, store.WriteOutcome: true, store.WriteRefused: true, store.WriteReport: true, store.WriteCorrected: true, store.WriteRestricted: true}

// withStatus puts that link into a letter. Whoever holds it may look at the request
// and withdraw it, so that only the mailbox on file of whoever the case belongs to
// gets it: no stranger, nobody else who has part in it, and no address that a mail
// merely claimed to be from.
func (w *Worker) withStatus(ctx context.Context, c store.Correspondence, p store.Person, text string) (string, error) {
	about, err := w.Store.Case(ctx, c.Case)
	if err != nil || p.ID == 0 || about.Key == "" || about.Key != c.Key || p.Key.String() != about.Key {
		return text, err
	}
	token, err := w.Store.StatusLink(about)
	if err != nil {
		return text, err
	}
	return templates.WithStatus(text, language(about, p), w.PublicURL+"/q/"+token), nil
}

// kept is a letter as it is remembered: with its words, without the personal
// links in it, which are keys that nobody but the recipient may hold.
func (w *Worker) kept(c store.Correspondence, l letter) store.Correspondence {
	c.Subject, c.Text = l.subject, withoutLinks(l.text, w.PublicURL+"/")
	return c
}

func withoutLinks(text, base string) string {
	var kept strings.Builder
	for {
		before, link, found := strings.Cut(text, base)
		kept.WriteString(before)
		if !found {
			return kept.String()
		}
		end := strings.IndexAny(link, " \t\r\n")
		if end < 0 {
			end = len(link)
		}
		kept.WriteString(base + "…")
		text = link[end:]
	}
}
