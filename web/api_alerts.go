package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"heed/consent"
	"heed/store"
)

// AlertBody is a service alert.
type AlertBody struct {
	Key     string `json:"key" minLength:"1" maxLength:"200" doc:"Names what happened. The same key never sends twice."`
	Service string `json:"service" minLength:"1" maxLength:"64" doc:"The id of the service; its holders get the alert, whatever they opted out of."`
	Subject string `json:"subject" minLength:"1" maxLength:"300"`
	Text    string `json:"text" minLength:"1" maxLength:"50000" doc:"Markdown, with merge fields such as {{ first_name | default: \"there\" }}. It must not advertise."`
	To      string `json:"to,omitempty" maxLength:"200" doc:"The external id of one holder of the service, to whom alone it goes."`
	Skip    bool   `json:"skip_unrenderable,omitempty" doc:"Leave out people for whom a value is missing, instead of sending to nobody."`
}

// AlertView is an alert and where its messages stand.
type AlertView struct {
	ID       string         `json:"id"`
	Key      string         `json:"key"`
	State    string         `json:"state" enum:"draft,sending,paused,done,cancelled,failed,missed,scheduled"`
	Queued   int            `json:"queued" doc:"People who get it, or have got it."`
	Held     int            `json:"held" doc:"People who are not sent it now, because they had too many alerts."`
	Skipped  map[string]int `json:"skipped" doc:"People who do not get it, by the reason."`
	Repeated bool           `json:"repeated" doc:"The key was used before; nothing was sent now."`
}

// Resolve refuses what would begin another header, or another part of the file
// that is made of it.
func (b *AlertBody) Resolve(huma.Context) (faults []error) {
	for field, value := range map[string]string{"key": b.Key, "service": b.Service, "subject": b.Subject, "to": b.To} {
		if strings.ContainsFunc(value, unprintable) {
			faults = append(faults, &huma.ErrorDetail{Location: "body." + field, Message: "must have no line break or other control character"})
		}
	}
	if strings.ContainsAny(b.Key, "/\\@") {
		faults = append(faults, &huma.ErrorDetail{Location: "body.key", Message: "must have no slash, backslash or @: it stands in URLs"})
	}
	return faults
}

// source writes it as the file that heed alert send takes. JSON strings are YAML
// strings too, so that nothing in them can begin another line.
func (b AlertBody) source() []byte {
	return []byte("---\nsubject: " + quoted(b.Subject) + "\nservice: " + quoted(b.Service) + "\n---\n" + b.Text + "\n")
}

type alertInput struct {
	Keyed
	Body AlertBody
}

type alertOutput struct {
	Status int
	Body   AlertView
}

type OfAlert struct {
	Key string `path:"key" minLength:"1" maxLength:"200"`
}

func (a *api) alerts() {
	changes(a, operation{id: "send-alert", method: http.MethodPost, path: "/v1/alerts", area: "send", summary: "Send a service alert", status: http.StatusAccepted, also: []int{http.StatusOK},
		errors: []int{http.StatusNotFound},
		text:   "202 means that it is stored and goes out, whatever happens to this server. 200: its key was used before, and nothing is sent."}, sendAlert)
	reads(a, operation{id: "get-alert", method: http.MethodGet, path: "/v1/alerts/{key}", area: "send", summary: "Read where an alert stands",
		errors: []int{http.StatusNotFound}}, getAlert)
	reads(a, operation{id: "list-alert-messages", method: http.MethodGet, path: "/v1/alerts/{key}/messages", area: "send", summary: "Read what became of each message of an alert",
		errors: []int{http.StatusNotFound}}, alertMessages)
}

