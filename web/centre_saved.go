package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// save takes the choices, waits for what is in flight, and tells what changed.
func (s *Server) save(w http.ResponseWriter, r *http.Request, link consent.Link, arrived time.Time) {
	fields, code := form(w, r)
	if code != 0 {
		s.showCentre(w, r, link, code, nil)
		return
	}
	if len(fields) == 0 || fields.Get("List-Unsubscribe") != "" { // a program that posts to all it finds
		s.showCentre(w, r, link, http.StatusBadRequest, nil)
		return
	}
	who, err := s.whoIs(r, link.Address)
	if err != nil {
		s.unavailable(w, r, "choices", err)
		return
	}
	topics, err := s.o.Store.Topics(r.Context())
	if err != nil {
		s.unavailable(w, r, "choices", err)
		return
	}
	filled := readChoices(fields)
	wishes, ok := filled.wishes(topics, arrived.In(who.zone))
	if !ok {
		s.showCentre(w, r, link, http.StatusBadRequest, filled)
		return
	}
	s.choose(w, r, link, who, topics, store.Choosing{Key: link.Address, Received: arrived, Wishes: wishes, Wording: wording(who.lang, topics, wishes)}, filled)
}

// wording is the evidence of a choice: what the page said beside it.
func wording(lang string, topics []store.Named, wishes []store.Wish) string {
	said := map[string]string{"page": "choices", "language": lang}
	for _, one := range wishes {
		if number, is := one.Scope.Topic(); is {
			said[string(one.Scope)] = nameOf(topics, number)
		} else {
			said[string(one.Scope)] = templates.ChoiceWording(lang, string(one.Scope))
		}
	}
	text, _ := json.Marshal(said) // strings always can be written
	return string(text)
}

func nameOf(topics []store.Named, number int) string {
	for _, one := range topics {
		if one.Number == number {
			return one.Name
		}
	}
	return ""
}

func (s *Server) choose(w http.ResponseWriter, r *http.Request, link consent.Link, who person, topics []store.Named, c store.Choosing, filled *filledIn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	done, err := s.o.Store.RecordWishes(ctx, c)
	inFlight := 0
	if err == nil && len(done.Changed) > 0 {
		inFlight, err = s.o.Store.AwaitClaims(ctx, []consent.Key{link.Address})
	}
	if errorsIsNotFound(err) {
		s.noSuchLink(w, r)
		return
	}
	if err != nil {
		s.unavailable(w, r, "choices", err)
		return
	}
	for _, one := range done.Changed {
		if one.Choice == consent.Out {
			s.metrics.OptedOut(consent.ViaPage, s.o.Now().Sub(c.Received))
		}
	}
	s.o.Log.Info("choices_saved", "key", link.Address.String(), "changed", len(done.Changed), "in_flight", inFlight)
	promise(w, done.Effective, inFlight)
	settled := filled.keep != "" || filled.want != ""
	if !s.sendOn(w, r, s.savedPath(r, done, filled.hadPause(), settled)) {
		s.tellSaved(w, r, who, topics, done, inFlight, filled.hadPause(), settled)
	}
}

// savedPath is the page that tells again what was saved.
func (s *Server) savedPath(r *http.Request, done store.Chosen, hadPause string, settled bool) string {
	more := []string{pair(fieldSaved, strconv.FormatInt(done.Reference, 10))}
	if hadPause != "" {
		more = append(more, pair(fieldHad, hadPause))
	}
	if settled {
		more = append(more, pair(fieldSettled, "1"))
	}
	return s.action("p", r, more...)
}

// showSaved shows that page, where its address names what is so.
func (s *Server) showSaved(w http.ResponseWriter, r *http.Request, link consent.Link) bool {
	seq, given := rowIn(r, fieldSaved)
	if !given {
		return false
	}
	done, inFlight, err := store.Chosen{Effective: s.o.Now()}, 0, error(nil)
	if seq > 0 {
		done, inFlight, err = s.o.Store.ChosenOf(r.Context(), link.Address, seq)
	}
	if errorsIsNotFound(err) {
		return false
	}
	who, err2 := s.whoIs(r, link.Address)
	topics, err3 := s.o.Store.Topics(r.Context())
	if err := errors.Join(err, err2, err3); err != nil {
		s.unavailable(w, r, "choices", err)
		return true
	}
	hadPause := r.URL.Query().Get(fieldHad)
	if _, err := time.Parse(templates.DayForm, hadPause); err != nil {
		hadPause = ""
	}
	s.tellSaved(w, r, who, topics, done, inFlight, hadPause, r.URL.Query().Get(fieldSettled) == "1")
	return true
}

// tellSaved tells what changed, with a button that takes it back, save where the
// change was the choice between two wishes, both of which are on record.
func (s *Server) tellSaved(w http.ResponseWriter, r *http.Request, who person, topics []store.Named, done store.Chosen, inFlight int, hadPause string, settled bool) {
	d := templates.SavedData{Language: who.lang, Sender: s.o.SenderName, At: done.Effective.In(who.zone), InFlight: inFlight,
		Back: s.action("p", r), Undo: s.action("p", r), Number: ledgerReference(done.Reference)}
	told(&d, done.Changed, topics, who.zone)
	if d.Fields = reversed(done.Changed, topics, hadPause, who.zone); settled {
		d.Undo = ""
	}
	s.again(w, r, who.lang, func(w io.Writer) error { return templates.SavedPage(w, d) })
}

// told puts what changed into words.
func told(d *templates.SavedData, changed []store.Wish, topics []store.Named, zone *time.Location) {
	for _, one := range changed {
		if until, pause := one.Scope.Pause(); pause {
			if d.Resumed = one.Choice == consent.Lift; !d.Resumed {
				d.Paused = until.In(zone)
			}
			continue
		}
		change := templates.Change{All: one.Scope == consent.ScopeMarketing, Offers: one.Scope == consent.ScopePartner, Sharing: one.Scope == consent.ScopeSharing}
		if number, is := one.Scope.Topic(); is {
			change.Topic = nameOf(topics, number)
		}
		if one.Choice == consent.In {
			d.On = append(d.On, change)
		} else {
			d.Off = append(d.Off, change)
		}
	}
}

// reversed is what the button posts that takes the changes back, in the fields
// of the page itself.
func reversed(changed []store.Wish, topics []store.Named, hadPause string, zone *time.Location) (all []templates.HiddenField) {
	add := func(name, value string) { all = append(all, templates.HiddenField{Name: name, Value: value}) }
	for _, one := range changed {
		field, value := templates.FieldOffers, ""
		if number, is := one.Scope.Topic(); is {
			for _, topic := range topics {
				if topic.Number == number {
					field, value = templates.FieldTopic, topic.ID
				}
			}
		} else if one.Scope == consent.ScopeSharing {
			field = templates.FieldSharing
		}
		until, pause := one.Scope.Pause()
		switch {
		case pause && one.Choice == consent.Set:
			add(templates.FieldHad, templates.FieldPause+":"+until.In(zone).Format(templates.DayForm))
			add(templates.FieldPause, hadPause)
		case pause:
			add(templates.FieldPause, hadPause)
		case one.Choice == consent.In && value != "":
			add(templates.FieldHad, field+":"+value)
		case one.Choice == consent.In:
			add(templates.FieldHad, field)
		case value != "":
			add(field, value)
		default:
			add(field, "yes")
		}
	}
	return append(all, templates.HiddenField{Name: "undo", Value: "yes"})
}
