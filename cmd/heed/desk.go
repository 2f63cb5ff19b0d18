package main

import (
	"context"
	"errors"
	"io"

	"heed/store"
	"heed/templates"
	"heed/web"
)

// desk does for programs what the commands do, by the same functions; what they
// would say beside the data goes nowhere.
func desk(c *config, s *store.Store) web.Desk {
	at := func(ctx context.Context) *app {
		return &app{voice: voice{out: io.Discard, err: io.Discard}, ctx: ctx, loaded: c, opened: s}
	}
	return web.Desk{
		Draft: func(ctx context.Context, source []byte, alert bool) (store.Campaign, []string, error) {
			return at(ctx).draftFor(c, s, source, alert)
		},
		Check: func(ctx context.Context, campaign store.Campaign) (web.Checked, error) {
			v, err := at(ctx).inspect(s, campaign)
			return web.Checked{OK: v.OK, Missing: v.Missing, Problems: v.Problems, Warnings: v.Warnings, Bytes: v.Bytes}, err
		},
		Fit: func(ctx context.Context, campaign store.Campaign, skip bool) error {
			return unfit(at(ctx).fit(s, campaign, skip))
		},
	}
}

func (a *app) draftFor(c *config, s *store.Store, source []byte, alert bool) (campaign store.Campaign, warnings []string, err error) {
	parse := templates.ParseCampaign
	if alert {
		parse = templates.ParseAlert
	}
	parsed, err := parse(source)
	if err != nil {
		return campaign, nil, web.Unfit{Problems: []string{err.Error()}, Hint: "mend the text"}
	}
	campaign, err = a.draft(c, s, parsed, source)
	if err != nil {
		return campaign, nil, wrongWords(err)
	}
	words, err := a.compile(s, campaign)
	if err != nil {
		return campaign, nil, wrongWords(err)
	}
	campaign.Scheduled = parsed.Schedule
	return campaign, words.words.Warnings(), nil
}

// wrongWords makes what is wrong with a text, or with the configuration for it,
// something that is told to whoever wrote it.
func wrongWords(err error) error {
	u := web.Unfit{Problems: []string{err.Error()}}
	var known problem
	if errors.As(err, &known) {
		u.Hint = known.hint
	}
	return u
}

// unfit tells what a check found from a check that failed.
func unfit(err error) error {
	var known problem
	if errors.As(err, &known) && known.code == exitFound {
		return web.Unfit{Problems: []string{known.Error()}, Hint: known.hint}
	}
	return err
}

// doors are what programs find beside people's pages.
func (p *process) doors() web.Doors {
	return web.Doors{Desk: desk(p.c, p.s), Rate: p.c.API.Rate, Providers: p.c.providers(), Partners: p.c.partnerFields(), Sandbox: p.sandbox.enter, SandboxPages: p.sandbox.shown}
}
