package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"heed/store"
)

type stepInput struct {
	OfCampaign
	Keyed
	IfMatch string `header:"If-Match" maxLength:"100" doc:"The ETag of the campaign as it was read."`
	Skip    bool   `query:"skip_unrenderable" doc:"start: leave out people for whom a value is missing."`
}

// stepCampaign moves a campaign along one arrow of its states.
func stepCampaign(verb string) func(context.Context, *call, *stepInput) (*campaignOutput, error) {
	return func(ctx context.Context, c *call, in *stepInput) (*campaignOutput, error) {
		before, err := c.campaign(ctx, in.ID)
		if err == nil && verb == "start" {
			err = c.mayStart(ctx, before, in.Skip)
		}
		if err != nil {
			return nil, err
		}
		return c.step(ctx, before.ID, in.IfMatch, func(ctx context.Context) (err error) {
			switch verb {
			case "start":
				return c.Store.Start(ctx, before.ID)
			case "resume":
				return c.Store.Resume(ctx, before.ID)
			}
			if c.kept.Campaign = before.ID; verb == "pause" {
				_, err = c.Store.Pause(ctx, before.ID, "")
			} else {
				_, err = c.Store.Cancel(ctx, before.ID)
			}
			return err
		})
	}
}

// step does one, unless the campaign is another than the program thinks.
func (c *call) step(ctx context.Context, id int64, match string, do func(context.Context) error) (*campaignOutput, error) {
	return once(ctx, c, func(ctx context.Context) (*campaignOutput, error) {
		now, err := c.Store.Campaign(ctx, id)
		if err != nil {
			return nil, err
		}
		if match != "" && match != "*" && !strings.Contains(match, tag(now)) {
			return nil, problem(http.StatusPreconditionFailed, "changed", "the campaign has changed since it was read", "read it again, and send its new ETag")
		}
		if err := do(ctx); err != nil {
			return nil, err
		}
		after, err := c.Store.Campaign(ctx, id)
		return &campaignOutput{tag(after), viewCampaign(after)}, err
	})
}

// mayStart refuses what would go out too late, or as it should not.
func (c *call) mayStart(ctx context.Context, one store.Campaign, skip bool) error {
	if by := one.StartBy; !by.IsZero() && c.arrived.After(by) && (one.State == "draft" || one.State == "scheduled") {
		return fmt.Errorf("it was to begin by %s at the latest: %w", by.Format(time.RFC3339), store.ErrRefused)
	}
	return c.Desk.Fit(ctx, one, skip)
}

type scheduleInput struct {
	OfCampaign
	Keyed
	IfMatch string `header:"If-Match" maxLength:"100" doc:"The ETag of the campaign as it was read."`
	Body    struct {
		At      time.Time  `json:"at" doc:"When it begins."`
		StartBy *time.Time `json:"start_by,omitempty" doc:"When it is too late to begin: it is missed then, rather than sent late."`
		Skip    bool       `json:"skip_unrenderable,omitempty" doc:"Leave out people for whom a value is missing."`
	}
}

func scheduleCampaign(ctx context.Context, c *call, in *scheduleInput) (*campaignOutput, error) {
	one, err := c.campaign(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var by time.Time
	if in.Body.StartBy != nil {
		by = *in.Body.StartBy
	}
	if !by.IsZero() && !by.After(in.Body.At) {
		return nil, problem(http.StatusUnprocessableEntity, "invalid_request", "start_by is not after at: it could never begin", "")
	}
	if err := c.Desk.Fit(ctx, one, in.Body.Skip); err != nil {
		return nil, err
	}
	return c.step(ctx, one.ID, in.IfMatch, func(ctx context.Context) error { return c.Store.Schedule(ctx, one.ID, in.Body.At, by) })
}
