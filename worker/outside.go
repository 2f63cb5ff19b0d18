package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"heed/store"
	"heed/templates"
)

// Partner is somebody who is given the data of those who agreed to it.
type Partner struct {
	System          // how it is told that somebody shares no more
	Fields []string // what its purpose needs beside the address
	File   string   // kept up to date; empty: none
}

// outsideNotice is what a partner or the product is told of a person.
type outsideNotice struct {
	Type string    `json:"type"` // sharing.stopped | service.questioned
	At   time.Time `json:"timestamp"`
	Data struct {
		Reference string `json:"reference"`
		Service   string `json:"service,omitempty"`
		store.Erased
	} `json:"data"`
}

// tellOutside calls a partner or the product and records the answer. Whoever is
// silent is called again and again, ever less often; whoever has only accepted,
// once a day.
func (w *Worker) tellOutside(ctx context.Context, j store.Job) error {
	n, who, err := w.Store.Outside(ctx, j.Subject)
	if errors.Is(err, store.ErrNotFound) || err == nil && !n.Ended.IsZero() {
		return w.Store.EndJob(ctx, j, time.Time{}) // erased, or a person was quicker
	}
	if err != nil {
		return err
	}
	heard, err := w.callOutside(ctx, n, who)
	if err == nil && heard != "accepted" {
		if err = w.recordOutside(ctx, n, heard); err == nil || errors.Is(err, store.ErrState) {
			w.Log.Info("partner_answered", "notice", n.ID, "party", n.Party, "answer", heard)
			return w.Store.EndJob(ctx, j, time.Time{})
		}
		return err
	}
	again := min(time.Minute<<min(n.Tries, 10), 6*time.Hour)
	if err != nil {
		w.Log.Warn("partner_silent", "notice", n.ID, "party", n.Party, "error", err)
	} else {
		again = 24 * time.Hour
	}
	if err := w.Store.OutsideUnanswered(ctx, n, err == nil); err != nil {
		return err
	}
	return w.Store.EndJob(ctx, j, w.Now().Add(again))
}

func (w *Worker) recordOutside(ctx context.Context, n store.OutsideNotice, heard string) error {
	if n.Kind == store.OutsideService {
		return w.Store.Check(ctx, n.About, heard == "ended", "")
	}
	return w.Store.Acknowledged(ctx, n.ID, "")
}

// callOutside tells it and gives the status of the answer.
func (w *Worker) callOutside(ctx context.Context, n store.OutsideNotice, who store.Erased) (heard string, err error) {
	party, known := w.party(n)
	if !known {
		return "", errors.New("it stands in the configuration no more; heed sharing acknowledge and heed service check record an answer")
	}
	if party.Fetches || party.Mail != "" && n.Tries > 0 {
		return "accepted", nil // it can find the notice, or has the mail; what it answers is written down
	}
	notice := outsideNotice{Type: "sharing.stopped", At: w.Now().UTC().Truncate(time.Second)}
	notice.Data.Reference, notice.Data.Erased = fmt.Sprintf("N-%d", n.ID), who
	wanted := []string{"stopped"}
	if n.Kind == store.OutsideService {
		check, err := w.Store.ServiceCheck(ctx, n.About)
		if err != nil {
			return "", err
		}
		notice.Type, notice.Data.Service, wanted = "service.questioned", check.Service.ID, []string{"ended", "kept"}
	}
	id := fmt.Sprintf("notice-%d", n.ID)
	if party.Mail != "" {
		return "accepted", w.mailPartner(ctx, party, id, templates.PartnerData{Partner: party.Name, Sender: w.Sender.Name, Email: who.Email, Reference: notice.Data.Reference})
	}
	body, err := json.Marshal(notice)
	if err != nil {
		return "", err
	}
	said, err := party.Post(ctx, id, w.Now(), body)
	if err != nil {
		return "", err
	}
	return readHeard(said, wanted)
}

func (w *Worker) party(n store.OutsideNotice) (System, bool) {
	if n.Kind == store.OutsideService {
		return find(w.Systems, n.Party)
	}
	for _, one := range w.Partners {
		if one.ID == n.Party {
			return one.System, one.URL != "" || one.Mail != "" || one.Fetches
		}
	}
	return System{}, false
}

// readHeard refuses what does not say that it was heard.
func readHeard(said []byte, wanted []string) (string, error) {
	var answer struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(said, &answer); err != nil {
		return "", errors.New("its answer is no JSON")
	}
	for _, one := range append(wanted, "accepted") {
		if answer.Status == one {
			return one, nil
		}
	}
	return "", fmt.Errorf("its answer has no status of accepted or %s", strings.Join(wanted, " or "))
}

// mailPartner tells a partner by mail. That it left is no answer: staff write
// down what comes back.
func (w *Worker) mailPartner(ctx context.Context, to System, id string, d templates.PartnerData) error {
	subject, text := templates.PartnerMail(d)
	state, code, err := w.deliver(ctx, id, letter{to: to.Mail, subject: subject, text: text, replyTo: w.Sender.Privacy})
	if err == nil && state != "sent" {
		err = fmt.Errorf("the relay refused the mail to it: %d", code)
	}
	return err
}
