package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"heed/store"
)

// OfContact is in the input of every operation about one person.
type OfContact struct {
	ExternalID string `path:"external_id" minLength:"1" maxLength:"200" doc:"The id that the product gives the person. An address is none: it would stand in the logs of every proxy."`
}

// Resolve refuses ids that do not belong into a URL.
func (in *OfContact) Resolve(huma.Context) []error {
	if strings.ContainsAny(in.ExternalID, "@/\\") || strings.ContainsFunc(in.ExternalID, unprintable) || in.ExternalID == "." || in.ExternalID == ".." {
		return []error{&huma.ErrorDetail{Location: "path.external_id", Message: "must have no @, slash, backslash or control character: an address in a URL stands in the logs of every proxy"}}
	}
	return nil
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f }

// ContactBody is a person as the product knows them.
type ContactBody struct {
	Email     string             `json:"email,omitempty" maxLength:"320" doc:"Needed where the id is new. Another address than the one on file begins a change of address: both mailboxes get a link, and nothing changes before both are clicked."`
	FirstName *string            `json:"first_name,omitempty" maxLength:"200"`
	LastName  *string            `json:"last_name,omitempty" maxLength:"200"`
	Company   *string            `json:"company,omitempty" maxLength:"200"`
	Language  *string            `json:"language,omitempty" maxLength:"35" doc:"BCP 47, such as de or pt-BR."`
	TimeZone  *string            `json:"time_zone,omitempty" maxLength:"64" doc:"Such as Europe/Berlin."`
	Attrs     *map[string]string `json:"attrs,omitempty" doc:"All attributes: those that are missing here are dropped."`
	Services  *[]string          `json:"services,omitempty" maxItems:"100" doc:"All services that the person holds."`
	Consent   *ConsentBody       `json:"consent,omitempty" doc:"What the person agreed to in the product. It counts where nothing is on record; a no on record stays."`
}

// ConsentBody is what a person agreed to in front of the product.
type ConsentBody struct {
	Topics        []string  `json:"topics,omitempty" maxItems:"100"`
	PartnerOffers bool      `json:"partner_offers,omitempty"`
	Sharing       bool      `json:"sharing,omitempty"`
	At            time.Time `json:"at" doc:"When they agreed."`
	Source        string    `json:"source" minLength:"1" maxLength:"200" doc:"Where, such as: sign-up form."`
	Text          string    `json:"text" minLength:"1" maxLength:"4000" doc:"The wording that they agreed to."`
}

// ContactView is a person as heed has them on file.
type ContactView struct {
	ExternalID  string            `json:"external_id"`
	ExternalIDs []string          `json:"external_ids" doc:"All ids of the person in the product."`
	Person      string            `json:"person" doc:"A random id, the same in every webhook about the person."`
	Email       string            `json:"email"`
	FirstName   string            `json:"first_name"`
	LastName    string            `json:"last_name"`
	Company     string            `json:"company"`
	Language    string            `json:"language"`
	TimeZone    string            `json:"time_zone"`
	Attrs       map[string]string `json:"attrs"`
	Services    []string          `json:"services"`
}

// PutView says what became of a contact.
type PutView struct {
	Person  string     `json:"person" doc:"A random id, the same in every webhook about the person."`
	Result  string     `json:"result" enum:"added,updated,unchanged"`
	KeptOut bool       `json:"kept_out" doc:"The consent said yes, and a no on record stays."`
	Change  *MovePhase `json:"address_change,omitempty" doc:"The change of address that has begun."`
}

// MovePhase is a change of address that waits for both mailboxes.
type MovePhase struct {
	State string    `json:"state" enum:"pending" doc:"Both mailboxes have a link; nothing changes before both are clicked."`
	Until time.Time `json:"until"`
}

func movePhase(c store.AddressChange) *MovePhase {
	if c.ID == 0 {
		return nil
	}
	return &MovePhase{State: "pending", Until: c.Until}
}

func (a *api) contacts() {
	changes(a, operation{id: "put-contact", method: http.MethodPut, path: "/v1/contacts/{external_id}", area: "contacts", summary: "Store a person", also: []int{http.StatusCreated, http.StatusAccepted}, errors: []int{http.StatusNotFound},
		text: "Fields that are left out stay as they are. 201: the person is new; 202: another address was given, and both mailboxes are asked."}, putContact)
	reads(a, operation{id: "get-contact", method: http.MethodGet, path: "/v1/contacts/{external_id}", area: "contacts", summary: "Read a person",
		errors: []int{http.StatusNotFound}}, getContact)
}

