package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"heed/consent"
	"heed/store"
	"heed/worker"
)

type campaignStatusCommand struct{ one }

// Help shows an example.
func (campaignStatusCommand) Help() string {
	return "The figures always add up: audience = accepted + rejected + skipped + deferred + uncertain + in_flight + waiting.\n\nExample: heed campaign status 12 --json"
}

// statusView is where everybody in a campaign's audience stands.
type statusView struct {
	ID    string `json:"id"`
	State string `json:"state"`
	store.Account
	Spam int            `json:"complaints"` // readers who called it spam; they were accepted all the same
	Rate float64        `json:"rate"`       // messages a second since the start
	ETA  *time.Time     `json:"eta"`
	Note string         `json:"note,omitempty"`
	Pace map[string]int `json:"pace,omitempty"` // messages of the waiting ones, by the limit that they wait for
	Held bool           `json:"held,omitempty"` // since a restore; heed campaign confirm lets it go on

	Because []becauseView `json:"because,omitempty"` // why it sends nothing, or less than it could
}

// Run tells the status once.
func (c *campaignStatusCommand) Run(a *app) error {
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	v, err := status(a.ctx, s, campaign.ID)
	if err != nil {
		return err
	}
	return a.show(v, func() { a.sayStatus(v) })
}

func status(ctx context.Context, s *store.Store, id int64) (statusView, error) {
	c, err := s.Campaign(ctx, id)
	if err != nil {
		return statusView{}, err
	}
	account, err := s.Account(ctx, id)
	if err != nil {
		return statusView{}, err
	}
	v := statusView{ID: decimal(id), State: c.State, Account: account, Note: c.Note, Held: c.Held != ""}
	if v.Spam, err = s.Complaints(ctx, id); err != nil {
		return v, err
	}
	engine, err := s.Engine(ctx)
	if err != nil {
		return v, err
	}
	causes, err := s.Standing(ctx, c, &account, engine)
	if err != nil {
		return v, err
	}
	v.Because = because(v.ID, causes)
	v.Rate, v.ETA = pace(c, account, time.Now())
	if v.Pace, err = s.HeldBy(ctx, id); err != nil || len(v.Pace) == 0 {
		return v, err
	}
	limits, err := s.Pace(ctx)
	if err != nil {
		return v, err
	}
	v.ETA = later(v.ETA, v.Pace, limits, time.Now())
	domains, err := s.DomainNames(ctx, slices.DeleteFunc(slices.Collect(maps.Keys(v.Pace)), func(name string) bool { return !strings.HasPrefix(name, "domain:") }))
	named := map[string]int{}
	for limit, n := range v.Pace {
		named[limitName(limit, domains)] = n
	}
	v.Pace = named
	return v, err
}

// later puts off the guess where a limit takes longer; other campaigns that wait
// for it too are not part of it.
func later(eta *time.Time, held map[string]int, limits []store.PaceView, now time.Time) *time.Time {
	for _, one := range limits {
		n := held[one.Name]
		if n == 0 || one.Rate <= 0 || eta == nil {
			continue
		}
		if at := now.Add(time.Duration(float64(n) / one.Rate * float64(time.Second))).UTC().Truncate(time.Second); at.After(*eta) {
			eta = &at
		}
	}
	return eta
}

// pace is how fast a campaign went since its start, and when it ends at that
// rate; what is deferred is not part of the guess.
func pace(c store.Campaign, a store.Account, now time.Time) (rate float64, eta *time.Time) {
	if c.Started.IsZero() {
		return 0, nil
	}
	until := now
	if !c.Ended.IsZero() {
		until = c.Ended
	}
	seconds := until.Sub(c.Started).Seconds()
	handed := float64(a.Accepted + a.Rejected + a.Uncertain)
	if seconds <= 0 || handed == 0 {
		return 0, nil
	}
	rate = math.Round(100*handed/seconds) / 100
	if c.State == "sending" && a.Waiting > 0 {
		at := now.Add(time.Duration(float64(a.Waiting) * seconds / handed * float64(time.Second))).UTC().Truncate(time.Second)
		eta = &at
	}
	return rate, eta
}

