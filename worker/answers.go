package worker

import (
	"context"
	"maps"
	"slices"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// loopMark seals the header by which a letter is known when it comes back.
func (w *Worker) loopMark(c store.Correspondence) string {
	key, _ := consent.ParseKey(c.Key) // a letter to nobody on file is marked all the same
	return w.Store.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeLetter, Address: key, Scope: uint16(c.ID)})
}

// aboutOptOut tells what an opt-out by mail did. Nothing is written to somebody
// who was erased or restricted since, and a question whose time is over is not
// asked.
func (w *Worker) aboutOptOut(ctx context.Context, c store.Correspondence, p store.Person) (subject, text string, wanted bool, err error) {
	if reason := consent.Decide(consent.Person{State: p.State}, consent.Message{Class: consent.Correspondence}, consent.Policy{}); reason != "" && reason != consent.DeadAddress {
		return "", "", false, nil
	}
	d, err := w.optOutData(ctx, c, p)
	if err != nil {
		return "", "", false, err
	}
	letter := map[string]func(templates.OptOutData) (string, string){store.WriteNotice: templates.OptOutNotice,
		store.WriteAnswer: templates.OptOutAnswer, store.WriteForged: templates.ForgedQuestion}[c.Kind]
	subject, text = letter(d)
	return subject, text, true, nil
}

// optOutData gathers what the letters about an opt-out say.
func (w *Worker) optOutData(ctx context.Context, c store.Correspondence, p store.Person) (d templates.OptOutData, err error) {
	d = templates.OptOutData{Language: letterLanguage(c, p), Sender: w.Sender.Name, At: c.At.In(zone(p)), Already: c.Already}
	if len(c.Scopes) == 0 {
		return d, nil
	}
	topics, err := w.topicNames(ctx)
	if err != nil {
		return d, err
	}
	d.Stopped, d.Goes = stops(c.Scopes, topics), goesOn(p.State, w.Now(), topics)
	conflicts, err := w.Store.Conflicts(ctx, p.Key)
	if err != nil {
		return d, err
	}
	for _, one := range conflicts {
		d.Conflicts = append(d.Conflicts, conflict(one, topics, zone(p)))
	}
	ring := w.Store.Keys().Links
	d.Choices = w.PublicURL + "/p/" + ring.Seal(consent.Link{Purpose: consent.PurposeChoices, Address: p.Key})
	if c.Undo != 0 {
		d.Undo = w.PublicURL + "/b/" + w.Store.UndoToken(p.Key, c.Undo)
		d.Until = w.Now().Add(undoFor(c)).In(zone(p))
	}
	return d, nil
}

func undoFor(c store.Correspondence) time.Duration {
	if c.Kind == store.WriteForged {
		return store.UndoForgedFor
	}
	return store.UndoFor
}

// letterLanguage is that of the person. What the mail was written in counts for
// an answer to it, where there are words in it: not for a notice, since the mail
// may be a forger's.
func letterLanguage(c store.Correspondence, p store.Person) string {
	stranger := c.Kind == store.WriteNotice || c.Kind == store.WriteForged
	if templates.Speaks(c.Language) && (!stranger || p.Language == "") || p.Language == "" {
		return c.Language
	}
	return p.Language
}

// zone is the person's; UTC where none is known.
func zone(p store.Person) *time.Location {
	place, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		return time.UTC
	}
	return place
}

func (w *Worker) topicNames(ctx context.Context) (map[int]string, error) {
	topics, err := w.Store.Topics(ctx)
	names := map[int]string{}
	for _, one := range topics {
		names[one.Number] = one.Name
	}
	return names, err
}

// stops puts scopes into words.
func stops(scopes []string, topics map[int]string) (s templates.Stops) {
	for _, one := range scopes {
		scope := consent.Scope(one)
		topic, isTopic := scope.Topic()
		switch {
		case isTopic:
			s.Topics = append(s.Topics, topics[topic])
		case scope == consent.ScopePartner:
			s.Offers = true
		case scope == consent.ScopeSharing:
			s.Sharing = true
		default:
			s.All = true
		}
	}
	return s
}

// goesOn is what somebody still gets.
func goesOn(s consent.State, now time.Time, topics map[int]string) (goes templates.Stops) {
	gets := func(m consent.Message) bool {
		return consent.Decide(consent.Person{At: now, State: s}, m, consent.Policy{}) == ""
	}
	for _, number := range slices.Sorted(maps.Keys(topics)) {
		if len(s.Topics) > 0 && gets(consent.Message{Class: consent.Newsletter, Topic: number}) {
			goes.Topics = append(goes.Topics, topics[number])
		}
	}
	goes.All = len(s.Topics) == 0 && gets(consent.Message{Class: consent.Newsletter})
	goes.Offers = gets(consent.Message{Class: consent.PartnerOffer})
	goes.Sharing = s.Sharing.Choice == consent.In && s.Hold == 0
	return goes
}

func conflict(c consent.Conflict, topics map[int]string, place *time.Location) templates.Conflict {
	said := templates.Conflict{Yes: c.Yes.Received.In(place), No: c.No.Received.In(place), How: string(c.Yes.Via), Way: string(c.No.Via)}
	if topic, ok := c.Scope.Topic(); ok {
		said.Topic = topics[topic]
		return said
	}
	said.What = stops([]string{string(c.Scope)}, topics)
	return said
}

// unknown answers somebody of whom nothing is stored.
func (w *Worker) unknown(c store.Correspondence) (subject, text string, wanted bool) {
	d := templates.UnknownData{Language: c.Language, Sender: w.Sender.Name, Kept: c.Case == 0}
	if c.Case != 0 {
		d.Reference = reference(store.Case{ID: c.Case})
	}
	subject, text = templates.UnknownAnswer(d)
	return subject, text, true
}

// receipt tells that a request was understood, and until when it is answered.
func (w *Worker) receipt(ctx context.Context, c store.Correspondence, p store.Person) (subject, text string, wanted bool, err error) {
	about, err := w.Store.Case(ctx, c.Case)
	if err != nil || !about.Ended.IsZero() {
		return "", "", false, err
	}
	also, err := w.optOutData(ctx, c, p)
	if err != nil {
		return "", "", false, err
	}
	subject, text = templates.Receipt(templates.ReceiptData{Language: letterLanguage(c, p), Sender: w.Sender.Name, Kind: string(about.Kind),
		Reference: reference(about), Due: about.Due.In(zone(p)), Held: p.State.Hold != 0, Besides: also})
	return subject, text, true, nil
}

// choicesLink mails the link that somebody asked for. It is made when it leaves,
// so that its time begins then.
func (w *Worker) choicesLink(c store.Correspondence, p store.Person) (subject, text string, wanted bool) {
	if consent.Decide(consent.Person{At: w.Now(), State: p.State}, consent.Message{Class: consent.Correspondence}, consent.Policy{}) != "" {
		return "", "", false
	}
	until := w.Now().Add(store.FreshFor)
	subject, text = templates.ChoicesLink(templates.ChoicesLinkData{Language: letterLanguage(c, p), Sender: w.Sender.Name,
		Link: w.PublicURL + "/p/" + w.Store.FreshLink(p.Key, until), Until: until.In(zone(p))})
	return subject, text, true
}
