package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"heed/store"
)

// SuppressionView is an address that is not written to.
type SuppressionView struct {
	Email  string    `json:"email" doc:"Empty where nobody is stored any more: the address is kept out all the same."`
	Scope  string    `json:"scope" doc:"all, or topic:ID."`
	At     time.Time `json:"at"`
	Source string    `json:"source"`
}

func (a *api) suppressions() {
	const area, path = "suppressions", "/v1/suppressions"
	reads(a, operation{id: "list-suppressions", method: http.MethodGet, path: path, area: area, summary: "List who is not written to, and since when"}, listSuppressions)
	changes(a, operation{id: "add-suppressions", method: http.MethodPost, path: path, area: area, summary: "Add addresses that are not written to", body: 512 << 10,
		text: "Nothing of the list can be taken away by a program: what a person, a mailbox or another list said stays until the person signs up again by themselves."}, addSuppressions)
}

type suppressionsOutput struct {
	Body struct {
		Suppressions []SuppressionView `json:"suppressions"`
		NextCursor   string            `json:"next_cursor,omitempty"`
	}
}

func listSuppressions(ctx context.Context, c *call, in *Paged) (*suppressionsOutput, error) {
	after, err := c.from("suppressions", *in)
	if err != nil {
		return nil, err
	}
	lines, next, err := c.Store.SuppressionsAfter(ctx, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &suppressionsOutput{}
	out.Body.Suppressions = []SuppressionView{}
	for _, one := range lines {
		out.Body.Suppressions = append(out.Body.Suppressions, SuppressionView{one.Email, one.Scope, one.At, one.Source})
	}
	if next != "" {
		out.Body.NextCursor, err = c.next("suppressions", next)
	}
	return out, err
}

// SuppressionBody is one address to be added.
type SuppressionBody struct {
	Email  string     `json:"email" minLength:"3" maxLength:"320"`
	Scope  string     `json:"scope,omitempty" maxLength:"80" doc:"all, or topic:ID; all where it is left out."`
	At     *time.Time `json:"at,omitempty" doc:"Since when; now where it is left out."`
	Source string     `json:"source,omitempty" maxLength:"200" doc:"How it is known. Not personal."`
}

// Resolve refuses what cannot be printed.
func (b *SuppressionBody) Resolve(huma.Context) []error {
	if strings.ContainsFunc(b.Source+b.Scope, unprintable) {
		return []error{&huma.ErrorDetail{Location: "body.suppressions", Message: "must have no line break or other control character"}}
	}
	return nil
}

type suppressInput struct {
	Keyed
	Body struct {
		Suppressions []SuppressionBody `json:"suppressions" minItems:"1" maxItems:"250"`
	}
}

// SuppressedView says what became of each.
type SuppressedView struct {
	Changed  int     `json:"changed" doc:"How many said something new."`
	Rejected []Fault `json:"rejected"`
}

type suppressOutput struct{ Body SuppressedView }

func addSuppressions(ctx context.Context, c *call, in *suppressInput) (*suppressOutput, error) {
	var all []store.Suppression
	for i, one := range in.Body.Suppressions {
		s := store.Suppression{Row: i, Email: one.Email, Scope: one.Scope, At: c.arrived, Source: one.Source}
		if one.At != nil {
			s.At = *one.At
		}
		all = append(all, s)
	}
	return once(ctx, c, func(ctx context.Context) (*suppressOutput, error) {
		changed, rejected, err := c.Store.Suppress(ctx, all)
		out := &suppressOutput{SuppressedView{Changed: changed, Rejected: []Fault{}}}
		for _, one := range rejected {
			out.Body.Rejected = append(out.Body.Rejected, Fault{"body.suppressions[" + decimal(int64(one.Row)) + "]", one.Reason})
		}
		for _, one := range all {
			if key, _, err := c.Store.Key(one.Email); err == nil {
				c.stops(key)
			}
		}
		return out, err
	})
}
