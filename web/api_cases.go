package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// CaseView is a privacy request. The address is masked unless it is asked for.
type CaseView struct {
	ID       string      `json:"id"`
	Ref      string      `json:"reference" doc:"As the person knows it."`
	Kind     string      `json:"kind"`
	State    string      `json:"state" enum:"open,waiting,confirmed,done,refused"`
	Identity string      `json:"identity" enum:"unknown,claimed,confirmed"`
	Email    string      `json:"email" doc:"Masked, such as a••@example.com, unless reveal was asked for."`
	Via      string      `json:"via"`
	Received time.Time   `json:"received"`
	Due      time.Time   `json:"due"`
	Ended    *time.Time  `json:"ended,omitempty"`
	Assignee string      `json:"assignee,omitempty"`
	Events   []CaseEvent `json:"events,omitempty"`
}

// CaseEvent is something that happened to a case.
type CaseEvent struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	By   string    `json:"by,omitempty"`
}

func viewCase(c store.Case, reveal bool) CaseView {
	v := CaseView{ID: decimal(c.ID), Ref: c.Reference(), Kind: string(c.Kind), State: string(c.State), Identity: string(c.Identity), Email: c.Email,
		Via: c.Via, Received: c.Received, Due: c.Due, Ended: orNil(c.Ended), Assignee: c.Assignee}
	if !reveal && v.Email != "" {
		v.Email = templates.Mask(v.Email)
	}
	return v
}

func (a *api) cases() {
	const area = "cases"
	reads(a, operation{id: "list-cases", method: http.MethodGet, path: "/v1/cases", area: area, summary: "List the cases"}, listCases)
	reads(a, operation{id: "get-case", method: http.MethodGet, path: "/v1/cases/{id}", area: area, summary: "Read a case and what happened to it", errors: []int{http.StatusNotFound},
		text: "reveal shows the address, to a key with the scope admin, and is written down in the log."}, getCase)
	changes(a, operation{id: "open-case", method: http.MethodPost, path: "/v1/cases", area: area, summary: "Open a case", status: http.StatusCreated, errors: []int{http.StatusNotFound},
		text: "For a wish that reached the product. The person is on hold from now on; for an erasure and for a copy a link is mailed to the address on file."}, openCase)
}

type casesInput struct {
	Paged
	State string `query:"state" enum:"open,ended,all" default:"open"`
}

type casesOutput struct {
	Body struct {
		Cases      []CaseView `json:"cases"`
		NextCursor string     `json:"next_cursor,omitempty"`
	}
}

func listCases(ctx context.Context, c *call, in *casesInput) (*casesOutput, error) {
	list := "cases " + in.State
	place, err := c.from(list, in.Paged)
	if err != nil {
		return nil, err
	}
	after, _ := strconv.ParseInt(place, 10, 64) // empty on the first page
	found, err := c.Store.CasesAfter(ctx, after, in.State, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &casesOutput{}
	out.Body.Cases = []CaseView{}
	for _, one := range found {
		out.Body.Cases = append(out.Body.Cases, viewCase(one, false))
	}
	if len(found) == in.Limit {
		out.Body.NextCursor, err = c.next(list, decimal(found[len(found)-1].ID))
	}
	return out, err
}

type caseInput struct {
	ID     string `path:"id" pattern:"^[1-9][0-9]{0,17}$"`
	Reveal bool   `query:"reveal" doc:"Show the address."`
}

type caseOutput struct{ Body CaseView }

func getCase(ctx context.Context, c *call, in *caseInput) (*caseOutput, error) {
	id, err := strconv.ParseInt(in.ID, 10, 64)
	if err != nil {
		return nil, store.ErrNotFound
	}
	if in.Reveal && !c.key.May("admin", false) {
		return nil, problem(http.StatusForbidden, "scope_missing", "only a key with the scope admin sees addresses of cases", "leave reveal out")
	}
	f, err := c.Store.CaseFile(ctx, id)
	if err != nil {
		return nil, err
	}
	if in.Reveal {
		c.api.log.Info("api_revealed", "key", c.key.ID, "case", id)
	}
	v := viewCase(f.Case, in.Reveal)
	for _, e := range f.Events {
		v.Events = append(v.Events, CaseEvent{At: e.At, Kind: e.Kind, By: e.Staff})
	}
	return &caseOutput{v}, nil
}

type openInput struct {
	Keyed
	Body struct {
		Kind       string `json:"kind" enum:"erasure,access,rectification,objection,complaint,review"`
		ExternalID string `json:"external_id,omitempty" maxLength:"200" doc:"Whose wish it is; either this or email."`
		Email      string `json:"email,omitempty" maxLength:"320"`
		Note       string `json:"note,omitempty" maxLength:"10000" doc:"What the person said. Kept sealed."`
	}
}

func openCase(ctx context.Context, c *call, in *openInput) (*caseOutput, error) {
	if (in.Body.Email == "") == (in.Body.ExternalID == "") {
		return nil, problem(http.StatusUnprocessableEntity, "invalid_request", "a case is about an external_id or an email", "send one of the two")
	}
	return once(ctx, c, func(ctx context.Context) (*caseOutput, error) {
		email := in.Body.Email
		if email == "" {
			p, err := c.person(ctx, in.Body.ExternalID)
			if err != nil {
				return nil, err
			}
			email = p.Email
		}
		id, err := c.Store.OpenCase(ctx, store.Report{Kind: consent.CaseKind(in.Body.Kind), Email: email, Mailbox: "api", Via: "api",
			Received: c.arrived, Note: in.Body.Note, By: c.by()})
		if err != nil {
			return nil, err
		}
		opened, err := c.Store.Case(ctx, id)
		return &caseOutput{viewCase(opened, false)}, err
	})
}

// by names the program where people are named otherwise.
func (c *call) by() string { return "api: " + strings.Join(strings.Fields(c.key.Name), " ") }