func (a *app) sayStatus(v statusView) {
	a.say("campaign %s is %s", v.ID, v.State)
	if v.Note != "" {
		a.say("  %s", v.Note)
	}
	a.sayBecause(v.Because)
	if v.Spam > 0 {
		a.say("  %6d of those who got it called it spam", v.Spam)
	}
	a.say("  %6d in the audience\n  %6d accepted, of which %d came back\n  %6d rejected", v.Audience, v.Accepted, v.Returned, v.Rejected)
	for _, reason := range consent.Reasons() {
		if n := v.Skipped[reason]; n > 0 {
			a.say("  %6d skipped: %s (%s)", n, reason, reasonSaid[string(reason)])
		}
	}
	a.say("  %6d deferred\n  %6d uncertain\n  %6d in flight\n  %6d waiting", v.Deferred, v.Uncertain, v.InFlight, v.Waiting)
	for _, name := range slices.Sorted(maps.Keys(v.Pace)) {
		a.say("  %6d of them wait for %s", v.Pace[name], waitedFor(name))
	}
	if v.ETA != nil {
		a.say("  %.1f messages a second, done about %s", v.Rate, v.ETA.Format(time.RFC3339))
	}
}

// waitedFor says what a limit is called that has no name of its own.
func waitedFor(name string) string {
	switch name {
	case "all":
		return "the rate over all"
	case "job:failed":
		return "you, see heed job list"
	}
	return name
}

type campaignWaitCommand struct {
	one
	Timeout time.Duration `help:"How long to wait; 0 for ever." default:"0" placeholder:"TIME"`
}

// Help tells the exit codes and shows an example.
func (campaignWaitCommand) Help() string {
	return "Exit code 0 when it is done or cancelled, 1 when it failed, was missed, or the time is over.\n\nExample: heed campaign wait 12 --timeout 60s"
}

// Run waits and then tells the status.
func (c *campaignWaitCommand) Run(a *app) error {
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	ctx := a.ctx
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(a.ctx, c.Timeout)
		defer cancel()
	}
	ended, waitErr := untilEnded(ctx, s, campaign.ID)
	v, err := status(a.ctx, s, campaign.ID)
	if err != nil {
		return firstError(waitErr, err)
	}
	if err := a.show(v, func() { a.sayStatus(v) }); err != nil {
		return err
	}
	return verdict(v, ended, waitErr, c.Timeout)
}

func untilEnded(ctx context.Context, s *store.Store, id int64) (ended bool, err error) {
	for {
		c, err := s.Campaign(ctx, id)
		if err != nil && ctx.Err() == nil {
			return false, err
		}
		switch c.State {
		case "done", "cancelled", "failed", "missed":
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func verdict(v statusView, ended bool, err error, timeout time.Duration) error {
	switch {
	case err != nil:
		return err
	case !ended:
		return hinted(fmt.Errorf("campaign %s is still %s after %s", v.ID, v.State, timeout), "is heed serve running? Its log tells what keeps it")
	case v.State == "failed" || v.State == "missed":
		return errors.New("campaign " + v.ID + " " + map[string]string{"failed": "failed", "missed": "was missed"}[v.State] + ": " + v.Note)
	}
	return nil
}

type campaignResultsCommand struct{ one }

// Help shows an example.
func (campaignResultsCommand) Help() string { return "Example: heed campaign results 12 --json" }

// Run lists the recipients that the campaign has reached so far.
func (c *campaignResultsCommand) Run(a *app) error {
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	conf, err := a.config()
	if err != nil {
		return err
	}
	if campaign.Pruned {
		a.note("note: the deliveries of campaign %d were pruned; heed campaign status tells their sums", campaign.ID)
	}
	return s.Results(a.ctx, campaign.ID, func(l store.ResultLine) error {
		l.Message = worker.MessageID(store.Ask{Campaign: campaign.ID, Address: l.Address}, conf.domain())
		return a.show(l, func() { a.say("%-40s %-10s %-14s %s", l.Email, l.Outcome, l.Reason, l.Code) })
	})
}
