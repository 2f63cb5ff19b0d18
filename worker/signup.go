package worker

import (
	"context"
	"errors"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// signUp is the letter that follows a sign-up. It decides only now, out of sight
// of whoever filled in the form: whoever gets all of it already is told so, and
// everybody else gets the link that makes it a yes. Neither has a word of the form
// in it, so that nobody can have us carry their words to others.
func (w *Worker) signUp(ctx context.Context, c store.Correspondence, p store.Person) (subject, text string, wanted bool, err error) {
	u, err := w.Store.SignUpByID(ctx, c.Change)
	if errors.Is(err, store.ErrNotFound) || err == nil && (u.Expired || !u.Confirmed.IsZero()) {
		return "", "", false, nil
	}
	if err != nil {
		return "", "", false, err
	}
	language := u.Language
	if p.Language != "" {
		language = p.Language
	}
	ring := w.Store.Keys().Links
	if p.Key == u.Key && u.AlreadyIn(p.State) {
		subject, text = templates.AlreadySignedUp(templates.SignedUpData{Language: language, Sender: w.Sender.Name,
			Link: w.PublicURL + "/p/" + ring.Seal(consent.Link{Purpose: consent.PurposeChoices, Address: u.Key})})
		return subject, text, true, nil
	}
	subject, text = templates.Registration(templates.RegistrationData{Language: language, Sender: w.Sender.Name,
		Link: w.PublicURL + "/s/" + w.Store.SignUpToken(u.Key, u.ID)})
	return subject, text, true, nil
}

// registered tells once that an account was made, whatever its holder opted out
// of. Whoever was erased or restricted meanwhile is not written to.
func (w *Worker) registered(c store.Correspondence, p store.Person) (subject, text string, wanted bool) {
	if consent.Decide(consent.Person{State: p.State}, consent.Message{Class: consent.Registration}, consent.Policy{}) != "" {
		return "", "", false
	}
	subject, text = templates.AccountConfirmed(templates.SignedUpData{Language: letterLanguage(c, p), Sender: w.Sender.Name, Contact: w.contact(),
		Link: w.PublicURL + "/p/" + w.Store.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeChoices, Address: p.Key})})
	return subject, text, true
}
