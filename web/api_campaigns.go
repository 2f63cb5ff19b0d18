package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"heed/consent"
	"heed/store"
)

// CampaignView is a campaign and where it stands.
type CampaignView struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Class     string     `json:"class"`
	State     string     `json:"state" enum:"draft,scheduled,sending,paused,done,cancelled,missed,failed"`
	Scheduled *time.Time `json:"scheduled,omitempty"`
	StartBy   *time.Time `json:"start_by,omitempty"`
	Started   *time.Time `json:"started,omitempty"`
	Ended     *time.Time `json:"ended,omitempty"`
	Note      string     `json:"note,omitempty" doc:"Why it failed, or paused itself."`
	Warnings  []string   `json:"warnings,omitempty" doc:"What keeps nothing from being sent, but should be looked at."`
}

func viewCampaign(c store.Campaign) CampaignView {
	return CampaignView{ID: decimal(c.ID), Name: c.Name, Class: string(c.Class), State: c.State, Scheduled: orNil(c.Scheduled), StartBy: orNil(c.StartBy),
		Started: orNil(c.Started), Ended: orNil(c.Ended), Note: c.Note}
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// AccountView is where everybody in an audience stands; the figures add up.
type AccountView struct {
	CampaignView
	Audience  int            `json:"audience" doc:"accepted + rejected + skipped + deferred + uncertain + in_flight + waiting."`
	Accepted  int            `json:"accepted" doc:"Taken by a mail server, or simulated where the key is a test key."`
	Returned  int            `json:"returned" doc:"Of the accepted ones."`
	Rejected  int            `json:"rejected"`
	Skipped   map[string]int `json:"skipped" doc:"By the reason."`
	Deferred  int            `json:"deferred"`
	Uncertain int            `json:"uncertain"`
	InFlight  int            `json:"in_flight"`
	Waiting   int            `json:"waiting"`
	Simulated bool           `json:"simulated"`
	Because   []string       `json:"because,omitempty" doc:"Why it sends nothing, or less than it could: draft, held, scheduled, paused, deferred, no_scheduler, no_worker, no_relay, queue_away, relay_away, relay_spared."`
}

// tag changes when the campaign does.
func tag(c store.Campaign) string {
	sum := sha256.Sum256(fmt.Append(nil, c.ID, c.State, c.Held, c.Scheduled.UnixMicro(), c.StartBy.UnixMicro(), c.Rate, c.Audience, c.Note, len(c.Source)))
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// OfCampaign is in the input of every operation about one campaign.
type OfCampaign struct {
	ID string `path:"id" pattern:"^[1-9][0-9]{0,17}$"`
}

func (a *api) campaigns() {
	const area, path = "campaigns", "/v1/campaigns/{id}"
	missing := []int{http.StatusNotFound}
	changes(a, operation{id: "create-campaign", method: http.MethodPost, path: "/v1/campaigns", area: area, summary: "Store a campaign", status: http.StatusCreated, body: 1 << 20,
		text: "source is Markdown with front matter, as heed campaign new takes it. With schedule in it the campaign is scheduled."}, createCampaign)
	reads(a, operation{id: "list-campaigns", method: http.MethodGet, path: "/v1/campaigns", area: area, summary: "List the campaigns, the newest first"}, listCampaigns)
	reads(a, operation{id: "get-campaign", method: http.MethodGet, path: path, area: area, summary: "Read where a campaign stands", errors: missing}, getCampaign)
	reads(a, operation{id: "check-campaign", method: http.MethodGet, path: path + "/check", area: area, summary: "Look for what speaks against sending it", errors: missing}, checkCampaign)
	reads(a, operation{id: "estimate-campaign", method: http.MethodGet, path: path + "/audience", area: area, summary: "Count who would get it now, and who would not and why", errors: missing}, estimateCampaign)
	reads(a, operation{id: "list-campaign-messages", method: http.MethodGet, path: path + "/messages", area: area, summary: "Read what became of each message", errors: missing}, campaignMessages)
	for _, one := range []struct{ verb, summary string }{{"start", "Begin at once"}, {"pause", "Stop, to go on later"}, {"resume", "Go on"}, {"cancel", "End it: whoever waits does not get it"}} {
		changes(a, operation{id: one.verb + "-campaign", method: http.MethodPost, path: path + "/" + one.verb, area: area, summary: one.summary, errors: []int{http.StatusNotFound, http.StatusPreconditionFailed},
			text: "If-Match with the ETag of the campaign refuses it where the campaign has changed since. Heed-In-Flight says how many messages were already being handed over."}, stepCampaign(one.verb))
	}
	changes(a, operation{id: "schedule-campaign", method: http.MethodPost, path: path + "/schedule", area: area, summary: "Set when it begins",
		errors: []int{http.StatusNotFound, http.StatusPreconditionFailed}}, scheduleCampaign)
	reads(a, operation{id: "estimate-audience", method: http.MethodPost, path: "/v1/audience", area: area, summary: "Count who would get a campaign that is not stored",
		errors: []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge}}, estimateAudience)
}

type createInput struct {
	Keyed
	Body struct {
		Source string `json:"source" minLength:"1" maxLength:"900000" doc:"Markdown with front matter."`
	}
}

type campaignOutput struct {
	ETag string `header:"ETag"`
	Body CampaignView
}

func createCampaign(ctx context.Context, c *call, in *createInput) (*campaignOutput, error) {
	draft, warnings, err := c.Desk.Draft(ctx, []byte(in.Body.Source), false)
	if err != nil {
		return nil, err
	}
	at := draft.Scheduled
	if draft.Scheduled = (time.Time{}); !at.IsZero() {
		if err := c.Desk.Fit(ctx, draft, false); err != nil {
			return nil, err
		}
	}
	return once(ctx, c, func(ctx context.Context) (*campaignOutput, error) {
		id, _, err := c.Store.AddCampaign(ctx, draft)
		if err == nil && !at.IsZero() {
			err = c.Store.Schedule(ctx, id, at, draft.StartBy)
		}
		if err != nil {
			return nil, err
		}
		stored, err := c.Store.Campaign(ctx, id)
		v := viewCampaign(stored)
		v.Warnings = warnings
		return &campaignOutput{tag(stored), v}, err
	})
}

// campaign finds one; alerts are no campaigns here.
func (c *call) campaign(ctx context.Context, id string) (store.Campaign, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return store.Campaign{}, store.ErrNotFound
	}
	one, err := c.Store.Campaign(ctx, n)
	if err == nil && one.Class == consent.Alert {
		err = fmt.Errorf("campaign %d is an alert: %w", n, store.ErrNotFound)
	}
	return one, err
}