func sendAlert(ctx context.Context, c *call, in *alertInput) (*alertOutput, error) {
	if out, err := c.repeatedAlert(ctx, in.Body.Key); out != nil || err != nil {
		return out, err
	}
	alert, err := c.draftAlert(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	view, err := c.expect(ctx, alert)
	if err != nil {
		return nil, err
	}
	return once(ctx, c, func(ctx context.Context) (*alertOutput, error) {
		id, fresh, err := c.Store.AddCampaign(ctx, alert)
		if err != nil {
			return nil, err
		}
		view.ID, view.Key, view.State = decimal(id), in.Body.Key, "sending"
		if view.Repeated = !fresh; !fresh {
			return &alertOutput{http.StatusOK, view}, nil
		}
		return &alertOutput{http.StatusAccepted, view}, c.Store.Start(ctx, id)
	})
}

// draftAlert makes the alert, and refuses one that cannot be sent.
func (c *call) draftAlert(ctx context.Context, b AlertBody) (store.Campaign, error) {
	alert, _, err := c.Desk.Draft(ctx, b.source(), true)
	if err != nil {
		return alert, err
	}
	alert.AlertKey, alert.SentBy = b.Key, "api: "+c.key.Name
	if b.To != "" {
		p, err := c.person(ctx, b.To)
		if err != nil {
			return alert, err
		}
		alert.OnlyTo = p.Key.String()
	}
	return alert, c.Desk.Fit(ctx, alert, b.Skip)
}

// expect counts who gets it.
func (c *call) expect(ctx context.Context, alert store.Campaign) (AlertView, error) {
	v := AlertView{Skipped: map[string]int{}}
	err := c.Store.Estimate(ctx, alert, func(_ store.Person, reason consent.Reason) {
		switch reason {
		case "":
			v.Queued++
		case consent.Capped:
			v.Held++
		default:
			v.Skipped[string(reason)]++
		}
	})
	return v, err
}

// repeatedAlert is nil where nothing was sent under the key yet.
func (c *call) repeatedAlert(ctx context.Context, key string) (*alertOutput, error) {
	alert, err := c.Store.AlertByKey(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := c.alertView(ctx, alert)
	v.Repeated = true
	return &alertOutput{http.StatusOK, v}, err
}

func (c *call) alertView(ctx context.Context, alert store.Campaign) (AlertView, error) {
	account, err := c.Store.Account(ctx, alert.ID)
	v := AlertView{ID: decimal(alert.ID), Key: alert.AlertKey, State: alert.State, Queued: account.Audience, Skipped: map[string]int{}}
	for reason, n := range account.Skipped {
		v.Queued -= n
		if reason == consent.Capped {
			v.Held = n
		} else {
			v.Skipped[string(reason)] = n
		}
	}
	return v, err
}

type alertStatus struct{ Body AlertView }

func getAlert(ctx context.Context, c *call, in *OfAlert) (*alertStatus, error) {
	alert, err := c.Store.AlertByKey(ctx, in.Key)
	if err != nil {
		return nil, err
	}
	v, err := c.alertView(ctx, alert)
	return &alertStatus{v}, err
}

// MessageView is what became of one message.
type MessageView struct {
	Person      string    `json:"person" doc:"The random id of the person; empty after an erasure."`
	ExternalIDs []string  `json:"external_ids"`
	Status      string    `json:"status" enum:"waiting,in_flight,deferred,accepted,simulated,returned,rejected,skipped,uncertain" doc:"accepted: a mail server took it; simulated: it would have been handed over; uncertain: the server never answered the end of it."`
	Reason      string    `json:"reason,omitempty" doc:"Why it was skipped."`
	Code        string    `json:"code,omitempty" doc:"What the mail server answered."`
	Attempts    int       `json:"attempts"`
	At          time.Time `json:"at"`
}

type messagesOutput struct {
	Body struct {
		Messages   []MessageView `json:"messages"`
		NextCursor string        `json:"next_cursor,omitempty" doc:"Sent as cursor, it gives the next ones; missing on the last page."`
	}
}

type alertMessagesInput struct {
	OfAlert
	Paged
}

func alertMessages(ctx context.Context, c *call, in *alertMessagesInput) (*messagesOutput, error) {
	alert, err := c.Store.AlertByKey(ctx, in.Key)
	if err != nil {
		return nil, err
	}
	return c.messages(ctx, alert.ID, in.Paged)
}

func (c *call) messages(ctx context.Context, campaign int64, page Paged) (*messagesOutput, error) {
	place := "messages " + decimal(campaign)
	after, err := c.from(place, page)
	if err != nil {
		return nil, err
	}
	found, err := c.Store.Messages(ctx, campaign, after, page.Limit)
	if err != nil {
		return nil, err
	}
	out := &messagesOutput{}
	out.Body.Messages = []MessageView{}
	for _, m := range found {
		v := MessageView{Person: m.Subject, ExternalIDs: m.ExternalIDs, Status: m.Outcome, Reason: string(m.Reason), Code: m.Code, Attempts: m.Attempts, At: m.At}
		if c.Simulated && v.Status == "accepted" {
			v.Status = "simulated"
		}
		out.Body.Messages = append(out.Body.Messages, v)
	}
	if len(found) == page.Limit {
		out.Body.NextCursor, err = c.next(place, found[len(found)-1].Address.String())
	}
	return out, err
}

func decimal(id int64) string { return strconv.FormatInt(id, 10) }
