package web

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"heed/consent"
	"heed/store"
)

// linkFor is how long a link into the preference centre is good that the product
// shows on its account page.
const linkFor = 15 * time.Minute

// PreferencesView is what a person chose.
type PreferencesView struct {
	Marketing     string            `json:"marketing" enum:"in,out,unknown"`
	Topics        map[string]string `json:"topics" doc:"For each topic in, out or unknown."`
	PartnerOffers string            `json:"partner_offers" enum:"in,out,unknown"`
	Sharing       string            `json:"sharing" enum:"in,out,unknown"`
	OnHold        bool              `json:"on_hold" doc:"A wish is being checked: no marketing meanwhile."`
	Restricted    bool              `json:"restricted" doc:"The data is only kept; nothing is sent."`
	Dead          bool              `json:"dead" doc:"There is no such mailbox."`
	Suppressed    bool              `json:"suppressed" doc:"On a list of those not to be written to."`
}

// PreferencesBody is what a person chose in the product.
type PreferencesBody struct {
	Marketing     string            `json:"marketing,omitempty" enum:"out" doc:"out stops all marketing."`
	Topics        map[string]string `json:"topics,omitempty" doc:"For each topic in or out."`
	PartnerOffers string            `json:"partner_offers,omitempty" enum:"in,out"`
	Sharing       string            `json:"sharing,omitempty" enum:"in,out"`
	Consent       *ProofBody        `json:"consent,omitempty" doc:"What a yes rests on. Without it, or where a no is on record, the person is asked by mail."`
}

// ProofBody is what a yes rests on.
type ProofBody struct {
	At     time.Time `json:"at"`
	Source string    `json:"source" minLength:"1" maxLength:"200"`
	Text   string    `json:"text" minLength:"1" maxLength:"4000"`
}

// ChosenView says what became of choices.
type ChosenView struct {
	State     string     `json:"state" enum:"done,pending" doc:"pending: a link was mailed to the address on file, and what is listed in pending counts once it is clicked."`
	Stopped   []string   `json:"stopped" doc:"What is stopped now, and since when is in effective_at."`
	Effective *time.Time `json:"effective_at,omitempty"`
	Pending   []string   `json:"pending"`
}

// Resolve refuses choices that are none.
func (b *PreferencesBody) Resolve(huma.Context) (faults []error) {
	for topic, choice := range b.Topics {
		if choice != "in" && choice != "out" {
			faults = append(faults, &huma.ErrorDetail{Location: "body.topics." + topic, Message: "must be in or out"})
		}
	}
	if b.Marketing == "" && len(b.Topics) == 0 && b.PartnerOffers == "" && b.Sharing == "" {
		faults = append(faults, &huma.ErrorDetail{Location: "body", Message: "must say a choice"})
	}
	return faults
}

func (a *api) preferences() {
	const path = "/v1/contacts/{external_id}/preferences"
	reads(a, operation{id: "get-preferences", method: http.MethodGet, path: path, area: "preferences", summary: "Read what a person chose",
		errors: []int{http.StatusNotFound}}, getPreferences)
	changes(a, operation{id: "put-preferences", method: http.MethodPut, path: path, area: "preferences", summary: "Record what a person chose", also: []int{http.StatusAccepted},
		errors: []int{http.StatusNotFound},
		text: "A no takes effect with this answer; the header Heed-In-Flight says how many messages were already being handed over. " +
			"A yes counts where nothing is on record and consent proves it. What would turn a no into a yes only mails a link to the person: 202, state pending."}, putPreferences)
	reads(a, operation{id: "make-preference-link", method: http.MethodPost, path: path + "/link", area: "preferences", summary: "Make a link into the preference centre",
		errors: []int{http.StatusNotFound}, status: http.StatusCreated,
		text: "For the account page of a person who is logged in to the product. The link is good for 15 minutes; make it when the page is shown, and hand it to nobody else."}, makeLink)
}

type preferencesOutput struct{ Body PreferencesView }

func getPreferences(ctx context.Context, c *call, in *OfContact) (*preferencesOutput, error) {
	p, err := c.person(ctx, in.ExternalID)
	if err != nil {
		return nil, err
	}
	topics, err := c.Store.Topics(ctx)
	e := store.StateInWords(p.State, topics, c.api.now())
	return &preferencesOutput{PreferencesView{Marketing: e.Marketing, Topics: e.Topics, PartnerOffers: e.PartnerOffers, Sharing: e.Sharing,
		OnHold: e.OnHold, Restricted: e.Restricted, Dead: e.Dead, Suppressed: e.Suppressed}}, err
}

type choicesInput struct {
	OfContact
	Keyed
	Body PreferencesBody
}

type choicesOutput struct {
	Status int
	Body   ChosenView
}

