package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heed/mailer"
	"heed/store"
	"heed/templates"
)

// Alarms are the ways by which the operator is told. None of them hears
// anything of a person.
type Alarms struct {
	Webhook Webhook       // its URL is empty where there is none
	Mail    string        // address; empty: none
	Relay   *mailer.Relay // for the mail; best another one than that of the newsletters
	Signer  *mailer.Signer
	Sender  Sender
	Where   string // the address of this installation
}

// Ways lists the ways that are set up.
func (a Alarms) Ways() (ways []string) {
	if a.Webhook.URL != "" {
		ways = append(ways, "webhook")
	}
	if a.Mail != "" && a.Relay != nil {
		ways = append(ways, "mail")
	}
	return ways
}

// Tell tells an alarm by one way, and returns when it has arrived there.
func (a Alarms) Tell(ctx context.Context, way string, one store.Alarm, now time.Time) error {
	if way == "webhook" {
		return a.call(ctx, one, now)
	}
	return a.mail(ctx, one, now)
}

// alarmNotice is what a webhook gets.
type alarmNotice struct {
	Type      string    `json:"type"` // alarm.raised | alarm.over
	Timestamp time.Time `json:"timestamp"`
	Data      struct {
		ID     string     `json:"id"`
		Kind   string     `json:"kind"`
		About  string     `json:"about"`
		Raised time.Time  `json:"raised"`
		Over   *time.Time `json:"over,omitempty"`
		Means  string     `json:"means"`
		Do     string     `json:"do"`
		Where  string     `json:"where"`
	} `json:"data"`
}

func (a Alarms) call(ctx context.Context, one store.Alarm, now time.Time) error {
	n := alarmNotice{Type: "alarm." + one.Says(), Timestamp: now.UTC()}
	words := templates.WordsForAlarm(one.Kind)
	n.Data.ID, n.Data.Kind, n.Data.About, n.Data.Raised = fmt.Sprint(one.ID), one.Kind, one.Key, one.Raised
	n.Data.Means, n.Data.Do, n.Data.Where = words.Means, words.Do, a.Where
	if !one.Cleared.IsZero() {
		n.Data.Over = &one.Cleared
	}
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	_, err = a.Webhook.Post(ctx, messageID(one, now), now, body)
	return err
}

// messageID is the same for every try of one telling, and another one when the
// alarm is told again the next day.
func messageID(one store.Alarm, now time.Time) string {
	return fmt.Sprintf("alarm-%d-%s-%d", one.ID, one.Says(), int(now.Sub(one.Raised)/store.AlarmEvery))
}

// mailTime bounds a mail to the operator: what waits for one relay keeps no
// other way from being tried.
const mailTime = time.Minute

func (a Alarms) mail(ctx context.Context, one store.Alarm, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, mailTime)
	defer cancel()
	subject, text := templates.AlarmMail(templates.AlarmData{Kind: one.Kind, About: one.Key, Over: !one.Cleared.IsZero(), Since: one.Raised, Now: now, Where: a.Where})
	msg, err := mailer.Plain(mailer.Headers{From: mailer.Address{Name: a.Sender.Name, Addr: a.Sender.From}, To: mailer.Address{Addr: a.Mail},
		Subject: subject, Date: now, MessageID: messageID(one, now) + "@" + a.Sender.Domain,
		Extra: []mailer.Header{{Name: "Auto-Submitted", Value: "auto-generated"}}}, text)
	if err != nil {
		return err
	}
	if a.Signer != nil {
		if msg, err = a.Signer.Sign(nil, msg); err != nil {
			return err
		}
	}
	return a.handOver(ctx, msg)
}

func (a Alarms) handOver(ctx context.Context, msg []byte) error {
	relay := *a.Relay
	relay.Timeouts = mailer.Timeouts{Dial: 15 * time.Second, Mail: 15 * time.Second, Rcpt: 15 * time.Second, Data: 15 * time.Second, Block: 15 * time.Second, End: 30 * time.Second}
	conn, err := mailer.Dial(ctx, relay)
	if err != nil {
		return fmt.Errorf("reaching the relay of the alarms: %w", err)
	}
	defer conn.Close()
	r := conn.Send(ctx, mailer.Envelope{To: a.Mail}, msg, func(context.Context) (bool, error) { return true, nil })
	if r.Outcome != mailer.Accepted {
		return fmt.Errorf("the relay of the alarms did not take the mail: %s %d %s", r.Outcome, r.Code, r.Enhanced)
	}
	return nil
}

// alarm tells an alarm by every way that has not heard of it. One way that is
// down does not hold up the other, and is tried again, ever less often, until
// it has heard.
func (w *Worker) alarm(ctx context.Context, j store.Job) error {
	one, err := w.Store.Alarm(ctx, j.Subject)
	if errors.Is(err, store.ErrNotFound) {
		return w.Store.EndJob(ctx, j, time.Time{})
	}
	if err != nil {
		return err
	}
	switch {
	case j.Attempts > 1:
	case one.Cleared.IsZero():
		w.Log.Warn("alarm_raised", "kind", one.Kind, "about", one.Key)
	default:
		w.Log.Info("alarm_over", "kind", one.Kind, "about", one.Key)
	}
	again := time.Time{}
	for _, way := range w.Alarms.Ways() {
		if !unheard(one, way, w.Now()) {
			continue
		}
		if err := w.tell(ctx, way, one); err != nil {
			w.Log.Error("alarm_untold", "kind", one.Kind, "way", way, "error", err)
			again = w.Now().Add(alarmBackOff(j.Attempts))
		}
	}
	return w.Store.EndJob(ctx, j, again)
}

func (w *Worker) tell(ctx context.Context, way string, one store.Alarm) error {
	if err := w.Alarms.Tell(ctx, way, one, w.Now()); err != nil {
		return err
	}
	return w.Store.AlarmTold(ctx, one.ID, way, one.Says())
}

// unheard tells whether a way is to be told what an alarm says: that it is
// there, once a day; that it is over, once, where it was told before.
func unheard(one store.Alarm, way string, now time.Time) bool {
	raised := one.Heard(way, "raised")
	if one.Cleared.IsZero() {
		return raised.IsZero() || now.Sub(raised) >= store.AlarmEvery-time.Hour
	}
	return !one.Quiet && !raised.IsZero() && one.Heard(way, "over").IsZero()
}

// alarmBackOff grows from seconds to a quarter of an hour.
func alarmBackOff(attempts int) time.Duration {
	return min(15*time.Minute, 2*time.Second<<min(max(attempts, 1), 10))
}
