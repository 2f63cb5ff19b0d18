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

// System is another program that may hold people: our own product, a partner,
// a processor. It is told when somebody is erased, and has to answer.
type System struct {
	ID, Name string
	Webhook
	Mail    string // address of a partner who is told by mail instead
	Fetches bool   // a partner who fetches its notices at the API, and is called by nobody
}

func find(all []System, id string) (System, bool) {
	for _, one := range all {
		if one.ID == id {
			return one, true
		}
	}
	return System{}, false
}

// erasureNotice is what a system is told: enough to find the person. It is in
// no log, and is kept nowhere.
type erasureNotice struct {
	Type string    `json:"type"`
	At   time.Time `json:"timestamp"`
	Data struct {
		Reference string `json:"reference"`
		store.Erased
	} `json:"data"`
}

// erasureAnswer is what a system says: deleted; kept, with the law that wants
// it; or accepted, and then it is asked again.
type erasureAnswer struct {
	Status string `json:"status"`
	Law    string `json:"law"`
	Until  string `json:"until"` // a date
}

// tellSystem calls a system and records its answer. One that is silent is called
// again and again, ever less often.
func (w *Worker) tellSystem(ctx context.Context, j store.Job) error {
	n, who, err := w.Store.Notice(ctx, j.Subject)
	if errors.Is(err, store.ErrNotFound) {
		return w.tellOutside(ctx, j)
	}
	if err != nil {
		return err
	}
	if n.Final() {
		return w.Store.EndJob(ctx, j, time.Time{})
	}
	answer, err := w.callSystem(ctx, n, who)
	if err == nil && answer.Final() {
		err = w.Store.Answered(ctx, n.Case, n.System, answer)
		if err == nil || errors.Is(err, store.ErrState) { // a person was quicker
			w.Log.Info("system_answered", "case", n.Case, "system", n.System, "answer", answer.State)
			return w.Store.EndJob(ctx, j, time.Time{})
		}
		return err
	}
	again := min(time.Minute<<min(n.Tries, 10), 6*time.Hour)
	if err != nil {
		w.Log.Warn("system_silent", "case", n.Case, "system", n.System, "error", err)
	} else {
		again = 24 * time.Hour
	}
	if err := w.Store.Unanswered(ctx, n, err == nil); err != nil {
		return err
	}
	return w.Store.EndJob(ctx, j, w.Now().Add(again))
}

func (w *Worker) callSystem(ctx context.Context, n store.Notice, who store.Erased) (a store.Answer, err error) {
	system, known := find(w.Systems, n.System)
	if !known {
		return a, errors.New("it stands in the configuration no more; heed case system records its answer")
	}
	if system.Fetches || system.Mail != "" && n.Tries > 0 {
		return store.Answer{State: "accepted"}, nil // it can find the notice, or has the mail
	}
	notice := erasureNotice{Type: "person.erase", At: w.Now().UTC().Truncate(time.Second)}
	notice.Data.Reference, notice.Data.Erased = fmt.Sprintf("H-%d", n.Case), who
	if system.Mail != "" {
		return store.Answer{State: "accepted"}, w.mailPartner(ctx, system, fmt.Sprintf("erase-%d-%s", n.Case, n.System),
			templates.PartnerData{Partner: system.Name, Sender: w.Sender.Name, Email: who.Email, Reference: notice.Data.Reference, Erased: true})
	}
	body, err := json.Marshal(notice)
	if err != nil {
		return a, err
	}
	said, err := system.Post(ctx, fmt.Sprintf("erase-%d-%s", n.Case, n.System), w.Now(), body)
	if err != nil {
		return a, err
	}
	return readAnswer(said)
}

// readAnswer refuses what does not say what became of the data.
func readAnswer(said []byte) (a store.Answer, err error) {
	var answer erasureAnswer
	if err := json.Unmarshal(said, &answer); err != nil {
		return a, errors.New("its answer is no JSON")
	}
	a = store.Answer{State: answer.Status, Law: strings.TrimSpace(answer.Law)}
	switch a.State {
	case "accepted", "deleted":
		a.Law = ""
		return a, nil
	case "kept":
	default:
		return a, errors.New("its answer has no status of deleted, kept or accepted")
	}
	if a.Law == "" || len(a.Law) > 200 || strings.ContainsAny(a.Law, "\r\n") {
		return a, errors.New("it keeps something and does not say by which law, in one line")
	}
	if answer.Until != "" {
		if a.Until, err = time.Parse(time.DateOnly, answer.Until); err != nil {
			return a, errors.New("it keeps something until what is no date such as 2033-12-31")
		}
	}
	return a, nil
}