type listInput struct {
	Paged
	State string `query:"state" enum:"draft,scheduled,sending,paused,done,cancelled,missed,failed" doc:"Only those in this state."`
}

type listOutput struct {
	Body struct {
		Campaigns  []CampaignView `json:"campaigns"`
		NextCursor string         `json:"next_cursor,omitempty"`
	}
}

func listCampaigns(ctx context.Context, c *call, in *listInput) (*listOutput, error) {
	list := "campaigns " + in.State
	place, err := c.from(list, in.Paged)
	if err != nil {
		return nil, err
	}
	before, _ := strconv.ParseInt(place, 10, 64) // empty on the first page
	found, err := c.Store.CampaignsBefore(ctx, before, in.State, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	out.Body.Campaigns = []CampaignView{}
	for _, one := range found {
		out.Body.Campaigns = append(out.Body.Campaigns, viewCampaign(one))
	}
	if len(found) == in.Limit {
		out.Body.NextCursor, err = c.next(list, decimal(found[len(found)-1].ID))
	}
	return out, err
}

type accountOutput struct {
	ETag string `header:"ETag"`
	Body AccountView
}

func getCampaign(ctx context.Context, c *call, in *OfCampaign) (*accountOutput, error) {
	one, err := c.campaign(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	a, err := c.Store.Account(ctx, one.ID)
	if err != nil {
		return nil, err
	}
	why, err := c.because(ctx, one, &a)
	return &accountOutput{tag(one), AccountView{CampaignView: viewCampaign(one), Audience: a.Audience, Accepted: a.Accepted, Returned: a.Returned, Rejected: a.Rejected,
		Skipped: byWords(a.Skipped), Deferred: a.Deferred, Uncertain: a.Uncertain, InFlight: a.InFlight, Waiting: a.Waiting, Simulated: c.Simulated, Because: why}}, err
}

// because names what keeps a campaign from sending.
func (c *call) because(ctx context.Context, one store.Campaign, a *store.Account) (why []string, err error) {
	engine, err := c.Store.Engine(ctx)
	if err != nil {
		return nil, err
	}
	causes, err := c.Store.Standing(ctx, one, a, engine)
	for _, cause := range causes {
		why = append(why, cause.Why)
	}
	return why, err
}

func byWords(skipped map[consent.Reason]int) map[string]int {
	words := map[string]int{}
	for reason, n := range skipped {
		words[string(reason)] = n
	}
	return words
}

type checkOutput struct{ Body Checked }

func checkCampaign(ctx context.Context, c *call, in *OfCampaign) (*checkOutput, error) {
	one, err := c.campaign(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	found, err := c.Desk.Check(ctx, one)
	return &checkOutput{found}, err
}

// EstimateView says who would get something now.
type EstimateView struct {
	Audience int            `json:"audience"`
	WillGet  int            `json:"will_get"`
	Skipped  map[string]int `json:"skipped" doc:"By the reason."`
}

type estimateOutput struct{ Body EstimateView }

func (c *call) estimate(ctx context.Context, one store.Campaign) (*estimateOutput, error) {
	v := EstimateView{Skipped: map[string]int{}}
	err := c.Store.Estimate(ctx, one, func(_ store.Person, reason consent.Reason) {
		if v.Audience++; reason == "" {
			v.WillGet++
		} else {
			v.Skipped[string(reason)]++
		}
	})
	return &estimateOutput{v}, err
}

func estimateCampaign(ctx context.Context, c *call, in *OfCampaign) (*estimateOutput, error) {
	one, err := c.campaign(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return c.estimate(ctx, one)
}

type audienceInput struct {
	Body struct {
		Topic    string `json:"topic,omitempty" maxLength:"64" doc:"The id of the topic; without it an offer of a partner is estimated."`
		Audience string `json:"audience,omitempty" maxLength:"2000" doc:"all, or an expression as in a campaign file."`
	}
}

func estimateAudience(ctx context.Context, c *call, in *audienceInput) (*estimateOutput, error) {
	front := "class: partner_offer\n"
	if in.Body.Topic != "" {
		front = "topic: " + quoted(in.Body.Topic) + "\n"
	}
	if strings.TrimSpace(in.Body.Audience) != "" {
		front += "audience: " + quoted(in.Body.Audience) + "\n"
	}
	draft, _, err := c.Desk.Draft(ctx, []byte("---\nname: estimate\nsubject: estimate\n"+front+"---\nestimate\n"), false)
	if err != nil {
		return nil, err
	}
	return c.estimate(ctx, draft)
}

type campaignMessagesInput struct {
	OfCampaign
	Paged
}

func campaignMessages(ctx context.Context, c *call, in *campaignMessagesInput) (*messagesOutput, error) {
	one, err := c.campaign(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return c.messages(ctx, one.ID, in.Paged)
}