type putInput struct {
	OfContact
	Keyed
	Body ContactBody
}

type putOutput struct {
	Status int
	Body   PutView
}

func putContact(ctx context.Context, c *call, in *putInput) (*putOutput, error) {
	return once(ctx, c, func(ctx context.Context) (*putOutput, error) {
		put, err := c.Store.PutContact(ctx, in.ExternalID, in.Body.details())
		if err != nil {
			return nil, err
		}
		out := &putOutput{Status: http.StatusOK, Body: PutView{Person: put.Subject, Result: "unchanged", KeptOut: put.KeptOut, Change: movePhase(put.Move)}}
		switch {
		case put.Fresh:
			out.Status, out.Body.Result = http.StatusCreated, "added"
		case put.Changed:
			out.Body.Result = "updated"
		}
		if put.Move.ID != 0 {
			out.Status = http.StatusAccepted
		}
		return out, nil
	})
}

func (b ContactBody) details() store.Details {
	d := store.Details{Email: b.Email, FirstName: b.FirstName, LastName: b.LastName, Company: b.Company, Language: b.Language, TimeZone: b.TimeZone}
	if b.Attrs != nil {
		d.Attrs = *b.Attrs
		if d.Attrs == nil {
			d.Attrs = map[string]string{}
		}
	}
	if b.Services != nil {
		d.Services = append([]string{}, *b.Services...)
	}
	if b.Consent != nil {
		d.Consent = &store.Agreement{Topics: b.Consent.Topics, PartnerOffers: b.Consent.PartnerOffers, Sharing: b.Consent.Sharing,
			At: b.Consent.At, Source: b.Consent.Source, Text: b.Consent.Text}
	}
	return d
}

// Resolve refuses what could not be printed in a mail: a line that is broken in
// a name would begin a header.
func (b *ContactBody) Resolve(huma.Context) (faults []error) {
	refuse := func(field, value string) {
		if strings.ContainsFunc(value, unprintable) {
			faults = append(faults, &huma.ErrorDetail{Location: "body." + field, Message: "must have no line break or other control character"})
		}
	}
	for field, value := range map[string]*string{"first_name": b.FirstName, "last_name": b.LastName, "company": b.Company, "language": b.Language, "time_zone": b.TimeZone} {
		if value != nil {
			refuse(field, *value)
		}
	}
	if b.Attrs != nil {
		for name, value := range *b.Attrs {
			refuse("attrs", name+value)
		}
	}
	if b.TimeZone != nil && *b.TimeZone != "" {
		if _, err := time.LoadLocation(*b.TimeZone); err != nil || *b.TimeZone == "Local" {
			faults = append(faults, &huma.ErrorDetail{Location: "body.time_zone", Message: "must be the name of a time zone, such as Europe/Berlin"})
		}
	}
	if b.Consent != nil && strings.ContainsFunc(b.Consent.Source, unprintable) {
		refuse("consent.source", b.Consent.Source)
	}
	return faults
}

type getOutput struct{ Body ContactView }

func getContact(ctx context.Context, c *call, in *OfContact) (*getOutput, error) {
	p, err := c.person(ctx, in.ExternalID)
	if err != nil {
		return nil, err
	}
	lists, err := c.Store.Lists(ctx, []store.Person{p})
	if err != nil {
		return nil, err
	}
	ids, err := c.Store.ExternalIDs(ctx, p.ID)
	v := ContactView{ExternalID: in.ExternalID, ExternalIDs: append([]string{}, ids...), Person: p.Subject, Email: p.Email, FirstName: p.FirstName, LastName: p.LastName,
		Company: p.Company, Language: p.Language, TimeZone: p.TimeZone, Attrs: p.Attrs, Services: lists.Traits(p).Services}
	if v.Attrs == nil {
		v.Attrs = map[string]string{}
	}
	v.Services = append([]string{}, v.Services...)
	return &getOutput{v}, err
}

// person finds who has an id.
func (c *call) person(ctx context.Context, externalID string) (store.Person, error) {
	p, found, err := c.Store.PersonByExternalID(ctx, externalID)
	if err == nil && !found {
		err = problem(http.StatusNotFound, "contact_unknown", "nobody has this id", "PUT /v1/contacts/{external_id} stores a person")
	}
	return p, err
}
