package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"heed/consent"
	"heed/store"
)

// EventBody is something that happened in the product.
type EventBody struct {
	Type    string `json:"type" enum:"registered,address_changed,deactivated,holds,holds_no_longer" doc:"registered: the person has made an account; they get one confirmation, once for each account, and are stored without a yes to anything. address_changed: the person gave another address; both mailboxes are asked. deactivated: the person gave up the account, and wants their data deleted; the address on file is asked first. holds and holds_no_longer: the person has a service, whose alerts go to them."`
	Email   string `json:"email,omitempty" maxLength:"320" doc:"address_changed: the new address. registered: the address, where the person is not stored yet."`
	Service string `json:"service,omitempty" maxLength:"64" doc:"holds, holds_no_longer: the id of the service."`
}

// Resolve wants what the type needs, and nothing else.
func (b *EventBody) Resolve(huma.Context) (faults []error) {
	needs := map[string]string{"address_changed": "email", "holds": "service", "holds_no_longer": "service"}[b.Type]
	for field, value := range map[string]string{"email": b.Email, "service": b.Service} {
		switch {
		case field == needs && value == "":
			faults = append(faults, &huma.ErrorDetail{Location: "body." + field, Message: b.Type + " needs " + field})
		case field == "email" && b.Type == "registered": // may be there
		case field != needs && value != "":
			faults = append(faults, &huma.ErrorDetail{Location: "body." + field, Message: b.Type + " has no " + field})
		}
	}
	return faults
}

// EventView says what an event set off.
type EventView struct {
	State  string     `json:"state" enum:"done,pending,unchanged" doc:"pending: the person was asked by mail; nothing changes before they answer."`
	Case   string     `json:"case,omitempty" doc:"The reference of the case that was opened."`
	Until  *time.Time `json:"until,omitempty" doc:"Until when the person's answer is waited for."`
	Detail string     `json:"detail" doc:"What happens now, for people."`
}

type eventInput struct {
	OfContact
	Keyed
	Body EventBody
}

type eventOutput struct {
	Status int
	Body   EventView
}

func (a *api) events() {
	changes(a, operation{id: "post-event", method: http.MethodPost, path: "/v1/contacts/{external_id}/events", area: "contacts", summary: "Tell what happened to an account", also: []int{http.StatusAccepted},
		errors: []int{http.StatusNotFound}, text: "202: the person was asked by mail, and nothing changes before they answer."}, postEvent)
}

func postEvent(ctx context.Context, c *call, in *eventInput) (*eventOutput, error) {
	return once(ctx, c, func(ctx context.Context) (*eventOutput, error) {
		if in.Body.Type == "registered" {
			return c.registered(ctx, in)
		}
		p, err := c.person(ctx, in.ExternalID)
		if err != nil {
			return nil, err
		}
		switch in.Body.Type {
		case "address_changed":
			return c.addressChanged(ctx, p, in.Body.Email)
		case "deactivated":
			return c.deactivated(ctx, p)
		}
		return c.holds(ctx, p, in.Body)
	})
}

// registered stores whoever made an account, and has them written to once.
func (c *call) registered(ctx context.Context, in *eventInput) (*eventOutput, error) {
	contact := store.Contact{Email: in.Body.Email, ExternalID: in.ExternalID}
	p, known, err := c.Store.PersonByExternalID(ctx, in.ExternalID)
	switch {
	case err != nil:
		return nil, err
	case known && contact.Email == "":
		contact.Email = p.Email
	case contact.Email == "":
		return nil, problem(http.StatusNotFound, "contact_unknown", "nobody has this id", "send the email with the event")
	}
	r, err := c.Store.RegisterAccount(ctx, contact)
	if err != nil {
		return nil, err
	}
	v := EventView{State: "done", Detail: "the confirmation goes out"}
	switch {
	case r.Already:
		v = EventView{State: "unchanged", Detail: "this account has had its confirmation"}
	case r.Refused != "":
		v = EventView{State: "unchanged", Detail: "nobody is written to: " + string(r.Refused)}
	}
	return &eventOutput{http.StatusOK, v}, nil
}

func (c *call) holds(ctx context.Context, p store.Person, b EventBody) (*eventOutput, error) {
	changed, err := c.Store.Hold(ctx, p.ID, b.Service, b.Type == "holds")
	if err != nil {
		return nil, err
	}
	v := EventView{State: "unchanged", Detail: "this was known"}
	if changed {
		v = EventView{State: "done", Detail: "alerts about the service go to the person"}
		if b.Type != "holds" {
			v.Detail = "alerts about the service go to the person no longer"
		}
	}
	return &eventOutput{http.StatusOK, v}, nil
}

// addressChanged begins the change, unless the same one is under way.
func (c *call) addressChanged(ctx context.Context, p store.Person, email string) (*eventOutput, error) {
	key, _, err := c.Store.Key(email)
	if err != nil {
		return nil, err
	}
	if key == p.Key {
		return &eventOutput{http.StatusOK, EventView{State: "unchanged", Detail: "this address is on file"}}, nil
	}
	change, err := c.Store.MoveContact(ctx, p.Email, email, 0, "")
	if err != nil {
		return nil, err
	}
	return &eventOutput{http.StatusAccepted, EventView{State: "pending", Until: &change.Until, Detail: "both mailboxes have a link; the address changes when both are clicked"}}, nil
}

// deactivated opens the case that erases. The product says that the person is
// gone; that they want to be forgotten, the person says, by the link that goes
// to the address on file.
func (c *call) deactivated(ctx context.Context, p store.Person) (*eventOutput, error) {
	id, err := c.Store.OpenCase(ctx, store.Report{Kind: consent.CaseErasure, Email: p.Email, Mailbox: "api", Via: "api", Received: c.arrived})
	if err != nil {
		return nil, err
	}
	until := c.arrived.Add(store.ConfirmFor).UTC()
	return &eventOutput{http.StatusAccepted, EventView{State: "pending", Case: caseReference(id), Until: &until,
		Detail: "no marketing and no sharing from now on; the person is asked by mail, and deleted when they confirm"}}, nil
}