func putPreferences(ctx context.Context, c *call, in *choicesInput) (*choicesOutput, error) {
	noes, yeses, err := c.scopes(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	return once(ctx, c, func(ctx context.Context) (*choicesOutput, error) {
		p, err := c.person(ctx, in.ExternalID)
		if err != nil {
			return nil, err
		}
		stopped, unproven, err := c.Store.Choose(ctx, p.Key, slices.Sorted(maps.Keys(noes)), slices.Sorted(maps.Keys(yeses)), in.Body.agreement(), c.arrived)
		if err != nil {
			return nil, err
		}
		out := &choicesOutput{Status: http.StatusOK, Body: ChosenView{State: "done", Stopped: []string{}, Pending: []string{}}}
		for _, one := range stopped {
			out.Body.Stopped = append(out.Body.Stopped, noes[one.Scope])
			out.Body.Effective = latest(out.Body.Effective, one.Effective)
		}
		if len(stopped) > 0 {
			c.stops(p.Key)
		}
		return out, c.askPerson(ctx, p, unproven, yeses, in.Body, out)
	})
}

func (b PreferencesBody) agreement() store.Agreement {
	a := store.Agreement{Source: "account page"}
	if b.Consent != nil {
		a.At, a.Source, a.Text = b.Consent.At, b.Consent.Source, b.Consent.Text
	}
	return a
}

func latest(have *time.Time, at time.Time) *time.Time {
	if have != nil && have.After(at) {
		return have
	}
	at = at.UTC()
	return &at
}

// scopes sorts choices into noes and yeses, each with the word that the request
// has for it.
func (c *call) scopes(ctx context.Context, b PreferencesBody) (noes, yeses map[consent.Scope]string, err error) {
	topics, err := c.Store.Topics(ctx)
	if err != nil {
		return nil, nil, err
	}
	by := map[string]map[consent.Scope]string{"in": {}, "out": {}}
	for id, choice := range b.Topics {
		at := slices.IndexFunc(topics, func(t store.Named) bool { return t.ID == id })
		if at < 0 {
			return nil, nil, unknownName("topic", "body.topics."+id, topics)
		}
		by[choice][consent.TopicScope(topics[at].Number)] = "topic:" + id
	}
	for scope, choice := range map[consent.Scope]string{consent.ScopeMarketing: b.Marketing, consent.ScopePartner: b.PartnerOffers, consent.ScopeSharing: b.Sharing} {
		if choice != "" {
			by[choice][scope] = string(scope)
		}
	}
	return by["out"], by["in"], nil
}

func unknownName(what, location string, known []store.Named) *Problem {
	var ids []string
	for _, one := range known {
		ids = append(ids, one.ID)
	}
	p := problem(http.StatusUnprocessableEntity, "unknown_"+what, "there is no such "+what, fmt.Sprintf("the configuration has %s", strings.Join(ids, ", ")))
	p.Errors = []Fault{{location, "no such " + what}}
	return p
}

// askPerson leaves to the person what only the person may decide: a link goes to
// the address on file, at most one a day.
func (c *call) askPerson(ctx context.Context, p store.Person, unproven []consent.Scope, words map[consent.Scope]string, b PreferencesBody, out *choicesOutput) error {
	if len(unproven) == 0 {
		return nil
	}
	a := b.agreement()
	ask := store.SignUp{Contact: store.Contact{Email: p.Email, Language: p.Language}, Wording: a.Text, Source: a.Source, Received: c.arrived}
	for _, scope := range unproven {
		word := words[scope]
		if id, is := strings.CutPrefix(word, "topic:"); is {
			ask.Topics = append(ask.Topics, id)
		}
		ask.PartnerOffers, ask.Sharing = ask.PartnerOffers || scope == consent.ScopePartner, ask.Sharing || scope == consent.ScopeSharing
		out.Body.Pending = append(out.Body.Pending, word)
	}
	out.Status, out.Body.State = http.StatusAccepted, "pending"
	return c.Store.SignUp(ctx, ask)
}

type linkOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         LinkView
}

// LinkView is a link into the preference centre.
type LinkView struct {
	URL   string    `json:"url" format:"uri"`
	Until time.Time `json:"until"`
}

func makeLink(ctx context.Context, c *call, in *OfContact) (*linkOutput, error) {
	p, err := c.person(ctx, in.ExternalID)
	if err != nil {
		return nil, err
	}
	until := c.arrived.Add(linkFor).Truncate(time.Minute)
	token := c.Store.Keys().Links.SealUntil(consent.Link{Purpose: consent.PurposeChoices, Address: p.Key}, until)
	return &linkOutput{"no-store", LinkView{c.PublicURL + "/p/" + token, until.UTC()}}, nil
}
